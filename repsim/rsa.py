"""Representational similarity analysis: whether two representations put the same examples close to each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim.engine.arrays import Float64, scaled
from repsim.engine.operators import Custom
from repsim.engine.pairs import compare_pair
from repsim.errors import UndefinedSimilarityError


def rsa(x: Any, y: Any) -> float:
    r"""Spearman correlation of the Euclidean distances between examples.

    .. math:: \rho\big((\|x_i - x_j\|)_{i<j},\; (\|y_i - y_j\|)_{i<j}\big)

    Distances that are equal share their average rank. Ranks forget by how much one distance exceeds another, so any
    increasing function of the distances, their squares among them, gives the same value.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c).

    Returns
    -------
    float
        Between -1 and 1; 1 if both order all pairs of examples alike. About 0 for unrelated representations.

    Raises
    ------
    RepresentationError
        If an argument is not a representation or is constant; `UndefinedSimilarityError` if all its distances are
        equal, as those of 2 examples are.

    See Also
    --------
    repsim.cka : Correlates inner products, not ranks of distances.

    Notes
    -----
    The n (n - 1) / 2 distances of each representation are held in memory, 8 bytes each and as much again for their
    ranks: 0.8 GB for each of 10,000 examples. They are differences of features, not made from inner products, so that
    equal distances are equal to the last digit.

    References
    ----------
    1. Kriegeskorte, Mur and Bandettini (2008), doi:10.3389/neuro.06.004.2008.
    2. Nili et al. (2014), doi:10.1371/journal.pcbi.1003553, for rank correlations.
    3. Its definition in 50 digits: https://github.com/OWNER/repsim-revisited/blob/main/tests/core/oracle.py#L180

    Examples
    --------
    One outlier makes all of CKA, and next to nothing of RSA, as its distances are the greatest of many alike:

    >>> import numpy as np
    >>> from repsim import cka
    >>> x, y = np.random.default_rng(0).standard_normal((2, 100, 10))
    >>> x[0], y[0] = 100, 100
    >>> print(f"CKA {cka(x, y):.2f}, RSA {rsa(x, y):.2f}")
    CKA 1.00, RSA 0.00
    """
    made = Custom(prepare_rsa)
    return compare_pair(x, y, made, made, compare_rsa)[0]


def prepare_rsa(x: Float64) -> Float64:
    """Return the ranks of all distances, their mean taken off and of length 1, (n (n - 1) / 2,)."""
    from scipy.spatial.distance import pdist  # here, because importing it takes longer than importing this package
    from scipy.stats import rankdata

    ranks: Float64 = rankdata(pdist(scaled(x), "sqeuclidean"))
    ranks -= ranks.mean()
    length = np.linalg.norm(ranks)
    if length == 0:
        raise UndefinedSimilarityError(
            f"its {len(x)} examples are all equally far from each other, so their distances have no order; "
            "examples at different distances are needed"
        )
    return ranks / length


def compare_rsa(a: Float64, b: Float64) -> float:
    """Correlate ranks, of which both have mean 0 and length 1; rounding past the bounds is removed, nothing else."""
    return min(max(float(a @ b), -1.0), 1.0)
