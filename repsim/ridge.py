"""Canonical ridge: a family that runs from CCA through linear regression to linear CKA."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from repsim._arrays import Float64
from repsim._basis import Factor, factorise, warn_if_saturated
from repsim._checks import real_number
from repsim._representation import pair
from repsim.errors import ParameterError

NORMALISERS = ("cosine", "first", "smaller")
_FAR = 60.0  # powers of two, by which kappa makes lambda / (lambda + kappa) proportional to lambda
_LEAST_POWER = -1070.0


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
        Between 0 and 1.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 2 examples.
    ParameterError
        If a kappa is negative, the normaliser unknown, or the limit 0 whatever the data.

    Warns
    -----
    RankSaturationWarning
        If a representation whose kappa is 0 has rank n - 1.

    References
    ----------
    Kornblith et al. (2019), appendix D.1, equations 22 and 25 to 27. Vinod (1976).

    Examples
    --------
    >>> import math
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((50, 3)), rng.standard_normal((50, 4))
    >>> from repsim import cka
    >>> abs(canonical_ridge(x, y, kappa_x=math.inf, kappa_y=math.inf) - cka(x, y)) < 1e-12
    True
    """
    kappa_x, kappa_y = check_ridge(kappa_x, kappa_y, normaliser)
    a, b = (factorise(rep) for rep in pair(x, y))
    warn_if_saturated([f for f, kappa in ((a, kappa_x), (b, kappa_y)) if kappa == 0])
    first, second = Shrinkage.of(a, kappa_x), Shrinkage.of(b, kappa_y)
    total = float(first.weights @ (a.left.T @ b.left) ** 2 @ second.weights)
    return normalised(total, first, second, normaliser)


def check_ridge(kappa_x: float, kappa_y: float, normaliser: str) -> tuple[float, float]:
    """Return both kappas as floats, or say which option cannot be."""
    if normaliser not in NORMALISERS:
        raise ParameterError(f"normaliser is {normaliser!r}; it must be one of {', '.join(NORMALISERS)}")
    found = []
    for name, kappa in (("kappa_x", kappa_x), ("kappa_y", kappa_y)):
        needed = "a number of at least 0 is needed (math.inf for the limit)"
        found.append(real_number(name, kappa, needed))
        if found[-1] < 0:
            raise ParameterError(f"{name} is {kappa!r}; {needed}")
    infinite = [math.isinf(kappa) for kappa in found]
    if (normaliser == "first" and infinite[1]) or (normaliser == "smaller" and all(infinite)):
        raise ParameterError(
            f'kappa_x={kappa_x!r}, kappa_y={kappa_y!r} with normaliser="{normaliser}" gives 0 whatever the data; '
            'use normaliser="cosine" there'
        )
    return found[0], found[1]


@dataclass(frozen=True, eq=False)
class Shrinkage:
    """The squared singular values of Q~, lambda / (lambda + kappa), by the first of them.

    So nothing underflows, however large kappa is beside the eigenvalues.

    Attributes
    ----------
    weights : ndarray
        (rank,), the first of them 1.
    logarithm : float
        To base 2, of what they were divided by; 0 at an infinite kappa.
    """

    weights: Float64
    logarithm: float
    infinite: bool

    @classmethod
    def of(cls, factor: Factor, kappa: float) -> Shrinkage:
        """Shrink the eigenvalues of a representation; `kappa` is in its own units, not those of the scaled values."""
        relative: Float64 = np.square(factor.singular / factor.singular[0])
        if kappa == 0:
            return cls(np.ones_like(relative), 0.0, False)
        if math.isinf(kappa):
            return cls(relative, 0.0, True)
        beside = math.log2(kappa) - 2 * (math.log2(float(factor.singular[0])) + factor.exponent)
        if beside > _FAR:
            return cls(relative, -beside, False)
        ratio = 2.0**beside  # of kappa to the largest eigenvalue
        return cls(relative * (1 + ratio) / (relative + ratio), -math.log2(1 + ratio), False)


def normalised(total: float, x: Shrinkage, y: Shrinkage, normaliser: str) -> float:
    """Divide the overlap of two shrunk bases, made with the weights, by a normaliser."""
    if normaliser == "cosine":  # in which what the weights were divided by cancels
        lengths = (math.sqrt(float(one.weights @ one.weights)) for one in (x, y))
        return min(total / math.prod(lengths), 1.0)
    by_x = total / float(x.weights.sum()) * _power(y.logarithm)
    by_y = total / float(y.weights.sum()) * _power(x.logarithm)
    if normaliser == "first" or x.infinite:
        return min(by_x, 1.0)
    return min(by_y if y.infinite else max(by_x, by_y), 1.0)


def _power(logarithm: float) -> float:
    """Return a power of two that may be too small to be told from 0."""
    return 2.0**logarithm if logarithm > _LEAST_POWER else 0.0
