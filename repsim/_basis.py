"""Rank-revealing orthonormal bases of representations, and the angles between two of them."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import FrameType
from typing import Any, Protocol

import numpy as np

from repsim._arrays import Array, Float64
from repsim._checks import real_number
from repsim._representation import Representation
from repsim.errors import ParameterError, RankSaturationWarning

_STORED_IN_DOUBLE = 1e-10  # numbers with a larger relative spacing were not
_LEAST_RATIO = 1e-4  # of singular values whose squares keep eight digits


@dataclass(frozen=True, eq=False)
class Factor:
    """The left singular vectors and singular values of a centred, scaled representation.

    Attributes
    ----------
    left : ndarray
        (n, rank), orthonormal columns, orthogonal to the constant vector.
    singular : ndarray
        (rank,), descending, of the matrix scaled by 2**-exponent.
    p, exponent, name
        Of the representation.
    """

    left: Array
    singular: Float64
    p: int
    exponent: int
    name: str

    @property
    def n(self) -> int:
        """Number of examples."""
        return int(self.left.shape[0])

    @property
    def rank(self) -> int:
        """Numerical rank, or the number of components kept."""
        return int(self.left.shape[1])

    @property
    def saturated(self) -> bool:
        """Whether the rank is the largest that n centred examples allow."""
        return self.rank >= self.n - 1

    @cached_property
    def complement(self) -> Array:
        """(n, n - 1 - rank): orthonormal basis of what is orthogonal to `left` and to the constant vector."""
        constant = np.full((self.n, 1), 1 / math.sqrt(self.n), self.left.dtype)
        full, _ = np.linalg.qr(np.hstack([constant, self.left]), mode="complete")
        return np.ascontiguousarray(full[:, self.rank + 1 :])

    def remember_complement(self, complement: Array) -> None:
        """Take what `complement` would compute from somewhere else."""
        self.__dict__["complement"] = complement

    def first(self, count: int) -> Factor:
        """Keep the first principal components only."""
        return Factor(self.left[:, :count], self.singular[:count], self.p, self.exponent, self.name)

    def leading(self, threshold: float, truncation: str) -> Factor:
        """Keep the fewest components that reach a proportion of the variance, or of the singular values."""
        return self.first(components_kept(self.singular, threshold, truncation))


def factorise(rep: Representation, *, dtype: Any = np.float64) -> Factor:
    """Factorise a representation that is read in float64, and decide its numerical rank.

    The rank is the number of singular values above
    ``max(n, p) * eps64 * largest + eps_stored * rms * (sqrt(n) + sqrt(p))``: what the decomposition, and what
    rounding the numbers to the precision they were stored in, can make out of an exact zero. Well-conditioned
    numbers that were stored in less than float64 are factorised through their Gram matrix, some times faster.
    """
    x = rep.matrix()
    n, p = x.shape
    varying = x if rep.alive.all() else x[:, rep.alive]
    rounding = rep.stored_rounding(float(np.vdot(x, x)))
    found = _by_gram(varying, rounding) if rep.eps > _STORED_IN_DOUBLE else None
    if found is not None:
        left, singular = found
        rank = len(singular)
    else:
        left, singular = svd_left(x)
        floor = max(n, p) * float(np.finfo(np.float64).eps) * float(singular[0]) + rounding
        rank = max(1, min(n - 1, int(np.count_nonzero(singular > floor))))
    basis = np.ascontiguousarray(left[:, :rank], dtype=dtype)
    return Factor(basis, singular[:rank], rep.p, rep.exponent, rep.name)


def _by_gram(x: Float64, rounding: float) -> tuple[Float64, Float64] | None:
    """Left singular vectors and values from the eigenvectors of the smaller Gram matrix, or None.

    Squaring loses half of the digits, so it is done at full rank only, where the condition leaves enough of them, and
    where the least singular value is above what rounding to the stored precision makes out of zero.
    """
    from scipy.linalg import eigh

    n, p = x.shape
    rank = min(n - 1, p)
    gram = x @ x.T if n <= p else x.T @ x
    eigenvalues, vectors = eigh(gram, driver="evd", overwrite_a=True)
    kept = eigenvalues[::-1][:rank]
    if not kept[-1] > max(_LEAST_RATIO * float(np.sqrt(kept[0])), 2 * rounding) ** 2:
        return None
    singular = np.sqrt(kept)
    left = vectors[:, ::-1][:, :rank]
    return (left if n <= p else x @ left / singular), singular


def svd_left(x: Float64) -> tuple[Float64, Float64]:
    """Left singular vectors and singular values; a wide matrix is first reduced to (n, n)."""
    left, singular, _ = svd(compact(x))
    return left, singular


def compact(x: Float64) -> Float64:
    """Return a matrix with the same X X' and at most n columns."""
    if x.shape[1] <= x.shape[0]:
        return x
    triangle: Any = np.linalg.qr(x.T, mode="r")
    return np.ascontiguousarray(triangle.T)


def svd(x: Array) -> tuple[Array, Array, Array]:
    """Thin singular value decomposition; the slower driver where the fast one does not converge."""
    try:
        return np.linalg.svd(x, full_matrices=False)
    except np.linalg.LinAlgError:
        from scipy.linalg import svd as robust

        left, singular, right = robust(x, full_matrices=False, lapack_driver="gesvd")
        return left, singular, right


def singular_values(x: Array) -> Float64:
    """Singular values in float64, whatever the precision of the matrix."""
    if 0 in x.shape:
        return np.zeros(0)
    try:
        values = np.linalg.svd(x, compute_uv=False)
    except np.linalg.LinAlgError:
        from scipy.linalg import svd as robust

        values = robust(x, compute_uv=False, lapack_driver="gesvd")
    return np.asarray(values, dtype=np.float64)


def components_kept(singular: Float64, threshold: float, truncation: str) -> int:
    """Count the fewest leading components that reach the threshold."""
    if truncation not in ("variance", "singular_values"):
        raise ParameterError(f'truncation is {truncation!r}; it must be "variance" or "singular_values"')
    if not 0 < real_number("threshold", threshold, "a proportion in (0, 1] is needed") <= 1:
        raise ParameterError(f"threshold is {threshold!r}; a proportion in (0, 1] is needed")
    reached = np.cumsum(singular**2 if truncation == "variance" else singular)
    needed = threshold * (1 - 1e-13) * reached[-1]
    return min(int(np.searchsorted(reached, needed)) + 1, len(singular))


def certain_ones(a: Factor, b: Factor) -> int:
    """How many canonical correlations are exactly 1 because the ranks add up to more than n - 1."""
    return max(0, a.rank + b.rank - (a.n - 1))


def cosines(a: Factor, b: Factor) -> Float64:
    """Canonical correlations, descending, min(rank) of them.

    Where the ranks add up to more than n - 1, the surplus of them are 1 and the others are the cosines between the
    orthogonal complements, a smaller problem.
    """
    ones = certain_ones(a, b)
    cross = a.complement.T @ b.complement if ones else a.left.T @ b.left
    return np.concatenate([np.ones(ones), np.minimum(singular_values(cross), 1.0)])


def squared_overlap(a: Factor, b: Factor) -> float:
    """Sum of the squared canonical correlations, <P_X, P_Y>."""
    ones = certain_ones(a, b)
    cross = a.complement.T @ b.complement if ones else a.left.T @ b.left
    return ones + float(np.vdot(cross, cross))


class Basis(Protocol):
    """What the rank is known of."""

    @property
    def n(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def saturated(self) -> bool: ...


def warn_if_saturated(factors: Sequence[Basis]) -> None:
    """Warn once, naming Theorem 1 and the user's line, if a basis spans all that n centred examples allow."""
    full = [f for f in factors if f.saturated]
    if not full:
        return
    named = ", ".join(f.name for f in full[:4]) + (f" and {len(full) - 4} more" if len(full) > 4 else "")
    warnings.warn(
        f"rank n - 1 = {full[0].n - 1} reached by {named}: by Theorem 1 of Kornblith et al. (2019) an index that is "
        "invariant to invertible linear maps is then the same for every such representation, so the value says "
        "nothing about it. Use more examples than features, or CKA",
        RankSaturationWarning,
        stacklevel=_frames_inside() + 1,
    )


def _frames_inside() -> int:
    """Count the frames between the caller of this function and whoever called the package."""
    frame: FrameType | None = sys._getframe(1)
    depth = 0
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        depth, frame = depth + 1, frame.f_back
    return depth
