"""Linear regression: how much of one representation a linear map predicts from another."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim._basis import factorise, warn_if_saturated
from repsim._representation import pair


def linear_regression(x: Any, y: Any) -> float:
    r"""Fraction of the variance of `x` that a linear map from `y` explains.

    .. math:: R^2_{LR} = 1 - \min_B \frac{\|X - Y B\|_F^2}{\|X\|_F^2} = \frac{\|Q_Y^T X\|_F^2}{\|X\|_F^2}

    Parameters
    ----------
    x : array_like
        Representation that is predicted, (n, p) or (n, h, w, c). Columns are centred here.
    y : array_like
        Representation that predicts, of the same n examples.

    Returns
    -------
    float
        Between 0 and 1: of the total variance, not the mean over features. It is not symmetric.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 2 examples.

    Warns
    -----
    RankSaturationWarning
        If the rank of `y` is n - 1: then it predicts anything, and the value is 1 (Theorem 1).

    References
    ----------
    Kornblith et al. (2019), equation 5.

    Examples
    --------
    >>> x = [[0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [3.0, 3.0]]
    >>> round(linear_regression(x, [[0.0], [1.0], [2.0], [3.0]]), 12)
    0.82
    """
    predicted, predictor = pair(x, y)
    basis = factorise(predictor)
    warn_if_saturated([basis])
    if basis.saturated:
        return 1.0
    values = predicted.matrix()
    explained = basis.left.T @ values
    return min(float(np.vdot(explained, explained) / np.vdot(values, values)), 1.0)
