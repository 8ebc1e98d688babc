"""Canonical correlation analysis and the indexes built on it: CCA, SVCCA, PWCCA."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim._arrays import Array, Float64
from repsim._basis import Factor, cosines, factorise, squared_overlap, svd, warn_if_saturated
from repsim._representation import Representation, pair
from repsim.errors import ParameterError

__all__ = ["canonical_correlations", "cca", "orthonormal_basis", "pwcca", "svcca"]


def cca(x: Any, y: Any, *, statistic: str = "r2") -> float:
    r"""Canonical correlation analysis, summarised in one number.

    .. math:: R^2_{CCA} = \frac{\|Q_Y^T Q_X\|_F^2}{p_1}, \qquad
              \bar\rho_{CCA} = \frac{\|Q_Y^T Q_X\|_*}{p_1}

    Q is an orthonormal basis of the centred columns. Activations are rank-deficient in practice (dead or
    duplicated units), so :math:`p_1` is the smaller of the two numerical ranks; at full rank that is the smaller
    number of features, as in the paper.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.
    statistic : {"r2", "mean"}
        Mean squared canonical correlation (Yanai's GCD), or mean canonical correlation.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 2 examples.
    ParameterError
        If `statistic` is unknown.

    Warns
    -----
    RankSaturationWarning
        If a rank is n - 1: then every index of this kind is the same whatever the data (Theorem 1).

    References
    ----------
    Kornblith et al. (2019), equations 7 and 8 and Theorem 1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((50, 4))
    >>> round(cca(x, x @ rng.standard_normal((4, 4))), 12)
    1.0
    """
    check_statistic(statistic)
    a, b = _factors(x, y)
    warn_if_saturated([a, b])
    return cca_of(a, b, statistic)


def svcca(x: Any, y: Any, *, statistic: str = "r2", threshold: float = 0.99, truncation: str = "variance") -> float:
    r"""Singular vector canonical correlation analysis: CCA of the leading principal components.

    .. math:: R^2_{SVCCA} = \frac{\|(U_Y T_Y)^T U_X T_X\|_F^2}{\min(\|T_X\|_F^2, \|T_Y\|_F^2)}

    and the same with the nuclear norm above for the mean; T keeps the components, :math:`\|T\|_F^2` of them.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.
    statistic : {"r2", "mean"}
        As for `cca`.
    threshold : float
        Proportion to be reached by the components kept, in (0, 1].
    truncation : {"variance", "singular_values"}
        Proportion of what: of the variance, the sum of squared singular values, as Kornblith et al. say; or of
        the sum of the singular values themselves, as in appendix A of Raghu et al. (2017).

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 2 examples.
    ParameterError
        If an option is not one of those named.

    Warns
    -----
    RankSaturationWarning
        If n - 1 components are kept.

    References
    ----------
    Kornblith et al. (2019), Table 1. Raghu et al. (2017).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((50, 4))
    >>> round(svcca(x, 2 * x, statistic="mean"), 12)
    1.0
    """
    check_statistic(statistic)
    a, b = (f.leading(threshold, truncation) for f in _factors(x, y))
    warn_if_saturated([a, b])
    return cca_of(a, b, statistic)


def pwcca(x: Any, y: Any) -> float:
    r"""Projection-weighted canonical correlation analysis.

    .. math:: \rho_{PW} = \frac{\sum_i \alpha_i \rho_i}{\sum_i \alpha_i}, \qquad
              \alpha_i = \sum_j |\langle h_i, x_j \rangle|

    The :math:`h_i` are the orthonormal canonical variables of `x` and the :math:`x_j` its columns. The index is
    not symmetric: exchange the arguments to weight by `y`. If `y` has the smaller rank, the correlations
    beyond it are 0.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 2 examples.

    Warns
    -----
    RankSaturationWarning
        If a rank is n - 1.

    Notes
    -----
    Canonical variables of equal correlation are defined up to a rotation only, and the weights depend on it. For
    the correlations 1 and 0, where such ties occur in practice, the principal axes of `x` within the tied subspace
    are taken, which makes the value a function of the data alone unless singular values of `x` are tied too, as
    those of whitened data are.

    References
    ----------
    Kornblith et al. (2019), equation 9. Morcos et al. (2018).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((50, 4))
    >>> round(pwcca(x, x[:, ::-1]), 12)
    1.0
    """
    a, b = pair(x, y)
    left, right = factorise(a), factorise(b)
    warn_if_saturated([left, right])
    return pwcca_of(left, right, loadings(left, a))


def orthonormal_basis(x: Any) -> Float64:
    """Orthonormal basis of the centred columns of a representation.

    Parameters
    ----------
    x : array_like
        Representation, (n, p) or (n, h, w, c).

    Returns
    -------
    ndarray
        (n, r) with r the numerical rank: the left singular vectors, by descending singular value, whose
        singular value exceeds
        ``max(n, p) * eps64 * largest + eps_stored * rms * (sqrt(n) + sqrt(p))``. The second term is what rounding
        to the precision of the array that was passed can make out of nothing.

    Raises
    ------
    RepresentationError
        If `x` is not a representation, is constant, or has fewer than 2 examples.

    References
    ----------
    Kornblith et al. (2019), section 4 and Proposition 1.

    Examples
    --------
    >>> orthonormal_basis([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]).shape
    (3, 1)
    """
    basis: Float64 = factorise(Representation(x, "x", dtype=np.float64)).left
    return basis


def canonical_correlations(x: Any, y: Any) -> Float64:
    """Canonical correlations of two representations.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.

    Returns
    -------
    ndarray
        As many as the smaller numerical rank, descending, in [0, 1].

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 2 examples.

    References
    ----------
    Kornblith et al. (2019), section 4.

    Examples
    --------
    >>> canonical_correlations([[0.0], [1.0], [2.0]], [[0.0], [1.0], [0.0]]).round(12) + 0.0
    array([0.])
    """
    return cosines(*_factors(x, y))


def check_statistic(statistic: str) -> None:
    """Raise unless the statistic exists."""
    if statistic not in ("r2", "mean"):
        raise ParameterError(f'statistic is {statistic!r}; it must be "r2" or "mean"')


def cca_of(a: Factor, b: Factor, statistic: str) -> float:
    """Mean, or mean squared, canonical correlation of two bases."""
    total = squared_overlap(a, b) if statistic == "r2" else float(cosines(a, b).sum())
    return min(total / min(a.rank, b.rank), 1.0)


def loadings(factor: Factor, rep: Representation) -> Array:
    """Return Q_X' X, (rank, p): what the weights of PWCCA are made from, in the precision of the basis."""
    values: Array = factor.left.T @ rep.matrix().astype(factor.left.dtype, copy=False)
    return values


def pwcca_of(a: Factor, b: Factor, loaded: Array) -> float:
    """PWCCA weighted by the canonical variables of the first basis."""
    if b.saturated:
        return 1.0
    cross = a.left.T @ b.left
    directions, correlations, _ = np.linalg.svd(cross) if b.rank < a.rank else svd(cross)
    rho = np.zeros(a.rank)
    rho[: len(correlations)] = np.minimum(correlations, 1.0)
    tolerance = 1e-10 if cross.dtype.itemsize == 8 else 1e-5
    rho[rho >= 1 - tolerance] = 1.0
    rho[rho <= tolerance] = 0.0
    for tied in (rho == 1.0, rho == 0.0):
        if np.count_nonzero(tied) > 1:
            directions[:, tied] = _principal_axes(directions[:, tied], a.singular)
    weights = np.abs(directions.T @ loaded).sum(axis=1, dtype=np.float64)
    return min(float(weights @ rho / weights.sum()), 1.0)


def _principal_axes(directions: Array, singular: Float64) -> Array:
    """Rotate orthonormal directions, given in the basis of the left singular vectors, to their principal axes."""
    scaled = directions * singular[:, None].astype(directions.dtype)
    axes: Array = directions @ svd(scaled)[2].T
    return axes


def _factors(x: Any, y: Any) -> tuple[Factor, Factor]:
    a, b = pair(x, y)
    return factorise(a), factorise(b)
