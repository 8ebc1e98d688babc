"""Projections onto the column space of a representation, from one QR factorisation and no singular values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from repsim._arrays import NUMPY, Array, Float64
from repsim._basis import Factor, factorise, singular_values
from repsim._files import FileRows, file_rows
from repsim._memory import needed
from repsim._representation import Representation
from repsim.errors import ParameterError

_PANEL = 256  # columns that LAPACK factorises before it updates the others by matrix products
_PART = 2 * _PANEL  # columns to which as many reflections are applied at once
_MANY = 4 * _PANEL  # columns from which on the first panel is asked beforehand whether the rest is worth its time
_READ_BYTES = 2**26
_ITERATIONS = 12  # of inverse iteration; a null direction shows in the first
_FAR = 100  # squared length of an example over the median of all: its rounding in float32 then shows in the others
# The condition is that of the Frobenius norm to the least singular value. Rounding turns each direction of a basis by
# up to its unit times the condition, by chance, so that a mean over all feels it the less the more they are.
# tests/core/test_projection.py holds float32 to 1e-6 of float64 up to this condition: so much for each direction, and
# at most so much.
_SAFE_CONDITION = {4: (8, 1e5), 8: (math.inf, 1e8)}
_TOLERATED = {4: 1e-6, 8: 1e-13}  # error of a mean correlation that is made from sines


@dataclass(frozen=True, eq=False)
class Projection:
    """The projection P onto the centred columns of a representation, by the narrower of two bases.

    Attributes
    ----------
    rows : ndarray
        (n, w), orthonormal columns, orthogonal to the constant vector.
    rank : int
        Of P.
    complement : bool
        Whether P is H - rows rows', with H = I - 11'/n, rather than rows rows'.
    name : str
        Of the representation.
    """

    rows: Array
    rank: int
    complement: bool
    name: str

    @property
    def n(self) -> int:
        """Number of examples."""
        return int(self.rows.shape[0])

    @property
    def saturated(self) -> bool:
        """Whether the rank is the largest that n centred examples allow."""
        return self.rank >= self.n - 1

    @property
    def width(self) -> int:
        """Number of basis vectors."""
        return int(self.rows.shape[1])

    @cached_property
    def basis(self) -> Array:
        """(n, rank): of the projection, made from the complement if that is what is held."""
        if not self.complement:
            return self.rows
        constant = np.full((self.n, 1), 1 / math.sqrt(self.n), self.rows.dtype)
        full, _ = np.linalg.qr(np.hstack([constant, self.rows]), mode="complete")
        return np.ascontiguousarray(full[:, self.width + 1 :])

    def remember_basis(self, basis: Array) -> None:
        """Take what `basis` would compute from somewhere else."""
        self.__dict__["basis"] = basis

    @classmethod
    def of_factor(cls, factor: Factor) -> Projection:
        """Take the basis of a factorisation, or its complement if that is narrower."""
        if cls.by_complement(factor):
            return cls(factor.complement, factor.rank, True, factor.name)
        return cls(factor.left, factor.rank, False, factor.name)

    @staticmethod
    def by_complement(factor: Factor) -> bool:
        """Whether the complement of a factorisation's basis is narrower."""
        return 2 * factor.rank > factor.n - 1


def canonical_correlations(a: Projection, b: Projection) -> Float64 | None:
    """Correlations of two projections, min(rank) of them, without singular values of either representation.

    Between two bases they are cosines, and between two complements too, beside ones for the surplus of ranks.
    Between a basis and a complement they follow from sines, which small correlations do not survive: None if so
    many are small that their mean would suffer.
    """
    found = np.minimum(singular_values(a.rows.T @ b.rows), 1.0)
    if a.complement != b.complement:
        found = np.sqrt((1 - found) * (1 + found))
        size = a.rows.dtype.itemsize
        eps = float(np.finfo(a.rows.dtype).eps)
        if found.size and eps * float(np.mean(1 / np.maximum(found, eps))) > _TOLERATED[size]:
            return None
    return np.concatenate([np.ones(min(a.rank, b.rank) - len(found)), found])


@dataclass(frozen=True, eq=False)
class BasisRows:
    """A basis as the rows of an operator, read where the representations are computed."""

    basis: Array
    xp: Any = NUMPY
    device: Any = None

    @property
    def n(self) -> int:
        """Number of examples."""
        return int(self.basis.shape[0])

    @property
    def p(self) -> int:
        """Number of basis vectors."""
        return int(self.basis.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the basis."""
        return self.basis.dtype

    @property
    def any_thread(self) -> bool:
        """Whether any thread may read it."""
        return self.xp is NUMPY

    def block(self, start: int, stop: int) -> Any:
        """Rows start to stop."""
        rows = file_rows(self.basis)[start:stop]
        return rows if self.xp is NUMPY else self.xp.asarray(rows, device=self.device)

    def expect(self, start: int, stop: int) -> None:
        """Let the system read these rows from the disk ahead."""
        if isinstance(rows := file_rows(self.basis), FileRows):
            rows.expect(start, stop)


def project(view: Representation, memory: int) -> Projection:
    """Find the projection of a representation, in the precision of the view if its condition allows, else in float64.

    Where the columns are independent, the basis comes from a QR factorisation, and where their number is more than
    half of n - 1, that of the complement does. Otherwise the singular values decide on the rank (see `factorise`).

    Raises
    ------
    ParameterError
        If the factorisation needs more memory than there may be.
    """
    for dtype in sorted({view.dtype.itemsize, 8}):
        found = _by_qr(view, np.dtype(f"f{dtype}"), memory)
        if found is not None:
            return found
    return Projection.of_factor(checked_factorise(view, memory))


def checked_factorise(view: Representation, memory: int) -> Factor:
    """Find the singular values and vectors, unless that needs more memory than there may be."""
    if (size := svd_bytes(view)) > memory:
        raise ParameterError(needed(view.name, "the singular value decomposition", size, memory))
    return factorise(view.in_double(), dtype=view.dtype)


def svd_bytes(view: Representation) -> float:
    """Return what the singular value decomposition takes."""
    return 8 * (3.0 * view.n * view.p + 6.0 * min(view.n, view.p) ** 2)


def qr_bytes(view: Representation, dtype: np.dtype[Any], memory: int) -> float:
    """Return what the QR factorisation in one precision takes: matrix, narrower basis, triangle or what is copied."""
    n, p = view.n, int(view.alive.sum())
    width = max(0, n - 1 - p) if 2 * p > n - 1 else p
    copied = n * (2 * _PART + _PANEL) if p + 1 >= _PART + _PANEL else 0  # LAPACK takes contiguous columns only
    entries = n * (p + 1) + n * width + max(min(n, p) ** 2, copied)
    return 1.1 * dtype.itemsize * entries + min(_READ_BYTES, memory // 8)


def _by_qr(view: Representation, dtype: np.dtype[Any], memory: int) -> Projection | None:
    """Return the projection, or None if the columns are, or may be, dependent, or too nearly so for the precision."""
    from scipy.linalg import get_lapack_funcs

    n, p = view.n, int(view.alive.sum())
    full = p >= n - 1
    complement = 2 * p > n - 1
    start, width = (p + 1, n - 1 - p) if complement else (1, p)
    if (size := qr_bytes(view, dtype, memory)) > memory:
        raise ParameterError(needed(view.name, f"its QR factorisation in {dtype}", size, memory))
    matrix, lengths = (_against_constant if full else _beside_constant)(view, dtype, p, memory)
    if dtype.itemsize == 4 and lengths.max() > _FAR * np.median(lengths):
        return None
    factor, apply = get_lapack_funcs(("geqrt", "gemqrt"), dtype=dtype)
    first = 0 if full else 1
    last = first + min(n - 1, p)
    least = _least_allowed(float(lengths.sum()), view, dtype)
    if last > _MANY:  # more columns have no larger least singular value than the first of them
        panel, _, _ = factor(_PANEL, matrix[:, :_PANEL])
        if _least_singular_value(np.array(panel[first:_PANEL, first:], order="F")) <= least:
            return None
    matrix, blocks, _ = factor(max(1, min(_PANEL, *matrix.shape)), matrix, overwrite_a=1)
    if _least_singular_value(np.array(matrix[first:last, first:last], order="F")) <= least:
        return None
    if full:
        return Projection(np.zeros((n, 0), view.dtype), n - 1, True, view.name)
    chosen = _columns(apply, matrix, blocks, start, width)
    del matrix, blocks  # in their place comes the copy by rows
    return Projection(np.ascontiguousarray(chosen, dtype=view.dtype), p, complement, view.name)


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
            part = out[first:, left : left + _PART]
            part[:], _ = apply(reflections, blocks[:, first:last], part, overwrite_c=1)
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


def _beside_constant(view: Representation, dtype: np.dtype[Any], p: int, memory: int) -> tuple[Array, Array]:
    """Return [1 X], (n, p + 1), and the squared lengths: the basis of the columns of X is orthogonal to the first."""
    out, lengths = np.empty((view.n, p + 1), dtype, order="F"), np.empty(view.n)
    out[:, 0] = 1 / math.sqrt(view.n)
    for rows, block in _blocks(view, dtype, memory):
        for first in range(0, p, _PANEL):  # a part that the cache holds: columns of `out` lie far apart
            out[rows, 1 + first : 1 + first + _PANEL] = block[:, first : first + _PANEL]
        lengths[rows] = np.einsum("ij,ij->i", block, block)
    return out, lengths


def _against_constant(view: Representation, dtype: np.dtype[Any], p: int, memory: int) -> tuple[Array, Array]:
    """Return X' in an orthonormal basis of what is orthogonal to the constant, (p, n - 1), and the squared lengths."""
    out, lengths = np.empty((p, view.n), dtype, order="F"), np.empty(view.n)
    for rows, block in _blocks(view, dtype, memory):
        out[:, rows] = block.T
        lengths[rows] = np.einsum("ij,ij->i", block, block)
    v = np.full(view.n, 1 / math.sqrt(view.n), dtype)
    v[0] += 1
    along = out @ v  # the Householder reflection that takes the constant vector to the first axis
    along *= dtype.type(2 / float(np.vdot(v, v)))
    for column in range(view.n):
        out[:, column] -= along * v[column]
    return out[:, 1:], lengths


def _least_allowed(energy: float, view: Representation, dtype: np.dtype[Any]) -> float:
    """Return the singular value that all must exceed, to be far enough above what rounding can make out of zero."""
    largest = math.sqrt(energy)
    floor = max(view.n, view.p) * float(np.finfo(np.float64).eps) * largest + view.stored_rounding(energy)
    for_each, at_most = _SAFE_CONDITION[dtype.itemsize]
    return max(4 * floor, largest / min(for_each * min(view.n - 1, int(view.alive.sum())), at_most))


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
