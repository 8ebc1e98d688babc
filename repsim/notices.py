"""Warnings about values that say little, shown at the line that called the package."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from types import FrameType

from repsim.errors import RankSaturationWarning


def warn(warning: Warning) -> None:
    """Warn at the line that called the package."""
    frame: FrameType | None = sys._getframe(1)
    depth = 2
    while frame is not None and str(frame.f_globals.get("__package__")).split(".")[:1] == ["repsim"]:
        if str(frame.f_globals.get("__package__")).startswith("repsim.lab"):
            break
        depth, frame = depth + 1, frame.f_back
    warnings.warn(warning, stacklevel=depth)


def warn_of_ranks(*ranks: tuple[int, Mapping[str, int], Mapping[str, int]]) -> None:
    """Warn once if canonical correlations of some pair are 1 whatever the data.

    `ranks` holds for each index the number of examples and the ranks on either side by name. Where one side has none,
    as in regression, those of the other that are n - 1 count, and so they do of a representation with itself.
    """
    ones: dict[tuple[str, str], int] = {}
    known: dict[str, int] = {}
    for n, x, y in ranks:
        if not (x and y):
            x = y = {name: rank for name, rank in {**x, **y}.items() if rank == n - 1}
        for a, p in x.items():
            for b, q in y.items():
                if p + q > n - 1 and (a != b or p == n - 1):
                    ones[a, b] = max(ones.get((a, b), 0), p + q - (n - 1))
                    known |= {a: p, b: q}
    if not ones:
        return
    a, b = max(ones, key=lambda pair: ones[pair] / min(known[pair[0]], known[pair[1]]))
    full = [name for name, rank in known.items() if rank == n - 1]
    theorem = (
        f"rank n - 1 = {n - 1} reached by {listed(full)}: by Theorem 1 of Kornblith et al. (2019) an index that is "
        "invariant to invertible linear maps is then the same for every such representation. "
    )
    warn(
        RankSaturationWarning(
            f"{theorem if full else ''}{ones[a, b]} of the {min(known[a], known[b])} canonical correlations of {a} "
            f"(rank {known[a]}) and {b} (rank {known[b]}) are 1 whatever the data, as there are n = {n} examples"
            + (f", and some of {len(ones) - 1} more pairs" if len(ones) > 1 else "")
            + f". Use at least {known[a] + known[b] + 1} examples, fewer components (SVCCA), or CKA"
        )
    )


def listed(names: Sequence[str]) -> str:
    """Name the first few."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
