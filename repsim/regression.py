"""Linear regression: how much of one representation a linear map predicts from another."""

from __future__ import annotations

from typing import Any

from repsim.cca import PROJECTOR
from repsim.cka import LINEAR
from repsim.engine.arrays import Float64
from repsim.engine.moments import pair_moments
from repsim.engine.tables import Moments, without_rounding
from repsim.notices import warn_of_ranks


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

    See Also
    --------
    repsim.linear_predictivity : On examples it was not fitted to.

    References
    ----------
    1. Kornblith et al. (2019), equation 5, doi:10.48550/arXiv.1905.00414.
    2. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L128

    Examples
    --------
    One of two features predicts much of both, which predict all of it:

    >>> x, y = [[0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [3.0, 3.0]], [[0.0], [1.0], [2.0], [3.0]]
    >>> print(f"{linear_regression(x, y):.2f}, {linear_regression(y, x):.2f}")
    0.82, 1.00
    """
    moments = pair_moments(x, y, LINEAR, PROJECTOR)
    warn_of_ranks(moments)
    return float(explained(moments)[0, 0])


def explained(m: Moments) -> Float64:
    """Return equation 5, ||Q_Y' X||² / ||X||² = <X X', Q_Y Q_Y'> / tr X X', for all pairs."""
    return without_rounding(m.xy / m.trace_x, 0.0, 1.0)
