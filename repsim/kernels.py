"""Gram matrices and their centring, as arrays of shape (n, n)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from repsim._representation import Float64, Representation, to_numpy
from repsim.errors import (
    ConstantRepresentationError,
    DimensionError,
    NonFiniteError,
    ParameterError,
    TooFewExamplesError,
    UndefinedSimilarityError,
)

DEFAULT_BANDWIDTH = 0.4
MEDIAN_EXAMPLES = 4000


def check_bandwidth(bandwidth: float) -> float:
    """Return the bandwidth as a float, or raise if no kernel can be made with it."""
    value = float(bandwidth)
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

    Examples
    --------
    >>> gram_linear([[1.0, 0.0], [1.0, 2.0]])
    array([[1., 1.],
           [1., 5.]])
    """
    rep = Representation(x, "x", dtype=np.float64)
    values = to_numpy(x, "x").reshape(rep.n, rep.p).astype(np.float64)
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
        If `x` is not a representation (see `repsim.errors`).

    Examples
    --------
    >>> squared_distances([[0.0, 0.0], [3.0, 4.0]])
    array([[ 0., 25.],
           [25.,  0.]])
    """
    rep = Representation(x, "x", dtype=np.float64)
    with np.errstate(over="ignore"):
        distances: Float64 = np.ldexp(distances_of(rep.matrix()), 2 * rep.exponent)
    if not np.isfinite(distances).all():
        raise NonFiniteError("x: the squared distances do not fit a float64; rescale x")
    return distances


def distances_of(x: Any) -> Any:
    """Squared distances between the rows of a centred array, in its own precision."""
    norms = np.einsum("ij,ij->i", x, x)
    out = x @ x.T
    out *= -2
    out += norms[:, None]
    out += norms
    np.maximum(out, 0, out=out)
    np.fill_diagonal(out, 0)
    return out


def median_of(distances: Any, name: str) -> float:
    """Median of all n**2 entries of a matrix of squared distances, the zero diagonal among them."""
    n = distances.shape[0]
    above = (
        distances[np.triu_indices(n, 1)] if n <= 64 else np.concatenate([distances[i, i + 1 :] for i in range(n - 1)])
    )
    ranks = [max(rank - n, 0) // 2 for rank in ((n * n - 1) // 2, n * n // 2)]
    parted = np.partition(above, sorted(set(ranks)))
    middle = [
        0.0 if rank < n else float(parted[place])
        for rank, place in zip(((n * n - 1) // 2, n * n // 2), ranks, strict=True)
    ]
    median = (middle[0] + middle[1]) / 2
    if not median > 0:
        raise UndefinedSimilarityError(
            f"{name}: the median distance between its {n} examples is 0, because more than half of the pairs "
            "coincide, so a bandwidth that is a fraction of it is 0 too; remove duplicate examples or use "
            "the linear kernel"
        )
    return median


def median_squared_distance(rep: Representation) -> float:
    """Median squared distance of the scaled rows of a representation.

    Exact for up to 4,000 examples; beyond that, of 4,000 examples evenly spaced in the order given.
    """
    if rep.n <= MEDIAN_EXAMPLES:
        rows = rep.matrix()
    else:
        chosen = np.linspace(0, rep.n - 1, MEDIAN_EXAMPLES).round().astype(np.int64)
        rows = np.concatenate([rep.block(i, i + 1) for i in chosen.tolist()])
    return median_of(distances_of(rows), rep.name)


def shifted_rbf(distances: Any, median: float, bandwidth: float) -> Any:
    """Overwrite squared distances by exp(-d / (2 sigma**2)) minus its value at the median distance.

    Centring removes the constant, so it may be taken out first: that keeps wide bandwidths accurate, whose
    entries are all nearly 1.
    """
    shift = shift_of(bandwidth)
    distances *= -1 / (2 * bandwidth**2 * median)
    if bandwidth >= 2:
        distances += 1 / (2 * bandwidth**2)
        np.expm1(distances, out=distances)
        distances *= shift
    else:
        np.exp(distances, out=distances)
        distances -= shift
    return distances


def shift_of(bandwidth: float) -> float:
    """Value of the RBF kernel at the median distance."""
    exponent = 1 / (2 * bandwidth**2)
    return math.exp(-exponent) if exponent < 700 else 0.0


def shift_rounding(bandwidth: float) -> float:
    """How large an entry of a shifted kernel is before it cancels; rounding leaves a tiny fraction of it."""
    return shift_of(bandwidth) * min(1.0, 1 / (2 * bandwidth**2))


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
        diagonal among them; beyond 4,000 examples, of 4,000 evenly spaced ones.

    Returns
    -------
    ndarray
        (n, n), symmetric, float64.

    Raises
    ------
    RepresentationError
        If `x` is not a representation, or if its median distance is 0.
    ParameterError
        If `bandwidth` is not positive.

    References
    ----------
    Kornblith et al. (2019), section 3.

    Examples
    --------
    >>> gram_rbf([[0.0], [1.0], [2.0]], bandwidth=1.0).round(3)
    array([[1.   , 0.607, 0.135],
           [0.607, 1.   , 0.607],
           [0.135, 0.607, 1.   ]])
    """
    bandwidth = check_bandwidth(bandwidth)
    rep = Representation(x, "x", dtype=np.float64)
    median = median_squared_distance(rep)
    gram: Float64 = np.exp(distances_of(rep.matrix()) * (-1 / (2 * bandwidth**2 * median)))
    return gram


def check_gram(gram: Any, name: str, minimum: int = 2) -> Float64:
    """Return a Gram matrix as float64, or raise if it is not square, finite and symmetric."""
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
    return out


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

    Examples
    --------
    >>> centre_gram([[1.0, 1.0], [1.0, 5.0]])
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    return centre_in_place(check_gram(gram, "gram"))


def centre_in_place(gram: Float64) -> Float64:
    """Centre without a copy."""
    means = gram.mean(axis=0)
    gram -= means - means.mean() / 2
    gram -= (means - means.mean() / 2)[:, None]
    return gram


def u_centre_gram(gram: Any) -> Float64:
    """U-centre a Gram matrix (Szekely and Rizzo 2014).

    Inner products of U-centred matrices, divided by n (n - 3), are the unbiased HSIC of Song et al. (2007).

    Parameters
    ----------
    gram : array_like
        (n, n), symmetric, n >= 4. It is not modified; its diagonal is not looked at.

    Returns
    -------
    ndarray
        (n, n), zero on the diagonal; its rows and columns sum to zero.

    Raises
    ------
    RepresentationError
        If `gram` is not square, finite and symmetric, or n < 4.

    Examples
    --------
    >>> u_centre_gram(gram_linear([[0.0], [1.0], [3.0], [4.0]])).sum(axis=0).round(12) + 0.0
    array([0., 0., 0., 0.])
    """
    return u_centre_in_place(check_gram(gram, "gram", minimum=4))


def u_centre_in_place(gram: Float64) -> Float64:
    """U-centre without a copy."""
    n = gram.shape[0]
    np.fill_diagonal(gram, 0)
    means = gram.sum(axis=0) / (n - 2)
    means -= means.sum() / (2 * (n - 1))
    gram -= means
    gram -= means[:, None]
    np.fill_diagonal(gram, 0)
    return gram


def raise_undefined(name: str, debiased: bool) -> None:
    """Say why the self-similarity of a representation is zero."""
    if debiased:
        raise UndefinedSimilarityError(
            f"{name}: every two different examples are equally similar to each other, so its debiased HSIC with "
            "itself is 0 and a debiased CKA is undefined"
        )
    raise ConstantRepresentationError(
        f"{name}: its centred Gram matrix is 0, so no similarity is defined; "
        "a kernel that varies between examples is needed"
    )
