"""An orthonormal basis of the centred columns, or of what is orthogonal to them, from one QR factorisation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from repsim.engine.arrays import Array, Float64
from repsim.engine.bases import rank_floor, root_mean_squares, stored_rounding, unit_scales
from repsim.engine.memory import check_fits
from repsim.engine.representation import Representation

PANEL = 256  # columns that LAPACK factorises before it updates the others by matrix products
_PART = 2 * PANEL  # columns to which as many reflections are applied at once
_MANY_COLUMNS = 4 * PANEL  # from which on the first panel is asked beforehand whether the rest is worth its time
_READ_BYTES = 2**26
_ITERATIONS = 12  # of inverse iteration; a null direction shows in the first
_OUTLYING = 100  # squared length of an example over the median of all: its rounding in float32 then shows in the others
# The condition is that of the Frobenius norm to the least singular value. Rounding turns each direction of a basis by
# up to its unit times the condition, by chance, so that a mean over all feels it the less the more they are.
# tests/core/test_projection.py holds float32 to 1e-6 of float64 up to this condition: so much for each direction, and
# at most so much.
SAFE_CONDITION = {4: (8, 1e5), 8: (math.inf, 1e8)}


def qr_bytes(view: Representation, dtype: np.dtype[Any], memory: int) -> float:
    """Return what the QR factorisation in one precision takes: matrix, narrower basis, triangle or what is copied."""
    n, p = view.n, int(view.alive.sum())
    width = max(0, n - 1 - p) if 2 * p > n - 1 else p
    copied = n * (2 * _PART + PANEL) if p + 1 >= _PART + PANEL else 0  # LAPACK takes contiguous columns only
    entries = n * (p + 1) + n * width + max(min(n, p) ** 2, copied)
    return 1.1 * dtype.itemsize * entries + min(_READ_BYTES, memory // 8)


def basis_by_qr(view: Representation, dtype: np.dtype[Any], memory: int) -> tuple[Array, int, bool] | None:
    """Return the narrower of a basis and its complement, (n, w), the rank, and whether it is the complement.

    None if the columns are, or may be, dependent, or too nearly so for the precision.
    """
    from scipy.linalg import get_lapack_funcs

    n, p = view.n, int(view.alive.sum())
    full = p >= n - 1
    complement = 2 * p > n - 1
    start, width = (p + 1, n - 1 - p) if complement else (1, p)
    check_fits(view.name, f"its QR factorisation in {dtype}", qr_bytes(view, dtype, memory), memory)
    matrix, lengths, rounding = (_against_constant if full else _beside_constant)(view, dtype, p, memory)
    if dtype.itemsize == 4 and lengths.max() > _OUTLYING * np.median(lengths):
        return None
    factor, apply = get_lapack_funcs(("geqrt", "gemqrt"), dtype=dtype)
    first = 0 if full else 1
    last = first + min(n - 1, p)
    norm, (for_each, at_most) = math.sqrt(float(lengths.sum())), SAFE_CONDITION[dtype.itemsize]
    least = max(4 * rank_floor(view, norm, rounding), norm / min(for_each * (last - first), at_most))
    if last > _MANY_COLUMNS:  # more columns have no larger least singular value than the first of them
        panel, _, _ = factor(PANEL, matrix[:, :PANEL])
        if _least_singular_value(np.array(panel[first:PANEL, first:], order="F")) <= least:
            return None
    matrix, blocks, _ = factor(max(1, min(PANEL, *matrix.shape)), matrix, overwrite_a=1)
    if _least_singular_value(np.array(matrix[first:last, first:last], order="F")) <= least:
        return None
    if full:
        return np.zeros((n, 0), view.dtype), n - 1, True
    chosen = _columns(apply, matrix, blocks, start, width)
    del matrix, blocks  # in their place comes the copy by rows
    return np.ascontiguousarray(chosen, dtype=view.dtype), p, complement


def _columns(apply: Any, matrix: Array, blocks: Array, start: int, width: int) -> Array:
    """Return some columns of the orthogonal factor, each through those reflections only that change it."""
    n, count = matrix.shape
    out = np.zeros((n, width), matrix.dtype, order="F")
    np.fill_diagonal(out[start:], 1)
    firsts = range(0, count - len(blocks) + 1, _PART)  # LAPACK takes no fewer reflections than make a block
    for first in reversed(firsts):
        last = count if first == firsts[-1] else first + _PART
        reflections = np.asfortranarray(matrix[first:, first:last])
        for left in range(max(0, first - start), width, _PART):
            columns = out[first:, left : left + _PART]
            columns[:], _ = apply(reflections, blocks[:, first:last], columns, overwrite_c=1)
    return out


def _blocks(view: Representation, dtype: np.dtype[Any], memory: int) -> Iterator[tuple[slice, Array]]:
    """Yield the columns that vary, some rows at a time."""
    source = view.in_double() if dtype.itemsize == 8 else view.on_host()
    step = max(1, min(_READ_BYTES, memory // 8) // (4 * dtype.itemsize * view.p))
    every = bool(view.alive.all())
    for start in range(0, view.n, step):
        rows = slice(start, min(start + step, view.n))
        block = source.block(rows.start, rows.stop)
        yield rows, block if every else block[:, view.alive]


def _beside_constant(view: Representation, dtype: np.dtype[Any], p: int, memory: int) -> tuple[Array, Float64, float]:
    """Return [1 X], (n, p + 1): the basis of the columns of X is orthogonal to the first.

    With it the squared lengths of the rows of X and its rounding. In float64 units are brought to comparable sizes, see
    `unit_scales`; what float32 cannot do without that is left to float64.
    """
    out = np.empty((view.n, p + 1), dtype, order="F")
    out[:, 0] = 1 / math.sqrt(view.n)
    for rows, block in _blocks(view, dtype, memory):
        for first in range(0, p, PANEL):  # a part that the cache holds: columns of `out` lie far apart
            out[rows, 1 + first : 1 + first + PANEL] = block[:, first : first + PANEL]
    return out, *_comparable(out[:, 1:].T, view)


def _against_constant(view: Representation, dtype: np.dtype[Any], p: int, memory: int) -> tuple[Array, Float64, float]:
    """Return X' in an orthonormal basis of what is orthogonal to the constant, (p, n - 1); see `_beside_constant`."""
    out = np.empty((p, view.n), dtype, order="F")
    for rows, block in _blocks(view, dtype, memory):
        out[:, rows] = block.T
    lengths, rounding = _comparable(out, view)
    v = np.full(view.n, 1 / math.sqrt(view.n), dtype)
    v[0] += 1
    along = out @ v  # the Householder reflection that takes the constant vector to the first axis
    along *= dtype.type(2 / float(np.vdot(v, v)))
    for column in range(view.n):
        out[:, column] -= along * v[column]
    return out[:, 1:], lengths, rounding


def _comparable(units: Array, view: Representation) -> tuple[Float64, float]:
    """Bring units, (p, n), to comparable sizes in place; return the squared lengths of examples and the rounding."""
    spreads = root_mean_squares(units, np.array([float(np.vdot(unit, unit)) for unit in units]))
    scales = unit_scales(view, spreads) if units.dtype.itemsize == 8 else np.ones(len(units))
    if (scales != 1).any():
        units *= scales.astype(units.dtype)[:, None]
    lengths = np.zeros(units.shape[1])
    for first in range(0, len(units), PANEL):  # of which the squares fit into the cache
        panel = units[first : first + PANEL]
        lengths += np.einsum("ji,ji->i", panel, panel)
    return lengths, stored_rounding(view, spreads, scales)


def _least_singular_value(triangle: Array) -> float:
    """Estimate the least singular value of an upper triangular matrix, by inverse iteration."""
    from scipy.linalg import get_blas_funcs

    if not np.diag(triangle).all():
        return 0.0
    solve = get_blas_funcs("trsv", (triangle,))
    x = np.random.default_rng(0).standard_normal(len(triangle)).astype(triangle.dtype)
    value = math.inf
    with np.errstate(all="ignore"):
        for _ in range(_ITERATIONS):
            size = float(np.linalg.norm(x))
            if not math.isfinite(size):  # though all entries may be: their squares overflow first
                return 0.0
            x /= x.dtype.type(size)
            x = solve(triangle, x, trans=1)
            length = float(np.linalg.norm(x))
            x = solve(triangle, x)
            if not np.isfinite(x).all():
                return 0.0
            value = min(value, 1 / length)
    return value
