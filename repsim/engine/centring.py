"""Centring of Gram matrices that are held as a whole."""

from __future__ import annotations

import numpy as np

from repsim.engine.arrays import Float64


def centre_in_place(gram: Float64) -> Float64:
    """Centre without a copy."""
    means = gram.mean(axis=0)
    gram -= means - means.mean() / 2
    gram -= (means - means.mean() / 2)[:, None]
    return gram


def u_centre_in_place(gram: Float64) -> Float64:
    """U-centre without a copy."""
    n = gram.shape[0]
    np.fill_diagonal(gram, 0)
    means = gram.sum(axis=0) / (n - 2)
    means -= means.sum() / (2 * (n - 1))
    gram -= means
    gram -= means[:, None]
    np.fill_diagonal(gram, 0)
    return gram
