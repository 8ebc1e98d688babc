"""Canonical ridge: a family that runs from CCA through linear regression to linear CKA."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from repsim.cka import normalised_products
from repsim.engine.arrays import Float64
from repsim.engine.moments import pair_moments
from repsim.engine.operators import ShrunkProjector
from repsim.engine.tables import Moments
from repsim.errors import ParameterError
from repsim.notices import warn_of_ranks
from repsim.options import choice, real_number


def canonical_ridge(x: Any, y: Any, *, kappa_x: float, kappa_y: float, normaliser: str = "cosine") -> float:
    r"""Canonical ridge (regularised CCA) summarised in one number.

    .. math:: \tilde Q = U \Sigma (\Sigma^2 + \kappa I)^{-1/2}, \qquad
       \|\tilde Q_Y^T \tilde Q_X\|_F^2 = \sum_{ij} \frac{\lambda_X^i \lambda_Y^j
       \langle u_X^i, u_Y^j \rangle^2}{(\lambda_X^i + \kappa_X)(\lambda_Y^j + \kappa_Y)}

    divided by one of three normalisers:

    ==========  ========  ===================================================================
    normaliser  equation  divides by
    ==========  ========  ===================================================================
    "first"     25        :math:`\|\tilde Q_X\|_F^2`
    "smaller"   26        :math:`\min(\|\tilde Q_X\|_F^2, \|\tilde Q_Y\|_F^2)`
    "cosine"    27        :math:`\|\tilde Q_X \tilde Q_X^T\|_F \|\tilde Q_Y \tilde Q_Y^T\|_F`
    ==========  ========  ===================================================================

    With both kappas 0, "smaller" gives :math:`R^2_{CCA}`, and so does "first" if the rank of `x` is the smaller;
    with kappa_y = 0 and kappa_x infinite, "first" gives :math:`R^2_{LR}`; with both infinite, "cosine" gives
    linear CKA, and at any kappa the CKA of the operators :math:`\tilde Q \tilde Q^T`. The denominator of 26 is
    inferred from these limits, which the paper states; those of 25 and 27 are the only ones of their form
    that meet them.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.
    kappa_x, kappa_y : float
        Regularisation, in units of the eigenvalues of X X' and Y Y' (squared singular values); at least 0,
        ``math.inf`` for the limit.
    normaliser : {"cosine", "first", "smaller"}
        See the table. The limit is 0 whatever the data, and refused, for "first" with an infinite kappa_y and for
        "smaller" with both infinite.

    Returns
    -------
    float
        Between 0 and 1. Of the directions that have a singular value above what rounding to the stored precision makes
        of zero, as for `repsim.orthonormal_basis`: half precision of a mean far above the deviations keeps few.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 2 examples.
    ParameterError
        If a kappa is negative, the normaliser unknown, or the limit 0 whatever the data.

    Warns
    -----
    RankSaturationWarning
        Where both kappas are 0, as for `cca`; where one is, if that representation has rank n - 1.

    See Also
    --------
    repsim.cca : Both kappas 0.
    repsim.linear_regression : One 0, one infinite.
    repsim.cka : Both infinite.

    References
    ----------
    1. Kornblith et al. (2019), appendix D.1, equations 22 and 25 to 27, doi:10.48550/arXiv.1905.00414.
    2. Vinod (1976), doi:10.1016/0304-4076(76)90010-5.
    3. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L139

    Examples
    --------
    From CCA, with none, to linear CKA, with an infinite one:

    >>> import math
    >>> import numpy as np
    >>> from repsim import cca, cka
    >>> x, y = np.random.default_rng(0).standard_normal((2, 50, 5))
    >>> x[:, 0] = 4 * y[:, 0]
    >>> print(f"CCA {cca(x, y):.2f}, CKA {cka(x, y):.2f}")
    CCA 0.26, CKA 0.49
    >>> print(*(f"{canonical_ridge(x, y, kappa_x=k, kappa_y=k):.2f}" for k in (0, 10, 100, 1000, math.inf)))
    0.26 0.29 0.42 0.49 0.49
    """
    choice("normaliser", normaliser, *NORMALISERS)
    needed = "a number of at least 0 is needed (math.inf for the limit)"
    kappas = real_number("kappa_x", kappa_x, needed, 0), real_number("kappa_y", kappa_y, needed, 0)
    if (normaliser == "first" and math.isinf(kappas[1])) or (normaliser == "smaller" and math.isinf(min(kappas))):
        raise ParameterError(
            f'kappa_x={kappa_x!r}, kappa_y={kappa_y!r} with normaliser="{normaliser}" gives 0 whatever the data; '
            'use normaliser="cosine" there'
        )
    moments = pair_moments(x, y, *map(ShrunkProjector, kappas), own=True)
    warn_of_ranks(moments)
    return float(NORMALISERS[normaliser](moments)[0, 0])


def by_first(m: Moments) -> Float64:
    """Return equation 25 for all pairs; the scale of x is in `trace_x` too, that of y in its exponent only."""
    return np.minimum(m.xy / m.trace_x * np.exp2(m.y.exponent), 1.0)


def by_smaller(m: Moments) -> Float64:
    """Return equation 26 for all pairs: divided by the smaller of the two traces, the larger value."""
    return np.maximum(by_first(m), np.minimum(m.xy / m.trace_y * np.exp2(m.x.exponent)[:, None], 1.0))


NORMALISERS = {"cosine": normalised_products, "first": by_first, "smaller": by_smaller}  # equations 27, 25, 26
