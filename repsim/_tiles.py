"""Frobenius inner products of many (n, n) operators in one pass, without an (n, n) matrix.

Every operator is visited in tiles: for a pair of blocks of examples each operator's tile is one matrix product,
the tiles are laid out as the rows of a matrix T, and T T' is added to a float64 table. Row sums and diagonals are
kept beside it, so that the operators can be centred, or U-centred, after the fact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from repsim._representation import Array, Float64, Representation, Rows
from repsim.kernels import median_squared_distance, shift_of, shift_rounding, shifted_rbf

DEFAULT_MEMORY = 2**31
_LARGEST_BLOCK = 2048  # larger ones are no faster, since fewer tiles lie off the diagonal and are used twice
_CHUNK = {4: 2**13, 8: 2**16}  # entries of a tile summed in its own precision before float64 takes over


@dataclass(frozen=True, eq=False)
class Operator:
    """A linear Gram operator of some rows, or an RBF one less its value at the median distance."""

    rows: Rows
    bandwidth: float | None = None
    median: float = 1.0

    @classmethod
    def linear(cls, rows: Rows) -> Operator:
        """Rows times rows'."""
        return cls(rows)

    @classmethod
    def rbf(cls, rows: Representation, bandwidth: float, median: float | None = None) -> Operator:
        """Make an RBF operator; the median squared distance is found if it is not given."""
        return cls(rows, bandwidth, median_squared_distance(rows) if median is None else median)

    def diagonal(self, norms: Array) -> Array:
        """Diagonal entries, given the squared norms of the rows."""
        if self.bandwidth is None:
            return norms
        return np.full(norms.shape, 1 - shift_of(self.bandwidth))

    def floor(self) -> float:
        """Energy that rounding may leave of a kernel whose entries are all alike."""
        if self.bandwidth is None:
            return 0.0
        relative = 1e-12 if self.rows.dtype.itemsize == 8 else 1e-5
        return (relative * self.rows.n * shift_rounding(self.bandwidth)) ** 2


@dataclass(frozen=True)
class Products:
    """Tables of inner products with the diagonals left out, and each operator's diagonal and row sums."""

    n: int
    tables: dict[tuple[str, str], Float64]
    diagonals: dict[str, Float64]
    row_sums: dict[str, Float64]  # without the diagonal
    precision: dict[str, float]
    floors: dict[str, Float64]  # energy that rounding alone may leave after centring

    def plain(self, a: str, b: str) -> Float64:
        """<K, L>, as the operators are."""
        return self.tables[a, b] + self.diagonals[a] @ self.diagonals[b].T

    def biased(self, a: str, b: str) -> tuple[Float64, Float64]:
        """<HKH, HLH>, and for each K below what its own product would be rounding error."""
        sums = {key: self.row_sums[key] + self.diagonals[key] for key in (a, b)}
        totals = {key: sums[key].sum(axis=1) for key in (a, b)}
        table = self.plain(a, b)
        noise = self.precision[a] * np.diag(table) + self.floors[a] if a == b else np.zeros(len(table))
        return (
            table - 2 / self.n * (sums[a] @ sums[b].T) + np.outer(totals[a], totals[b]) / self.n**2,
            noise,
        )

    def debiased(self, a: str, b: str) -> tuple[Float64, Float64]:
        """Inner products of the U-centred operators, and the same."""
        n, table, sums = self.n, self.tables[a, b], self.row_sums
        totals = {key: sums[key].sum(axis=1) for key in (a, b)}
        noise = self.precision[a] * np.diag(table) + self.floors[a] if a == b else np.zeros(len(table))
        return (
            table - 2 / (n - 2) * (sums[a] @ sums[b].T) + np.outer(totals[a], totals[b]) / ((n - 1) * (n - 2)),
            noise,
        )


def inner_products(
    families: Mapping[str, Sequence[Operator]],
    products: Sequence[tuple[str, str]],
    *,
    block: int | None = None,
    memory: int = DEFAULT_MEMORY,
    tick: Callable[[], None] | None = None,
) -> Products:
    """Compute <K, L> for K in one family and L in another, for each pair of families named in `products`.

    Operators of different families that share their rows share the matrix products too. `tick` is called once
    per pair of blocks, or per block where features are cheaper than tiles; see `steps`.
    """
    n = next(iter(families.values()))[0].rows.n
    result = Products(
        n,
        {key: np.zeros((len(families[key[0]]), len(families[key[1]]))) for key in products},
        {key: np.zeros((len(ops), n)) for key, ops in families.items()},
        {key: np.zeros((len(ops), n)) for key, ops in families.items()},
        {key: 1e-13 if _itemsize(ops) == 8 else 1e-9 for key, ops in families.items()},
        {key: np.array([op.floor() for op in ops]) for key, ops in families.items()},
    )
    if features_are_cheaper(families, products, memory):
        _by_features(families, products, result, block or _feature_block(families, memory), tick)
    else:
        _by_tiles(families, products, result, block or tile_block(families, memory), tick)
    return result


def steps(
    families: Mapping[str, Sequence[Operator]], products: Sequence[tuple[str, str]], block: int | None, memory: int
) -> int:
    """Return how often `inner_products` will call `tick`."""
    n = next(iter(families.values()))[0].rows.n
    if features_are_cheaper(families, products, memory):
        return math.ceil(n / (block or _feature_block(families, memory)))
    blocks = math.ceil(n / (block or tile_block(families, memory)))
    return blocks * (blocks + 1) // 2


def features_are_cheaper(
    families: Mapping[str, Sequence[Operator]], products: Sequence[tuple[str, str]], memory: int
) -> bool:
    """Compare the operation counts of cross-products of all features with those of the tiles."""
    if any(op.bandwidth is not None for ops in families.values() for op in ops):
        return False
    n = next(iter(families.values()))[0].rows.n
    width = {key: sum(op.rows.p for op in ops) for key, ops in families.items()}
    features = sum(width[a] * width[b] for a, b in products)
    tiles = n * sum(rows.p for rows in _distinct_rows(families))
    tiles += n * sum(len(families[a]) * len(families[b]) for a, b in products)
    return features < tiles and 8 * features <= memory


def tile_block(families: Mapping[str, Sequence[Operator]], memory: int) -> int:
    """Return the largest block, up to 2,048, whose tiles and two blocks of the widest rows fit into the memory."""
    rows = _distinct_rows(families)
    size = max(r.dtype.itemsize for r in rows)
    tiles = size * (sum(len(ops) for ops in families.values()) + 2)
    reading = 4 * size * max(r.p for r in rows)
    side = (-reading + math.sqrt(reading**2 + 4 * tiles * memory)) / (2 * tiles)
    fewest = math.ceil(rows[0].n / max(1, min(int(side), _LARGEST_BLOCK)))
    return math.ceil(rows[0].n / fewest)


def _feature_block(families: Mapping[str, Sequence[Operator]], memory: int) -> int:
    width = sum(op.rows.p for ops in families.values() for op in ops)
    n = next(iter(families.values()))[0].rows.n
    return max(1, min(n, memory // (32 * width)))


def _distinct_rows(families: Mapping[str, Sequence[Operator]]) -> list[Rows]:
    return list({id(op.rows): op.rows for ops in families.values() for op in ops}.values())


def _itemsize(ops: Sequence[Operator]) -> int:
    return max(op.rows.dtype.itemsize for op in ops)


def _blocks(n: int, block: int) -> Iterator[slice]:
    return (slice(start, min(start + block, n)) for start in range(0, n, block))


def _by_tiles(
    families: Mapping[str, Sequence[Operator]],
    products: Sequence[tuple[str, str]],
    result: Products,
    block: int,
    tick: Callable[[], None] | None,
) -> None:
    block = min(block, result.n)
    users: dict[int, list[tuple[str, int, Operator]]] = {}
    for key, ops in families.items():
        for i, op in enumerate(ops):
            users.setdefault(id(op.rows), []).append((key, i, op))
    store = {
        key: np.empty((len(ops), block * block), np.float32 if _itemsize(ops) == 4 else np.float64)
        for key, ops in families.items()
    }
    for first in _blocks(result.n, block):
        for second in _blocks(result.n, block):
            if second.start < first.start:
                continue
            shape = (first.stop - first.start, second.stop - second.start)
            tiles = {key: flat[:, : shape[0] * shape[1]] for key, flat in store.items()}
            for rows in _distinct_rows(families):
                _fill(rows, users[id(rows)], first, second, tiles, result)
            weight = 1.0 if first == second else 2.0
            for a, b in products:
                _accumulate(result.tables[a, b], tiles[a], tiles[b], weight)
            if tick is not None:
                tick()


def _fill(
    rows: Rows,
    users: Sequence[tuple[str, int, Operator]],
    first: slice,
    second: slice,
    tiles: Mapping[str, Array],
    result: Products,
) -> None:
    """Put the tiles of all operators that share these rows in place, and add up their row sums."""
    same = first == second
    left = rows.block(first.start, first.stop)
    right = left if same else rows.block(second.start, second.stop)
    product = left @ right.T
    norms = [np.einsum("ij,ij->i", z, z) for z in (left, right)]
    distances = None
    for key, i, op in users:
        tile = tiles[key][i].reshape(product.shape)
        if op.bandwidth is None:
            tile[...] = product
        else:
            if distances is None:
                distances = product * -2
                distances += norms[0][:, None]
                distances += norms[1]
                np.maximum(distances, 0, out=distances)
            tile[...] = distances
            shifted_rbf(tile, op.median, op.bandwidth)
        sums = result.row_sums[key][i]
        if same:
            np.fill_diagonal(tile, 0)
            result.diagonals[key][i, first] = op.diagonal(norms[0])
        else:
            sums[second] += tile.sum(axis=0, dtype=np.float64)
        sums[first] += tile.sum(axis=1, dtype=np.float64)


def _accumulate(table: Float64, a: Array, b: Array, weight: float) -> None:
    """Add weight * a b' to the table, in float64 after every chunk of columns."""
    chunk = _CHUNK[max(a.dtype.itemsize, b.dtype.itemsize)]
    total = np.zeros_like(table)
    for start in range(0, a.shape[1], chunk):
        left = a[:, start : start + chunk]
        right = left if b is a else b[:, start : start + chunk]
        total += left @ right.T
    table += weight * total


def _by_features(
    families: Mapping[str, Sequence[Operator]],
    products: Sequence[tuple[str, str]],
    result: Products,
    block: int,
    tick: Callable[[], None] | None,
) -> None:
    """Linear operators only: ||Y'X||^2 from cross-products of all features with all features."""
    width = {key: [op.rows.p for op in ops] for key, ops in families.items()}
    cross = {(a, b): np.zeros((sum(width[a]), sum(width[b]))) for a, b in products}
    column_sums = {key: np.zeros(sum(widths)) for key, widths in width.items()}
    for rows in _blocks(result.n, block):
        read: dict[int, Float64] = {}
        for source in _distinct_rows(families):
            read[id(source)] = source.block(rows.start, rows.stop).astype(np.float64)
        stacked = {}
        for key, ops in families.items():
            stacked[key] = np.hstack([read[id(op.rows)] for op in ops])
            column_sums[key] += stacked[key].sum(axis=0)
            for i, op in enumerate(ops):
                values = read[id(op.rows)]
                result.diagonals[key][i, rows] = np.einsum("ij,ij->i", values, values)
        for a, b in products:
            cross[a, b] += stacked[a].T @ stacked[b]
        if tick is not None:
            tick()
    for key in families:
        result.row_sums[key][...] = -result.diagonals[key]
    for a, b in products:
        starts = [np.concatenate([[0], np.cumsum(width[key])[:-1]]) for key in (a, b)]
        values = cross[a, b] - np.outer(column_sums[a], column_sums[b]) / result.n
        squares = np.square(values, out=values)
        summed = np.add.reduceat(np.add.reduceat(squares, starts[0], axis=0), starts[1], axis=1)
        result.tables[a, b][...] = summed - result.diagonals[a] @ result.diagonals[b].T
