"""Nearest neighbours: whether an example has the same ones in two representations."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repsim.engine.arrays import Float64
from repsim.engine.operators import Custom
from repsim.engine.pairs import compare_pair
from repsim.errors import ParameterError
from repsim.options import whole_number

_TILE = 2**22  # cosines that are held at once


def mutual_knn(x: Any, y: Any, *, k: int = 10) -> float:
    r"""Mean share of the k nearest neighbours of an example that two representations have in common.

    .. math:: \frac{1}{n k} \sum_i |N_k(x_i) \cap N_k(y_i)|

    :math:`N_k(x_i)` are the k other examples whose features have the greatest cosine with those of example i. As in
    the paper that proposes it, features are divided by their length and not centred; what its code does before,
    clipping the largest features, is left to the caller.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c).
    k : int
        Number of neighbours, at most n - 1. An example is none of its own neighbours.

    Returns
    -------
    float
        Between 0 and 1; k / (n - 1) in the mean for unrelated representations. Of equally near examples the first are
        taken; of those that only rounding tells apart, such as copies of one example, any. An example whose features
        are all 0 has cosine 0 with every other.

    Raises
    ------
    RepresentationError
        If an argument is not a representation or is constant.
    ParameterError
        If `k` is not a whole number from 1 to n - 1.

    See Also
    --------
    repsim.cka : Of all pairs of examples, not only of near ones.
    repsim.rsa : Of the order of all distances.

    References
    ----------
    1. Huh et al. (2024), section 3 and appendix A, doi:10.48550/arXiv.2405.07987.
    2. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L194

    Examples
    --------
    Two maps of the same circle, one of which turns round twice: near stays near, but far need not stay far.

    >>> import numpy as np
    >>> from repsim import cka
    >>> angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    >>> once, twice = (np.stack([np.cos(m * angle), np.sin(m * angle)], axis=1) for m in (1, 2))
    >>> print(f"CKA {cka(once, twice):.2f}, mutual neighbours {mutual_knn(once, twice, k=9):.2f}")
    CKA 0.00, mutual neighbours 0.44
    """
    made = Custom(partial(prepare_mutual_knn, k=k))
    return compare_pair(x, y, made, made, compare_mutual_knn)[0]


def prepare_mutual_knn(x: Float64, *, k: int = 10) -> NDArray[np.intp]:
    """Return the pairs (i, neighbour j of i) as numbers i n + j in ascending order, (n k,)."""
    n = len(x)
    if whole_number("k", k, 1) >= n:
        raise ParameterError(f"k is {k!r}; of {n} examples each has {n - 1} others, so 1 to {n - 1} are needed")
    unit = x
    for length in (partial(np.linalg.norm, ord=np.inf), np.linalg.norm):  # by the largest first, so that squares fit
        lengths = length(unit, axis=1, keepdims=True)
        unit = np.divide(unit, lengths, out=np.zeros_like(unit), where=lengths > 0)
    step = max(1, _TILE // n)
    return np.concatenate([_neighbours(unit, start, start + step, k) for start in range(0, n, step)])


def _neighbours(unit: Float64, start: int, stop: int, k: int) -> NDArray[np.intp]:
    """Return the pairs of examples start to stop."""
    n = len(unit)
    cosines = unit[start:stop] @ unit.T
    np.fill_diagonal(cosines[:, start:], -np.inf)
    least = np.partition(cosines, n - k, axis=1)[:, n - k, None]
    nearer, tied = cosines > least, cosines == least
    room = k - nearer.sum(axis=1, keepdims=True)
    return np.flatnonzero(nearer | (tied & (tied.cumsum(axis=1) <= room))) + start * n


def compare_mutual_knn(a: NDArray[np.intp], b: NDArray[np.intp]) -> float:
    """Return the share of pairs that are in both."""
    return np.intersect1d(a, b, assume_unique=True).size / a.size
