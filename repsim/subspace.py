"""Principal components, and how one representation's similarity matrix acts on the eigenvectors of another's."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repsim.engine.arrays import Float64
from repsim.engine.representation import Representation, check_same_examples, pair
from repsim.errors import NonFiniteError, ParameterError
from repsim.options import flag, whole_number
from repsim.pairwise import named
from repsim.results import Result


@dataclass(frozen=True, eq=False)
class SharedSubspace(Result):
    """What Figure 8 plots, for each eigenvector u_i of X X', by descending eigenvalue.

    Attributes
    ----------
    eigenvalues : ndarray
        (k,), ‖X X' u_i‖.
    scales : ndarray
        (k,), ‖Y Y' u_i‖.
    cosines : ndarray
        (k,), u_i' Y Y' u_i / ‖Y Y' u_i‖, in [0, 1]; 0 where Y Y' u_i is 0.

    See Also
    --------
    repsim.shared_subspace : Makes one, with an example.
    """

    eigenvalues: Float64
    scales: Float64
    cosines: Float64


def principal_components(x: Any, k: int) -> Float64:
    """Scores of the examples on the first principal components.

    Parameters
    ----------
    x : array_like
        Representation, (n, p) or (n, h, w, c). Columns are centred here.
    k : int
        Number of components, at most min(n, p).

    Returns
    -------
    ndarray
        (n, k), X v_i in the units of `x`, by descending variance. A component's sign is arbitrary; the score of
        greatest magnitude is made positive. They come from X X' or X' X, so that a component below about 1e-7 of the
        first is 0.

    Raises
    ------
    RepresentationError
        If `x` is not a representation or is constant.
    ParameterError
        If `k` is not between 1 and min(n, p).

    See Also
    --------
    repsim.orthonormal_basis : All of them, of length 1.

    References
    ----------
    1. Kornblith et al. (2019), Figure 1, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    >>> principal_components([[0.0, 0.0], [0.0, 0.0], [6.0, 8.0], [0.0, 0.0], [0.0, 0.0]], 1).round(6).ravel()
    array([-2., -2.,  8., -2., -2.])
    """
    rep = Representation(x, "x", dtype=np.float64)
    most = f"; x has shape {rep.shape}, so 1 to {min(rep.n, rep.p)} components"
    if whole_number("k", k, 1, most) > min(rep.n, rep.p):
        raise ParameterError(f"k is {k!r}{most}")
    vectors, eigenvalues = _eigen(rep.matrix(), k, keep_all=True)
    scores = vectors * np.sqrt(eigenvalues)
    largest = np.take_along_axis(scores, np.abs(scores).argmax(axis=0)[None], axis=0)
    scores = scores * np.where(largest < 0, -1.0, 1.0)
    return _unscaled(scores, rep.exponent)


def shared_subspace(x: Any, y: Any, *, k: int | None = None, normalise: bool = False) -> SharedSubspace:
    """How Y Y' acts on the eigenvectors of X X'.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.
    k : int, optional
        Number of eigenvectors; by default, and at most, all whose eigenvalue exceeds ``max(n, p) * eps64`` times the
        largest.
    normalise : bool
        Divide each representation by its Frobenius norm first, so that its eigenvalues sum to 1 and the two can be
        compared. The paper does not say that it does.

    Returns
    -------
    SharedSubspace
        Eigenvalues, scales and cosines.

    Raises
    ------
    RepresentationError
        If an argument is not a representation or is constant.
    ParameterError
        If `k` is not positive, or `normalise` not True or False.

    See Also
    --------
    shared_subspaces : Of many pairs.
    cka : Its numerator is the sum of eigenvalue times scale times cosine.

    References
    ----------
    1. Kornblith et al. (2019), section 6.4 and Figure 8, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    Two representations that share the first two of four signals. In the directions of the others Y does nothing:

    >>> import numpy as np
    >>> signals = np.random.default_rng(0).standard_normal((50, 4))
    >>> signals = np.linalg.qr(signals - signals.mean(axis=0))[0]
    >>> shared_subspace(signals * [8, 4, 2, 1], signals[:, :2] * [8, 4]).scales.round(6)
    array([64., 16.,  0.,  0.])
    """
    if k is not None:
        k = whole_number("k", k, 1)
    normalise = flag("normalise", normalise)
    a, b = pair(x, y)
    first, second = a.matrix(), b.matrix()
    exponents = 2 * a.exponent, 2 * b.exponent
    if normalise:
        first /= np.linalg.norm(first)
        second /= np.linalg.norm(second)
        exponents = 0, 0
    vectors, eigenvalues = _eigen(first, k, keep_all=False)
    scales, cosines = _action(second, vectors)
    return SharedSubspace(_unscaled(eigenvalues, exponents[0]), _unscaled(scales, exponents[1]), cosines)


def shared_subspaces(xs: Iterable[Any], pairs: Iterable[tuple[int, int]], *, k: int) -> SharedSubspace:
    """How each of several similarity matrices acts on the leading eigenvectors of others.

    The eigenvectors of each representation are found once, not once per pair. Representations are divided by their
    Frobenius norms, as with ``normalise=True`` in `shared_subspace`.

    Parameters
    ----------
    xs : list, tuple or mapping of array_like
        Representations of the same n examples, (n, p) or (n, h, w, c). Columns are centred here.
    pairs : iterable of (int, int)
        For each result, the positions in `xs` of the X that gives the eigenvectors and of the Y that acts on them.
    k : int
        Number of eigenvectors; where a representation has fewer, the rest of its results are 0.

    Returns
    -------
    SharedSubspace
        With eigenvalues of shape (len(xs), k), and scales and cosines of shape (len(pairs), k).

    Raises
    ------
    RepresentationError
        If an element of `xs` is not a representation or is constant, or their numbers of examples differ.
    ParameterError
        If `k` is not positive or more than n or the smallest number of features, `xs` is empty, or a position in
        `pairs` does not exist.

    See Also
    --------
    shared_subspace : Of one pair.

    References
    ----------
    1. Kornblith et al. (2019), section 6.4 and Figure 8, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    In the first two directions of one, a representation of these alone does nearly what the one itself does:

    >>> import numpy as np
    >>> x = np.linalg.qr(np.random.default_rng(0).standard_normal((50, 4)))[0] * [8, 4, 2, 1]
    >>> shared_subspaces([x, x[:, :2]], [(0, 0), (0, 1)], k=2).scales.round(1)
    array([[0.8, 0.2],
           [0.8, 0.2]])
    """
    views = [Representation(x, name, dtype=np.float64) for name, x in named(xs, "xs").items()]
    places = _places(views, pairs)
    k = _kept(views, k)
    matrices, vectors, eigenvalues = [], [], []
    for view in views:
        x = view.matrix()
        x /= np.linalg.norm(x)
        decomposition = _eigen(x, k, keep_all=True)
        matrices.append(x if view.p <= view.n else x @ x.T)
        vectors.append(decomposition[0])
        eigenvalues.append(decomposition[1])
    results = [_action(matrices[j], vectors[i], is_gram=views[j].p > views[j].n) for i, j in places]
    scales, cosines = zip(*results, strict=True) if results else ((), ())
    shape = len(results), k
    return SharedSubspace(np.stack(eigenvalues), np.reshape(scales, shape), np.reshape(cosines, shape))


def _places(views: Sequence[Representation], pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return pairs of positions among the representations, which are of the same examples."""
    check_same_examples(views)
    try:
        places = [(i, j) for i, j in pairs]
    except (TypeError, ValueError):
        raise ParameterError(f"pairs is {pairs!r}; pairs of positions in xs are needed, as in [(0, 1)]") from None
    for place in itertools.chain.from_iterable(places):
        if whole_number("a position in pairs", place, 0) >= len(views):
            raise ParameterError(f"pairs holds position {place}; there are {len(views)} representations in xs")
    return places


def _kept(views: Sequence[Representation], k: int) -> int:
    """Return the number of eigenvectors, which every representation must have."""
    most = min(min(view.n, view.p) for view in views)
    if whole_number("k", k, 1) > most:
        raise ParameterError(f"k is {k!r}; 1 to {most} eigenvectors are needed")
    return k


def _action(y: Float64, vectors: Float64, *, is_gram: bool = False) -> tuple[Float64, Float64]:
    """Lengths of Y Y' u_i, and cosines of their angles with u_i; `y` may be Y Y' itself."""
    acted = y @ vectors if is_gram else y @ (y.T @ vectors)
    scales = np.linalg.norm(acted, axis=0)
    along = np.einsum("ij,ij->j", vectors, acted)
    cosines = np.divide(along, scales, out=np.zeros_like(along), where=scales > 0)
    return scales, np.clip(cosines, 0.0, 1.0)


def _eigen(x: Float64, k: int | None, *, keep_all: bool) -> tuple[Float64, Float64]:
    """Leading eigenvectors (n, k) and eigenvalues of X X', from the smaller of X X' and X' X."""
    from scipy.linalg import eigh  # here, because importing it takes longer than importing this package

    n, p = x.shape
    gram = x @ x.T if n <= p else x.T @ x
    size = len(gram)
    kept = size if k is None else min(k, size)
    eigenvalues, vectors = eigh(gram, subset_by_index=[size - kept, size - 1] if kept < size else None)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    above = int(np.count_nonzero(eigenvalues > max(n, p) * np.finfo(np.float64).eps * eigenvalues[0]))
    sound = min(kept, above)
    vectors = vectors[:, :sound]
    if p < n:
        # The small ones, whose orthogonality rounding has spoilt, are normalised after the large ones.
        q, r = np.linalg.qr(x @ vectors)
        vectors = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    if keep_all and sound < kept:
        vectors = np.hstack([vectors, np.zeros((n, kept - sound))])
        return vectors, np.concatenate([eigenvalues[:sound], np.zeros(kept - sound)])
    return vectors, eigenvalues[:sound].copy()


def _unscaled(values: Float64, exponent: int) -> Float64:
    with np.errstate(over="ignore"):
        out: Float64 = np.ldexp(values, exponent)
    if not np.isfinite(out).all():
        raise NonFiniteError("the result does not fit a float64; rescale the representation")
    return out
