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
from repsim._crew import Crew, crew
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
_SHARED = 2**24  # operations of a tile from which on threads share the work


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
            with crew(hands(families, memory)) as threads:
                _Pass(families, products, result, memory, threads).add_up(block, tick, workspace)
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


def hands(families: Families, memory: int) -> int:
    """Return how many threads can be kept busy, each with the tile of one representation after the other's.

    They are no more than there are representations as wide as the widest, and their blocks leave most of the memory
    to the tiles. One thread does what is small, and what other libraries or other people's code compute.
    """
    rows = distinct_rows(families)
    side, widest = min(rows[0].n, _LARGEST_BLOCK), max(r.p for r in rows)
    whole = sum(r.p for r in rows)
    if not all(r.any_thread for r in rows) or side**2 * whole < _SHARED:
        return 1
    blocks_of_one = 2 * side * widest * max(r.dtype.itemsize for r in rows)
    return max(1, min(whole // max(1, widest), memory // (4 * max(1, blocks_of_one))))


def tile_block(families: Families, memory: int, threads: int = 1) -> int:
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
    fixed, per_entry, per_example = _bytes_needed(families, memory, threads)
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


def _bytes_needed(families: Families, memory: int, threads: int) -> tuple[int, int, int]:
    """Return the bytes that a pass needs in any case, for each entry of a tile and for each example of a block."""
    rows = distinct_rows(families)
    n, size, widest = rows[0].n, max(r.dtype.itemsize for r in rows), max(r.p for r in rows)
    count = sum(len(ops) for ops in families.values())
    fixed = 24 * n * count + 3 * _stacked_bytes(families, memory)
    # A thread has a product and its distances beside the tiles, and two blocks of rows; other libraries copy them.
    return fixed, size * (count + 2 + 2 * threads), 2 * size * widest * max(2, threads)


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


def there_and_back(n: int, block: int) -> list[tuple[slice, slice]]:
    """Return the tiles on and above the diagonal, every other row of them backwards: what was read last is cached."""
    found: list[tuple[slice, slice]] = []
    for number, first in enumerate(blocks(n, block)):
        row = [(first, second) for second in blocks(n, block) if second.start >= first.start]
        found += row[::-1] if number % 2 else row
    return found


Part = tuple[str, str, int, slice, Float64]


class _Pass:
    """Goes through all tiles of some operators, and adds up what their tables are made from."""

    def __init__(self, families: Families, products: Pairs, result: Products, memory: int, threads: Crew) -> None:
        self._families, self._products, self._result = families, products, result
        self._memory, self._threads = memory, threads
        # The widest first: no thread then does the last of them while the others have nothing left.
        self._rows = sorted(distinct_rows(families), key=lambda rows: -rows.p)
        self._users: dict[int, list[tuple[str, int, Operator]]] = {}
        for key, ops in families.items():
            for i, op in enumerate(ops):
                self._users.setdefault(id(op.rows), []).append((key, i, op))

    def add_up(self, block: int | None, tick: Tick, workspace: Workspace | None) -> None:
        """Add all tiles to the result; the block is that of the progress that the workspace holds, if it does."""
        result, done = self._result, 0
        side = block or tile_block(self._families, self._memory, self._threads.size)
        if workspace is not None and (saved := workspace.restore("tiles", result.arrays())):
            done, side = saved
        store = _Store(self._families, side)
        fixed, per_entry, per_example = _bytes_needed(self._families, self._memory, self._threads.size)
        reader = _Reader(self._rows, side, self._memory - fixed - per_entry * side**2 - per_example * side)
        cost, whole = _per_entry(self._families, self._products), True
        pairs = there_and_back(result.n, side)
        try:
            for number, (first, second) in enumerate(pairs):
                weight = 1.0 if first == second else 2.0
                if number >= done:
                    reader.turn_to(first, second, pairs[number + 1][1] if number + 1 < len(pairs) else None)
                    tiles = store.tiles(first, second)
                    sums = self._fill(tiles, first, second, reader)
                    found = {(a, b): self._table(tiles[a], tiles[b]) for a, b in self._products}
                    whole = False
                    for pair, table in found.items():
                        result.tables[pair] += weight * table
                    for kind, key, i, where, values in sums:
                        getattr(result, kind)[key][i, where] += values
                    done = number + 1
                    whole = True
                    if workspace is not None:
                        workspace.save_sometimes("tiles", result.arrays(), done, side)
                tick(weight * (first.stop - first.start) * (second.stop - second.start) * cost)
        except BaseException:
            # An interruption may come between two additions; what was saved before goes for that.
            if workspace is not None and whole:
                workspace.save("tiles", result.arrays(), done, side)
            raise

    def _fill(self, tiles: Mapping[str, Any], first: slice, second: slice, reader: _Reader) -> list[Part]:
        """Put the tiles of all operators in place; return what to add to diagonals and row sums."""

        def of(number: int) -> list[Part]:
            reader.expect(number + self._threads.size)
            rows = self._rows[number]
            return list(_fill(rows, self._users[id(rows)], first, second, tiles, reader))

        return [part for parts in self._threads.map(of, range(len(self._rows))) for part in parts]

    def _table(self, a: Any, b: Any) -> Float64:
        """Inner products of all tiles of one family with all of another, in float64 after every chunk."""
        group, chunk = _group(self._families, self._memory)
        size = a[0].shape[0]
        whole = size // chunk * chunk
        spans = [(start, min(start + group, whole), chunk) for start in range(0, whole, group)]
        if whole < size:
            spans.append((whole, size, size - whole))
        total = np.zeros((len(a), len(b)))
        for found in self._threads.map(lambda span: _span_products(a, b, *span), spans):
            total += found
        return total


class _Store:
    """Room for a tile of every operator, used again for every tile; other libraries make their own arrays."""

    def __init__(self, families: Families, side: int) -> None:
        self._families, self._room = families, dict[str, Any]()
        n = next(iter(families.values()))[0].rows.n
        for key, ops in families.items():
            if all(op.rows.xp is NUMPY for op in ops):
                dtype = max((op.rows.dtype for op in ops), key=lambda dtype: dtype.itemsize)
                self._room[key] = np.empty((len(ops), min(side, n) ** 2), dtype)

    def tiles(self, first: slice, second: slice) -> dict[str, Any]:
        """Return for each family the flat tiles of its operators, to be filled."""
        size = (first.stop - first.start) * (second.stop - second.start)
        return {
            key: self._room[key][:, :size] if key in self._room else [None] * len(ops)
            for key, ops in self._families.items()
        }


class _Reader:
    """Reads blocks of rows, and remembers what many tiles have in common.

    A row of tiles has its first examples in common: of as many operators' rows as fit into the spare memory, these
    blocks are kept. Squared lengths are kept of all examples.
    """

    def __init__(self, rows: Sequence[Rows], side: int, spare: int) -> None:
        self._rows, self._keep = rows, set[int]()
        for one in rows:
            size = side * one.p * one.dtype.itemsize
            if size <= spare:
                self._keep.add(id(one))
                spare -= size
        self._first, self._second, self._next = slice(0), slice(0), slice(0)
        self._kept: dict[int, Any] = {}
        self._norms: dict[tuple[int, int], Any] = {}

    def turn_to(self, first: slice, second: slice, following: slice | None) -> None:
        """Go on to another tile, and say which examples the one after it takes second."""
        if first != self._first:
            self._kept.clear()
        self._first, self._second, self._next = first, second, following or second

    def expect(self, number: int) -> None:
        """Let the system read what the tile of the rows of this number needs, or the first ones of the next tile."""
        again, number = divmod(number, len(self._rows))
        rows, second = self._rows[number], self._next if again else self._second
        rows.expect(second.start, second.stop)
        if id(rows) not in self._kept and not again:
            rows.expect(self._first.start, self._first.stop)

    def first(self, rows: Rows) -> Any:
        """Return the block of a tile's first examples."""
        if (block := self._kept.get(id(rows))) is None:
            block = rows.block(self._first.start, self._first.stop)
            if id(rows) in self._keep:
                self._kept[id(rows)] = block
        return block

    def norms(self, rows: Rows, part: slice, block: Any) -> Any:
        """Return the squared lengths of the rows of a block, in its own library and precision."""
        where = id(rows), part.start
        if where not in self._norms:
            self._norms[where] = squared_norms(namespace(block), block)
        return self._norms[where]


def _fill(
    rows: Rows,
    users: Sequence[tuple[str, int, Operator]],
    first: slice,
    second: slice,
    tiles: Mapping[str, Any],
    reader: _Reader,
) -> Iterator[Part]:
    """Put the tiles of all operators that share these rows in place; yield what to add to diagonals and row sums."""
    same = first == second
    left = reader.first(rows)
    right = left if same else rows.block(second.start, second.stop)
    xp = namespace(left)
    shape = (left.shape[0], right.shape[0])
    room: dict[float | None, Any] = {}
    for key, i, op in users:
        place = tiles[key][i]
        if place is not None and place.dtype == rows.dtype:
            room.setdefault(op.bandwidth, place.reshape(shape))
    product = np.matmul(left, right.T, out=room.get(None)) if xp is NUMPY else left @ right.T
    made: dict[float | None, Any] = {None: product}
    if kernels := list({op.bandwidth: op for _, _, op in users if op.bandwidth is not None}.values()):
        lengths = reader.norms(rows, first, left), reader.norms(rows, second, right)
        made |= _rbf_tiles(xp, product, *lengths, kernels, room)
    wanted = {op.bandwidth for _, _, op in users}
    made = {bandwidth: tile for bandwidth, tile in made.items() if bandwidth in wanted}
    del product
    for bandwidth in made if same else ():
        made[bandwidth] = _without_diagonal(xp, made[bandwidth])
    for key, i, op in users:
        tile = made[op.bandwidth]
        if same:
            yield "diagonals", key, i, first, op.diagonal(_double(reader.norms(rows, first, left)))
        yield "row_sums", key, i, first, _row_sums(xp, tile)
        if not same:
            yield "row_sums", key, i, second, _row_sums(xp, tile.T)
        flat = xp.reshape(tile, (-1,))
        if xp is not NUMPY or not np.shares_memory(tiles[key][i], flat):
            tiles[key][i] = flat


def _rbf_tiles(
    xp: Any, product: Any, left: Any, right: Any, operators: Sequence[Operator], room: Mapping[float | None, Any]
) -> dict[float | None, Any]:
    """Return the tile of each RBF operator, given the inner products of two blocks and their rows' squared lengths."""

    def of(rows: slice) -> Iterator[Any]:
        distances = tile_distances(xp, product[rows, :], left[rows], right)
        for op in operators:
            assert op.bandwidth is not None
            yield shifted_rbf(xp, distances, op.median, op.bandwidth)

    bandwidths = [op.bandwidth for op in operators]
    if xp is not NUMPY:
        return dict(zip(bandwidths, of(slice(None)), strict=True))
    out = {one: room[one] if one in room else np.empty_like(product) for one in bandwidths}
    for rows in blocks(len(product), CACHED_ROWS):
        for tile, values in zip(out.values(), of(rows), strict=True):
            tile[rows] = values
    return out


def _double(values: Any) -> Float64:
    return host(values).astype(np.float64)


def _without_diagonal(xp: Any, tile: Any) -> Any:
    if xp is NUMPY:
        np.fill_diagonal(tile, 0)
        return tile
    mask = xp.eye(tile.shape[0], dtype=xp.bool, **_device_of(tile))
    return xp.where(mask, xp.zeros((), dtype=tile.dtype, **_device_of(tile)), tile)


def _device_of(x: Any) -> dict[str, Any]:
    return {} if isinstance(x, np.ndarray) else {"device": x.device}


def _row_sums(xp: Any, tile: Any) -> Float64:
    """Sum the rows, a few entries at a time in their own precision."""
    total = np.zeros(tile.shape[0])
    if xp is not NUMPY and (whole := tile.shape[1] // _SUMMED * _SUMMED):  # all at once: each copy waits for the device
        parts = xp.sum(xp.reshape(tile[:, :whole], (tile.shape[0], -1, _SUMMED)), axis=2)
        total += host(parts).sum(axis=1, dtype=np.float64)
        tile = tile[:, whole:]
    for start in range(0, tile.shape[1], _SUMMED):
        part = tile[:, start : start + _SUMMED]
        total += host(part @ xp.ones(part.shape[1], dtype=tile.dtype, **_device_of(tile)))
    return total


def _span_products(a: Any, b: Any, start: int, stop: int, length: int) -> Float64:
    """Inner products of stretches of flat tiles, in float64 after every `length` entries."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        total = np.zeros((len(a), len(b)))
        for first in range(start, stop, length):
            total += a[:, first : first + length] @ b[:, first : first + length].T
        return total
    xp = namespace(a[0])
    left = _stacked(xp, a, start, stop, length)
    right = left if a is b else _stacked(xp, b, start, stop, length)
    found: Float64 = host(left @ xp.permute_dims(right, (0, 2, 1))).astype(np.float64).sum(axis=0)
    return found


def _stacked(xp: Any, tiles: Sequence[Any], start: int, stop: int, length: int) -> Any:
    stacked = xp.stack([tile[start:stop] for tile in tiles])
    return xp.permute_dims(xp.reshape(stacked, (len(tiles), -1, length)), (1, 0, 2))
