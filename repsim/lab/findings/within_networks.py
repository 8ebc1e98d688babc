"""Figures 3 and 4: the layers of one network, as it becomes deeper and with shortcuts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import repsim
from repsim.lab.errors import LabError
from repsim.lab.findings import measures
from repsim.lab.findings.tables import Array, off_diagonal
from repsim.lab.findings.training import accuracies
from repsim.lab.measurements import common, properties

DEPTHS = {"1x": "plain10", "2x": "plain18", "4x": "plain34", "8x": "plain66"}
SIMILAR = 0.8  # decides; the others are reported beside it
THRESHOLDS = {"": SIMILAR, "_07": 0.7, "_09": 0.9}
CLOSE = 0.01  # of the best probe's accuracy
ROUNDING = 1e-9  # of a difference of accuracies that is just that


def similar_to_last(table: Array, threshold: float = SIMILAR) -> float:
    """Return the share of other layers similar to the last convolution, averaged over networks, from (m, L, L)."""
    last = table.shape[1] - 2  # before the pooling layer
    others = np.delete(table[:, last], last, axis=1)
    return float((others >= threshold).mean()) if np.isfinite(others).all() else math.nan


def like_last(table: Array) -> list[int]:
    """Return the numbers, from 1, of the convolutions before the last one that are similar to it in (L, L)."""
    return [place + 1 for place, value in enumerate(table[-2, :-2]) if value >= SIMILAR]


def plateau(accuracy: Array) -> float:
    """Return where the first layer stands, from 1, whose probe is close to the best, as a share of the depth."""
    values = np.asarray(accuracy)
    if not np.isfinite(values).all():
        return math.nan
    return float((int(np.argmax(values >= values.max() - CLOSE - ROUNDING)) + 1) / len(values))


def largest_fall(accuracy: Array) -> tuple[float, int, int]:
    """Return by how much a later layer's probe is at most worse, and which two layers these are, from 1."""
    values = np.asarray(accuracy)
    falls = values[:, None] - values
    falls[np.tri(len(values), dtype=bool)] = -np.inf  # no later layer
    first, second = np.unravel_index(np.argmax(falls), falls.shape)
    return float(falls[first, second]), int(first) + 1, int(second) + 1


@measures("F3a", by=(common.networks,), networks=tuple(DEPTHS.values()))
def depth_accuracies(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Measure claim F3a from the records of the networks of each group: mean test accuracies, percent."""
    means: dict[str, Any] = {
        f"accuracy_{depth}": accuracies(records[group])["accuracy"] if group in records else None
        for depth, group in DEPTHS.items()
    }
    return means | {"networks": min((len(networks) for networks in records.values()), default=0)}


@measures("F3b", by=(repsim.cka, repsim.pairwise), networks=tuple(DEPTHS.values()))
def depth_similarities(tables: Mapping[str, Array]) -> dict[str, Any]:
    """Measure claim F3b from the (m, L, L) tables of each group."""
    return {
        f"fraction_{depth}{ending}": similar_to_last(tables[group], threshold) if group in tables else None
        for depth, group in DEPTHS.items()
        for ending, threshold in THRESHOLDS.items()
    }


@measures("F3c", "F3d", by=(properties.probes,), networks=tuple(DEPTHS.values()))
def depth_probes(probes: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """Measure claims F3c and F3d from the (m, L) accuracies of each group, averaged over networks."""
    plateaus = {
        f"plateau_{depth}": plateau(probes[group].mean(axis=0)) if group in probes else None
        for depth, group in DEPTHS.items()
    }
    return {"F3c": dict(plateaus), "F3d": dict(plateaus)}


GROUPS = 3  # of blocks whose layers have maps of one size


def block_places(layers: Sequence[str]) -> tuple[list[list[int]], list[list[int]]]:
    """Return where the layers after the additions and those inside blocks stand, for each of three groups of blocks."""
    sums, interior = (
        [place for place, layer in enumerate(layers) if layer.endswith(ending)] for ending in ("_sum", "_interior")
    )
    size = len(sums) // GROUPS
    if size < 2 or len(sums) != len(interior) or len(sums) % GROUPS:
        raise LabError(f"three groups of two or more blocks are needed, found {len(sums)} additions")
    starts = range(0, len(sums), size)
    return [sums[start : start + size] for start in starts], [interior[start : start + size] for start in starts]


def _among(table: Array, places: Sequence[int]) -> float:
    """Return the mean similarity of different ones of some layers."""
    return float(off_diagonal(table[np.ix_(places, places)]).mean())


@measures("F4a", "F4b", "F4c", "F4e", by=(repsim.cka, repsim.pairwise), networks=("resnet62",))
def figure_4(table: Array, layers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Measure claims F4a to F4c from the (m, L, L) similarities within m residual networks, of these layers.

    F4b: by how much layers after additions resemble each other more than layers inside blocks, in each group of blocks.
    F4c: by how much layers after additions resemble those of their own group more than those of the others. F4e asks
    the same as F4b of a network with other shortcuts.
    """
    sums, interior = block_places(layers)
    mean = np.asarray(table.mean(axis=0))
    post = [_among(mean, places) for places in sums]
    mixed = [float(mean[np.ix_(a, b)].mean()) for a, b in zip(sums, interior, strict=True)]
    across = [float(mean[np.ix_(sums[a], sums[b])].mean()) for a in range(GROUPS) for b in range(a + 1, GROUPS)]
    leads = [first - second for first, second in zip(post, mixed, strict=True)]
    inside = [_among(mean, places) for places in interior]
    return {
        "F4a": {"fraction": similar_to_last(table)},
        "F4b": {"leads": leads, "post": post, "mixed": mixed, "interior": inside},
        "F4c": {"lead": float(np.mean(post) - np.mean(across)), "within": float(np.mean(post)), "across": across},
    }


def by_distance(table: Array, layers: Sequence[str]) -> list[dict[str, Any]]:
    """Return of layers after additions the mean similarity of those that are as many blocks "apart".

    Of those "within" a group of blocks and of those "across" groups; as many rows as a group has blocks, less one.
    """
    sums, mean = np.array(block_places(layers)[0]), np.asarray(table.mean(axis=0))
    places, groups = sums.ravel(), np.repeat(np.arange(GROUPS), sums.shape[1])
    rows = []
    for apart in range(1, sums.shape[1]):
        values, same = mean[places[:-apart], places[apart:]], groups[:-apart] == groups[apart:]
        rows.append({"apart": apart, "within": float(values[same].mean()), "across": float(values[~same].mean())})
    return rows


def grid_by_distance(table: Array, layers: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Return for each group of blocks the mean similarities of layers of different blocks, by how many are "apart".

    Of layers "after" additions with each other, of those "inside" blocks with each other, and of the "mixed" pairs.
    """
    mean = np.asarray(table.mean(axis=0))

    def similarity(rows: Sequence[int], columns: Sequence[int], apart: int) -> float:
        pairs = mean[np.ix_(rows, columns)]
        return float(np.mean([pairs.diagonal(apart), pairs.diagonal(-apart)]))

    return [
        [
            {
                "apart": apart,
                "after": similarity(sums, sums, apart),
                "mixed": similarity(sums, interior, apart),
                "inside": similarity(interior, interior, apart),
            }
            for apart in range(1, len(sums))
        ]
        for sums, interior in zip(*block_places(layers), strict=True)
    ]


@measures("F4f", by=(repsim.cka, repsim.pairwise), networks=("resnet62",))
def at_equal_distance(table: Array, layers: Sequence[str]) -> dict[str, Any]:
    """Measure claim F4f: the lead of claim F4c among layers that are as many blocks apart, the mean over distances."""
    within, across = (
        float(np.mean([row[kind] for row in by_distance(table, layers)])) for kind in ("within", "across")
    )
    return {"lead": within - across, "within": within, "across": across}


@measures("F4d", by=(repsim.cka, repsim.pairwise), networks=("resnet62",))
def other_reading(table: Array, layers: Sequence[str]) -> dict[str, Any]:
    """Measure claim F4d, as :func:`figure_4` on networks that it was not seen on before."""
    grid = figure_4(table, layers)["F4b"]
    leads = [post - inside for post, inside in zip(grid["post"], grid["interior"], strict=True)]
    return {"leads": leads, "seeds": len(table)}
