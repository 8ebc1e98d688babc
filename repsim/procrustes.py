"""Orthogonal Procrustes similarity."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim.engine.arrays import Array
from repsim.engine.bases import singular_values
from repsim.engine.operators import Compact
from repsim.engine.pairs import compare_pair

COMPACT = Compact()


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

    See Also
    --------
    repsim.to_distance : The angle of which it is the cosine.
    repsim.cka : The squared Frobenius norm in place of the nuclear one.

    References
    ----------
    1. Kornblith et al. (2019), appendix D.2, doi:10.48550/arXiv.1905.00414.
    2. Ding et al. (2021), doi:10.48550/arXiv.2108.01661.
    3. Williams et al. (2021), doi:10.48550/arXiv.2110.14739.
    4. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L134

    Examples
    --------
    A rotation leaves it as it is, a stretched feature does not:

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((50, 2))
    >>> print(f"rotated {procrustes(x, x @ [[0, 2], [-2, 0]]):.2f}, stretched {procrustes(x, x * [1, 4]):.2f}")
    rotated 1.00, stretched 0.87
    """
    return compare_pair(x, y, COMPACT, COMPACT, rotated)[0]


def rotated(x: Array, y: Array) -> float:
    """Return ||Y' X||_* / (||X||_F ||Y||_F) of two matrices with the X X' and Y Y' of the representations."""
    norms = np.linalg.norm(x.astype(np.float64)) * np.linalg.norm(y.astype(np.float64))
    return min(float(singular_values(x.T @ y).sum() / norms), 1.0)
