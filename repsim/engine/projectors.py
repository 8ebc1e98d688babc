"""Projectors onto the column spaces of representations, each by the narrower of two bases."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from repsim.engine.arrays import Array, Float64
from repsim.engine.bases import factorise, singular_values
from repsim.engine.qr import basis_by_qr
from repsim.engine.representation import Representation

_TOLERATED = {4: 1e-6, 8: 1e-13}  # error of a mean correlation that is made from sines


def complement_of(basis: Array) -> Array:
    """Return an orthonormal basis of what is orthogonal to a basis and to the constant vector."""
    n, width = basis.shape
    constant = np.full((n, 1), 1 / math.sqrt(n), basis.dtype)
    full, _ = np.linalg.qr(np.hstack([constant, basis]), mode="complete")
    return np.ascontiguousarray(full[:, width + 1 :])


@dataclass(frozen=True, eq=False)
class Projection:
    """The projector P onto the centred columns of a representation."""

    rows: Array  # (n, w), orthonormal columns, orthogonal to the constant vector
    rank: int  # of P
    complement: bool  # whether P is H - rows rows', with H = I - 11'/n, rather than rows rows'
    widen: Callable[[Array], Array] = complement_of  # makes the basis from a complement, which is as large as (n, n)

    @cached_property
    def basis(self) -> Array:
        """(n, rank): of the projector, made from the complement if that is what is held."""
        return self.widen(self.rows) if self.complement else self.rows


def project(view: Representation, memory: int) -> Projection:
    """Find the projector of a representation, in the precision of the view if its condition allows, else in float64.

    Where the columns are independent, the basis comes from a QR factorisation, and where their number is more than
    half of n - 1, that of the complement does. Otherwise the singular values decide on the rank (see `factorise`).
    """
    for size in sorted({view.dtype.itemsize, 8}):
        if (qr_basis := basis_by_qr(view, np.dtype(f"f{size}"), memory)) is not None:
            return Projection(*qr_basis)
    return of_basis(factorise(view, memory).left, view.dtype)


def of_basis(left: Array, dtype: np.dtype[Any]) -> Projection:
    """Take a basis, (n, rank), or its complement if that is narrower."""
    (n, rank), left = left.shape, left.astype(dtype, copy=False)
    complement = 2 * rank > n - 1
    return Projection(complement_of(left) if complement else left, rank, complement)


def correlations(a: Projection, b: Projection) -> Float64:
    """Canonical correlations, min(rank) of them in no order, without singular values of either representation.

    Between two bases they are cosines, and between two complements too, beside ones for the surplus of ranks.
    Between a basis and a complement they follow from sines, which small correlations do not survive: where so many
    are small that their mean would suffer, the other basis is made.
    """
    cosines = np.minimum(singular_values(a.rows.T @ b.rows), 1.0)
    if a.complement != b.complement:
        cosines = np.sqrt((1 - cosines) * (1 + cosines))
        eps = float(np.finfo(a.rows.dtype).eps)
        if cosines.size and eps * float(np.mean(1 / np.maximum(cosines, eps))) > _TOLERATED[a.rows.dtype.itemsize]:
            return np.minimum(singular_values(a.basis.T @ b.basis), 1.0)
    return np.concatenate([np.ones(min(a.rank, b.rank) - len(cosines)), cosines])
