"""Rank-revealing orthonormal bases of representations: their singular vectors and values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from repsim.engine.arrays import Array, Float64
from repsim.engine.memory import check_fits
from repsim.engine.representation import Representation
from repsim.errors import ParameterError, RepresentationError
from repsim.options import choice, real_number

_STORED_IN_DOUBLE = 1e-10  # numbers with a larger relative spacing were not
_COMPUTED = 1e-5  # relative spacing, of numbers that are computed with; coarser ones were rounded to once, to nearest
_LEAST_RATIO = 1e-4  # of singular values whose squares keep eight digits
_FAR = 60.0  # powers of two, by which kappa makes lambda / (lambda + kappa) proportional to lambda
_LEAST_SPREAD = 1e-290  # of a unit beside entries of about 1: below that float64 drops digits
_ALIKE = 3  # powers of two within which the sizes of units count as alike


@dataclass(frozen=True, eq=False)
class Basis:
    """The left singular vectors and singular values of a centred, scaled representation."""

    left: Array  # (n, rank), orthonormal columns, orthogonal to the constant vector
    singular: Float64  # (rank,), descending, of the matrix scaled by 2**-exponent
    exponent: int

    @property
    def n(self) -> int:
        """Number of examples."""
        return int(self.left.shape[0])

    @property
    def rank(self) -> int:
        """Numerical rank, or the number of components kept."""
        return int(self.left.shape[1])


def factorise(view: Representation, memory: int) -> Basis:
    """Find the singular vectors and values of a representation, and decide its numerical rank.

    Rounding to the stored precision is relative to each unit. So the rank is that of the matrix whose units were
    brought to comparable sizes (see `unit_scales`), of which the singular values count that exceed
    ``max(n, p) * eps64 * largest + eps_stored * rms * (sqrt(n) + sqrt(p))``, of half precision half of the second term:
    what the decomposition, and what the rounding, can make out of an exact zero. Below the least normal number rounding
    is absolute, and each such unit adds to that. Well-conditioned numbers that were stored in less than float64 are
    factorised through their Gram matrix, some times faster.
    """
    check_fits(view.name, "the singular value decomposition", svd_bytes(view), memory)
    x = view.in_double().matrix()
    x = x if view.alive.all() else x[:, view.alive]
    spreads = root_mean_squares(x.T, np.einsum("ij,ij->j", x, x))
    scales = unit_scales(view, spreads)
    rounding = stored_rounding(view, spreads, scales)
    of_largest = rounding / float(scales.min())  # unit: what is far above its rounding is above that of all
    by_gram = _by_gram(x, of_largest) if view.eps > _STORED_IN_DOUBLE else None
    left, singular = by_gram or svd(compact(x))[:2]
    rank = min(view.n - 1, len(singular), _rank(singular, view, of_largest))
    if by_gram is None and rank < min(view.n - 1, x.shape[1]) and (scales != 1).any():
        left, singular = _by_units(x, scales, view, rounding)
        rank = len(singular)
    rank = max(1, rank)
    return Basis(np.ascontiguousarray(left[:, :rank], view.dtype), singular[:rank], view.exponent)


def _rank(singular: Float64, view: Representation, rounding: float) -> int:
    return int(np.count_nonzero(singular > rank_floor(view, float(singular[0]), rounding)))


def rank_floor(view: Representation, largest: float, rounding: float) -> float:
    """Return the largest singular value that the decomposition, and rounding as stored, can make out of zero."""
    return max(view.n, view.p) * float(np.finfo(np.float64).eps) * largest + rounding


def _by_units(x: Float64, scales: Float64, view: Representation, rounding: float) -> tuple[Float64, Float64]:
    """Singular vectors and values within the space that the units span once they are of comparable sizes."""
    left, singular, _ = svd(compact(x * scales))
    space = left[:, : max(1, min(view.n - 1, _rank(singular, view, rounding)))]
    inner, values, _ = svd(compact(space.T @ x))
    return space @ inner, values


def root_mean_squares(units: Array, energies: Float64) -> Float64:
    """Root mean squares of centred units, (p, n), from the sums of their squares, unless these have vanished."""
    spreads: Float64 = np.sqrt(energies / units.shape[1])
    precision = np.finfo(units.dtype)
    for i in np.flatnonzero(energies < precision.tiny / precision.eps):
        peak = float(np.abs(units[i]).max())
        spreads[i] = peak * np.sqrt(np.mean(np.square(units[i] / peak, dtype=np.float64))) if peak else 0.0
    return spreads


def unit_scales(view: Representation, spreads: Float64) -> Float64:
    """Return powers of two that bring units that vary to comparable sizes: 1 for those within ten times the typical.

    The size of a unit is its root mean square, with its mean: what its rounding is relative to. `spreads` are those
    after centring. The space that the units span does not change.
    """
    if spreads.min() < _LEAST_SPREAD:
        raise RepresentationError(
            f"{view.name}: feature {np.flatnonzero(view.alive)[spreads.argmin()]} is so small beside the largest that "
            "float64 cannot hold both; rescale its features"
        )
    sizes = _unit_sizes(view, spreads)
    powers = np.rint(np.log2(sizes / math.sqrt(float(sizes @ sizes) / view.p)))
    return np.exp2(np.where(np.abs(powers) <= _ALIKE, 0.0, -powers))


def stored_rounding(view: Representation, spreads: Float64, scales: Float64) -> float:
    """Bound the largest singular value that rounding to the stored precision can make, units being scaled."""
    spacing = view.eps * _unit_sizes(view, spreads)
    relative = spacing if view.eps < _COMPUTED else spacing / 2
    least = np.ldexp(view.least, -view.exponent)
    coarse = np.where(relative < least, least * scales, 0.0)  # units of few digits, which may be few among many
    of_units = relative * scales
    bound = math.sqrt(float(of_units @ of_units) / view.p) * (math.sqrt(view.n) + math.sqrt(view.p))
    return bound + math.sqrt(view.n) * float(coarse.max()) + float(np.linalg.norm(coarse))


def shrinkage(basis: Basis, kappa: float) -> tuple[Float64, float]:
    """Return lambda / (lambda + kappa) of each eigenvalue, by the first of them, and that one's binary logarithm.

    So nothing underflows, however large kappa is beside the eigenvalues. It is in the representation's own units.
    """
    relative: Float64 = np.square(basis.singular / basis.singular[0])
    if kappa == 0:
        return np.ones_like(relative), 0.0
    if math.isinf(kappa):
        return relative, -math.inf
    beside = math.log2(kappa) - 2 * (math.log2(float(basis.singular[0])) + basis.exponent)
    if beside > _FAR:
        return relative, -beside
    ratio = 2.0**beside  # of kappa to the largest eigenvalue
    return relative * (1 + ratio) / (relative + ratio), -math.log2(1 + ratio)


def _unit_sizes(view: Representation, spreads: Float64) -> Float64:
    sizes: Float64 = np.hypot(np.ldexp(view.mean, -view.exponent)[view.alive], spreads)
    return sizes


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


def svd_bytes(view: Representation) -> float:
    """Return what the singular value decomposition takes."""
    return 8 * (3.0 * view.n * view.p + 6.0 * min(view.n, view.p) ** 2)


def compact(x: Float64) -> Float64:
    """Return a matrix with the same X X' and at most n columns."""
    if x.shape[1] <= x.shape[0]:
        return x
    triangle: Any = np.linalg.qr(x.T, mode="r")
    return np.ascontiguousarray(triangle.T)


def svd(x: Array, *, vectors: bool = True) -> Any:
    """Thin singular value decomposition, or the values only; the slower driver where the fast one does not converge."""
    options: dict[str, Any] = {"full_matrices": False, "compute_uv": vectors}
    try:
        return np.linalg.svd(x, **options)
    except np.linalg.LinAlgError:
        from scipy.linalg import svd as robust

        return robust(x, lapack_driver="gesvd", **options)


def singular_values(x: Array) -> Float64:
    """Singular values in float64, whatever the precision of the matrix."""
    return np.asarray(svd(x, vectors=False), dtype=np.float64) if x.size else np.zeros(0)


def components_kept(singular: Float64, threshold: float, truncation: str) -> int:
    """Count the fewest leading components that reach the threshold."""
    reached = np.cumsum(singular**2 if truncation == "variance" else singular)
    needed_sum = threshold * (1 - 1e-13) * reached[-1]
    return min(int(np.searchsorted(reached, needed_sum)) + 1, len(singular))


def check_truncation(threshold: float, truncation: str) -> float:
    """Return the threshold as a float, or raise unless components can be kept so."""
    choice("truncation", truncation, "variance", "singular_values")
    share = real_number("threshold", threshold, "a proportion in (0, 1] is needed")
    if not 0 < share <= 1:
        raise ParameterError(f"threshold is {threshold!r}; a proportion in (0, 1] is needed")
    return share
