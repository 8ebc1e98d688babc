"""Inner products of many (n, n) operators, in one pass over their tiles or from cross-products of features.

For a tile two blocks of rows are read and multiplied, and kernels applied to the products.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from repsim.engine.arrays import NUMPY, Float64, full_precision, host, namespace
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.distances import CACHED_ROWS, shifted_rbf, squared_norms, tile_distances
from repsim.engine.features import cross_products, features_are_cheaper, products_by_features
from repsim.engine.operators import Families, Made, Operator, Products, distinct_rows, examples, itemsize
from repsim.engine.progress import Tick
from repsim.engine.representation import Rows
from repsim.engine.tables import Sums
from repsim.engine.threads import Crew, crew
from repsim.engine.tiling import (
    blocks,
    bytes_needed,
    group_and_chunk,
    hands,
    operations_per_entry,
    quickly_done,
    there_and_back,
    tile_block,
)
from repsim.errors import NonFiniteError

_SUMMED = 256  # entries of a row summed in its own precision


def inner_products(
    families: Families,
    products: Products,
    *,
    memory: int,
    block: int | None = None,
    tick: Tick = lambda _: None,
    checkpoint: Checkpoint | None = None,
) -> Sums:
    """Compute <K, L> for K in one family and L in another, for each pair of families named in `products`.

    Operators of different families that share their rows share the matrix products too. `tick` is called with the
    operations done since the last time (see `operations`). With a checkpoint, what has been added up is kept
    there if the pass does not come to its end, and the next one goes on from it.
    """
    result = Sums.zero(families, products)
    # BLAS may raise the flag of an invalid operation over finite numbers with a finite result (NumPy's issue 24067).
    with full_precision(), np.errstate(invalid="ignore"):
        if features_are_cheaper(families, products, memory):
            products_by_features(families, products, result, memory, block, tick, checkpoint)
        else:
            side, widest = tile_block(families, memory, asked=block), max(rows.p for rows in distinct_rows(families))
            with crew(hands(families, memory, side), side**2 * widest) as threads:
                _Pass(families, products, result, memory, threads).add_up(block, tick, checkpoint)
    if not all(np.isfinite(array).all() for array in result.arrays().values()):
        raise NonFiniteError("inner products of the representations are not finite, though all their values are")
    return result


def operations(families: Families, products: Products, memory: int) -> float:
    """Estimate the multiplications and additions of `inner_products`."""
    n = float(examples(families))
    if features_are_cheaper(families, products, memory):
        return 2.0 * n * cross_products(families, products)
    return n * n * operations_per_entry(families, products)


class _Pass:
    """Goes through all tiles of some operators, and adds up what their tables are made from."""

    def __init__(self, families: Families, products: Products, result: Sums, memory: int, threads: Crew) -> None:
        self._families, self._products, self._result = families, products, result
        self._memory, self._threads = memory, threads
        # The widest first: no thread then does the last of them while the others have nothing left.
        self._rows = sorted(distinct_rows(families), key=lambda rows: -rows.p)
        self._users: dict[Rows, list[tuple[Made, int, Operator]]] = {}
        for key, ops in families.items():
            for i, op in enumerate(ops):
                self._users.setdefault(op.rows, []).append((key, i, op))

    def add_up(self, block: int | None, tick: Tick, checkpoint: Checkpoint | None) -> None:
        """Add all tiles to the result; the block is that of the progress that the checkpoint holds, if it does."""
        result, done = self._result, 0
        side = tile_block(self._families, self._memory, self._threads.size, block)
        if block is None and checkpoint is not None and checkpoint.resumes:
            side = min(side, quickly_done(self._families, self._products))
        if checkpoint is not None and (saved := checkpoint.restore("tiles", result.arrays())):
            done, side = saved
        # Used again for every tile; other libraries make their own arrays.
        here = {key: ops for key, ops in self._families.items() if ops[0].rows.xp is NUMPY}
        room = {key: np.empty((len(ops), side**2), f"f{itemsize(op.rows for op in ops)}") for key, ops in here.items()}
        needed = bytes_needed(self._families, self._memory, self._threads.size, side)
        reader = Reader(self._rows, side, self._memory - needed)
        cost = operations_per_entry(self._families, self._products)
        for number, (first, second) in enumerate(there_and_back(result.n, side)):
            weight, size = 1.0 if first == second else 2.0, (first.stop - first.start) * (second.stop - second.start)
            if number >= done:
                tiles: dict[Made, Any] = {
                    key: room[key][:, :size] if key in room else [None] * len(ops)
                    for key, ops in self._families.items()
                }
                fill = partial(self._fill, first, second, tiles, reader)
                for _ in self._threads.map(fill, self._rows):
                    pass
                for a, b in self._products:
                    result.tables[a, b] += weight * self._table(tiles[a], tiles[b])
                if checkpoint is not None:
                    checkpoint.save("tiles", result.arrays(), number + 1, side)
            tick(weight * size * cost)

    def _fill(self, first: slice, second: slice, tiles: Mapping[Made, Any], reader: Reader, rows: Rows) -> None:
        """Put the tiles of all operators that share these rows in place, and add to their diagonals and row sums."""
        users, result, same = self._users[rows], self._result, first == second
        shape = (first.stop - first.start, second.stop - second.start)
        room: dict[float | None, Any] = {}
        for key, i, op in users:
            place = tiles[key][i]
            if place is not None and place.dtype == rows.dtype:
                room.setdefault(op.bandwidth, place.reshape(shape))
        inner = _whole if shape[0] == rows.n else _tile
        product, left, right = inner(rows, first, second, reader, room.get(None))
        xp = namespace(product)
        made: dict[float | None, Any] = {None: product}
        if kernels := list({op.bandwidth: op for _, _, op in users if op.bandwidth is not None}.values()):
            made |= _rbf_tiles(xp, product, left, right, kernels, room)
        wanted = {op.bandwidth for _, _, op in users}
        made = {bandwidth: tile for bandwidth, tile in made.items() if bandwidth in wanted}
        del product
        for bandwidth in made if same else ():
            made[bandwidth] = _without_diagonal(xp, made[bandwidth])
        for key, i, op in users:
            tile = made[op.bandwidth]
            if same:
                result.diagonals[key][i, first] += op.diagonal(host(left).astype(np.float64))
            result.row_sums[key][i, first] += _row_sums(xp, tile)
            if not same:
                result.row_sums[key][i, second] += _row_sums(xp, tile.T)
            flat = xp.reshape(tile, (-1,))
            if xp is not NUMPY or not np.shares_memory(tiles[key][i], flat):
                tiles[key][i] = flat

    def _table(self, a: Any, b: Any) -> Float64:
        """Inner products of all tiles of one family with all of another, in float64 after every chunk."""
        group, chunk = group_and_chunk(self._families, self._memory)
        size = a[0].shape[0]
        whole = size // chunk * chunk
        spans = [(start, min(start + group, whole), chunk) for start in range(0, whole, group)]
        if whole < size:
            spans.append((whole, size, size - whole))
        total = np.zeros((len(a), len(b)))
        for table in self._threads.map(lambda span: _span_products(a, b, *span), spans):
            total += table
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
    table: Float64 = host(left @ xp.permute_dims(right, (0, 2, 1))).astype(np.float64).sum(axis=0)
    return table


def _stacked(xp: Any, tiles: Sequence[Any], start: int, stop: int, length: int) -> Any:
    stacked = xp.stack([tile[start:stop] for tile in tiles])
    return xp.permute_dims(xp.reshape(stacked, (len(tiles), -1, length)), (1, 0, 2))


class Reader:
    """Reads the first examples of a row of tiles once, of as many operators' rows as fit into the spare memory."""

    def __init__(self, rows: Sequence[Rows], side: int, spare: int) -> None:
        self._keep = set[Rows]()
        for source in rows:
            size = side * source.p * source.dtype.itemsize
            if size <= spare:
                self._keep.add(source)
                spare -= size
        self._kept: dict[Rows, tuple[slice, Any]] = {}

    def first(self, rows: Rows, where: slice) -> Any:
        """Return the block of a tile's first examples."""
        if rows in self._kept and self._kept[rows][0] == where:
            return self._kept[rows][1]
        self._kept.pop(rows, None)  # before another one takes its room
        block = rows.block(where.start, where.stop)
        if rows in self._keep:
            self._kept[rows] = where, block
        return block


def _tile(rows: Rows, first: slice, second: slice, reader: Reader, out: Any) -> tuple[Any, Any, Any]:
    """Return the inner products of two blocks of rows, in `out` if it is given, and the rows' squared lengths."""
    left = reader.first(rows, first)
    right = left if first == second else rows.block(second.start, second.stop)
    xp = namespace(left)
    product = np.matmul(left, right.T, out=out) if xp is NUMPY else left @ right.T
    lengths = squared_norms(xp, left)
    return product, lengths, lengths if right is left else squared_norms(xp, right)


def _whole(rows: Rows, first: slice, second: slice, reader: Reader, out: Any) -> tuple[Any, Any, Any]:
    """Return the same of all rows at once, which need not be held for that."""
    product, lengths = None, None
    for panel in rows.panels():
        xp = namespace(panel)
        if product is None:
            product = np.matmul(panel, panel.T, out=out) if xp is NUMPY else panel @ panel.T
            lengths = squared_norms(xp, panel)
        else:
            product += panel @ panel.T
            lengths += squared_norms(xp, panel)
    return product, lengths, lengths


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
    out = {bandwidth: room[bandwidth] if bandwidth in room else np.empty_like(product) for bandwidth in bandwidths}
    for rows in blocks(len(product), CACHED_ROWS):
        for tile, values in zip(out.values(), of(rows), strict=True):
            tile[rows] = values
    return out


def _without_diagonal(xp: Any, tile: Any) -> Any:
    if xp is NUMPY:
        np.fill_diagonal(tile, 0)
        return tile
    mask = xp.eye(tile.shape[0], dtype=xp.bool, device=tile.device)
    return xp.where(mask, xp.zeros((), dtype=tile.dtype, device=tile.device), tile)


def _row_sums(xp: Any, tile: Any) -> Float64:
    """Sum the rows, a few entries at a time in their own precision."""
    total = np.zeros(tile.shape[0])
    if xp is not NUMPY and (whole := tile.shape[1] // _SUMMED * _SUMMED):  # all at once: each copy waits for the device
        sums = xp.sum(xp.reshape(tile[:, :whole], (tile.shape[0], -1, _SUMMED)), axis=2)
        total += host(sums).sum(axis=1, dtype=np.float64)
        tile = tile[:, whole:]
    for start in range(0, tile.shape[1], _SUMMED):
        columns = tile[:, start : start + _SUMMED]
        total += host(columns @ xp.ones(columns.shape[1], dtype=tile.dtype, device=tile.device))
    return total
