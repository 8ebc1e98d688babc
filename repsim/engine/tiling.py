"""How large tiles are, in which order they come and how many threads share them: what they cost, and what fits."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial

from repsim.engine.operators import Families, Products, distinct_rows, itemsize
from repsim.engine.representation import Rows
from repsim.errors import ParameterError

LARGEST_BLOCK = 2048  # larger ones are no faster, since fewer tiles lie off the diagonal and are used twice
_SMALLEST_BLOCK = 16  # smaller ones would take hours
_CHUNK = {4: 2**13, 8: 2**16}  # entries of a tile summed in its own precision before float64 takes over
_UNSAVED = 2e11  # operations between two moments at which a pass can be saved: some seconds of one core
_SHARED_TILE = 1e8  # operations of the widest representation's tile from which on threads share the work


def operations_per_entry(families: Families, products: Products) -> float:
    """Estimate the operations for an entry of the tiles of all operators, half of which are mirror images."""
    exponentials = 20 * sum(op.bandwidth is not None for ops in families.values() for op in ops)
    own = sum(rows.p for rows in distinct_rows(families)) + exponentials
    return float(own + sum(len(families[a]) * len(families[b]) for a, b in products))


def hands(families: Families, memory: int, side: int) -> int:
    """Return how many threads can be kept busy, each with the tile of one representation after the other's.

    They are no more than the features of all are times those of the widest, and their blocks leave most of the memory
    to the tiles. One thread does what other libraries or other people's code compute, and what is small: threads that
    take turns every few microseconds wait for each other on a busy machine.
    """
    rows = distinct_rows(families)
    widest, whole = max(r.p for r in rows), sum(r.p for r in rows)
    if not all(r.any_thread for r in rows) or side**2 * widest < _SHARED_TILE:
        return 1
    blocks_of_one = 2 * side * _width_at_once(rows, side) * itemsize(rows)
    most = max(1, min(whole // widest, memory // (4 * blocks_of_one)))
    return next((count for count in range(most, 1, -1) if bytes_needed(families, memory, count, side) <= memory), 1)


def tile_block(families: Families, memory: int, threads: int = 1, asked: int | None = None) -> int:
    """Return the block asked for, or the largest, up to 2,048, whose tiles and blocks of rows fit into the memory.

    Where that is more than half as large with the first block of every operator's rows kept as with one at a time, it
    leaves room for them: rows are then read half as often.
    """
    rows = distinct_rows(families)
    n, count = rows[0].n, sum(len(ops) for ops in families.values())
    needed = partial(bytes_needed, families, memory, threads)
    if asked is not None:
        if (wanted := needed(min(asked, n))) > memory:
            raise ParameterError(
                f"memory leaves {memory:,} bytes; tiles of block={asked} examples of {count} operators need about "
                f"{wanted:,}. Allow more, or take a smaller block"
            )
        return min(asked, n)
    if n <= LARGEST_BLOCK and needed(n) <= memory:
        return n
    kept = sum(r.p * r.dtype.itemsize for r in rows)
    sides = range(1, min(n, LARGEST_BLOCK) + 1)
    side, roomy = (bisect_right(sides, memory, key=partial(needed, kept=bytes_)) for bytes_ in (0, kept))
    side = roomy if 2 * roomy > max(side, 2 * _SMALLEST_BLOCK) else side
    if side < (least := min(n, _SMALLEST_BLOCK)):
        raise ParameterError(
            f"memory leaves {memory:,} bytes; tiles of {least} examples of {count} operators, the widest with "
            f"{max(r.p for r in rows):,} features, need about {needed(least):,}"
        )
    return math.ceil(n / math.ceil(n / side))


def quickly_done(families: Families, products: Products) -> int:
    """Return the block whose tile is done in some seconds, so that no more is lost where a pass is interrupted."""
    return max(_SMALLEST_BLOCK, math.isqrt(int(_UNSAVED / operations_per_entry(families, products))))


def bytes_needed(families: Families, memory: int, threads: int, side: int, kept: int = 0) -> int:
    """Return what a pass over tiles of so many examples takes, so many bytes of each being kept beside them."""
    rows = distinct_rows(families)
    n, size, count = rows[0].n, itemsize(rows), sum(len(ops) for ops in families.values())
    stacked = group_and_chunk(families, memory)[0] * max(len(ops) for ops in families.values()) * size
    # A thread has a product and its distances beside the tiles, and two blocks of rows, which others' code copies.
    held = 2 * threads if all(r.any_thread for r in rows) else 4
    each = size * _width_at_once(rows, side) * held + kept
    return 24 * n * count + 3 * stacked + size * (count + 2 + 2 * threads) * side**2 + each * side


def _width_at_once(rows: Sequence[Rows], side: int) -> int:
    """Return how many features of a row are held, the widest's, where tiles are of so many examples."""
    return max(r.panel if side == r.n else r.p for r in rows)


def group_and_chunk(families: Families, memory: int) -> tuple[int, int]:
    """Return how many entries of every tile are multiplied at once, and how many are then summed unpromoted."""
    size = itemsize(distinct_rows(families))
    longest = max(len(ops) for ops in families.values())
    group = max(256, min(16 * _CHUNK[size], memory // (24 * longest * size)))
    chunk = min(_CHUNK[size], group)
    return group // chunk * chunk, chunk


def blocks(n: int, block: int) -> Iterator[slice]:
    """Cut n examples into blocks."""
    return (slice(start, min(start + block, n)) for start in range(0, n, block))


def there_and_back(n: int, block: int) -> list[tuple[slice, slice]]:
    """Return the tiles on and above the diagonal, every other row of them backwards: what was read last is cached."""
    tiles: list[tuple[slice, slice]] = []
    slices = list(blocks(n, block))
    for number, first in enumerate(slices):
        row = [(first, second) for second in slices[number:]]
        tiles += row[::-1] if number % 2 else row
    return tiles
