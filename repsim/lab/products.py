r"""All indexes of Table 1 that rest on subspaces, from one matrix product per pair of layers.

With centred representations :math:`X = U_X S_X V_X^T` and :math:`Y = U_Y S_Y V_Y^T`, everything is in
:math:`M = U_X^T U_Y`, whose singular values are the cosines between the two spaces: CCA is their mean or mean square,
SVCCA that of the leading block of M that a threshold keeps, so that all thresholds need one basis and one product;
:math:`\|S_X M S_Y\|_F^2` is HSIC, :math:`\|S_X M\|_F^2` linear regression, and PWCCA weights the left singular
vectors of M. That is what makes the paper's 50,000 examples affordable: a layer takes one decomposition of as many rows
as it has features, and a pair of layers one product and the eigenvalues of another such matrix.

Cosines are the square roots of the eigenvalues of the smaller of :math:`M M^T` and :math:`M^T M`, in float32. Only the
values are asked for, and one side is half of the work: LAPACK's singular values of M in float32 take three times, in
float64 seven times as long. Squaring costs half of the digits of small cosines, which add little to a mean:
:data:`TOLERANCE` bounds the error of every index here against LAPACK's singular values in float64, which a test proves
at 2,048 features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from repsim.lab.errors import LabError

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
TOLERANCE = 1e-4  # of every index, absolute
ROWS = 2000  # of a representation in memory in float64
LEAST = 1e-6  # of the largest singular value: below, the eigenvalues of a Gram matrix in float64 are rounding
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.99)


class ConditionError(LabError):
    """A representation whose rank its Gram matrix cannot tell."""


@dataclass(frozen=True)
class Basis:
    """The singular value decomposition of a centred representation, by falling singular values.

    `left` is (n, r) and orthonormal, `right` (r, p) with orthonormal rows, p counting the features that vary; both
    float32.
    """

    left: Float32
    singular: Float64
    right: Float32

    def kept(self, threshold: float) -> int:
        """Return the fewest leading components that hold a share of the variance."""
        reached = np.cumsum(self.singular**2)
        return min(int(np.searchsorted(reached, threshold * (1 - 1e-13) * reached[-1])) + 1, len(reached))


def basis(x: Any) -> Basis:
    """Return the basis of a representation (n, p), or of what gives slices of its rows, read in blocks of examples.

    From the eigenvectors of its Gram matrix over features, in float64: squaring is safe where no singular value of the
    features that vary is below :data:`LEAST` of the largest. ConditionError if one is, or if p >= n.
    """
    n, p = x.shape
    if p >= n:
        raise ConditionError(f"a basis needs more examples than features, found {n} examples of {p} features")
    starts = range(0, n, ROWS)
    total, first = np.zeros(p), np.asarray(x[:1])[0]
    varies = np.zeros(p, bool)
    for start in starts:
        block = np.asarray(x[start : start + ROWS])
        total += block.sum(axis=0, dtype=np.float64)
        varies |= (block != first).any(axis=0)
    mean = (total / n)[varies]

    def centred(start: int) -> Float64:
        return np.asarray(x[start : start + ROWS])[:, varies].astype(np.float64) - mean

    gram = np.zeros((len(mean), len(mean)))
    for start in starts:
        rows = centred(start)
        gram += rows.T @ rows
    eigenvalues, vectors = eigh(gram, driver="evd", overwrite_a=True, check_finite=False)
    if not len(mean) or eigenvalues[0] <= LEAST**2 * eigenvalues[-1]:
        raise ConditionError(
            f"the Gram matrix of {len(mean)} features that vary has eigenvalues from {eigenvalues.min():.1e} to "
            f"{eigenvalues.max():.1e}; one below {LEAST**2:g} of the largest is rounding, and the rank cannot be told"
        )
    singular, vectors = np.sqrt(eigenvalues[::-1]), vectors[:, ::-1]
    left = np.empty((n, len(singular)), np.float32)
    for start in starts:
        left[start : start + ROWS] = centred(start) @ vectors / singular
    return Basis(left, singular, np.ascontiguousarray(vectors.T, np.float32))


def product(x: Basis, y: Basis) -> Float32:
    """Return M, (r_x, r_y) float32."""
    return np.asarray(x.left.T @ y.left)


def cosines(m: Float32) -> Float64:
    """Return the singular values of M, as many as its smaller side, rising."""
    gram = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    eigenvalues = eigh(gram, eigvals_only=True, driver="evd", overwrite_a=True, check_finite=False)
    return np.sqrt(np.clip(eigenvalues.astype(np.float64), 0.0, 1.0))


def weighted(x: Basis, m: Float32) -> float:
    """Return PWCCA of the representation on the rows of M with that on its columns, weighted by the former."""
    rank, other = m.shape
    if rank <= other:
        squares, directions = eigh(m @ m.T, driver="evd", overwrite_a=True, check_finite=False)
    else:
        squares, right = eigh(m.T @ m, driver="evd", overwrite_a=True, check_finite=False)
        directions = m @ right
        directions /= np.maximum(np.linalg.norm(directions, axis=0), np.finfo(np.float32).tiny)
    rho = np.sqrt(np.clip(squares.astype(np.float64), 0.0, 1.0))
    scaled = x.singular.astype(np.float32)[:, None] * x.right
    weights = np.abs(directions.T @ scaled).sum(axis=1, dtype=np.float64)
    numerator, beyond = float(weights @ rho), 0.0
    if rank > other:  # correlations of 0, whose canonical variables are the principal axes of what is left of x
        rest = x.singular.astype(np.float32)[:, None] * (np.eye(rank, dtype=np.float32) - directions @ directions.T)
        _, axes = eigh(rest.T @ rest, driver="evd", overwrite_a=True, check_finite=False)
        beyond = float(np.abs(axes[:, other:].T @ scaled).sum(dtype=np.float64))
    return numerator / (float(weights.sum()) + beyond)


def compare(x: Basis, y: Basis, thresholds: Sequence[float] = THRESHOLDS) -> dict[str, tuple[float, float]]:
    """Return every index of x with y and of y with x, by the names of :data:`repsim.INDEXES`."""
    m, n = product(x, y), len(x.left)
    least = min(m.shape)
    m2, sx, sy = np.square(m, dtype=np.float64), x.singular**2, y.singular**2
    hsic = float(sx @ m2 @ sy)
    symmetric = {
        "cca_r2": float(m2.sum()) / least,
        "cca_mean": float(cosines(m).sum()) / least,
        "hsic_linear": hsic / (n - 1) ** 2,
        "cka_linear": hsic / float(np.linalg.norm(sx) * np.linalg.norm(sy)),
    }
    for threshold in thresholds:
        block = m[: x.kept(threshold), : y.kept(threshold)]
        ending = "" if threshold == 0.99 else f"_{threshold:g}"
        symmetric[f"svcca_r2{ending}"] = float(np.square(block, dtype=np.float64).sum()) / min(block.shape)
        symmetric[f"svcca_mean{ending}"] = float(cosines(block).sum()) / min(block.shape)
    both = {name: (value, value) for name, value in symmetric.items()}
    both["linear_regression"] = (
        float(sx @ m2.sum(axis=1)) / float(sx.sum()),
        float(m2.sum(axis=0) @ sy) / float(sy.sum()),
    )
    both["pwcca"] = weighted(x, m), weighted(y, np.ascontiguousarray(m.T))
    return both
