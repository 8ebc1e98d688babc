"""The same inner products from cross-products of features, which cost less where representations are narrow."""

from __future__ import annotations

import numpy as np

from repsim.engine.arrays import Float64, host
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.operators import Families, Products, distinct_rows, examples, itemsize
from repsim.engine.progress import Tick
from repsim.engine.tables import Sums
from repsim.engine.tiling import blocks, operations_per_entry

_READ = 2**24  # values that are read at once; more are not multiplied faster
_SUBTRACTED = 1e-10  # of what was subtracted: less than that is left with fewer than six digits


def features_are_cheaper(families: Families, products: Products, memory: int) -> bool:
    """Compare the cost of cross-products of all features with that of the tiles."""
    operators = [op for ops in families.values() for op in ops]
    if any(op.bandwidth is not None or not op.rows.about_mean for op in operators):
        return False
    # Features are multiplied in float64, tiles as they are.
    slower = 8 / itemsize(op.rows for op in operators)
    features, tiles = cross_products(families, products), examples(families) * operations_per_entry(families, products)
    return slower * features < tiles and 24 * features <= memory


def cross_products(families: Families, products: Products) -> int:
    """Count the entries of all cross-products of features."""
    width = {key: sum(op.rows.p for op in ops) for key, ops in families.items()}
    return sum(width[a] * width[b] for a, b in products)


def products_by_features(
    families: Families,
    products: Products,
    result: Sums,
    memory: int,
    block: int | None,
    tick: Tick,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Linear operators only: ||Y'X||^2 from cross-products of all features with all features."""
    width = {key: [op.rows.p for op in ops] for key, ops in families.items()}
    of_all = max(1, sum(map(sum, width.values())))  # a complement may have none
    block = block or max(1, min(memory // (64 * of_all), _READ // of_all))
    cross = {(a, b): np.zeros((sum(width[a]), sum(width[b]))) for a, b in products}
    column_sums = {key: np.zeros(sum(widths)) for key, widths in width.items()}
    # Centres rounded to float32 would leave the diagonals, which are taken as they are, off centre.
    sources = {rows: rows.in_double() for rows in distinct_rows(families)}
    kept: dict[str, Float64] = {f"cross {a} {b}": table for (a, b), table in cross.items()}
    kept |= {f"columns {key}": sums for key, sums in column_sums.items()}
    kept |= {f"diagonal {key}": result.diagonals[key] for key in families}
    saved = checkpoint.restore("features", kept) if checkpoint else None
    done, block = saved or (0, block)
    each = 2.0 * sum(table.size for table in cross.values())
    tick(each * done)
    for where in (rows for rows in blocks(result.n, block) if rows.start >= done):
        read = {
            rows: host(source.block(where.start, where.stop)).astype(np.float64, copy=False)
            for rows, source in sources.items()
        }
        stacked = {}
        for key, ops in families.items():
            stacked[key] = np.hstack([read[op.rows] for op in ops])
            column_sums[key] += stacked[key].sum(axis=0)
            for i, op in enumerate(ops):
                result.diagonals[key][i, where] = np.einsum("ij,ij->i", read[op.rows], read[op.rows])
        for a, b in products:
            cross[a, b] += stacked[a].T @ stacked[b]
        del read, stacked  # before the next ones are read
        if checkpoint is not None:
            checkpoint.save("features", kept, where.stop, block)
        tick(each * (where.stop - where.start))
    owners = {key: np.repeat(np.eye(len(widths)), widths, axis=1) for key, widths in width.items()}
    for key in families:
        result.row_sums[key][...] = -result.diagonals[key]
    for a, b in products:
        values = cross[a, b] - np.outer(column_sums[a], column_sums[b]) / result.n
        summed = owners[a] @ np.square(values, out=values) @ owners[b].T
        result.tables[a, b][...] = summed - result.diagonals[a] @ result.diagonals[b].T
        if a == b:  # what is left beside diagonals that are far larger, as of an outlying example, is rounding
            result.floors[a][...] += _SUBTRACTED * np.square(result.diagonals[a]).sum(axis=1)
