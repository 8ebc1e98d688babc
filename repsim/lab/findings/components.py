"""Figures 1 and 8: the leading principal components of one layer, beside those of other networks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.linalg import orthogonal_procrustes

import repsim
from repsim.lab.findings import measures
from repsim.lab.findings.tables import Array


def centred(x: Any) -> Array:
    """Return x (n, p) in float64 with columns of mean 0."""
    values = np.asarray(x, np.float64)
    return values - values.mean(axis=0)


def best_rotation(a: Any, b: Any) -> Array:
    """Return the orthogonal 2 x 2 map (a rotation, or one with a flip) that brings `b` closest to `a`."""
    return np.asarray(orthogonal_procrustes(centred(b), centred(a))[0])


def explained(a: Any, b: Any) -> tuple[float, float]:
    """Return R² of `a` from `b` after the best orthogonal map, and the same with the best scale as well."""
    target, mapped = centred(a), centred(b) @ best_rotation(a, b)
    total = float((target**2).sum())
    plain = 1 - float(((target - mapped) ** 2).sum()) / total
    scale = float((target * mapped).sum()) / float((mapped**2).sum())
    return plain, 1 - float(((target - scale * mapped) ** 2).sum()) / total


@measures("F1", by=(repsim.principal_components,), networks=("tiny10",))
def figure_1(scores: Any) -> dict[str, Any]:
    """Measure claim F1 from the scores (m, n, 2) of m networks.

    Each pair of networks is taken in both directions and averaged. The control shuffles the examples of one.
    """
    m, n, _ = np.shape(scores)
    rng = np.random.default_rng(1)
    plain, scaled, shuffled = [], [], []
    for a, b in itertools.combinations(range(m), 2):
        both = np.array([explained(scores[a], scores[b]), explained(scores[b], scores[a])]).mean(axis=0)
        plain.append(both[0])
        scaled.append(both[1])
        shuffled.append(explained(scores[a], np.asarray(scores[b])[rng.permutation(n)])[0])
    if not plain:
        return {"r2": None, "r2_shuffled": None, "pairs": 0, "examples": n}
    return {
        "r2": float(np.mean(plain)),
        "r2_shuffled": float(np.mean(shuffled)),
        "r2_smallest": float(np.min(plain)),
        "r2_scaled": float(np.mean(scaled)),
        "pairs": len(plain),
        "examples": n,
    }


THRESHOLD = 0.5
FAR_BELOW = 0.1  # of the features


def median_cosines(arrays: Mapping[str, Array], layer: str) -> Array:
    """Return (k,): for each eigenvector the median over all ordered pairs of networks of its cosine."""
    return np.asarray(np.nanmedian(np.asarray(arrays[f"cosine_{layer}"], np.float64), axis=0))


def shared_dimension(cosines: Array) -> tuple[int, bool]:
    """Return how many eigenvectors come before the cosine falls below the threshold, and whether it is known to."""
    values = np.asarray(cosines)
    above = np.append(values >= THRESHOLD, False)
    count = int(above.argmin())
    return count, bool(count < len(values) and np.isfinite(values[count]))


def shared_dimensions(arrays: Mapping[str, Array], layers: Sequence[str], examples: int) -> list[dict[str, Any]]:
    """Return one row per layer: its shared dimension beside its features.

    Where the cosine stays above the threshold over all the eigenvectors that were measured, the shared dimension
    is only known to be at least that many.
    """
    rows = []
    for layer, features in zip(layers, np.asarray(arrays["features"]).tolist(), strict=True):
        count, known = shared_dimension(median_cosines(arrays, layer))
        most = count if known or count >= features else min(features, examples - 1)
        rows.append(
            {
                "layer": layer,
                "features": int(features),
                "dimension": count,
                "found": known,
                "fraction": count / features,
                "largest_fraction": most / features,
            }
        )
    return rows


def _deciding_fraction(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the largest fraction of features or the bound that decides, if one does, and whether it is a lower one."""
    least, most = (np.max([row[key] for row in rows]) for key in ("fraction", "largest_fraction"))
    if most < FAR_BELOW:
        return {"largest_fraction": most, "lower_bound": 0}
    decides = least >= FAR_BELOW or least == most
    return {"largest_fraction": least if decides else None, "lower_bound": int(least < most)}


@measures("F8a", "F8b", "F8c", by=(repsim.shared_subspaces,), networks=("tiny10",))
def figure_8(arrays: Mapping[str, Array], layers: Sequence[str], examples: int) -> dict[str, dict[str, Any]]:
    """Measure claims F8a to F8c."""
    rows = {row["layer"]: row for row in shared_dimensions(arrays, layers, examples)}
    pool = median_cosines(arrays, "pool")
    convolutions = [row for layer, row in rows.items() if layer != "pool"]
    claims: dict[str, dict[str, Any]] = {
        "F8a": {
            "smallest_cosine": float(pool[:5].min()),
            "eigenvectors": min(5, len(pool)),
            "pairs": len(np.asarray(arrays["pairs"])) // 2,
        },
        "F8b": {"dimension": rows["pool"]["dimension"]},
        "F8c": {
            **_deciding_fraction(convolutions),
            "largest_dimension": max(row["dimension"] for row in convolutions),
            "beyond": sum(row["fraction"] >= FAR_BELOW for row in convolutions),
        },
    }
    return {claim: values | {"examples": examples} for claim, values in claims.items()}
