"""Warnings about values that say little, shown at the line that called the package."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Sequence
from types import FrameType

from repsim.engine.pairs import Ranks
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


def warn_of_ranks(*measured: Moments | Ranks) -> None:
    """Warn once if canonical correlations of some pair are 1 whatever the data.

    `measured` holds for each index its moments, or the number of examples and the ranks on either side by name. Where
    one side has none, as in regression, and of a representation with itself, only ranks of n - 1 count.
    """
    full: list[str] = []
    ones: dict[tuple[str, str], tuple[int, int, int]] = {}  # how many, and both ranks
    n = 0
    for source in measured:
        n, x, y = (source.n, source.x.ranks, source.y.ranks) if isinstance(source, Moments) else source
        full += [name for name, rank in {**x, **y}.items() if rank == n - 1 and name not in full]
        for a, p in x.items():
            for b, q in y.items():
                if p + q > n - 1 and (a != b or p == n - 1):
                    ones[a, b] = max(ones.get((a, b), (0, 0, 0)), (p + q - (n - 1), p, q))
    said = []
    if full:
        said.append(
            f"rank n - 1 = {n - 1} reached by {listed(full)}: by Theorem 1 of Kornblith et al. (2019) an index "
            "that is invariant to invertible linear maps is then the same for every such representation"
        )
    if ones:
        (a, b), (count, p, q) = max(ones.items(), key=lambda item: item[1][0] / min(item[1][1:]))
        said.append(
            f"{count} of the {min(p, q)} canonical correlations of {a} (rank {p}) and {b} (rank {q}) are 1 whatever "
            f"the data, as there are n = {n} examples"
            + (f", and some of {len(ones) - 1} more pairs" if len(ones) > 1 else "")
        )
    if said:
        enough = max((p + q + 1 for _, p, q in ones.values()), default=0)
        wanted = f"at least {enough} examples" if enough and not full else "more examples than both have features"
        warn(RankSaturationWarning(f"{'. '.join(said)}. Use {wanted}, fewer components (SVCCA), or CKA"))


def listed(names: Sequence[str], most: int = 4) -> str:
    """Name the first few."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
