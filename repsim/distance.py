"""Distances, with which triangle inequalities hold, from the similarities that have one."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from repsim.cka import normalised_products
from repsim.engine.arrays import Float64
from repsim.errors import ParameterError, UnknownIndexError
from repsim.identification import numbers
from repsim.indexes import get_index
from repsim.procrustes import rotated

_BEYOND = 1e-9


@overload
def to_distance(values: float, index: Any) -> float: ...
@overload
def to_distance(values: Any, index: Any) -> float | Float64: ...
def to_distance(values: Any, index: Any) -> float | Float64:
    r"""Distance between representations, from their similarity.

    .. math:: d = \arccos s

    Biased CKA is the cosine of the angle between two centred Gram matrices, and orthogonal Procrustes similarity the
    cosine of the angle between one representation and the other, rotated as near to it as can be. Angles satisfy the
    triangle inequality; one minus the similarity does not.

    Parameters
    ----------
    values : float or array_like
        Similarities, of any shape.
    index : str or Index
        What they are of: ``cka_linear``, ``cka_rbf_<fraction>``, ``canonical_ridge_<kappa>``, ``procrustes``, or
        another that is made of both representations in the same way and by the same formula.

    Returns
    -------
    float or ndarray
        Radians, of the shape of `values`: from 0, the same up to rotation and isotropic scaling, to pi / 2. The arc
        cosine of a value next to 1 turns its rounding, 1e-16, into 1e-8.

    Raises
    ------
    ParameterError
        If the index has no distance, or a value is no number between 0 and 1.

    See Also
    --------
    repsim.pairwise : Tables of similarities.

    References
    ----------
    1. Williams et al. (2021), doi:10.48550/arXiv.2110.14739.

    Examples
    --------
    Three directions, 30 degrees from one to the next. The longest way is no longer than the two others together:

    >>> import numpy as np
    >>> from repsim import pairwise
    >>> plane = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 3)) @ [[1, 0], [0, 1], [0, 0]])[0]
    >>> plane = np.linalg.qr(plane - plane.mean(axis=0))[0]
    >>> layers = [plane @ [[np.cos(t)], [np.sin(t)]] for t in np.radians([0, 30, 60])]
    >>> cka = pairwise(layers, index="cka_linear")
    >>> d = to_distance(cka, "cka_linear")
    >>> print(f"{d[0, 2]:.2f} <= {d[0, 1]:.2f} + {d[1, 2]:.2f}")
    1.32 <= 0.72 + 0.72
    >>> print(f"{1 - cka[0, 2]:.2f} > {1 - cka[0, 1]:.2f} + {1 - cka[1, 2]:.2f}")
    0.75 > 0.25 + 0.25
    """
    if not _is_cosine(index):
        raise ParameterError(
            f"index is {getattr(index, 'name', index)!r}, which has no distance; cka_linear, cka_rbf_<fraction>, "
            "canonical_ridge_<kappa> and procrustes have one"
        )
    cosines = numbers("values", values)
    outside = ~((cosines >= -_BEYOND) & (cosines <= 1 + _BEYOND))
    if outside.any():
        raise ParameterError(f"values holds {cosines[outside][0]}; similarities between 0 and 1 are needed")
    angles = np.arccos(np.clip(cosines, 0, 1))
    return float(angles) if angles.ndim == 0 else angles


def _is_cosine(name: Any) -> bool:
    """Whether it is the cosine of the angle between what is made of either representation, in the same way."""
    try:
        index = get_index(name)
    except UnknownIndexError:
        return False
    return (
        index.x == index.y and not index.debiased and (index.value or index.compare) in (normalised_products, rotated)
    )
