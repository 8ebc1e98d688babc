"""Figure 3: what happens to the layers of a network without shortcuts as it becomes deeper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import repsim
from repsim.lab import measurements
from repsim.lab.findings.measures import measures
from repsim.lab.findings.tables import Array
from repsim.lab.findings.training import accuracies

DEPTHS = {"1x": "plain10", "2x": "plain18", "4x": "plain34", "8x": "plain66"}
SIMILAR = 0.8  # decides; the others are reported beside it
OTHER_THRESHOLDS = (0.7, 0.9)
CLOSE = 0.01  # of the best probe's accuracy
ROUNDING = 1e-9  # of a difference of accuracies that is just that


def similar_to_last(table: Array, threshold: float = SIMILAR) -> float:
    """Return the share of the other layers that are similar to the last convolution, averaged over networks.

    Parameters
    ----------
    table
        (m, L, L) similarities within each of m networks; the last layer is the pooling layer, before it stands the
        last convolution.
    threshold
        Least similarity.
    """
    last = table.shape[1] - 2
    others = np.delete(table[:, last], last, axis=1)
    return float((others >= threshold).mean())


def like_last(table: Array, threshold: float = SIMILAR) -> list[int]:
    """Return the numbers, from 1, of the convolutions before the last one that are similar to it in (L, L)."""
    return [place + 1 for place, value in enumerate(table[-2, :-2]) if value >= threshold]


def plateau(accuracy: Array, close: float = CLOSE) -> float:
    """Return where the first layer stands whose probe is within `close` of the best, as a share of the depth.

    Parameters
    ----------
    accuracy
        (L,) shares of test images.
    close
        In the same unit.

    Returns
    -------
    float
        Number of that layer, counted from 1, divided by L.
    """
    values = np.asarray(accuracy)
    return float((int(np.argmax(values >= values.max() - close - ROUNDING)) + 1) / len(values))


def largest_fall(accuracy: Array) -> tuple[float, int, int]:
    """Return by how much a later layer's probe is at most worse, and which two layers these are, from 1."""
    values = np.asarray(accuracy)
    falls = values[:, None] - values
    falls[np.tri(len(values), dtype=bool)] = -np.inf  # no later layer
    first, second = np.unravel_index(np.argmax(falls), falls.shape)
    return float(falls[first, second]), int(first) + 1, int(second) + 1


@measures("F3a", by=(measurements.networks,), networks=tuple(DEPTHS.values()))
def depth_accuracies(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Measure claim F3a from the records of the networks of each group: mean test accuracies, percent."""
    found: dict[str, Any] = {
        f"accuracy_{depth}": accuracies(records[group])["accuracy"] if group in records else None
        for depth, group in DEPTHS.items()
    }
    return found | {"networks": min((len(some) for some in records.values()), default=0)}


@measures("F3b", by=(repsim.cka, repsim.pairwise), networks=tuple(DEPTHS.values()))
def depth_similarities(tables: Mapping[str, Array]) -> dict[str, Any]:
    """Measure claim F3b from the (m, L, L) tables of each group."""
    found: dict[str, Any] = {}
    for depth, group in DEPTHS.items():
        for threshold, ending in ((SIMILAR, ""), *((one, f"_{10 * one:02.0f}") for one in OTHER_THRESHOLDS)):
            found[f"fraction_{depth}{ending}"] = similar_to_last(tables[group], threshold) if group in tables else None
    return found


@measures("F3c", "F3d", by=(measurements.probes,), networks=tuple(DEPTHS.values()))
def depth_probes(probes: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """Measure claims F3c and F3d from the (m, L) accuracies of each group, averaged over networks."""
    found = {
        f"plateau_{depth}": plateau(probes[group].mean(axis=0)) if group in probes else None
        for depth, group in DEPTHS.items()
    }
    return {"F3c": dict(found), "F3d": dict(found)}
