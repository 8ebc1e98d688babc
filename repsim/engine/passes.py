"""Inner products of many (n, n) operators in one pass over their tiles, or from cross-products of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repsim.engine.arrays import Float64, full_precision, host, namespace
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.features import cross_products, features_are_cheaper, products_by_features
from repsim.engine.operators import Families, MadeOperator, Operator, Products, distinct_rows, examples
from repsim.engine.plan import (
    bytes_needed,
    group_and_chunk,
    hands,
    operations_per_entry,
    there_and_back,
    tile_block,
)
from repsim.engine.progress import Tick
from repsim.engine.representation import Rows
from repsim.engine.tables import Sums
from repsim.engine.threads import Crew, crew
from repsim.engine.tiles import Part, Reader, Room, fill
from repsim.errors import NonFiniteError


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
    operations done since the last time (see `operations`). With a checkpoint, what has been added up is kept there
    if the pass does not come to its end, and the next one goes on from it.
    """
    result = Sums.zero(families, products)
    # BLAS may raise the flag of an invalid operation over finite numbers with a finite result (NumPy's issue 24067).
    with full_precision(), np.errstate(invalid="ignore"):
        if features_are_cheaper(families, products, memory):
            products_by_features(families, products, result, memory, block, tick)
        else:
            side, widest = tile_block(families, memory, asked=block), max(rows.p for rows in distinct_rows(families))
            with crew(hands(families, memory, side), side**2 * widest) as threads:
                _Pass(families, products, result, memory, threads).add_up(block, tick, checkpoint)
    if not result.finite():
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
        self._users: dict[Rows, list[tuple[MadeOperator, int, Operator]]] = {}
        for key, ops in families.items():
            for i, op in enumerate(ops):
                self._users.setdefault(op.rows, []).append((key, i, op))

    def add_up(self, block: int | None, tick: Tick, checkpoint: Checkpoint | None) -> None:
        """Add all tiles to the result; the block is that of the progress that the checkpoint holds, if it does."""
        result, done = self._result, 0
        side = tile_block(self._families, self._memory, self._threads.size, block)
        if checkpoint is not None and (saved := checkpoint.restore("tiles", result.arrays())):
            done, side = saved
        room = Room(self._families, side)
        needed = bytes_needed(self._families, self._memory, self._threads.size)
        reader = Reader(self._rows, side, self._memory - needed.of(side))
        cost, whole = operations_per_entry(self._families, self._products), True
        try:
            for number, (first, second) in enumerate(there_and_back(result.n, side)):
                weight = 1.0 if first == second else 2.0
                if number >= done:
                    tiles = room.tiles(first, second)
                    sums = self._fill(tiles, first, second, reader)
                    tables = {(a, b): self._table(tiles[a], tiles[b]) for a, b in self._products}
                    whole = False
                    for pair, table in tables.items():
                        result.tables[pair] += weight * table
                    for field, key, i, where, values in sums:
                        getattr(result, field)[key][i, where] += values
                    done = number + 1
                    whole = True
                    if checkpoint is not None:
                        checkpoint.save_sometimes("tiles", result.arrays(), done, side)
                tick(weight * (first.stop - first.start) * (second.stop - second.start) * cost)
        except BaseException:
            # An interruption may come between two additions; what was saved before goes for that.
            if checkpoint is not None and whole:
                checkpoint.save("tiles", result.arrays(), done, side)
            raise

    def _fill(self, tiles: Mapping[MadeOperator, Any], first: slice, second: slice, reader: Reader) -> list[Part]:
        """Put the tiles of all operators in place; return what to add to diagonals and row sums."""

        def of(rows: Rows) -> list[Part]:
            return list(fill(rows, self._users[rows], first, second, tiles, reader))

        return [summand for summands in self._threads.map(of, self._rows) for summand in summands]

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
