"""Figure 4: the grid among the layers of a residual network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import repsim
from repsim.lab.errors import LabError
from repsim.lab.findings.depth import similar_to_last
from repsim.lab.findings.measures import measures
from repsim.lab.findings.tables import Array

GROUPS = 3  # of blocks whose layers have maps of one size


class ResidualError(LabError):
    """Layers that are not those of a residual network."""


def block_places(layers: Sequence[str]) -> tuple[list[list[int]], list[list[int]]]:
    """Return where the layers after the additions and those inside blocks stand, for each of three groups of blocks.

    Raises
    ------
    ResidualError
        If they are not as many in each group.
    """
    sums, interior = (
        [place for place, layer in enumerate(layers) if layer.endswith(ending)] for ending in ("_sum", "_interior")
    )
    size = len(sums) // GROUPS
    if size < 2 or len(sums) != len(interior) or len(sums) % GROUPS:
        raise ResidualError(f"three groups of two or more blocks are needed, found {len(sums)} additions")
    starts = range(0, len(sums), size)
    return [sums[start : start + size] for start in starts], [interior[start : start + size] for start in starts]


def _off_diagonal(table: Array, places: Sequence[int]) -> float:
    block = table[np.ix_(places, places)]
    return float(block[~np.eye(len(places), dtype=bool)].mean())


@measures("F4a", "F4b", "F4c", by=(repsim.cka, repsim.pairwise), networks=("resnet62",))
def figure_4(table: Array, layers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Measure claims F4a to F4c.

    Parameters
    ----------
    table
        (m, L, L) similarities within each of m residual networks.
    layers
        Their names.

    Returns
    -------
    dict
        F4a: share of the other layers that are similar to the last convolution. F4b: by how much layers after
        additions resemble each other more than layers inside blocks, in each group of blocks. F4c: by how much layers
        after additions resemble those of their own group more than those of the others.
    """
    sums, interior = block_places(layers)
    mean = np.asarray(table.mean(axis=0))
    post = [_off_diagonal(mean, places) for places in sums]
    mixed = [float(mean[np.ix_(a, b)].mean()) for a, b in zip(sums, interior, strict=True)]
    across = [float(mean[np.ix_(sums[a], sums[b])].mean()) for a in range(GROUPS) for b in range(a + 1, GROUPS)]
    leads = [first - second for first, second in zip(post, mixed, strict=True)]
    inside = [_off_diagonal(mean, places) for places in interior]
    return {
        "F4a": {"fraction": similar_to_last(table)},
        "F4b": {"leads": leads, "post": post, "mixed": mixed, "interior": inside},
        "F4c": {"lead": float(np.mean(post) - np.mean(across)), "within": float(np.mean(post)), "across": across},
    }


@measures("F4d", by=(repsim.cka, repsim.pairwise), networks=("resnet62",))
def other_reading(table: Array, layers: Sequence[str]) -> dict[str, Any]:
    """Measure claim F4d, as :func:`figure_4` on networks that it was not seen on before."""
    grid = figure_4(table, layers)["F4b"]
    leads = [post - inside for post, inside in zip(grid["post"], grid["interior"], strict=True)]
    return {"leads": leads, "seeds": len(table)}
