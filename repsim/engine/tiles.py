"""One tile of every operator: reading two blocks of rows, multiplying them, applying kernels, and what to sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from repsim.engine.arrays import NUMPY, Float64, host, namespace
from repsim.engine.distances import CACHED_ROWS, shifted_rbf, squared_norms, tile_distances
from repsim.engine.operators import Families, MadeOperator, Operator, examples
from repsim.engine.plan import blocks
from repsim.engine.representation import Rows

_SUMMED = 256  # entries of a row summed in its own precision

Part = tuple[str, MadeOperator, int, slice, Float64]  # of which sums, family and operator, where, and what to add


class Room:
    """Room for a tile of every operator, used again for every tile; other libraries make their own arrays."""

    def __init__(self, families: Families, side: int) -> None:
        self._families, self._room = families, dict[MadeOperator, Any]()
        size = min(side, examples(families)) ** 2
        for key, ops in families.items():
            if all(op.rows.xp is NUMPY for op in ops):
                dtype = np.result_type(*(op.rows.dtype for op in ops))
                self._room[key] = np.empty((len(ops), size), dtype)

    def tiles(self, first: slice, second: slice) -> dict[MadeOperator, Any]:
        """Return for each family the flat tiles of its operators, to be filled."""
        size = (first.stop - first.start) * (second.stop - second.start)
        return {
            key: self._room[key][:, :size] if key in self._room else [None] * len(ops)
            for key, ops in self._families.items()
        }


class Reader:
    """Reads blocks of rows, and remembers what many tiles have in common.

    A row of tiles has its first examples in common: of as many operators' rows as fit into the spare memory, these
    blocks are kept. Squared lengths are kept of all examples.
    """

    def __init__(self, rows: Sequence[Rows], side: int, spare: int) -> None:
        self._keep = set[Rows]()
        for source in rows:
            size = side * source.p * source.dtype.itemsize
            if size <= spare:
                self._keep.add(source)
                spare -= size
        self._kept: dict[Rows, tuple[slice, Any]] = {}
        self._norms: dict[tuple[Rows, int], Any] = {}

    def first(self, rows: Rows, where: slice) -> Any:
        """Return the block of a tile's first examples."""
        if rows in self._kept and self._kept[rows][0] == where:
            return self._kept[rows][1]
        self._kept.pop(rows, None)  # before another one takes its room
        block = rows.block(where.start, where.stop)
        if rows in self._keep:
            self._kept[rows] = where, block
        return block

    def norms(self, rows: Rows, span: slice, block: Any) -> Any:
        """Return the squared lengths of the rows of a block, in its own library and precision."""
        where = rows, span.start
        if where not in self._norms:
            self._norms[where] = squared_norms(namespace(block), block)
        return self._norms[where]


def fill(
    rows: Rows,
    users: Sequence[tuple[MadeOperator, int, Operator]],
    first: slice,
    second: slice,
    tiles: Mapping[MadeOperator, Any],
    reader: Reader,
) -> Iterator[Part]:
    """Put the tiles of all operators that share these rows in place; yield what to add to diagonals and row sums."""
    same = first == second
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
            yield "diagonals", key, i, first, op.diagonal(host(left).astype(np.float64))
        yield "row_sums", key, i, first, _row_sums(xp, tile)
        if not same:
            yield "row_sums", key, i, second, _row_sums(xp, tile.T)
        flat = xp.reshape(tile, (-1,))
        if xp is not NUMPY or not np.shares_memory(tiles[key][i], flat):
            tiles[key][i] = flat


def _tile(rows: Rows, first: slice, second: slice, reader: Reader, out: Any) -> tuple[Any, Any, Any]:
    """Return the inner products of two blocks of rows, in `out` if it is given, and the rows' squared lengths."""
    left = reader.first(rows, first)
    right = left if first == second else rows.block(second.start, second.stop)
    product = np.matmul(left, right.T, out=out) if namespace(left) is NUMPY else left @ right.T
    return product, reader.norms(rows, first, left), reader.norms(rows, second, right)


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
