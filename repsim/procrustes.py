"""Orthogonal Procrustes similarity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from repsim._basis import Factor, compact, singular_values
from repsim._representation import pair


def procrustes(x: Any, y: Any) -> float:
    r"""Orthogonal Procrustes similarity.

    .. math:: \frac{\|Y^T X\|_*}{\|X\|_F \|Y\|_F}
              = \max_{Q^T Q = I} \frac{\mathrm{tr}(Y^T X Q)}{\|X\|_F \|Y\|_F}

    It is linear HSIC with the nuclear norm in place of the squared Frobenius norm, normalised. For
    representations of unit Frobenius norm the Procrustes distance of appendix D.2,
    :math:`\|X\|_F^2 + \|Y\|_F^2 - 2 \|Y^T X\|_*`, is twice one minus this value.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.

    Returns
    -------
    float
        Between 0 and 1, and 1 if a rotation and an isotropic scaling map one to the other.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 2 examples.

    References
    ----------
    Kornblith et al. (2019), appendix D.2. Ding et al. (2021). Williams et al. (2021).

    Examples
    --------
    >>> round(procrustes([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], [[2.0, 0.0], [0.0, 2.0], [4.0, 4.0]]), 12)
    1.0
    """
    a, b = pair(x, y)
    left, right = compact(a.matrix()), compact(b.matrix())
    norms = math.sqrt(float(np.vdot(left, left))) * math.sqrt(float(np.vdot(right, right)))
    return min(float(singular_values(left.T @ right).sum()) / norms, 1.0)


def procrustes_of(a: Factor, b: Factor) -> float:
    """Compute the same from two factorisations."""
    cross = a.left.T @ b.left
    cross *= a.singular[:, None].astype(cross.dtype)
    cross *= b.singular.astype(cross.dtype)
    norms = math.sqrt(float(a.singular @ a.singular)) * math.sqrt(float(b.singular @ b.singular))
    return min(float(singular_values(cross).sum()) / norms, 1.0)
