"""How sure a similarity is: its standard error over examples, how it depends on their number, the best of many."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from repsim.blocks import Blocks, whole
from repsim.engine.arrays import Float64
from repsim.errors import BiasWarning, DimensionError, ParameterError, ShapeMismatchError
from repsim.indexes import Index
from repsim.options import real_number, whole_number
from repsim.pairwise import pairwise
from repsim.results import Result


@dataclass(frozen=True, eq=False)
class Uncertainty(Result):
    """A similarity and its standard error over examples.

    Attributes
    ----------
    value : float or ndarray
        The index of all examples; (La, Lb) for lists.
    standard_error : float or ndarray
        What it would vary by from one set of as many examples to another.
    replicates : ndarray
        (groups, ...): the index with parts of the examples left out.
    """

    value: Any
    standard_error: Any
    replicates: Float64

    def interval(self, confidence: float = 0.95) -> tuple[Any, Any]:
        """Return the two ends of an interval that holds the value of the population.

        Parameters
        ----------
        confidence : float
            Between 0 and 1.

        Returns
        -------
        tuple of float or of ndarray
            Value less and plus so many standard errors, as of a normal distribution.
        """
        level = real_number("confidence", confidence, "a number between 0 and 1 is needed")
        if not 0 < level < 1:
            raise ParameterError(f"confidence is {confidence!r}; a number between 0 and 1 is needed")
        half = NormalDist().inv_cdf((1 + level) / 2) * self.standard_error
        return self.value - half, self.value + half


@dataclass(frozen=True, eq=False)
class Convergence(Result):
    """A similarity of ever more examples.

    Attributes
    ----------
    sizes : ndarray
        (k,): numbers of examples.
    mean, standard_deviation : ndarray
        (k,) over the subsets of each size; for lists (k, La, Lb).
    """

    sizes: np.ndarray[Any, np.dtype[np.int64]]
    mean: Float64
    standard_deviation: Float64


@dataclass(frozen=True, eq=False)
class Calibration(Result):
    """Similarities of many pairs, and which of them are above chance although many were looked at.

    Attributes
    ----------
    values : ndarray
        (La, Lb).
    mean, standard_deviation : ndarray
        (La, Lb): of each pair's value when the examples of one side are shuffled.
    z : ndarray
        (values - mean) / standard_deviation.
    p_values : ndarray
        (La, Lb): how often the largest z of all pairs, when shuffled, reaches this one's, the data's own order counted
        as one. Small where the pair stands out although it may have been chosen for being the best.
    """

    values: Float64
    mean: Float64
    standard_deviation: Float64
    z: Float64
    p_values: Float64


def uncertainty(
    x: Any,
    y: Any = None,
    *,
    index: str | Index = "cka_linear",
    method: str = "jackknife",
    groups: int = 20,
    seed: int = 0,
    **options: Any,
) -> Uncertainty:
    r"""Estimate the standard error of a similarity over examples, of one pair or of all.

    The jackknife leaves out each of `groups` random parts of the examples in turn; subsampling takes that many random
    halves. The examples that are left are all different. A bootstrap would draw some twice, which are then perfectly
    similar to each other in both representations: its values are too high, often by more than the error itself.

    .. math:: s^2_{jackknife} = \frac{g - 1}{g} \sum_i (v_i - \bar v)^2, \qquad
              s^2_{halves} = \frac{1}{g - 1} \sum_i (v_i - \bar v)^2

    Parameters
    ----------
    x, y : array_like, or list, tuple or mapping of array_like
        Two representations of the same examples, (n, p) or (n, h, w, c); or many, of which each of `x` is compared with
        each of `y` (of `x` itself without `y`), as by `repsim.pairwise`.
    index : str or Index
        Similarity index.
    method : {"jackknife", "subsample"}
        Subsampling is for indexes that are not smooth; it takes as long for as many groups.
    groups : int
        Parts, or halves; at least 2. The error of the standard error is about ``1 / sqrt(2 * groups)``.
    seed : int
        Draws the parts.
    **options
        As for `repsim.pairwise`.

    Returns
    -------
    Uncertainty
        Value, standard error, replicates; `interval` gives confidence intervals.

    Raises
    ------
    RepresentationError
        As for `repsim.pairwise`.
    ParameterError
        If `method` is neither, or `groups` exceed the examples.

    References
    ----------
    Shao and Wu (1989), doi:10.1214/aos/1176347263, for leaving out more than one.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((400, 5))
    >>> sure = uncertainty(x, x + rng.standard_normal((400, 5)))
    >>> 0.005 < sure.standard_error < 0.05
    True
    """
    if method not in ("jackknife", "subsample"):
        raise ParameterError(f"method is {method!r}; 'jackknife' or 'subsample' is needed")
    pairs = _Pairs(x, y, index, options)
    n, groups, rng = pairs.n, whole_number("groups", groups, 2), np.random.default_rng(seed)
    if groups > n // 2:
        raise ParameterError(f"groups is {groups} and there are {n} examples; at most half as many are needed")
    order = rng.permutation(n)
    factor: float = groups - 1
    kept = [np.delete(order, slice(g * n // groups, (g + 1) * n // groups)) for g in range(groups)]
    if method == "subsample":
        kept, factor = [rng.permutation(n)[: n // 2] for _ in range(groups)], groups / (groups - 1)
    replicates = np.array([pairs.of(rows) for rows in kept])
    error = np.sqrt(factor * replicates.var(axis=0))
    return Uncertainty(pairs.shaped(pairs.of()), pairs.shaped(error), pairs.shaped(replicates))


def convergence(
    x: Any,
    y: Any = None,
    *,
    index: str | Index = "cka_linear",
    sizes: Sequence[int] | None = None,
    repeats: int = 10,
    seed: int = 0,
    **options: Any,
) -> Convergence:
    """Similarity of ever more of the examples, which shows whether there are enough.

    A biased index falls as examples are added, and there are enough where the curve is level.

    Parameters
    ----------
    x, y, index, **options
        As for `uncertainty`.
    sizes : sequence of int, optional
        Numbers of examples; by default up to eight, each half of the next, from 8 or more to all.
    repeats : int
        Random subsets of each size.
    seed : int
        Draws the subsets.

    Returns
    -------
    Convergence
        Sizes, means and standard deviations.

    Raises
    ------
    ParameterError
        If a size is below 2 or above the number of examples.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).standard_normal((2, 256, 64))  # unrelated
    >>> curve = convergence(x, y)
    >>> curve.sizes
    array([  8,  16,  32,  64, 128, 256])
    >>> bool((np.diff(curve.mean) < 0).all())
    True
    """
    pairs, rng = _Pairs(x, y, index, options), np.random.default_rng(seed)
    repeats = whole_number("repeats", repeats, 1)
    chosen = _halvings(pairs.n) if sizes is None else [whole_number("sizes", size, 2) for size in sizes]
    if not chosen or max(chosen) > pairs.n:
        raise ParameterError(f"sizes is {sizes!r}; numbers from 2 to the {pairs.n} examples are needed")
    means, deviations = [], []
    for size in chosen:
        draws = 1 if size == pairs.n else repeats  # there is one subset of all
        values = np.array([pairs.of(rng.permutation(pairs.n)[:size]) for _ in range(draws)])
        means.append(values.mean(axis=0))
        deviations.append(values.std(axis=0, ddof=min(1, draws - 1)))
    return Convergence(np.array(chosen), pairs.shaped(np.array(means)), pairs.shaped(np.array(deviations)))


def _halvings(n: int) -> list[int]:
    """Return up to eight numbers of examples, each half of the next."""
    return sorted({size for k in range(8) if (size := n >> k) >= 8} | {n})


def calibrate(
    xs: Any, ys: Any, *, index: str | Index = "cka_linear", permutations: int = 200, seed: int = 0, **options: Any
) -> Calibration:
    """Which of many pairs are more similar than the best of as many unrelated ones.

    The best match among many layers is high by being the best. Here each shuffle of the examples is one for all pairs,
    so that it keeps what they have in common, and a pair is judged by the largest z over all pairs in each shuffle.

    Parameters
    ----------
    xs, ys : list, tuple or mapping of array_like
        Representations of the same examples.
    index : str or Index
        Similarity index.
    permutations : int
        Shuffles, of which each takes as long as ``pairwise(xs, ys)``; the smallest p-value is one in as many and one.
    seed : int
        Draws the shuffles.
    **options
        As for `repsim.pairwise`.

    Returns
    -------
    Calibration
        Values, their level by chance, z, and p-values corrected for the number of pairs.

    Raises
    ------
    ParameterError
        If `permutations` is below 2.

    References
    ----------
    Westfall and Young (1993), Resampling-Based Multiple Testing, for the largest statistic.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y, z = rng.standard_normal((3, 50, 20))
    >>> calibrate([x], [x + y, z]).p_values < 0.05
    array([[ True, False]])
    """
    permutations = whole_number("permutations", permutations, 2)
    pairs = _Pairs(_arrays(xs, "xs"), _arrays(ys, "ys"), index, options)
    rng = np.random.default_rng(seed)
    values = pairs.of()
    shuffled = np.array([pairs.of(shuffle=rng.permutation(pairs.n)) for _ in range(permutations)])
    mean, deviation = shuffled.mean(axis=0), shuffled.std(axis=0, ddof=1)
    # The table itself counts as one of the orders, so that none of them is judged by the others alone.
    orders = np.concatenate([values[None], shuffled])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (values - mean) / deviation
        own, *others = (orders - orders.mean(axis=0)) / orders.std(axis=0, ddof=1)
        # A pair that every order gives the same value stands out nowhere.
        own, *others = (np.where(np.isfinite(table), table, -np.inf) for table in (own, *others))
    reached = (np.array([table.max() for table in others])[:, None, None] >= own).sum(axis=0)
    return Calibration(values, mean, deviation, z, (1 + reached) / (1 + permutations))


class _Pairs:
    """The pairs that are compared, on all examples, on some, or with those of one side shuffled."""

    def __init__(self, x: Any, y: Any, index: str | Index, options: Mapping[str, Any]) -> None:
        if not isinstance(index, str | Index) or options.get("chance"):
            raise ParameterError("index is not one index, or chance is asked for too; one table of one index is needed")
        self._single = not isinstance(x, list | tuple | Mapping)
        if self._single and y is None:
            raise ParameterError("y is missing; a second representation is needed, or a list of them as x")
        if self._single and isinstance(y, list | tuple | Mapping):
            raise ParameterError("x is one representation and y is a list; both must be one, or both lists")
        self._xs = _arrays({"x": x} if self._single else x, "x")
        self._ys = None if y is None else _arrays({"y": y} if self._single else y, "y")
        self._index, self._options = index, options
        counts = {int(x.shape[0]) for x in [*self._xs, *(self._ys or [])]}
        if len(counts) != 1:
            raise ShapeMismatchError(f"representations of {sorted(counts)} examples; all must be of the same ones")
        (self.n,) = counts

    def of(self, rows: Any = None, *, shuffle: Any = None) -> Float64:
        """Return the table of some examples; that values are near chance is warned of all examples in their order."""
        first, second = _some(self._xs, rows), None if self._ys is None else _some(self._ys, rows, shuffle)
        with warnings.catch_warnings():
            if rows is not None or shuffle is not None:
                warnings.simplefilter("ignore", BiasWarning)
            table: Float64 = pairwise(first, second, index=self._index, **self._options)
        return table

    def shaped(self, tables: Any) -> Any:
        """Return what a caller gets for a table: that of one pair is a number."""
        if not self._single:
            return tables
        return float(tables[0, 0]) if tables.ndim == 2 else tables[..., 0, 0]


def _arrays(xs: Any, label: str) -> list[Any]:
    """Return representations whose rows can be taken in any order: what computes them is read as a whole."""
    if not isinstance(xs, list | tuple | Mapping):
        raise ParameterError(f"{label} is a {type(xs).__name__}; a list, tuple or mapping of representations is needed")
    named = xs.items() if isinstance(xs, Mapping) else ((f"{label}[{i}]", x) for i, x in enumerate(xs))
    arrays = {name: whole(x, name) for name, x in named}
    for name, array in arrays.items():
        if not array.shape:
            raise DimensionError(f"{name} is a single number; (examples, features) is needed")
    return list(arrays.values())


def _some(xs: Sequence[Any], rows: Any, shuffle: Any = None) -> list[Any]:
    """Return views of some rows of each, in their order, or of all shuffled, which are read when they are needed."""
    chosen = np.sort(rows) if rows is not None else shuffle
    return list(xs) if chosen is None else [_view(x, chosen) for x in xs]


def _view(x: Any, chosen: Any) -> Blocks:
    read: Callable[[int, int], Any] = lambda start, stop: x[chosen[start:stop]]  # noqa: E731
    return Blocks(read, (len(chosen), *x.shape[1:]))
