"""Frobenius inner products of many (n, n) operators in one pass, without an (n, n) matrix.

Every operator is visited in tiles: for a pair of blocks of examples each operator's tile is one matrix product,
the tiles are laid out as the rows of a matrix T, and T T' is added to a float64 table. Row sums and diagonals are
kept beside it, so that the operators can be centred, or U-centred, after the fact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repsim._arrays import NUMPY, Float64, full_precision, host, namespace
from repsim._features import feature_block, features_are_cheaper, products_by_features
from repsim._median import CACHED_ROWS, squared_norms, tile_distances
from repsim._progress import Tick
from repsim._representation import Rows
from repsim._workspace import Workspace
from repsim.errors import NonFiniteError, ParameterError
from repsim.kernels import shift_of, shift_rounding, shifted_rbf

_LARGEST_BLOCK = 2048  # larger ones are no faster, since fewer tiles lie off the diagonal and are used twice
_SMALLEST_BLOCK = 16  # smaller ones would take hours
_CHUNK = {4: 2**13, 8: 2**16}  # entries of a tile summed in its own precision before float64 takes over
_SUMMED = 256  # entries of a row summed in its own precision


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

    def diagonal(self, norms: Float64) -> Float64:
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


Families = Mapping[str, Sequence[Operator]]
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Products:
    """Tables of inner products with the diagonals left out, and each operator's diagonal and row sums."""

    n: int
    tables: dict[tuple[str, str], Float64]
    diagonals: dict[str, Float64]
    row_sums: dict[str, Float64]  # without the diagonal
    precision: dict[str, float]
    floors: dict[str, Float64]  # energy that rounding alone may leave after centring

    @classmethod
    def zero(cls, families: Families, products: Pairs) -> Products:
        """Nothing added up yet."""
        n = next(iter(families.values()))[0].rows.n
        return cls(
            n,
            {key: np.zeros((len(families[key[0]]), len(families[key[1]]))) for key in products},
            {key: np.zeros((len(ops), n)) for key, ops in families.items()},
            {key: np.zeros((len(ops), n)) for key, ops in families.items()},
            {key: 1e-13 if _itemsize(ops) == 8 else 1e-9 for key, ops in families.items()},
            {key: np.array([op.floor() for op in ops]) for key, ops in families.items()},
        )

    def finite(self) -> bool:
        """Whether all that was added up is finite."""
        parts = (self.tables, self.diagonals, self.row_sums)
        return all(np.isfinite(array).all() for part in parts for array in part.values())

    def plain(self, a: str, b: str) -> Float64:
        """<K, L>, as the operators are."""
        return self.tables[a, b] + self.diagonals[a] @ self.diagonals[b].T

    def energy(self, a: str) -> Float64:
        """Trace of HKH for each K, whose rows need not be exactly centred."""
        diagonal = self.diagonals[a].sum(axis=1)
        energy: Float64 = diagonal - (self.row_sums[a].sum(axis=1) + diagonal) / self.n
        return energy

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

    def arrays(self) -> dict[str, Float64]:
        """Everything that is added up, by name, to be saved or restored in place."""
        found = {f"table {a} {b}": table for (a, b), table in self.tables.items()}
        found |= {f"diagonal {key}": values for key, values in self.diagonals.items()}
        return found | {f"sums {key}": values for key, values in self.row_sums.items()}


def inner_products(
    families: Families,
    products: Pairs,
    *,
    memory: int,
    block: int | None = None,
    tick: Tick | None = None,
    workspace: Workspace | None = None,
) -> Products:
    """Compute <K, L> for K in one family and L in another, for each pair of families named in `products`.

    Operators of different families that share their rows share the matrix products too. `tick` is called with the
    operations done since the last time (see `operations`). With a workspace, what has been added up is kept there
    if the pass does not come to its end, and the next one goes on from it.
    """
    result = Products.zero(families, products)
    tick = tick or _ignore
    # BLAS may raise the flag of an invalid operation over finite numbers with a finite result (NumPy's issue 24067).
    with full_precision(), np.errstate(invalid="ignore"):
        if features_are_cheaper(families, products, memory):
            products_by_features(families, products, result, block or feature_block(families, memory), tick)
        else:
            _by_tiles(families, products, result, block or tile_block(families, memory), memory, tick, workspace)
    if not result.finite():
        raise NonFiniteError("inner products of the representations are not finite, though all their values are")
    return result


def _ignore(_: float) -> None:
    pass


def operations(families: Families, products: Pairs, memory: int) -> float:
    """Estimate the multiplications and additions of `inner_products`."""
    n = next(iter(families.values()))[0].rows.n
    if features_are_cheaper(families, products, memory):
        width = {key: sum(op.rows.p for op in ops) for key, ops in families.items()}
        return 2.0 * n * sum(width[a] * width[b] for a, b in products)
    return float(n) * n * _per_entry(families, products)


def _per_entry(families: Families, products: Pairs) -> float:
    """Operations for an entry of every operator, half of them being mirror images."""
    exponentials = 20 * sum(op.bandwidth is not None for ops in families.values() for op in ops)
    own = sum(rows.p for rows in distinct_rows(families)) + exponentials
    return float(own + sum(len(families[a]) * len(families[b]) for a, b in products))


def tile_block(families: Families, memory: int) -> int:
    """Return the largest block, up to 2,048, whose tiles and blocks of rows fit into the memory.

    Where that is more than half as large with the first block of every operator's rows kept as with one at a time, it
    leaves room for them: rows are then read half as often.

    Raises
    ------
    ParameterError
        If blocks of 16 examples do not fit.
    """
    rows = distinct_rows(families)
    n, count = rows[0].n, sum(len(ops) for ops in families.values())
    fixed, per_entry, per_example = _bytes_needed(families, memory)
    left = max(0, memory - fixed)

    def largest(per_example: int) -> float:
        return (-per_example + math.sqrt(per_example**2 + 4 * per_entry * left)) / (2 * per_entry)

    side = min(_LARGEST_BLOCK, largest(per_example))
    roomy = min(_LARGEST_BLOCK, largest(per_example + sum(r.p * r.dtype.itemsize for r in rows)))
    side = roomy if 2 * roomy > max(side, 2 * _SMALLEST_BLOCK) else side
    least = min(n, _SMALLEST_BLOCK)
    if side < least:
        wanted = fixed + per_entry * least**2 + per_example * least
        raise ParameterError(
            f"memory is {memory:,} bytes; tiles of {least} examples of {count} operators, the widest with "
            f"{max(r.p for r in rows):,} features, need about {wanted:,}"
        )
    fewest = math.ceil(n / int(side))
    return math.ceil(n / fewest)


def _bytes_needed(families: Families, memory: int) -> tuple[int, int, int]:
    """Return the bytes that a pass needs in any case, for each entry of a tile and for each example of a block."""
    rows = distinct_rows(families)
    n, size = rows[0].n, max(r.dtype.itemsize for r in rows)
    count = sum(len(ops) for ops in families.values())
    return 24 * n * count + 3 * _stacked_bytes(families, memory), size * (count + 6), 4 * size * max(r.p for r in rows)


def _group(families: Families, memory: int) -> tuple[int, int]:
    """Return how many entries of every tile are multiplied at once, and how many are then summed unpromoted."""
    size = max(_itemsize(ops) for ops in families.values())
    longest = max(len(ops) for ops in families.values())
    group = max(256, min(16 * _CHUNK[size], memory // (24 * longest * size)))
    chunk = min(_CHUNK[size], group)
    return group // chunk * chunk, chunk


def _stacked_bytes(families: Families, memory: int) -> int:
    size = max(_itemsize(ops) for ops in families.values())
    return _group(families, memory)[0] * max(len(ops) for ops in families.values()) * size


def distinct_rows(families: Families) -> list[Rows]:
    """Return what the operators are made from, once each."""
    return list({id(op.rows): op.rows for ops in families.values() for op in ops}.values())


def _itemsize(ops: Sequence[Operator]) -> int:
    return max(op.rows.dtype.itemsize for op in ops)


def blocks(n: int, block: int) -> Iterator[slice]:
    """Cut n examples into blocks."""
    return (slice(start, min(start + block, n)) for start in range(0, n, block))


def _by_tiles(
    families: Families,
    products: Pairs,
    result: Products,
    block: int,
    memory: int,
    tick: Tick,
    workspace: Workspace | None,
) -> None:
    done = 0
    if workspace is not None and (saved := workspace.restore("tiles", result.arrays())):
        done, block = saved
    users: dict[int, list[tuple[str, int, Operator]]] = {}
    for key, ops in families.items():
        for i, op in enumerate(ops):
            users.setdefault(id(op.rows), []).append((key, i, op))
    cost = _per_entry(families, products)
    fixed, per_entry, per_example = _bytes_needed(families, memory)
    reader = _Reader(memory - fixed - per_entry * block**2 - per_example * block)
    whole = True
    pairs = [(a, b) for a in blocks(result.n, block) for b in blocks(result.n, block) if b.start >= a.start]
    try:
        for number, (first, second) in enumerate(pairs):
            weight = 1.0 if first == second else 2.0
            if number >= done:
                tiles: dict[str, list[Any]] = {key: [None] * len(ops) for key, ops in families.items()}
                sums = [
                    part
                    for rows in distinct_rows(families)
                    for part in _fill(rows, users[id(rows)], first, second, tiles, reader)
                ]
                found = {pair: tile_products(tiles[pair[0]], tiles[pair[1]], families, memory) for pair in products}
                whole = False
                for pair, table in found.items():
                    result.tables[pair] += weight * table
                for kind, key, i, where, values in sums:
                    getattr(result, kind)[key][i, where] += values
                done = number + 1
                whole = True
                if workspace is not None:
                    workspace.save_sometimes("tiles", result.arrays(), done, block)
            tick(weight * (first.stop - first.start) * (second.stop - second.start) * cost)
    except BaseException:
        # An interruption may come between two additions; what was saved before goes for that.
        if workspace is not None and whole:
            workspace.save("tiles", result.arrays(), done, block)
        raise


class _Reader:
    """Reads blocks of rows, and remembers what many tiles have in common.

    A row of tiles has its first examples in common: of each operator's rows as many of these blocks are kept as fit
    into the spare memory. Squared lengths are kept of all examples.
    """

    def __init__(self, spare: int) -> None:
        self._spare, self._left, self._start = spare, spare, -1
        self._kept: dict[int, Any] = {}
        self._norms: dict[tuple[int, int], Any] = {}

    def first(self, rows: Rows, part: slice) -> Any:
        """Return the block of a tile's first examples."""
        if part.start != self._start:
            self._kept.clear()
            self._left, self._start = self._spare, part.start
        if (block := self._kept.get(id(rows))) is None:
            block = rows.block(part.start, part.stop)
            size = (part.stop - part.start) * rows.p * rows.dtype.itemsize
            if size <= self._left:
                self._kept[id(rows)] = block
                self._left -= size
        return block

    def norms(self, rows: Rows, part: slice, block: Any) -> Any:
        """Return the squared lengths of the rows of a block, in its own library and precision."""
        where = id(rows), part.start
        if where not in self._norms:
            self._norms[where] = squared_norms(namespace(block), block)
        return self._norms[where]


Part = tuple[str, str, int, slice, Float64]


def _fill(
    rows: Rows,
    users: Sequence[tuple[str, int, Operator]],
    first: slice,
    second: slice,
    tiles: dict[str, list[Any]],
    reader: _Reader,
) -> Iterator[Part]:
    """Put the tiles of all operators that share these rows in place; yield what to add to diagonals and row sums."""
    same = first == second
    left = reader.first(rows, first)
    right = left if same else rows.block(second.start, second.stop)
    xp = namespace(left)
    product = left @ right.T
    made: dict[float | None, Any] = {None: product}
    if kernels := [op for _, _, op in users if op.bandwidth is not None]:
        lengths = reader.norms(rows, first, left), reader.norms(rows, second, right)
        bandwidths = [op.bandwidth for op in kernels]
        made |= zip(bandwidths, _rbf_tiles(xp, product, *lengths, kernels), strict=True)
    for key, i, op in users:
        tile = made[op.bandwidth]
        if same:
            yield "diagonals", key, i, first, op.diagonal(_double(reader.norms(rows, first, left)))
            tile = _without_diagonal(xp, tile)
        yield "row_sums", key, i, first, _row_sums(xp, tile)
        if not same:
            yield "row_sums", key, i, second, _row_sums(xp, tile.T)
        tiles[key][i] = xp.reshape(tile, (-1,))


def _rbf_tiles(xp: Any, product: Any, left: Any, right: Any, operators: Sequence[Operator]) -> list[Any]:
    """Return the tile of each RBF operator, given the inner products of two blocks and their rows' squared lengths."""

    def of(rows: slice) -> Iterator[Any]:
        distances = tile_distances(xp, product[rows, :], left[rows], right)
        for op in operators:
            assert op.bandwidth is not None
            yield shifted_rbf(xp, distances, op.median, op.bandwidth)

    if xp is not NUMPY:
        return list(of(slice(None)))
    out = [np.empty_like(product) for _ in operators]
    for rows in blocks(len(product), CACHED_ROWS):
        for tile, values in zip(out, of(rows), strict=True):
            tile[rows] = values
    return out


def _double(values: Any) -> Float64:
    return host(values).astype(np.float64)


def _without_diagonal(xp: Any, tile: Any) -> Any:
    mask = xp.eye(tile.shape[0], dtype=xp.bool, **_device_of(tile))
    return xp.where(mask, xp.zeros((), dtype=tile.dtype, **_device_of(tile)), tile)


def _device_of(x: Any) -> dict[str, Any]:
    return {} if isinstance(x, np.ndarray) else {"device": x.device}


def _row_sums(xp: Any, tile: Any) -> Float64:
    """Sum the rows, a few entries at a time in their own precision."""
    total = np.zeros(tile.shape[0])
    for start in range(0, tile.shape[1], _SUMMED):
        part = tile[:, start : start + _SUMMED]
        total += host(part @ xp.ones(part.shape[1], dtype=tile.dtype, **_device_of(tile)))
    return total


def tile_products(a: Sequence[Any], b: Sequence[Any], families: Families, memory: int) -> Float64:
    """Inner products of all flat tiles of one family with all of another, in float64 after every chunk."""
    xp = namespace(a[0])
    group, chunk = _group(families, memory)
    size = a[0].shape[0]
    total = np.zeros((len(a), len(b)))
    whole = size // chunk * chunk
    spans = [(start, min(start + group, whole), chunk) for start in range(0, whole, group)]
    if whole < size:
        spans.append((whole, size, size - whole))
    for start, stop, length in spans:
        left = _stacked(xp, a, start, stop, length)
        right = left if a is b else _stacked(xp, b, start, stop, length)
        total += host(left @ xp.permute_dims(right, (0, 2, 1))).astype(np.float64).sum(axis=0)
    return total


def _stacked(xp: Any, tiles: Sequence[Any], start: int, stop: int, length: int) -> Any:
    stacked = xp.stack([tile[start:stop] for tile in tiles])
    return xp.permute_dims(xp.reshape(stacked, (len(tiles), -1, length)), (1, 0, 2))
