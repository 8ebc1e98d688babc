"""What centred kernel alignment is by chance: its exact mean and deviation over all shuffles of the examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from repsim.engine.arrays import Float64
from repsim.engine.tables import Side
from repsim.errors import BiasWarning, TooFewExamplesError
from repsim.notices import warn
from repsim.results import Result

LEAST_EXAMPLES = 4  # the variance has n - 3 in a denominator
NEAR = 5.0  # standard deviations
_EQUIDISTANT = 1e-12

Value = TypeVar("Value", float, Float64)


@dataclass(frozen=True, eq=False)
class Chance(Result, Generic[Value]):
    """Where a CKA lies among its values for all n! orders of the examples of one of the two representations.

    Attributes
    ----------
    mean : float or ndarray
        Expectation of the value if the examples of one representation are shuffled.
    standard_deviation : float or ndarray
        Of the same; 0 if every order gives the same value.
    z : float or ndarray
        (value - mean) / standard_deviation of the value itself; 0 where the standard deviation is.

    See Also
    --------
    repsim.chance : Of one pair, with an example; of many, ``repsim.pairwise(..., chance=True)``.
    """

    mean: Value
    standard_deviation: Value
    z: Value


def chance_of_biased(values: Float64, n: int, x: Side, y: Side) -> Chance[Float64]:
    """Chance of a table of biased CKA, (La, Lb), from sums over the Gram matrices of La and of Lb representations."""
    _check(n)
    b_k, c_k, w_k = (term[:, None] for term in _spread(n, x))
    b_l, c_l, w_l = _spread(n, y)
    mean = np.sqrt(b_k * b_l) / (n - 1)
    variance = (2 * c_k * c_l + (n - 1) / (n * (n - 3)) * w_k * w_l) / ((n + 1) * (n - 1) ** 2 * (n - 2))
    return _placed(values, mean, np.sqrt(np.maximum(variance, 0)))


def chance_of_debiased(values: Float64, n: int) -> Chance[Float64]:
    """Chance of a table of debiased CKA of n examples; the same for every pair."""
    _check(n)
    return _placed(values, np.zeros(values.shape), np.full(values.shape, np.sqrt(2 / (n * (n - 3)))))


def warn_if_biased(name: str, z: Float64, *, n: int, widths: Iterable[int]) -> None:
    """Warn if most values of a biased CKA lie within 5 standard deviations of chance; z is not of x with itself.

    Widths of 0 are those of Gram matrices, of whose features nothing is known.
    """
    near = int(np.count_nonzero(np.abs(z) <= NEAR))
    if 2 * near <= z.size:
        return
    least, most = min(widths := list(widths)), max(widths)
    features = f" with {least:,} features" if least == most else f" with {least:,} to {most:,} features"
    warn(
        BiasWarning(
            f"{name}: {near:,} of {z.size:,} values lie within 5 standard deviations of what a shuffle of the examples "
            f"gives, as biased CKA does of {n:,} examples{features if most else ''}; take more examples or the "
            "debiased form, and see repsim.chance for the mean and the deviation"
        )
    )


def _check(n: int) -> None:
    if n < LEAST_EXAMPLES:
        raise TooFewExamplesError(
            f"there are {n} examples; the standard deviation of CKA over their shuffles needs at least {LEAST_EXAMPLES}"
        )


def _spread(n: int, grams: Side) -> tuple[Float64, Float64, Float64]:
    """Return b, c and w of the formula; c and w are 0, but for rounding, where all examples are equally far apart."""
    b = grams.trace**2 / grams.square
    c = n - 1 - b
    w = n * (n + 1) * grams.diagonal_square / grams.square - (n - 1) * (b + 2)
    alike = c <= _EQUIDISTANT * n
    return b, np.where(alike, 0.0, c), np.where(alike, 0.0, w)


def _placed(values: Float64, mean: Float64, deviation: Float64) -> Chance[Float64]:
    z = np.divide(values - mean, deviation, out=np.zeros(values.shape), where=deviation > 0)
    return Chance(mean, deviation, z)
