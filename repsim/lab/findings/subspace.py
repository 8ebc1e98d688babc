"""Figure 8: how many of one network's leading eigenvectors another network's Gram matrix treats alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

THRESHOLD = 0.5


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
    is only known to be at least that many; `fraction` then takes the most that it could be.
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
                "fraction": most / features,
            }
        )
    return rows


def figure_8(arrays: Mapping[str, Array], layers: Sequence[str], examples: int) -> dict[str, dict[str, Any]]:
    """Measure claims F8a to F8c."""
    rows = {row["layer"]: row for row in shared_dimensions(arrays, layers, examples)}
    pool = median_cosines(arrays, "pool")
    convolutions = [row for layer, row in rows.items() if layer != "pool"]
    found: dict[str, dict[str, Any]] = {
        "F8a": {"smallest_cosine": float(pool[:5].min()), "eigenvectors": min(5, len(pool))},
        "F8b": {"dimension": rows["pool"]["dimension"]},
        "F8c": {
            "largest_fraction": max(row["fraction"] for row in convolutions),
            "largest_dimension": max(row["dimension"] for row in convolutions),
        },
    }
    return {claim: values | {"examples": examples} for claim, values in found.items()}
