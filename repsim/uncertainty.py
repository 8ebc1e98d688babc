"""How sure a similarity is: its standard error over examples, how it depends on their number, the best of many."""

from __future__ import annotations

import contextlib
import itertools
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from repsim.blocks import Blocks, whole
from repsim.engine.arrays import Float64, check_dense
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.representation import Representation, check_shape
from repsim.errors import (
    BiasWarning,
    ParameterError,
    RankSaturationWarning,
    RepresentationError,
    ShapeMismatchError,
)
from repsim.indexes import Index, get_index
from repsim.options import choice, path_option, real_number, whole_number
from repsim.pairwise import Named, named, pairwise
from repsim.results import Result

_ROUNDING = 1e-12  # of values that are the same in every order
_CLOSE = 1e-5  # of the largest value, when all are made again by another number of threads
_LISTS = (list, tuple, Mapping)


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

    See Also
    --------
    repsim.uncertainty : Makes one, with an example.
    """

    value: Any
    standard_error: Any
    replicates: Float64

    def interval(self, confidence: float = 0.95) -> tuple[Any, Any]:
        """Return the two ends of a confidence interval for the value of the population.

        Parameters
        ----------
        confidence : float
            Between 0 and 1.

        Returns
        -------
        tuple of float or of ndarray
            Value less and plus so many standard errors, as of a normal distribution.

        Raises
        ------
        ParameterError
            If `confidence` is not between 0 and 1.
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
    mean : ndarray
        (k,) over the subsets of each size; for lists (k, La, Lb).
    standard_deviation : ndarray
        Likewise.

    See Also
    --------
    repsim.convergence : Makes one, with an example.
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
    mean : ndarray
        (La, Lb): of each pair's value when the examples of one side are shuffled.
    standard_deviation : ndarray
        (La, Lb): likewise.
    z : ndarray
        (values - mean) / standard_deviation; 0 where every shuffle gives the same value but for rounding.
    p_values : ndarray
        (La, Lb): how often the largest z of all pairs, when shuffled, reaches this one's, the data's own order counted
        as one. Small where the pair stands out although it may have been chosen for being the best.

    See Also
    --------
    repsim.calibrate : Makes one, with an example.
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
        As for `repsim.pairwise`: with `resume`, tables that an interrupted call has finished are not made again;
        `record` is of the table of all examples.

    Returns
    -------
    Uncertainty
        Value, standard error, replicates; `interval` gives confidence intervals.

    Raises
    ------
    RepresentationError
        As for `repsim.pairwise`.
    ParameterError
        If `method` is neither, `groups` exceed half of the examples, or `seed` is no whole number from 0.

    Warns
    -----
    RankSaturationWarning, BiasWarning
        As `repsim.pairwise`, once for all tables; the second of all examples only.

    See Also
    --------
    repsim.convergence : How a value changes with the number of examples.
    repsim.jackknife : Errors over networks, not over examples.

    References
    ----------
    1. Shao and Wu (1989), doi:10.1214/aos/1176347263, for leaving out more than one.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((400, 5))
    >>> sure = uncertainty(x, x + rng.standard_normal((400, 5)))
    >>> print(f"{sure.value:.2f} ± {sure.standard_error:.2f}")
    0.50 ± 0.02
    """
    choice("method", method, "jackknife", "subsample")
    pairs = _Pairs(x, y, index, options)
    n, groups, seed = pairs.n, whole_number("groups", groups, 2), whole_number("seed", seed, 0)
    if groups > n // 2:
        raise ParameterError(f"groups is {groups} and there are {n} examples; at most half as many are needed")
    pairs.begin(function="uncertainty", method=method, groups=groups, seed=seed)
    value = pairs.of()  # first, so that what is wrong with all examples is not said of some
    replicates = np.array([pairs.of(rows) for rows in _subsets(method, n, groups, np.random.default_rng(seed))])
    factor = groups - 1 if method == "jackknife" else groups / (groups - 1)
    error = np.sqrt(factor * replicates.var(axis=0))
    pairs.finish()
    return Uncertainty(pairs.shaped(value), pairs.shaped(error), pairs.shaped(replicates))


def _subsets(method: str, n: int, groups: int, rng: np.random.Generator) -> list[Any]:
    """Return which examples are kept: all but one of so many parts, or that many halves."""
    order = rng.permutation(n)
    if method == "subsample":
        return [rng.permutation(n)[: n // 2] for _ in range(groups)]
    return [np.delete(order, slice(g * n // groups, (g + 1) * n // groups)) for g in range(groups)]


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
        As for `uncertainty`; without `record`, as there is no one table that it could be of.
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
    RepresentationError
        As for `repsim.pairwise`.
    ParameterError
        If a size is below 2 or above the number of examples, `repeats` below 1, `seed` below 0, or `record` is given.

    Warns
    -----
    RankSaturationWarning
        As `repsim.pairwise`, once for all tables; that few examples are near chance is what the curve shows.

    See Also
    --------
    repsim.uncertainty : How far a value may be off on the examples that there are.
    repsim.chance : What a shuffle of the examples gives, exactly, of CKA.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).standard_normal((2, 256, 64))  # unrelated
    >>> curve = convergence(x, y)
    >>> curve.sizes
    array([  8,  16,  32,  64, 128, 256])
    >>> curve.mean.round(2)
    array([0.89, 0.79, 0.66, 0.49, 0.33, 0.19])
    """
    if "record" in options:
        raise ParameterError("record is given; it is of one table, and a convergence is of many")
    pairs = _Pairs(x, y, index, options)
    repeats, seed = whole_number("repeats", repeats, 1), whole_number("seed", seed, 0)
    chosen = _chosen_sizes(sizes, pairs.n)
    pairs.begin(function="convergence", sizes=chosen, repeats=repeats, seed=seed)
    rng = np.random.default_rng(seed)
    means, deviations = [], []
    for size in chosen:
        draws = 1 if size == pairs.n else repeats  # there is one subset of all
        values = np.array([pairs.of(rng.permutation(pairs.n)[:size]) for _ in range(draws)])
        means.append(values.mean(axis=0))
        deviations.append(values.std(axis=0, ddof=min(1, draws - 1)))
    pairs.finish()
    return Convergence(np.array(chosen), pairs.shaped(np.array(means)), pairs.shaped(np.array(deviations)))


def _chosen_sizes(sizes: Any, n: int) -> list[int]:
    """Return numbers of examples, checked; by default each half of the next, up to all of n."""
    if sizes is None:
        return sorted({size for k in range(8) if (size := n >> k) >= 8} | {n})
    try:
        chosen = [whole_number("sizes", size, 2) for size in sizes]
    except TypeError:  # which a single number is, also as an array
        chosen = []
    if not chosen or max(chosen) > n:
        raise ParameterError(f"sizes is {sizes!r}; numbers from 2 to the {n} examples are needed")
    return chosen


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
        As for `uncertainty`.

    Returns
    -------
    Calibration
        Values, their level by chance, z, and p-values corrected for the number of pairs.

    Raises
    ------
    RepresentationError
        As for `repsim.pairwise`.
    ParameterError
        If `permutations` is below 2 or `seed` below 0.

    Warns
    -----
    RankSaturationWarning, BiasWarning
        As for `uncertainty`.

    See Also
    --------
    repsim.chance : The same for CKA, over all orders and without any drawn.
    repsim.uncertainty : How far a value may be off.

    References
    ----------
    1. Westfall and Young (1993), Resampling-Based Multiple Testing, Wiley, ISBN 978-0-471-55761-6, for the largest
       statistic.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y, z = rng.standard_normal((3, 50, 20))
    >>> calibrate([x], [x + y, z]).p_values < 0.05
    array([[ True, False]])
    """
    permutations, seed = whole_number("permutations", permutations, 2), whole_number("seed", seed, 0)
    for label, given in (("xs", xs), ("ys", ys)):
        if not isinstance(given, _LISTS):
            what = type(given).__name__
            raise ParameterError(f"{label} is a {what}; a list, tuple or mapping of representations is needed")
    pairs, rng = _Pairs(xs, ys, index, options), np.random.default_rng(seed)
    pairs.begin(function="calibrate", permutations=permutations, seed=seed)
    values = pairs.of()
    shuffled = np.array([pairs.of(shuffle=rng.permutation(pairs.n)) for _ in range(permutations)])
    pairs.finish()
    mean, deviation = shuffled.mean(axis=0), shuffled.std(axis=0, ddof=1)
    z = _standardised(values, shuffled, alike=0.0)
    return Calibration(values, mean, deviation, z, _p_values(values, shuffled))


def _p_values(values: Float64, shuffled: Float64) -> Float64:
    """Return how often the largest z of all pairs reaches that of each."""
    # The table itself counts as one of the orders, so that none of them is judged by the others alone.
    orders = np.concatenate([values[None], shuffled])
    # A pair that every order gives the same value stands out nowhere.
    own, *others = _standardised(orders, orders, alike=-np.inf)
    reached = (np.array([table.max() for table in others])[:, None, None] >= own).sum(axis=0)
    p_values: Float64 = (1 + reached) / len(orders)
    return p_values


def _standardised(tables: Float64, orders: Float64, alike: float) -> Float64:
    """Return how many deviations of the orders tables lie from their mean, or `alike` where no orders differ."""
    mean, deviation = orders.mean(axis=0), orders.std(axis=0, ddof=1)
    differ = deviation > _ROUNDING * np.abs(orders).max(axis=0)
    z: Float64 = np.divide(tables - mean, deviation, out=np.full(tables.shape, alike), where=differ)
    return z


class _Pairs:
    """The pairs that are compared, on all examples, on some, or with those of one side shuffled."""

    def __init__(self, x: Any, y: Any, index: str | Index, options: Mapping[str, Any]) -> None:
        if not isinstance(index, str | Index):
            raise ParameterError(f"index is {index!r:.100}; one index is needed")
        if options.get("chance"):
            raise ParameterError("chance is True; that of pairwise is a table of its own, ask for it there")
        for label, given in (("x", x), ("y", y)):
            check_dense(given, label)
        self._single = not isinstance(x, _LISTS)
        if self._single and y is None:
            raise ParameterError("y is missing; a second representation is needed, or a list of them as x")
        if y is not None and self._single == isinstance(y, _LISTS):
            what = "one representation and y is a list" if self._single else "a list and y is one representation"
            raise ParameterError(f"x is {what}; both must be one, or both lists")
        self._sides: list[Named] = []
        for label, given in [("x", x)] if y is None else [("x", x), ("y", y)]:
            side = {label: given} if self._single else named(given, f"{label}s")
            self._sides.append(Named({name: whole(array, name) for name, array in side.items()}))
        self._index, self._options = index, options
        self._unchecked = get_index(index).function is None  # of a resumed run, whether its tables are still those
        self._said: set[type[Warning]] = set()
        self.n = self._examples()

    def _examples(self) -> int:
        """Return the number of examples, which all must have."""
        counts = {name: check_shape(tuple(x.shape), name, 2)[0] for side in self._sides for name, x in side.items()}
        first, n = next(iter(counts.items()))
        for name, other in counts.items():
            if other != n:
                raise ShapeMismatchError(
                    f"{first} has {n} examples and {name} has {other}; all must be of the same ones"
                )
        return n

    def begin(self, **call: Any) -> None:
        """Go on from the tables that an interrupted run of the same call has kept, or begin."""
        resume = self._options.get("resume")
        self._folder = None if resume is None else path_option("resume", resume)
        if self._folder is not None:
            call |= {name: repr(self._options.get(name)) for name in ("block", "median")}
            call["index"] = get_index(self._index).definition
            call["representations"] = [
                [Representation(x, name, recognised=True).fingerprint() for name, x in side.items()]
                for side in self._sides
            ]
        self._checkpoint = Checkpoint(self._folder, call, sys.maxsize)
        self._numbers = itertools.count()

    def finish(self) -> None:
        """Remove what was kept."""
        self._checkpoint.close(finished=True)

    def of(self, rows: Any = None, *, shuffle: Any = None) -> Float64:
        """Return the table of some examples; that values are near chance is warned of all examples in their order."""
        name, options = f"table-{next(self._numbers)}", dict(self._options)
        if self._folder is not None:  # each table is a computation by itself, which has a folder of its own
            options["resume"] = self._folder / name
        if rows is not None or shuffle is not None:
            options.pop("record", None)  # which is to be of all examples
        kept = None if rows is None else np.sort(rows)
        lists = [
            side if order is None else Named({name: _view(x, order) for name, x in side.items()})
            for side, order in zip(self._sides, (kept, kept if shuffle is None else shuffle), strict=False)
        ]

        def table() -> dict[str, Float64]:
            return {"values": pairwise(*lists, index=self._index, **options)}

        with self._warned_once(near_chance=rows is None and shuffle is None):
            try:
                resumed = self._checkpoint.holds(name)
                values: Float64 = np.array(self._checkpoint.once(name, ["values"], table)["values"])
                if resumed and self._unchecked:
                    self._check_resumed(values, table()["values"])
            except RepresentationError as error:
                if rows is None:
                    raise
                left_out = f"(here {self.n - len(rows)} of the {self.n} examples are left out)"
                raise type(error)(f"{error} {left_out}") from error
        return values

    def _check_resumed(self, kept: Float64, values: Float64) -> None:
        """Compare the first table with that of an interrupted run: somebody's own functions may have changed."""
        self._unchecked = False
        if not np.abs(values - kept).max() <= _CLOSE * np.abs(kept).max():
            name = get_index(self._index).name
            raise ParameterError(
                f"resume: index {name!r} has other values than in the interrupted run; give another folder, or remove "
                "this one"
            )

    @contextlib.contextmanager
    def _warned_once(self, *, near_chance: bool) -> Iterator[None]:
        """Let each of our warnings through once for all tables, and that values are near chance only if asked to."""
        with warnings.catch_warnings():
            for category in self._said if near_chance else {*self._said, BiasWarning}:
                warnings.simplefilter("ignore", category)
            show = warnings.showwarning

            def note(message: Any, category: type[Warning], *where: Any, **others: Any) -> None:
                if issubclass(category, BiasWarning | RankSaturationWarning):
                    self._said.add(category)
                show(message, category, *where, **others)

            warnings.showwarning = note
            yield

    def shaped(self, tables: Any) -> Any:
        """Return what a caller gets for a table: that of one pair is a number."""
        if not self._single:
            return tables
        return float(tables[0, 0]) if tables.ndim == 2 else tables[..., 0, 0]


def _view(x: Any, chosen: Any) -> Blocks:
    """Return some rows, which are read when they are needed."""
    return Blocks(lambda start, stop: x[chosen[start:stop]], (len(chosen), *x.shape[1:]))
