"""The Hilbert-Schmidt independence criterion and centred kernel alignment."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim.chance import LEAST_EXAMPLES, Chance, chance_of_biased, chance_of_debiased, warn_if_biased
from repsim.engine.arrays import Float64
from repsim.engine.moments import gram_moments, pair_moments
from repsim.engine.operators import LinearGram, Made, RBFGram, Whole
from repsim.engine.tables import ROUNDING, Moments, without_rounding
from repsim.errors import NonFiniteError, ParameterError, ShapeMismatchError
from repsim.kernels import DEFAULT_BANDWIDTH, check_bandwidth, raise_undefined, scaled_gram
from repsim.options import choice, flag

LINEAR = LinearGram()


def cka(x: Any, y: Any, *, kernel: str = "linear", bandwidth: float | None = None, debiased: bool = False) -> float:
    r"""Centred kernel alignment.

    .. math:: \mathrm{CKA}(K, L) = \frac{\mathrm{HSIC}(K, L)}{\sqrt{\mathrm{HSIC}(K, K)\,\mathrm{HSIC}(L, L)}}

    With the linear kernel this is :math:`\|Y^T X\|_F^2 / (\|X^T X\|_F \|Y^T Y\|_F)` for centred X and Y.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.
    kernel : {"linear", "rbf"}
        Kernel on examples.
    bandwidth : float, optional
        For ``kernel="rbf"`` only: sigma as a fraction of the median distance (0.4 if not given), of each
        representation separately; see `repsim.gram_rbf`.
    debiased : bool
        Use the U-statistic of Song et al. (2007) for all three HSICs. The ratio is still not unbiased, and it
        may be negative: it is never clamped. Other packages mean other estimators by this word.

    Returns
    -------
    float
        Between 0 and 1, and 1 for equal representations; debiased, at most 1.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer than 2 examples (4 debiased); the
        subclasses in `repsim.errors` tell these apart.
    ParameterError
        If `kernel` is unknown, `debiased` not True or False, or `bandwidth` not between 1e-6 and 1e6 or given with the
        linear kernel.

    Warns
    -----
    BiasWarning
        If the value is biased and no more than chance; see `repsim.chance`.

    See Also
    --------
    repsim.pairwise : Of many representations.
    repsim.chance : What it is of unrelated ones.

    References
    ----------
    1. Kornblith et al. (2019), equation 4 and Table 1, doi:10.48550/arXiv.1905.00414.
    2. Song et al. (2007), doi:10.1145/1273496.1273600, for the debiased form.
    3. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L88

    Examples
    --------
    A rotation leaves it as it is, an invertible linear map does not:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((2, 50, 8))
    >>> rotation, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    >>> print(f"rotated {cka(x, 3 * x @ rotation):.2f}, stretched {cka(x, x * 2.0 ** np.arange(8)):.2f}")
    rotated 1.00, stretched 0.60
    >>> print(f"unrelated {cka(x, y):.2f}, debiased {cka(x, y, debiased=True):.2f}")
    unrelated 0.13, debiased -0.01
    """
    gram = kernel_gram(kernel, bandwidth)
    moments = pair_moments(x, y, gram, gram, debiased=flag("debiased", debiased), own=True)
    values = normalised_products(moments)
    chance_of("cka", moments, values)
    return float(values[0, 0])


def hsic(x: Any, y: Any, *, kernel: str = "linear", bandwidth: float | None = None, debiased: bool = False) -> float:
    r"""Hilbert-Schmidt independence criterion.

    .. math:: \mathrm{HSIC}(K, L) = \frac{1}{(n - 1)^2} \mathrm{tr}(K H L H), \qquad H = I - \tfrac1n 1 1^T

    With the linear kernel this is :math:`\|Y^T X\|_F^2 / (n - 1)^2` for centred X and Y.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.
    kernel : {"linear", "rbf"}
        Kernel on examples.
    bandwidth : float, optional
        For ``kernel="rbf"`` only: sigma as a fraction of the median distance (0.4 if not given).
    debiased : bool
        Use the unbiased U-statistic of Song et al. (2007), with the factor 1 / (n (n - 3)); it may be negative.

    Returns
    -------
    float
        With the linear kernel in units of (unit of x)**2 (unit of y)**2; it is not normalised.

    Raises
    ------
    RepresentationError
        As for `cka`; also `NonFiniteError` if the value does not fit a float64.
    ParameterError
        As for `cka`.

    See Also
    --------
    repsim.cka : The same, normalised.

    References
    ----------
    1. Kornblith et al. (2019), equation 3, doi:10.48550/arXiv.1905.00414.
    2. Gretton et al. (2005), doi:10.1007/11564089_7.
    3. Song et al. (2007), doi:10.1145/1273496.1273600, for the debiased form.
    4. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L83

    Examples
    --------
    Of single features it is the square of their covariance, so twice the feature gives four times the value:

    >>> hsic([[0.0], [1.0], [2.0]], [[0.0], [2.0], [5.0]]), hsic([[0.0], [2.0], [4.0]], [[0.0], [2.0], [5.0]])
    (6.25, 25.0)
    """
    gram = kernel_gram(kernel, bandwidth)
    moments = pair_moments(x, y, gram, gram, debiased=flag("debiased", debiased))
    return float(independence(moments)[0, 0])


def chance(
    x: Any, y: Any, *, kernel: str = "linear", bandwidth: float | None = None, debiased: bool = False
) -> Chance[float]:
    r"""Mean and standard deviation of CKA over all shuffles of the examples, and how far above them the value is.

    Shuffled, two representations have nothing in common but their spectra, so the mean is what CKA is by chance
    alone, near 1 where there are many more features than examples. It is exact: no shuffle is made. With
    :math:`b_K = \mathrm{tr}(K)^2 / \mathrm{tr}(K^2)` and :math:`s_K = \sum_i K_{ii}^2 / \mathrm{tr}(K^2)` of the
    centred Gram matrices K and L,

    .. math:: \mathrm{E} = \frac{\sqrt{b_K b_L}}{n - 1}, \qquad
              \mathrm{Var} = \frac{2 c_K c_L + \frac{n - 1}{n (n - 3)} w_K w_L}{(n + 1) (n - 1)^2 (n - 2)},

    where :math:`c = n - 1 - b` and :math:`w = n (n + 1) s - (n - 1) (b + 2)`. The debiased form has mean 0 and
    variance :math:`2 / (n (n - 3))` whatever is compared.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n >= 4 examples, (n, p) or (n, h, w, c). Columns are centred here.
    kernel, bandwidth, debiased
        As for `repsim.cka`.

    Returns
    -------
    Chance
        Of floats. The distribution is skewed, so z is not a p-value; unrelated representations are seldom beyond 5.

    Raises
    ------
    RepresentationError
        As for `repsim.cka`; `TooFewExamplesError` for fewer than 4 examples.
    ParameterError
        As for `repsim.cka`.

    See Also
    --------
    repsim.cka : The value itself.
    repsim.pairwise : Tables of values, with their chance from the same pass.

    References
    ----------
    1. Kazi-Aoual et al. (1995), doi:10.1016/0167-9473(94)00064-2, for the RV coefficient, which linear CKA is.
    2. Szekely and Rizzo (2014), doi:10.1214/14-AOS1255, for U-centred matrices, of which the debiased form is made.

    Examples
    --------
    Two representations that have nothing to do with each other, of ten times as many features as examples:

    >>> import numpy as np
    >>> from repsim import cka
    >>> x, y = np.random.default_rng(0).standard_normal((2, 50, 500))
    >>> print(f"{cka(x, y):.2f}, by chance {chance(x, y).mean:.2f}")
    0.91, by chance 0.91
    >>> print(f"{chance(x, y).z:.1f} deviations above that, where half is shared {chance(x, x + y).z:.1f}")
    -0.6 deviations above that, where half is shared 17.5
    """
    gram = kernel_gram(kernel, bandwidth)
    moments = pair_moments(x, y, gram, gram, debiased=flag("debiased", debiased), own=True, minimum=LEAST_EXAMPLES)
    table = chance_table(moments, normalised_products(moments))
    return Chance(*(values.item() for values in (table.mean, table.standard_deviation, table.z)))


def cka_from_grams(k: Any, l: Any, *, debiased: bool = False) -> float:  # noqa: E741
    """Centred kernel alignment of two Gram matrices.

    Parameters
    ----------
    k, l : array_like
        (n, n), symmetric; centred here, not modified.
    debiased : bool
        As for `cka`.

    Returns
    -------
    float
        As for `cka`; down to -1 where a matrix has negative eigenvalues.

    Raises
    ------
    RepresentationError
        If a matrix is not square, finite and symmetric, if their sizes differ, or if one is 0 after centring.

    Warns
    -----
    BiasWarning
        If the value is biased and no more than chance; see `repsim.chance`.

    See Also
    --------
    repsim.cka : From representations.

    References
    ----------
    1. Kornblith et al. (2019), equation 4, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    How well a feature separates two classes, by the kernel that is 1 for two examples of one class:

    >>> import numpy as np
    >>> classes = np.array([0, 0, 0, 1, 1, 1])
    >>> same = np.equal.outer(classes, classes).astype(float)
    >>> feature = np.array([0.1, 0.0, 0.3, 0.9, 1.2, 0.8])
    >>> round(cka_from_grams(same, np.outer(feature, feature)), 3)
    0.887
    """
    moments = _two_grams(k, l, debiased)
    values = normalised_products(moments)
    chance_of("cka_from_grams", moments, values)
    return float(values[0, 0])


def hsic_from_grams(k: Any, l: Any, *, debiased: bool = False) -> float:  # noqa: E741
    """Hilbert-Schmidt independence criterion of two Gram matrices.

    Parameters
    ----------
    k, l : array_like
        (n, n), symmetric; centred here, not modified.
    debiased : bool
        As for `hsic`.

    Returns
    -------
    float
        In units of (unit of k) (unit of l).

    Raises
    ------
    RepresentationError
        If a matrix is not square, finite and symmetric, or if their sizes differ.

    See Also
    --------
    repsim.hsic : From representations.

    References
    ----------
    1. Kornblith et al. (2019), equation 3, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    >>> from repsim import gram_linear
    >>> round(hsic_from_grams(gram_linear([[0.0], [1.0], [2.0]]), gram_linear([[0.0], [2.0], [5.0]])), 12)
    6.25
    """
    return float(independence(_two_grams(k, l, debiased))[0, 0])


def normalised_products(m: Moments) -> Float64:
    """Return equation 4, <K, L> / sqrt(<K, K> <L, L>) of centred K and L, for all pairs."""
    _check_defined(m)
    return _within_bounds(m.xy / np.sqrt(m.xx * m.yy), m)


def _check_defined(m: Moments) -> None:
    """Raise if some operator is 0, but for rounding."""
    for side, squares in ((m.x, m.xx), (m.y, m.yy)):
        for name, square, noise in zip(side.names, squares.ravel(), side.noise, strict=True):
            if not square > noise:
                raise_undefined(name, m.debiased)


def _within_bounds(values: Float64, m: Moments) -> Float64:
    """Take rounding past the bounds away: 1, and, of biased forms, 0.

    Given Gram matrices may be indefinite, and slightly negative values their own: those are known to some 1e-12.
    """
    noise = np.sqrt(np.maximum.outer(m.x.noise / m.x.square, m.y.noise / m.y.square))
    rounding = np.where(noise > 0, np.minimum(ROUNDING, 30 * noise), ROUNDING)
    values = without_rounding(values, -1.0, 1.0)
    return values if m.debiased else np.where((values < 0) & (values > -rounding), 0.0, values)


def chance_table(m: Moments, values: Float64) -> Chance[Float64]:
    """Return where values of CKA lie among those of shuffled examples, for all pairs."""
    return chance_of_debiased(values, m.n) if m.debiased else chance_of_biased(values, m.n, m.x, m.y)


def chance_of(name: str, m: Moments, values: Float64) -> Chance[Float64] | None:
    """Return the same, None for fewer than four examples, and warn if most biased values are no more than chance."""
    if m.n < LEAST_EXAMPLES:
        return None
    table = chance_table(m, values)
    others = np.not_equal.outer(np.array(m.x.names), np.array(m.y.names))
    if not m.debiased and others.any():
        warn_if_biased(name, table.z[others], n=m.n, widths=map(int, [*m.x.width, *m.y.width]))
    return table


def independence(m: Moments) -> Float64:
    """Return equation 3, <K, L> / (n - 1)² of centred K and L, for all pairs; over n (n - 3) of U-centred ones."""
    scale = np.add.outer(m.x.exponent, m.y.exponent).astype(int)
    with np.errstate(over="ignore"):
        xy = m.xy if m.debiased else without_rounding(m.xy, 0.0, np.inf, 1e-12 * np.abs(m.trace_x * m.trace_y))
        values: Float64 = np.ldexp(xy / (m.n * (m.n - 3) if m.debiased else (m.n - 1) ** 2), scale)
    for i, j in np.argwhere(~np.isfinite(values))[:1]:
        raise NonFiniteError(f"the HSIC of {m.x.names[i]} and {m.y.names[j]} does not fit a float64; rescale them")
    return values


def kernel_gram(kernel: str, bandwidth: float | None) -> Made:
    """Return what a kernel makes of a representation."""
    if choice("kernel", kernel, "linear", "rbf") == "rbf":
        return RBFGram(check_bandwidth(DEFAULT_BANDWIDTH if bandwidth is None else bandwidth))
    if bandwidth is not None:
        raise ParameterError(f'bandwidth is {bandwidth!r}, but kernel="linear" has none; use kernel="rbf"')
    return LINEAR


def _two_grams(k: Any, m: Any, debiased: bool) -> Moments:
    """Check two Gram matrices, and return their moments."""
    minimum = 4 if flag("debiased", debiased) else 2
    grams = [Whole(*scaled_gram(gram, name, minimum)) for gram, name in ((k, "k"), (m, "l"))]
    first, second = (gram.matrix.shape for gram in grams)
    if first != second:
        raise ShapeMismatchError(f"k has shape {first} and l has shape {second}; both must be alike")
    return gram_moments(grams, ("k", "l"), debiased)
