"""Predictivity: how well a linear map predicts one representation from another on examples it was not fitted to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from repsim.engine.arrays import Float64, scaled
from repsim.engine.operators import Custom
from repsim.engine.pairs import compare_pair
from repsim.errors import ParameterError, TooFewExamplesError
from repsim.options import real_number, whole_number

STRENGTHS = tuple(10.0**power for power in range(-8, 2))
_LEAST_EXAMPLES = 4  # so that at least two are left to fit to


def linear_predictivity(x: Any, y: Any, *, folds: int = 5, strengths: Sequence[float] = STRENGTHS) -> float:
    r"""Fraction of the variance of `x` that ridge regression on `y` predicts on examples it was not fitted to.

    .. math:: 1 - \frac{\sum_f \|X_f - \hat X_f\|_F^2}{\|X\|_F^2}, \qquad
              \hat X_f = \bar x_{-f} + (Y_f - \bar y_{-f}) (Y_{-f}^T Y_{-f} + \lambda_f I)^{-1} Y_{-f}^T X_{-f}

    f are the held-out examples of a fold and -f the others, whose means are taken off. Example i is in fold i modulo
    `folds`, so that every fold has examples of every class where they are sorted by class. Neighbours that are nearly
    the same, such as the frames of a film, must be shuffled together beforehand, or the folds are not independent.

    Parameters
    ----------
    x : array_like
        Representation that is predicted, (n, p) or (n, h, w, c).
    y : array_like
        Representation that predicts, of the same n examples.
    folds : int
        Number of parts, from 2 to n, each held out once.
    strengths : sequence of float
        Ridge penalties to choose from, as multiples of the largest eigenvalue of Y'Y, positive. In each fold the one
        with the least generalised cross-validation error on the other examples is taken, of equal ones the first.

    Returns
    -------
    float
        At most 1, of the total variance, as `linear_regression`; not symmetric. About 0 or slightly below for
        unrelated representations, whatever their numbers of features: it is not clamped.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 4 examples.
    ParameterError
        If `folds` is not a whole number from 2 to n, or `strengths` holds anything but positive numbers.

    See Also
    --------
    repsim.linear_regression : On the examples it was fitted to, without penalty.

    References
    ----------
    1. Yamins et al. (2014), doi:10.1073/pnas.1403112111, for predictivity.
    2. Golub, Heath and Wahba (1979), doi:10.1080/00401706.1979.10489751, for the choice of the penalty.
    3. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L225

    Examples
    --------
    With more features than examples anything is fitted, and nothing predicted:

    >>> import warnings
    >>> import numpy as np
    >>> from repsim import RankSaturationWarning, linear_regression
    >>> x, y = np.random.default_rng(0).standard_normal((2, 50, 100))
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", RankSaturationWarning)  # which says so
    ...     fitted = linear_regression(x, y)
    >>> print(f"fitted {fitted:.2f}, predicted {linear_predictivity(x, y):.2f}")
    fitted 1.00, predicted -0.05
    """
    made = Custom(partial(prepare_linear_predictivity, folds=folds))
    return compare_pair(x, y, made, made, partial(compare_linear_predictivity, strengths=strengths))[0]


class Fit(NamedTuple):
    """What one fold needs of the predictors that it is fitted to."""

    mean: Float64
    singular: Float64  # (r,), positive
    directions: Float64  # (r, p)


class Folds:
    """A representation as what is predicted, and what its predictions are made from.

    Its centred `rows`, (n, min(n, p)), are rotated where there are more features than examples, which changes no
    prediction error; `held_out` says for each fold which of the n examples it holds out.
    """

    def __init__(self, x: Float64, folds: int) -> None:
        n = len(x)
        if n < _LEAST_EXAMPLES:
            raise TooFewExamplesError(f"there are {n} examples; at least {_LEAST_EXAMPLES} are needed to hold some out")
        if whole_number("folds", folds, 2) > n:
            raise ParameterError(f"folds is {folds!r}; of {n} examples there are 2 to {n} folds")
        rows = scaled(x)
        rows -= rows.mean(axis=0)
        self.rows = np.asarray(np.linalg.qr(rows.T, mode="r")).T if x.shape[1] > n else rows
        self.held_out: list[NDArray[np.bool_]] = [np.arange(n) % folds == fold for fold in range(folds)]

    @cached_property
    def fits(self) -> list[Fit]:
        """Made when it is first used to predict."""
        return [_fit(self.rows[~out]) for out in self.held_out]


def _fit(y: Float64) -> Fit:
    mean = y.mean(axis=0)
    _, singular, directions = np.linalg.svd(np.linalg.qr(y - mean, mode="r"), full_matrices=False)
    kept = singular > max(y.shape) * np.finfo(np.float64).eps * singular[0]
    return Fit(mean, singular[kept], directions[kept])


def prepare_linear_predictivity(x: Float64, *, folds: int = 5) -> Folds:
    """Centre a representation and divide its examples into folds."""
    return Folds(x, folds)


def compare_linear_predictivity(a: Folds, b: Folds, *, strengths: Sequence[float] = STRENGTHS) -> float:
    """Return the fraction of the variance of `a` that is predicted from `b` on held-out examples."""
    checked = _positive(strengths)
    error = sum(_squared_error(a.rows, b.rows, out, fit, checked) for out, fit in zip(a.held_out, b.fits, strict=True))
    return 1 - error / float(np.vdot(a.rows, a.rows))


def _squared_error(x: Float64, y: Float64, out: NDArray[np.bool_], fit: Fit, strengths: Sequence[float]) -> float:
    """Fit to the examples that are not held out, with the best strength, and sum the squared errors of the others."""
    mean = x[~out].mean(axis=0)
    target = x[~out] - mean
    explained = fit.directions @ ((y[~out] - fit.mean).T @ target) / fit.singular[:, None]  # U' X
    eigenvalues = np.square(fit.singular / fit.singular[:1])
    strength = min(strengths, key=partial(_validation_error, target, explained, eigenvalues))
    shrunk = eigenvalues / (eigenvalues + strength) / fit.singular
    predicted = mean + (y[out] - fit.mean) @ (fit.directions.T @ (shrunk[:, None] * explained))
    return float(np.square(x[out] - predicted).sum())


def _validation_error(target: Float64, explained: Float64, eigenvalues: Float64, strength: float) -> float:
    """Generalised cross-validation: squared error, divided by the square of the degrees of freedom that are left."""
    left = strength / (eigenvalues + strength)  # of each direction
    beyond = len(target) - 1 - len(eigenvalues)  # directions of centred examples that the predictors do not reach
    unexplained = max(0.0, float(np.vdot(target, target) - np.vdot(explained, explained))) if beyond else 0.0
    return (unexplained + float(np.square(left[:, None] * explained).sum())) / (beyond + float(left.sum())) ** 2


def _positive(strengths: Any) -> list[float]:
    needed = "positive numbers are needed"
    if isinstance(strengths, str | bytes | bytearray) or not isinstance(strengths, Iterable):
        raise ParameterError(f"strengths is {strengths!r}; {needed}, in a sequence")
    checked = [real_number("one of strengths", value, needed) for value in strengths]
    if not checked:
        raise ParameterError(f"strengths is empty; {needed}")
    for value in checked:
        if not 0 < value < math.inf:
            raise ParameterError(f"one of strengths is {value!r}; {needed}")
    return checked
