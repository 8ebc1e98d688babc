"""The median distance between examples, which an RBF bandwidth is a fraction of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from repsim.engine.arrays import NUMPY, Array, Float64, full_precision, host, namespace
from repsim.engine.distances import CACHED_ROWS, distances_of, squared_norms, tile_distances
from repsim.engine.representation import FAR_FROM_MEAN, LARGEST_ENTRY, Representation, evenly_spaced
from repsim.errors import UndefinedSimilarityError

SAMPLE = 4000  # examples whose distances are held at once; their median is the exact one if there are no more
_BAND = 0.03  # of the sample's distances, on each side of its median, among which the exact one is looked for first
_BINS = 2**16
_HELD = 2**27  # distances gathered in one pass, if the memory has room
_READ_ELEMENTS = 2**20


def median_squared_distance(
    rep: Representation, how: str = "exact", *, memory: int, go_on: Callable[[], None] = lambda: None
) -> float:
    """Median squared distance of the scaled rows, over all n**2 pairs, the n zeros of the diagonal among them.

    "sample" takes that of up to 4,000 evenly spaced examples. Where the distances do not fit into the memory, they are
    gone through tile by tile, usually once, looking in a bracket that the distances of fewer examples suggest. `go_on`
    is called before each block of rows is read, and may raise.
    """
    median, n = _median(rep, how, memory, go_on)
    rows = kernel_rows(rep, median)
    if rows is not rep:
        return median_squared_distance(rows, how, memory=memory, go_on=go_on)
    return _above_rounding(median, rep.name, n, rounding_of(rep.typical_square, rep.p, rep.dtype))


def kernel_rows(rep: Representation, median: float) -> Representation:
    """Read about most examples where these are much closer to each other than to the mean, lest distances are lost."""
    return rep.about_most if rep.about_mean and median * FAR_FROM_MEAN < rep.typical_square else rep


def distances_and_rounding(rep: Representation) -> tuple[Float64, float]:
    """Squared distances between all examples of a view that is read in float64, and what rounding makes of 0 there."""
    rows = rep.matrix()
    distances = distances_of(rows)
    better = kernel_rows(rep, _middle(distances))
    if better is not rep:
        rows = better.matrix()
        distances = distances_of(rows)
    typical = float(np.median(np.einsum("ij,ij->i", rows, rows)))
    return distances, rounding_of(typical, rep.p, rows.dtype)


def rounding_of(typical: float, p: int, dtype: Any) -> float:
    """Squared distance that rounding makes of 0, between two equal rows of this squared length."""
    return (16 + 2 * math.sqrt(p)) * float(np.finfo(dtype).eps) * typical


def _median(rep: Representation, how: str, memory: int, go_on: Callable[[], None]) -> tuple[float, int]:
    """Return the median, before it is compared with rounding, and the number of examples it is of."""
    rows: Thinned | Representation = Thinned(rep, SAMPLE) if how == "sample" else rep
    size = rep.dtype.itemsize
    held = max(2, min(SAMPLE, int((memory / (16 * size)) ** 0.5), memory // (8 * size * rep.p)))
    if rows.n <= held:
        return _middle(distances_of(_matrix(rows))), rows.n
    block = median_block(rep, memory)
    above = _above(distances_of(_matrix(Thinned(rep, max(16, min(held, rows.n // 4))))))
    largest = above.dtype.type(8 * rep.p * LARGEST_ENTRY**2)

    def bracket(width: float) -> tuple[Any, Any]:
        if width >= 0.5:
            return above.dtype.type(0), largest
        low, high = np.quantile(above, [0.5 - width, 0.5 + width]).astype(above.dtype)
        return low, np.nextafter(high, largest)

    def read(start: int) -> Any:
        go_on()
        return rows.block(start, min(start + block, rows.n))

    if 2 * size * rows.n * rep.p <= memory:
        read = cache(read)
    limit = min(_HELD, memory // (8 * size))
    ranks = _middle_ranks(rows.n)
    return _order_statistics(lambda: _all_distances(read, rows.n, block, rep.xp), *ranks, bracket, limit), rows.n


def median_block(rep: Representation, memory: int) -> int:
    """Return how many examples' distances to as many others are made at once."""
    size = rep.dtype.itemsize
    return max(16, min(2048, rep.n, int((memory / (16 * size)) ** 0.5), memory // (16 * size * rep.p)))


class Thinned:
    """Evenly spaced examples of a representation, as many as there are or as are wanted."""

    def __init__(self, rep: Representation, count: int) -> None:
        self._rep = rep
        self._chosen = evenly_spaced(rep.n, count)
        self.n, self.about_mean = len(self._chosen), rep.about_mean

    def block(self, start: int, stop: int) -> Any:
        """Rows start to stop of those chosen; what lies between them is read too, some at a time."""
        xp, taken = self._rep.xp, []
        step = max(1, _READ_ELEMENTS // self._rep.p)
        chosen = self._chosen[start:stop]
        for first in range(int(chosen[0]), int(chosen[-1]) + 1, step):
            inside = chosen[(chosen >= first) & (chosen < first + step)] - first
            if inside.size:
                read = self._rep.block(first, min(first + step, self._rep.n))
                places = inside if xp is NUMPY else xp.asarray(inside, device=self._rep.device)
                taken.append(xp.take(read, places, axis=0))
        return taken[0] if len(taken) == 1 else xp.concat(taken, axis=0)


def _matrix(rows: Thinned | Representation) -> Array:
    """Return all rows, centred in float64 once more if they are about the mean."""
    out = host(rows.block(0, rows.n))
    return out - out.mean(axis=0) if out.dtype.itemsize == 8 and rows.about_mean else out


def median_of(distances: Array, name: str, rounding: float) -> float:
    """Median of all entries of a matrix of squared distances, the zero diagonal among them."""
    return _above_rounding(_middle(distances), name, len(distances), rounding)


def _middle(distances: Array) -> float:
    n = len(distances)
    return _mean_of_ranks(_above(distances), *_middle_ranks(n)) if n > 2 else float(np.median(distances))


def _middle_ranks(n: int) -> tuple[int, int]:
    """Return the ranks, among the entries above the diagonal, of the two in the middle of all n**2, n being 3 or more.

    The n zeros of the diagonal come first, then every other entry twice.
    """
    return ((n * n - 1) // 2 - n) // 2, (n * n // 2 - n) // 2


def _mean_of_ranks(values: Array, first: int, second: int) -> float:
    parted = np.partition(values, sorted({first, second}))
    return (float(parted[first]) + float(parted[second])) / 2


def _above(distances: Array) -> Array:
    """Return the entries above the diagonal."""
    return np.concatenate([row[i + 1 :] for i, row in enumerate(distances)])


def _above_rounding(median: float, name: str, n: int, rounding: float) -> float:
    # Equal rows of different blocks need not come out at a distance of exactly 0.
    if not median > rounding:
        raise UndefinedSimilarityError(
            f"{name}: the median distance between its {n} examples is 0, because more than half of the pairs "
            "coincide, so a bandwidth that is a fraction of it is 0 too; remove duplicate examples or use "
            "the linear kernel"
        )
    return median


def _all_distances(read: Callable[[int], Any], n: int, block: int, xp: Any) -> Iterator[Any]:
    """Yield the squared distances of all pairs of different examples once, some at a time.

    They stay where they are computed if that library selects by a mask, else they are copied.
    """
    lengths: dict[int, Any] = {}
    selects = xp is NUMPY or xp.__array_namespace_info__().capabilities()["boolean indexing"]  # JAX does so on the host
    with full_precision():
        for start in range(0, n, block):
            left = read(start)
            for other in range(start, n, block):
                right = left if other == start else read(other)
                if other not in lengths:
                    lengths[other] = squared_norms(xp, right)
                product = left @ right.T
                if other == start:
                    yield _above(host(tile_distances(xp, product, lengths[start], lengths[start])))
                    continue
                step = CACHED_ROWS if xp is NUMPY else len(product)
                for first in range(0, len(product), step):
                    rows = slice(first, first + step)
                    distances = tile_distances(xp, product[rows, :], lengths[start][rows], lengths[other])
                    yield distances if selects else host(distances)


def _order_statistics(
    distances: Callable[[], Iterator[Any]],
    first: int,
    second: int,
    bracket: Callable[[float], tuple[Any, Any]],
    limit: int,
) -> float:
    """Mean of the values of two ranks, equal or adjacent, of more numbers than can be held.

    Those in a bracket, its upper end excluded, are gathered and the ones below it counted. If the first rank is not in
    it, the bracket is widened; if too many are, it is cut down to one bin of their histogram, in the end to one value.
    """
    width = _BAND
    low, high = bracket(width)
    while True:
        gathered = _gather(distances(), low, high, limit)
        place = first - gathered.below
        if not 0 <= place < gathered.inside:
            width *= 4
            low, high = bracket(width)
        elif gathered.values is None:
            bin_ = int(np.searchsorted(np.cumsum(gathered.counts), place, side="right"))
            low, high = gathered.edges[bin_ : bin_ + 2]
        elif second < gathered.below + gathered.inside:
            last = len(gathered.values) - 1
            return _mean_of_ranks(gathered.values, min(place, last), min(second - gathered.below, last))
        else:
            return (float(gathered.values.max()) + _least_from(distances(), high)) / 2


class _Gathered(NamedTuple):
    """Of the numbers in a bracket: how many are below and inside, and they themselves if few; one if all are equal."""

    below: int
    inside: int
    values: Array | None
    counts: Array
    edges: Array


def _gather(tiles: Iterator[Any], low: Any, high: Any, limit: int) -> _Gathered:
    """Count and select where the distances are, and copy those in the bracket."""
    below, inside = 0, 0
    held: list[Array] | None = []
    counts, edges = np.zeros(_BINS, np.int64), np.linspace(low, high, _BINS + 1, dtype=low.dtype)
    least, most = float(low), float(high)
    for tile in tiles:
        xp = namespace(tile)
        below += int(xp.count_nonzero(tile < least))
        values = host(tile[(tile >= least) & (tile < most)])
        inside += values.size
        if held is not None:
            held.append(values)
            values, held = (np.concatenate(held), None) if inside > limit else (values[:0], held)
        if held is None:
            counts += np.bincount(np.searchsorted(edges, values, side="right") - 1, minlength=_BINS)
    if np.nextafter(low, high) == high:
        held = [np.array([low])]
    return _Gathered(below, inside, np.concatenate(held) if held else None, counts, edges)


def _least_from(tiles: Iterator[Any], high: Any) -> float:
    copies = (host(tile) for tile in tiles)
    return min(float(tile.min(where=tile >= high, initial=np.inf)) for tile in copies)
