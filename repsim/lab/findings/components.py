"""Figure 1: how far the first two principal components agree between networks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

import repsim
from repsim.lab.findings.measures import measures

Array = NDArray[np.float64]


def centred(scores: Any) -> Array:
    """Return scores (n, 2) in float64 with mean 0."""
    values = np.asarray(scores, np.float64)
    return values - values.mean(axis=0)


def best_rotation(a: Any, b: Any) -> Array:
    """Return the orthogonal 2 x 2 map (a rotation, or one with a flip) that brings `b` closest to `a`."""
    u, _, vt = np.linalg.svd(centred(b).T @ centred(a))
    return np.asarray(u @ vt)


def explained(a: Any, b: Any) -> tuple[float, float]:
    """Return R² of `a` from `b` after the best orthogonal map, and the same with the best scale as well."""
    target, mapped = centred(a), centred(b) @ best_rotation(a, b)
    total = float((target**2).sum())
    plain = 1 - float(((target - mapped) ** 2).sum()) / total
    scale = float((target * mapped).sum()) / float((mapped**2).sum())
    return plain, 1 - float(((target - scale * mapped) ** 2).sum()) / total


@measures("F1", by=(repsim.principal_components,), networks=("tiny10",))
def figure_1(scores: Any, seed: int = 1) -> dict[str, Any]:
    """Measure claim F1 from the scores (m, n, 2) of m networks.

    Each pair of networks is taken in both directions and averaged. The control shuffles the examples of one.
    """
    m, n, _ = np.shape(scores)
    rng = np.random.default_rng(seed)
    plain, scaled, shuffled = [], [], []
    for a, b in itertools.combinations(range(m), 2):
        both = np.array([explained(scores[a], scores[b]), explained(scores[b], scores[a])]).mean(axis=0)
        plain.append(both[0])
        scaled.append(both[1])
        shuffled.append(explained(scores[a], np.asarray(scores[b])[rng.permutation(n)])[0])
    return {
        "r2": float(np.mean(plain)),
        "r2_shuffled": float(np.mean(shuffled)),
        "r2_smallest": float(np.min(plain)),
        "r2_scaled": float(np.mean(scaled)),
        "pairs": len(plain),
        "examples": n,
    }
