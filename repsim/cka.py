"""The Hilbert-Schmidt independence criterion and centred kernel alignment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from repsim._arrays import NUMPY, Float64
from repsim._gram import Operator
from repsim._median import distances_of, median_of, median_squared_distance
from repsim._memory import budget
from repsim._representation import Representation, pair
from repsim._tiles import inner_products
from repsim.errors import NonFiniteError, ParameterError, ShapeMismatchError
from repsim.kernels import (
    DEFAULT_BANDWIDTH,
    centre_in_place,
    check_bandwidth,
    check_gram,
    raise_undefined,
    shift_rounding,
    shifted_rbf,
    u_centre_in_place,
)

_LARGEST_GRAM = 4096  # beyond this many examples a Gram matrix is visited tile by tile
_MOST_LEFT_OUT = 1e3  # times what is left: a diagonal that is subtracted from the whole costs that many digits


@dataclass(frozen=True)
class Moments:
    """Inner products of two centred operators, with each other and with themselves.

    A self-product that is not above its noise is rounding error of a centred operator that is zero.
    """

    xy: float
    xx: float
    yy: float
    noise_x: float
    noise_y: float


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
        If `kernel` is unknown, or `bandwidth` is not positive or given with the linear kernel.

    References
    ----------
    Kornblith et al. (2019), equation 4 and Table 1. Song et al. (2007) for the debiased form.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((50, 8))
    >>> rotation, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    >>> round(cka(x, 3 * x @ rotation), 12)
    1.0
    >>> cka(x, rng.standard_normal((50, 8)), debiased=True) < 0.2
    True
    """
    moments, _, _ = _moments(x, y, kernel, bandwidth, debiased)
    return ratio(moments, debiased)


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

    References
    ----------
    Kornblith et al. (2019), equation 3. Gretton et al. (2005). Song et al. (2007) for the debiased form.

    Examples
    --------
    >>> hsic([[0.0], [1.0], [2.0]], [[0.0], [2.0], [4.0]])
    4.0
    """
    moments, n, exponent = _moments(x, y, kernel, bandwidth, debiased)
    return scaled(moments.xy / (n * (n - 3) if debiased else (n - 1) ** 2), exponent)


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
        As for `cka`.

    Raises
    ------
    RepresentationError
        If a matrix is not square, finite and symmetric, if their sizes differ, or if one is 0 after centring.

    References
    ----------
    Kornblith et al. (2019), equation 4.

    Examples
    --------
    >>> import numpy as np
    >>> cka_from_grams(np.eye(5), np.diag([1.0, 1.0, 1.0, 1.0, 1.0]))
    1.0
    """
    first, second, _ = _two_grams(k, l, debiased)
    return ratio(_gram_moments(first, second, debiased), debiased, ("k", "l"))


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

    References
    ----------
    Kornblith et al. (2019), equation 3.

    Examples
    --------
    >>> import numpy as np
    >>> round(hsic_from_grams(np.eye(5), np.eye(5)), 12)
    0.25
    """
    first, second, exponent = _two_grams(k, l, debiased)
    n = first.shape[0]
    xy = _gram_moments(first, second, debiased).xy
    return scaled(xy / (n * (n - 3) if debiased else (n - 1) ** 2), exponent)


def ratio(moments: Moments, debiased: bool, names: tuple[str, str] = ("x", "y")) -> float:
    """Turn three inner products into an alignment; rounding past the bound is removed, nothing else."""
    if not moments.xx > moments.noise_x:
        raise_undefined(names[0], debiased)
    if not moments.yy > moments.noise_y:
        raise_undefined(names[1], debiased)
    value = moments.xy / (math.sqrt(moments.xx) * math.sqrt(moments.yy))
    return min(value, 1.0) if debiased else min(max(value, 0.0), 1.0)


def scaled(value: float, exponent: int) -> float:
    """Return value * 2**exponent, or say that it does not fit."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        raise NonFiniteError(
            f"the value, {value:.6g} * 2**{exponent}, does not fit a float64; rescale x and y"
        ) from None


def check_kernel(kernel: str, bandwidth: float | None) -> float | None:
    """Return the bandwidth of an RBF kernel, None for the linear one."""
    if kernel == "linear":
        if bandwidth is not None:
            raise ParameterError(f'bandwidth is {bandwidth!r}, but kernel="linear" has none; use kernel="rbf"')
        return None
    if kernel == "rbf":
        return check_bandwidth(DEFAULT_BANDWIDTH if bandwidth is None else bandwidth)
    raise ParameterError(f'kernel is {kernel!r}; it must be "linear" or "rbf"')


def _moments(x: Any, y: Any, kernel: str, bandwidth: float | None, debiased: bool) -> tuple[Moments, int, int]:
    """Inner products of scaled operators, n, and the power of two that the scaling took out of xy."""
    bandwidth = check_kernel(kernel, bandwidth)
    a, b = pair(x, y, minimum=4 if debiased else 2)
    n = a.n
    if bandwidth is not None:
        if n > _LARGEST_GRAM:
            return _tiled_moments(a, b, bandwidth, debiased), n, 0
        grams = [_shifted_gram(r, bandwidth) for r in (a, b)]
        floor = (n * shift_rounding(bandwidth)) ** 2
        return _gram_moments(grams[0], grams[1], debiased, floor), n, 0
    exponent = 2 * (a.exponent + b.exponent)
    if a.p**2 + b.p**2 + a.p * b.p < n * (a.p + b.p + 3):
        found = _feature_moments(a.matrix(), b.matrix(), debiased)
        if found is not None:
            return found, n, exponent
    if n > _LARGEST_GRAM:
        return _tiled_moments(a, b, None, debiased), n, exponent
    first, second = a.matrix(), b.matrix()
    return _gram_moments(first @ first.T, second @ second.T, debiased), n, exponent


def _shifted_gram(rep: Representation, bandwidth: float) -> Float64:
    rows = rep.matrix()
    distances = distances_of(rows)
    gram: Float64 = shifted_rbf(NUMPY, distances, median_of(distances, rep.name, rows), bandwidth)
    return gram


def _gram_moments(k: Float64, m: Float64, debiased: bool, energy: float = 0.0) -> Moments:
    """Gram form, both matrices being overwritten; `energy` is what they had before a shift, if there was one."""
    noise = []
    for gram in (k, m):
        if debiased:
            np.fill_diagonal(gram, 0)
        noise.append(1e-24 * (float(np.vdot(gram, gram)) + energy))
        u_centre_in_place(gram) if debiased else centre_in_place(gram)
    return Moments(float(np.vdot(k, m)), float(np.vdot(k, k)), float(np.vdot(m, m)), noise[0], noise[1])


def _feature_moments(x: Float64, y: Float64, debiased: bool) -> Moments | None:
    """Feature form, for centred columns: cross-products of features in place of Gram matrices.

    None if the debiased form is not accurate so, being small beside the diagonals that are subtracted from the whole.
    """
    n = x.shape[0]
    norms = [np.einsum("ij,ij->i", z, z) for z in (x, y)]

    def product(a: Float64, b: Float64, norms_a: Float64, norms_b: Float64) -> float:
        cross = a.T @ b
        value = float(np.vdot(cross, cross))
        if debiased:
            value -= n / (n - 2) * float(norms_a @ norms_b)
            value += float(norms_a.sum() * norms_b.sum()) / ((n - 1) * (n - 2))
        return value

    xx = product(x, x, norms[0], norms[0])
    yy = product(y, y, norms[1], norms[1])
    if debiased and any(own * _MOST_LEFT_OUT < float(v @ v) for own, v in zip((xx, yy), norms, strict=True)):
        return None
    return Moments(product(x, y, norms[0], norms[1]), xx, yy, 0.0, 0.0)


def _tiled_moments(a: Representation, b: Representation, bandwidth: float | None, debiased: bool) -> Moments:
    """Gram form without any (n, n) matrix."""
    memory = budget(None)
    family = [
        Operator(r) if bandwidth is None else Operator(r, bandwidth, median_squared_distance(r, memory=memory))
        for r in (a, b)
    ]
    products = inner_products({"k": family}, [("k", "k")], memory=memory)
    table, noise = products.debiased("k", "k") if debiased else products.biased("k", "k")
    return Moments(*(float(v) for v in (table[0, 1], table[0, 0], table[1, 1], noise[0], noise[1])))


def _two_grams(k: Any, m: Any, debiased: bool) -> tuple[Float64, Float64, int]:
    """Check two Gram matrices and bring their largest entries to [0.5, 1)."""
    first, second = check_gram(k, "k", 4 if debiased else 2), check_gram(m, "l", 4 if debiased else 2)
    if first.shape != second.shape:
        raise ShapeMismatchError(f"k has shape {first.shape} and l has shape {second.shape}; both must be alike")
    exponents = [int(np.frexp(np.abs(gram).max())[1]) for gram in (first, second)]
    return np.ldexp(first, -exponents[0]), np.ldexp(second, -exponents[1]), sum(exponents)
