"""What centred kernel alignment is by chance: its exact mean and deviation over all shuffles of the examples."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from repsim._arrays import Float64
from repsim._gram import Operator
from repsim._median import median_squared_distance
from repsim._memory import budget
from repsim._representation import pair
from repsim._tiles import inner_products
from repsim.cka import check_kernel, cka
from repsim.errors import BiasWarning, TooFewExamplesError
from repsim.flags import flag
from repsim.results import Result

LEAST_EXAMPLES = 4  # the variance has n - 3 in a denominator
NEAR = 5.0  # standard deviations
_ROUNDING = 1e-12

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
    """

    mean: Value
    standard_deviation: Value
    z: Value


class CentredGrams(NamedTuple):
    """What the chance of representations depends on, each (L,): sums over their centred Gram matrices HKH.

    Any factor may be taken out of a matrix, as long as it is the same in all three.
    """

    trace: Float64
    squared_norm: Float64  # tr(HKH HKH)
    squared_diagonal: Float64  # sum of the squares of the diagonal entries


def chance(
    x: Any, y: Any, *, kernel: str = "linear", bandwidth: float | None = None, debiased: bool = False
) -> Chance[float]:
    r"""Mean and standard deviation of CKA over all shuffles of the examples, and how far above them the value is.

    Shuffled, two representations have nothing in common but their spectra, so the mean is what CKA is by chance
    alone, near 1 where there are many more features than examples. It is exact: no shuffle is made. With
    :math:`b_K = \mathrm{tr}(K)^2 / \mathrm{tr}(K^2)` and :math:`s_K = \sum_i K_{ii}^2 / \mathrm{tr}(K^2)` of the
    centred Gram matrices K and L,

    .. math:: \mathrm{E} = \frac{\sqrt{b_K b_L}}{n - 1}, \qquad
              \mathrm{Var} = \frac{2 c_K c_L + \frac{n - 1}{n (n - 3)} w_K w_L}{(n + 1) (n - 1)^2 (n - 2)},

    where :math:`c = n - 1 - b` and :math:`w = n (n + 1) s - (n - 1) (b + 2)`. The debiased form has mean 0 and
    variance :math:`2 / (n (n - 3))` whatever is compared.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n >= 4 examples, (n, p) or (n, h, w, c). Columns are centred here.
    kernel, bandwidth, debiased
        As for `repsim.cka`.

    Returns
    -------
    Chance
        Of floats. The distribution is skewed, so z is not a p-value; unrelated representations are seldom beyond 5.

    Raises
    ------
    RepresentationError
        As for `repsim.cka`; `TooFewExamplesError` for fewer than 4 examples.
    ParameterError
        As for `repsim.cka`.

    See Also
    --------
    repsim.cka : The value itself.
    repsim.pairwise : Tables of values, with their chance from the same pass.

    References
    ----------
    Kazi-Aoual, Hitier, Sabatier and Lebreton (1995), doi:10.1016/0167-9473(94)00064-2, for the RV coefficient, which
    linear CKA is. Szekely and Rizzo (2014), doi:10.1214/14-AOS1255, for U-centred matrices, which the debiased form
    is made from.

    Examples
    --------
    Two representations that have nothing to do with each other, of ten times as many features as examples:

    >>> import numpy as np
    >>> from repsim import cka
    >>> x, y = np.random.default_rng(0).standard_normal((2, 50, 500))
    >>> print(f"{cka(x, y):.2f}, by chance {chance(x, y).mean:.2f}")
    0.91, by chance 0.91
    >>> abs(chance(x, y).z) < 5 < chance(x, x + y).z
    True
    """
    debiased = flag("debiased", debiased)
    value = np.array([[cka(x, y, kernel=kernel, bandwidth=bandwidth, debiased=debiased)]])
    a, b = pair(x, y, minimum=LEAST_EXAMPLES)
    if debiased:
        tables = chance_of_debiased(value, a.n)
    else:
        tables = chance_of_biased(value, a.n, *_centred_grams(a, b, check_kernel(kernel, bandwidth)))
    return Chance(*(table.item() for table in (tables.mean, tables.standard_deviation, tables.z)))


def chance_of_biased(values: Float64, n: int, own: CentredGrams, other: CentredGrams) -> Chance[Float64]:
    """Chance of a whole table of biased CKA, from sums over the Gram matrix of each representation.

    Parameters
    ----------
    values : ndarray
        (La, Lb), CKA of each of the first list with each of the second.
    n : int
        Number of examples, at least 4.
    own, other : CentredGrams
        Of the La and of the Lb representations.

    Returns
    -------
    Chance
        Of (La, Lb) arrays.

    Raises
    ------
    TooFewExamplesError
        If there are fewer than 4 examples.
    """
    _check(n)
    b_k, c_k, w_k = (part[:, None] for part in _spread(n, own))
    b_l, c_l, w_l = _spread(n, other)
    mean = np.sqrt(b_k * b_l) / (n - 1)
    variance = (2 * c_k * c_l + (n - 1) / (n * (n - 3)) * w_k * w_l) / ((n + 1) * (n - 1) ** 2 * (n - 2))
    return _placed(values, mean, np.sqrt(np.maximum(variance, 0)))


def chance_of_debiased(values: Float64, n: int) -> Chance[Float64]:
    """Chance of a whole table of debiased CKA of n examples; the same for every pair.

    Raises
    ------
    TooFewExamplesError
        If there are fewer than 4 examples.
    """
    _check(n)
    return _placed(values, np.zeros(values.shape), np.full(values.shape, np.sqrt(2 / (n * (n - 3)))))


def warn_if_biased(name: str, z: Float64, *, n: int, widths: Iterable[int], stacklevel: int = 2) -> None:
    """Warn if most values of a biased CKA lie within 5 standard deviations of chance.

    Parameters
    ----------
    name : str
        Of the index.
    z : ndarray
        Of any shape, that of the values that were asked for; those of representations with themselves say nothing.
    n : int
        Number of examples.
    widths : iterable of int
        Numbers of features of the representations.
    stacklevel : int
        As for `warnings.warn`: 2 names the caller's line.
    """
    near = int(np.count_nonzero(np.abs(z) <= NEAR))
    if 2 * near > z.size:
        warning = BiasWarning.of(name, near=near, values=z.size, n=n, widths=widths)
        warnings.warn(warning, stacklevel=stacklevel)


def _check(n: int) -> None:
    if n < LEAST_EXAMPLES:
        raise TooFewExamplesError(
            f"there are {n} examples; the standard deviation of CKA over their shuffles needs at least {LEAST_EXAMPLES}"
        )


def _spread(n: int, grams: CentredGrams) -> tuple[Float64, Float64, Float64]:
    """Return b, c and w of the formula; c and w are 0, but for rounding, where all examples are equally far apart."""
    b = grams.trace**2 / grams.squared_norm
    c = n - 1 - b
    w = n * (n + 1) * grams.squared_diagonal / grams.squared_norm - (n - 1) * (b + 2)
    alike = c <= _ROUNDING * n
    return b, np.where(alike, 0.0, c), np.where(alike, 0.0, w)


def _placed(values: Float64, mean: Float64, deviation: Float64) -> Chance[Float64]:
    z = np.divide(values - mean, deviation, out=np.zeros(values.shape), where=deviation > 0)
    return Chance(mean, deviation, z)


def _centred_grams(a: Any, b: Any, bandwidth: float | None) -> tuple[CentredGrams, CentredGrams]:
    """Go through the Gram matrices of two representations once, without holding one."""
    n, memory = a.n, budget(None)
    medians = [1.0 if bandwidth is None else median_squared_distance(view, memory=memory) for view in (a, b)]
    family = [Operator(view, bandwidth, median) for view, median in zip((a, b), medians, strict=True)]
    products = inner_products({"k": family}, [("k", "k")], memory=memory)
    diagonals = products.diagonals["k"]
    row_sums = products.row_sums["k"] + diagonals
    centred = diagonals - 2 / n * row_sums + row_sums.sum(axis=1, keepdims=True) / n**2
    squared_norms = np.diag(products.biased("k", "k")[0])
    sums = zip(centred.sum(axis=1), squared_norms, np.square(centred).sum(axis=1), strict=True)
    first, second = (CentredGrams(*(np.array([part]) for part in own)) for own in sums)
    return first, second
