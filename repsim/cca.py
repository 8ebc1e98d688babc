"""Canonical correlation analysis and the indexes built on it: CCA, SVCCA, PWCCA."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim.engine.arrays import Array, Float64
from repsim.engine.bases import Basis, check_truncation, svd
from repsim.engine.memory import budget
from repsim.engine.moments import pair_moments
from repsim.engine.operators import Projector, SingularVectors
from repsim.engine.pairs import compare_pair
from repsim.engine.prepared import Prepared
from repsim.engine.projectors import Projection, correlations
from repsim.engine.representation import Representation
from repsim.engine.tables import Moments, without_rounding
from repsim.notices import warn_of_ranks
from repsim.options import choice

PROJECTOR = Projector()
SINGULAR = SingularVectors()
_TIED = 1e-10  # correlations as near to 1 or 0 as that count as tied


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
        If the ranks add up to more than n - 1: some correlations are then 1 whatever the data, and where a rank is
        n - 1 every index of this kind is (Theorem 1).

    See Also
    --------
    repsim.canonical_correlations : The correlations themselves.
    repsim.svcca : Of the leading principal components.
    repsim.cka : What tells wide representations apart.

    References
    ----------
    1. Kornblith et al. (2019), equations 7 and 8, Theorem 1, doi:10.48550/arXiv.1905.00414.
    2. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L99

    Examples
    --------
    Unrelated representations of more and more of the features that 50 examples allow:

    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).standard_normal((2, 50, 24))
    >>> print(", ".join(f"{cca(x[:, :p], y[:, :p]):.2f}" for p in (2, 12, 24)))
    0.07, 0.22, 0.51
    """
    return _correlated(x, y, PROJECTOR, statistic)


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
        As for `cca`, of the components kept.

    See Also
    --------
    repsim.cca : Of all components.

    References
    ----------
    1. Kornblith et al. (2019), Table 1, doi:10.48550/arXiv.1905.00414.
    2. Raghu et al. (2017), doi:10.48550/arXiv.1706.05806.
    3. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L112

    Examples
    --------
    Two strong signals that are shared, beside weak ones that are not:

    >>> import numpy as np
    >>> signal, noise, other = np.random.default_rng(0).standard_normal((3, 100, 10))
    >>> signal[:, 2:] = 0
    >>> x, y = signal + 0.02 * noise, signal + 0.02 * other
    >>> print(f"SVCCA {svcca(x, y):.2f}, CCA {cca(x, y):.2f}")
    SVCCA 1.00, CCA 0.27
    """
    made = Projector(check_truncation(threshold, truncation), truncation)
    return _correlated(x, y, made, statistic)


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
        As for `cca`.

    See Also
    --------
    repsim.cca : All directions weighted alike.

    Notes
    -----
    Canonical variables of equal correlation are defined up to a rotation only, and the weights depend on it. For
    the correlations 1 and 0, where such ties occur in practice, the principal axes of `x` within the tied subspace
    are taken, which makes the value a function of the data alone unless singular values of `x` are tied too, as
    those of whitened data are.

    References
    ----------
    1. Kornblith et al. (2019), equation 9, doi:10.48550/arXiv.1905.00414.
    2. Morcos et al. (2018), doi:10.48550/arXiv.1806.05759.
    3. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L116

    Examples
    --------
    The first of five directions is shared. It makes most of x, but little of y:

    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).standard_normal((2, 100, 5))
    >>> y[:, 0] = x[:, 0]
    >>> x, y = x * [10, 1, 1, 1, 1], y * [1, 10, 10, 10, 10]
    >>> print(f"{pwcca(x, y):.2f}, {pwcca(y, x):.2f}, CCA {cca(x, y, statistic='mean'):.2f}")
    0.65, 0.22, CCA 0.34
    """
    value, ranks = compare_pair(x, y, SINGULAR, SINGULAR, projection_weighted)
    warn_of_ranks(ranks)
    return value


def orthonormal_basis(x: Any) -> Float64:
    """Orthonormal basis of the centred columns of a representation.

    Parameters
    ----------
    x : array_like
        Representation, (n, p) or (n, h, w, c).

    Returns
    -------
    ndarray
        (n, r), the left singular vectors by descending singular value. The numerical rank r is the number of singular
        values, once the units have comparable sizes, that exceed
        ``max(n, p) * eps64 * largest + eps_stored * rms * (sqrt(n) + sqrt(p))``, rms with the means. The second term is
        what rounding to the precision of the array that was passed can make out of nothing; of half precision half of
        it.

    Raises
    ------
    RepresentationError
        If `x` is not a representation, is constant, or has fewer than 2 examples.

    See Also
    --------
    repsim.canonical_correlations : Between two of them.

    References
    ----------
    1. Kornblith et al. (2019), section 4 and Proposition 1, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    A unit, its double and one that is dead:

    >>> orthonormal_basis([[0.0, 0.0, 7.0], [1.0, 2.0, 7.0], [2.0, 4.0, 7.0]]).shape
    (3, 1)
    """
    basis: Float64 = Prepared(Representation(x, "x", dtype=np.float64), budget(None)).basis.left
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

    Warns
    -----
    RankSaturationWarning
        As for `cca`.

    See Also
    --------
    repsim.cca : Their mean, or that of their squares.

    References
    ----------
    1. Kornblith et al. (2019), equation 6, doi:10.48550/arXiv.1905.00414.
    2. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L161

    Examples
    --------
    One feature is the same, one is half noise and one is noise:

    >>> import numpy as np
    >>> x, noise = np.random.default_rng(0).standard_normal((2, 2000, 3))
    >>> canonical_correlations(x, x * [1, 1, 0] + noise * [0, 1, 1]).round(2)
    array([1.  , 0.71, 0.  ])
    """
    rho, ranks = compare_pair(x, y, PROJECTOR, PROJECTOR, correlations)
    warn_of_ranks(ranks)
    return np.sort(rho)[::-1]


def _correlated(x: Any, y: Any, made: Projector, statistic: str) -> float:
    if choice("statistic", statistic, "r2", "mean") == "mean":
        value, ranks = compare_pair(x, y, made, made, mean_correlation)
        warn_of_ranks(ranks)
        return value
    moments = pair_moments(x, y, made, made)
    warn_of_ranks(moments)
    return float(shared_dimensions(moments)[0, 0])


def shared_dimensions(m: Moments) -> Float64:
    """Return equation 7, ||Q_Y' Q_X||² / p1 = <Q_X Q_X', Q_Y Q_Y'> / p1, for all pairs."""
    return without_rounding(m.xy / m.smaller_rank, 0.0, 1.0)


def mean_correlation(a: Projection, b: Projection) -> float:
    """Return equation 8, ||Q_Y' Q_X||_* / p1."""
    return min(float(correlations(a, b).sum()) / min(a.rank, b.rank), 1.0)


def projection_weighted(focused: tuple[Basis, Array], b: Basis) -> float:
    """Return equation 9, sum alpha_i rho_i / sum alpha_i, given the columns of X in its singular vectors, (rank, p)."""
    a, columns = focused
    if b.rank >= b.n - 1:
        return 1.0
    cross = a.left.T @ b.left
    directions, correlations, _ = np.linalg.svd(cross) if b.rank < a.rank else svd(cross)
    rho = np.zeros(a.rank)
    rho[: len(correlations)] = np.minimum(correlations, 1.0)
    rho[rho >= 1 - _TIED] = 1.0
    rho[rho <= _TIED] = 0.0
    for tied in (rho == 1.0, rho == 0.0):
        if np.count_nonzero(tied) > 1:
            axes = svd(directions[:, tied] * a.singular[:, None])[2].T  # principal ones of x within the subspace
            directions[:, tied] = directions[:, tied] @ axes
    weights = np.abs(directions.T @ columns).sum(axis=1)
    return min(float(weights @ rho / weights.sum()), 1.0)
