"""Squared distances between examples, and the RBF kernel of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from repsim.engine.arrays import NUMPY, Array

CACHED_ROWS = 64  # of a tile, gone through together, so that they stay in the processor's cache


def squared_norms(xp: Any, rows: Any) -> Any:
    """Squared lengths of the rows of a block, in its own precision."""
    if xp is not NUMPY:
        return xp.sum(rows * rows, axis=1)
    out = np.empty(len(rows), rows.dtype)
    for start in range(0, len(rows), CACHED_ROWS):
        cached = rows[start : start + CACHED_ROWS]
        np.sum(cached * cached, axis=1, out=out[start : start + CACHED_ROWS])
    return out


def tile_distances(xp: Any, product: Any, left: Any, right: Any) -> Any:
    """Squared distances between the rows of two blocks, from their inner products and squared lengths."""
    out = product * -2
    out += left[:, None]
    out += right
    return np.maximum(out, 0, out=out) if xp is NUMPY else xp.clip(out, 0, None)


def distances_of(rows: Array) -> Array:
    """Squared distances between all rows of a centred array, in its own precision."""
    lengths = squared_norms(NUMPY, rows)
    out: Array = tile_distances(NUMPY, rows @ rows.T, lengths, lengths)
    np.fill_diagonal(out, 0)
    return out


def shifted_rbf(xp: Any, distances: Any, median: float, bandwidth: float) -> Any:
    """Return exp(-d / (2 sigma**2)) of squared distances d, minus its value at the median distance.

    Centring removes the constant, so it may be taken out first: that keeps wide bandwidths accurate, whose
    entries are all nearly 1.
    """
    exponent, shift = 1 / (2 * bandwidth**2), shift_of(bandwidth)
    scaled = distances * (-exponent / median)
    return xp.expm1(scaled + exponent) * shift if bandwidth >= 2 else xp.exp(scaled) - shift


def shift_of(bandwidth: float) -> float:
    """Value of the RBF kernel at the median distance."""
    return math.exp(-1 / (2 * bandwidth**2))


def shift_rounding(bandwidth: float) -> float:
    """How large an entry of a shifted kernel is before it cancels; rounding leaves a tiny fraction of it."""
    return shift_of(bandwidth) * min(1.0, 1 / (2 * bandwidth**2))
