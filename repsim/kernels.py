"""Gram matrices and their centring, as arrays of shape (n, n)."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim.engine.arrays import Float64, to_numpy
from repsim.engine.median import distances_and_rounding, median_of
from repsim.engine.representation import Representation, matrix_of
from repsim.engine.tables import centre_in_place
from repsim.errors import (
    ConstantRepresentationError,
    DimensionError,
    NonFiniteError,
    ParameterError,
    TooFewExamplesError,
    UndefinedSimilarityError,
)
from repsim.options import real_number

DEFAULT_BANDWIDTH = 0.4


def check_bandwidth(bandwidth: float) -> float:
    """Return the bandwidth as a float, or raise if no kernel can be made with it."""
    value = real_number("bandwidth", bandwidth, "a fraction of the median distance is needed")
    if not 1e-6 <= value <= 1e6:
        raise ParameterError(
            f"bandwidth is {bandwidth!r}; it is a fraction of the median distance, between 1e-6 and 1e6 (the paper "
            "uses 0.2, 0.4 and 0.8)"
        )
    return value


def gram_linear(x: Any) -> Float64:
    """Linear Gram matrix X X'.

    Parameters
    ----------
    x : array_like
        Representation, (n, p) or (n, h, w, c). It is not centred.

    Returns
    -------
    ndarray
        (n, n), symmetric, float64.

    Raises
    ------
    RepresentationError
        If `x` is not a representation (see `repsim.errors`).

    See Also
    --------
    repsim.centre_gram : Its centring.

    References
    ----------
    1. Kornblith et al. (2019), equation 1, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    >>> gram_linear([[1.0, 0.0], [1.0, 2.0]])
    array([[1., 1.],
           [1., 5.]])
    """
    values = matrix_of(x, "x")
    with np.errstate(over="ignore", invalid="ignore"):
        gram: Float64 = values @ values.T
    if not np.isfinite(gram).all():
        raise NonFiniteError("x: the entries of X X' do not fit a float64; rescale x")
    return gram


def squared_distances(x: Any) -> Float64:
    """Squared Euclidean distances between all pairs of examples.

    Parameters
    ----------
    x : array_like
        Representation, (n, p) or (n, h, w, c).

    Returns
    -------
    ndarray
        (n, n), symmetric, zero on the diagonal, float64.

    Raises
    ------
    RepresentationError
        If `x` is not a representation (see `repsim.errors`), or the distances do not fit a float64.

    See Also
    --------
    repsim.gram_rbf : The kernel that is made of them.

    References
    ----------
    1. Kornblith et al. (2019), section 3, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    >>> squared_distances([[0.0, 0.0], [3.0, 4.0]])
    array([[ 0., 25.],
           [25.,  0.]])
    """
    try:
        rep = Representation(x, "x", dtype=np.float64)
    except ConstantRepresentationError:
        n = len(matrix_of(x, "x"))
        return np.zeros((n, n))
    with np.errstate(over="ignore"):
        distances: Float64 = np.ldexp(distances_and_rounding(rep)[0], 2 * rep.exponent)
    if not np.isfinite(distances).all():
        raise NonFiniteError("x: the squared distances do not fit a float64; rescale x")
    return distances


def gram_rbf(x: Any, bandwidth: float = DEFAULT_BANDWIDTH) -> Float64:
    r"""Radial basis function Gram matrix.

    .. math:: K_{ij} = \exp\left(-\frac{\|x_i - x_j\|^2}{2 \sigma^2}\right)

    Parameters
    ----------
    x : array_like
        Representation, (n, p) or (n, h, w, c).
    bandwidth : float
        :math:`\sigma` as a fraction of the median distance between examples. The median is taken, as in the
        paper's released notebook, over all n**2 entries of the matrix of squared distances, its zero
        diagonal among them.

    Returns
    -------
    ndarray
        (n, n), symmetric, float64.

    Raises
    ------
    RepresentationError
        If `x` is not a representation, or if its median distance is 0.
    ParameterError
        If `bandwidth` is not between 1e-6 and 1e6.

    See Also
    --------
    repsim.cka : With ``kernel="rbf"``, of two of them.

    References
    ----------
    1. Kornblith et al. (2019), section 3, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    >>> gram_rbf([[0.0], [1.0], [2.0]], bandwidth=1.0).round(3)
    array([[1.   , 0.607, 0.135],
           [0.607, 1.   , 0.607],
           [0.135, 0.607, 1.   ]])
    """
    bandwidth = check_bandwidth(bandwidth)
    rep = Representation(x, "x", dtype=np.float64)
    distances, rounding = distances_and_rounding(rep)
    gram: Float64 = np.exp(distances * (-1 / (2 * bandwidth**2 * median_of(distances, rep.name, rounding))))
    return gram


def scaled_gram(gram: Any, name: str, minimum: int) -> tuple[Float64, int]:
    """Check that a Gram matrix is square, finite and symmetric; return it by a power of two, and that one's exponent.

    Its largest entry is then in [0.5, 1), so that sums and products of entries fit a float64.
    """
    array = to_numpy(gram, name)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise DimensionError(f"{name} has shape {array.shape}; a Gram matrix is (examples, examples)")
    if array.shape[0] < minimum:
        raise TooFewExamplesError(f"{name} has shape {array.shape}; at least {minimum} examples are needed")
    out = array.astype(np.float64)
    if not np.isfinite(out).all():
        raise NonFiniteError(f"{name} holds a NaN or an infinity; every entry must be finite")
    if not np.allclose(out, out.T, rtol=1e-5, atol=1e-6 * float(np.abs(out).max())):
        raise DimensionError(f"{name} is not symmetric; a Gram matrix is")
    exponent = int(np.frexp(np.abs(out).max())[1])
    return np.ldexp(out, -exponent, out=out), exponent


def centre_gram(gram: Any) -> Float64:
    """Centre a Gram matrix: H K H with H = I - 11'/n.

    Parameters
    ----------
    gram : array_like
        (n, n), symmetric, n >= 2. It is not modified.

    Returns
    -------
    ndarray
        (n, n); its rows and columns sum to zero.

    Raises
    ------
    RepresentationError
        If `gram` is not square, finite and symmetric.

    See Also
    --------
    repsim.hsic_from_grams : Inner products of two.

    References
    ----------
    1. Kornblith et al. (2019), equation 3, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    >>> centre_gram([[1.0, 1.0], [1.0, 5.0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    scaled, exponent = scaled_gram(gram, "gram", 2)
    return np.ldexp(centre_in_place(scaled, debiased=False), exponent)


def u_centre_gram(gram: Any) -> Float64:
    """U-centre a Gram matrix (Szekely and Rizzo 2014).

    Inner products of U-centred matrices, divided by n (n - 3), are the unbiased HSIC of Song et al. (2007).

    Parameters
    ----------
    gram : array_like
        (n, n), symmetric, n >= 4. It is not modified; its diagonal does not matter, but has to be finite.

    Returns
    -------
    ndarray
        (n, n), zero on the diagonal; its rows and columns sum to zero.

    Raises
    ------
    RepresentationError
        If `gram` is not square, finite and symmetric, or n < 4.

    See Also
    --------
    repsim.hsic_from_grams : Inner products of two.

    References
    ----------
    1. Szekely and Rizzo (2014), doi:10.1214/14-AOS1255.

    Examples
    --------
    The diagonal is 0, whatever it was, so that what an example has in common with itself does not count, and so is the
    sum of each row:

    >>> u_centre_gram(gram_linear([[0.0], [1.0], [3.0], [4.0]])).round(2)
    array([[ 0.  ,  2.83, -1.17, -1.67],
           [ 2.83,  0.  , -1.67, -1.17],
           [-1.17, -1.67,  0.  ,  2.83],
           [-1.67, -1.17,  2.83,  0.  ]])
    """
    scaled, exponent = scaled_gram(gram, "gram", 4)
    return np.ldexp(centre_in_place(scaled, debiased=True), exponent)


def raise_undefined(name: str, debiased: bool) -> None:
    """Say why the self-similarity of a representation is zero."""
    if debiased:
        raise UndefinedSimilarityError(
            f"{name}: every two different examples are equally similar to each other, or as good as that beside an "
            "outlying one, so its debiased HSIC with itself is 0 but for rounding and a debiased CKA is undefined"
        )
    raise ConstantRepresentationError(
        f"{name}: its centred Gram matrix is 0, so no similarity is defined; "
        "a kernel that varies between examples is needed"
    )
