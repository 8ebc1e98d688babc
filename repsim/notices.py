"""Warnings about values that say little, shown at the line that called the package."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence
from itertools import product
from types import FrameType

from repsim.engine.pairs import Ranked
from repsim.engine.tables import Moments
from repsim.errors import RankSaturationWarning

_OWN = re.compile(r"repsim(?!\.lab)(\.|$)")  # packages; the experiments are callers as any other


def warn(warning: Warning) -> None:
    """Warn at the line that called the package."""
    frame: FrameType | None = sys._getframe(1)
    depth = 2
    while frame is not None and _OWN.match(str(frame.f_globals.get("__package__"))):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(warning, stacklevel=depth)


def warn_of_ranks(*measured: Moments | Ranked) -> None:
    """Warn once if canonical correlations of some pair are 1 whatever the data.

    `measured` holds for each index its moments, or the number of examples and the ranks on either side. Where one side
    has none, as in regression, and of a representation with itself, only ranks of n - 1 count.
    """
    full: dict[str, None] = {}
    ones: dict[frozenset[str], tuple[int, int, int, str]] = {}  # how many, both ranks, and the pair in words
    n = 0
    for source in measured:
        n, x, y = (source.n, source.x.ranks, source.y.ranks) if isinstance(source, Moments) else source
        full |= {f"{a} ({width:,} features)": None for a, (p, width) in {**x, **y}.items() if p == n - 1}
        for (a, (p, width_a)), (b, (q, width_b)) in product(x.items(), y.items()):
            pair, certain = frozenset((a, b)), p + q - (n - 1)
            if certain > ones.get(pair, (0,))[0] and (a != b or p == n - 1):
                words = f"{a} (rank {p} of {width_a:,} features) and {b} (rank {q} of {width_b:,})"
                ones[pair] = (certain, p, q, words)
    said = []
    if full:
        said.append(
            f"rank n - 1 = {n - 1} reached by {listed(list(full))}: by Theorem 1 of Kornblith et al. (2019) an index "
            "that is invariant to invertible linear maps is then the same for every such representation"
        )
    if ones:
        count, p, q, words = max(ones.values(), key=lambda facts: facts[0] / min(facts[1:3]))
        others = {1: "", 2: ", and some of 1 more pair"}.get(len(ones), f", and some of {len(ones) - 1} more pairs")
        said.append(
            f"{count} of the {min(p, q)} canonical correlations of {words} are 1 whatever the data, as there are "
            f"n = {n} examples{others}"
        )
    if said:
        enough = max((p + q + 1 for _, p, q, _ in ones.values()), default=0)
        wanted = f"at least {enough} examples" if enough and not full else "more examples than both have features"
        warn(RankSaturationWarning(f"{'. '.join(said)}. Use {wanted}, fewer components (SVCCA), or CKA"))


def listed(names: Sequence[str], most: int = 4) -> str:
    """Name the first few."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
