"""Figure 8: how many of one network's leading eigenvectors another network's Gram matrix treats alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import repsim
from repsim.lab.findings.measures import measures

Array = NDArray[np.float64]

THRESHOLD = 0.5
FAR_BELOW = 0.1  # of the features


def median_cosines(arrays: Mapping[str, Array], layer: str) -> Array:
    """Return (k,): for each eigenvector the median over all ordered pairs of networks of its cosine."""
    return np.asarray(np.nanmedian(np.asarray(arrays[f"cosine_{layer}"], np.float64), axis=0))


def shared_dimension(cosines: Array, threshold: float = THRESHOLD) -> tuple[int, bool]:
    """Return how many eigenvectors come before the cosine first falls below the threshold, and whether it does."""
    below = np.flatnonzero(~(np.asarray(cosines) >= threshold))
    return (int(below[0]), True) if below.size else (len(cosines), False)


def shared_dimensions(arrays: Mapping[str, Array], layers: Sequence[str], examples: int) -> list[dict[str, Any]]:
    """Return one row per layer: its shared dimension beside its features.

    Where the cosine stays above the threshold over all the eigenvectors that were measured, the shared dimension
    is only known to be at least that many.
    """
    rows = []
    for layer, features in zip(layers, np.asarray(arrays["features"]).tolist(), strict=True):
        count, found = shared_dimension(median_cosines(arrays, layer))
        most = count if found or count >= features else min(features, examples - 1)
        rows.append(
            {
                "layer": layer,
                "features": int(features),
                "dimension": count,
                "found": found,
                "fraction": count / features,
                "largest_fraction": most / features,
            }
        )
    return rows


def _deciding_fraction(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the largest fraction of features, or the bound that decides, or None where neither bound does."""
    least, most = (max(float(row[key]) for row in rows) for key in ("fraction", "largest_fraction"))
    if most < FAR_BELOW:
        return most
    return least if least >= FAR_BELOW or least == most else None


@measures("F8a", "F8b", "F8c", by=(repsim.shared_subspaces,), networks=("tiny10",))
def figure_8(arrays: Mapping[str, Array], layers: Sequence[str], examples: int) -> dict[str, dict[str, Any]]:
    """Measure claims F8a to F8c."""
    rows = {row["layer"]: row for row in shared_dimensions(arrays, layers, examples)}
    pool = median_cosines(arrays, "pool")
    convolutions = [row for layer, row in rows.items() if layer != "pool"]
    found: dict[str, dict[str, Any]] = {
        "F8a": {"smallest_cosine": float(pool[:5].min()), "eigenvectors": min(5, len(pool))},
        "F8b": {"dimension": rows["pool"]["dimension"]},
        "F8c": {
            "largest_fraction": _deciding_fraction(convolutions),
            "largest_dimension": max(row["dimension"] for row in convolutions),
        },
    }
    return {claim: values | {"examples": examples} for claim, values in found.items()}
