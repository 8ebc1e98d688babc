"""What other libraries compute, written with ours: each cause of a difference as a function that can be run.

Every function takes x, y and the batch size (the number of examples where nothing is streamed) and returns the number
that a library with that convention gives. None of them is a library's code.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import repsim

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Cause:
    """What is changed in the exact value, in words and as a function of (x, y, batch).

    Where some canonical correlations or variances are tied, a number can depend on directions that the data do not
    determine; `unique` says of (x, y) whether it does not.
    """

    words: str
    compute: Callable[..., float]
    unique: Callable[..., bool] = lambda x, y: True


def exact(reference, x, y):
    """Return the value of an index of ours in float64."""
    with warnings.catch_warnings():
        # Wide activations saturate CCA and bias CKA; that the others do not say so is part of what is shown.
        for silenced in (repsim.RankSaturationWarning, repsim.BiasWarning):
            warnings.simplefilter("ignore", silenced)
        return repsim.get_index(reference)(np.asarray(x, np.float64), np.asarray(y, np.float64))


def explained(cause, x, y, batch=None):
    """Return the number that the named cause makes of the exact value.

    Parameters
    ----------
    cause
        A key of `CAUSES`.
    x, y
        Representations, (n, p).
    batch
        Examples per mini-batch; all of them if not given.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return float(CAUSES[cause].compute(x, y, batch or len(x)))


def _centred(x):
    return x - x.mean(axis=0)


def _cosine(k, m):
    return float(np.vdot(k, m) / (np.linalg.norm(k) * np.linalg.norm(m)))


def _basis(x, tolerance=1e-12):
    left, singular, _ = np.linalg.svd(x, full_matrices=False)
    return left[:, singular > tolerance * singular[0]]


def _batched_hsics(x, y, batch):
    """Sums over mini-batches, in order, of the unbiased HSIC of Song et al.: of (x, y), (x, x) and (y, y)."""
    sums = np.zeros(3)
    for start in range(0, len(x), batch):
        k, m = (repsim.gram_linear(z[start : start + batch]) for z in (x, y))
        sums += [repsim.hsic_from_grams(a, b, debiased=True) for a, b in ((k, m), (k, k), (m, m))]
    return sums


def minibatch(x, y, batch):
    """Average the unbiased HSICs of mini-batches, each with the same weight."""
    xy, xx, yy = _batched_hsics(x, y, batch)
    return xy / math.sqrt(xx * yy)


def minibatch_clamped(x, y, batch):
    """Do the same, then clamp to [0, 1]."""
    return min(max(minibatch(x, y, batch), 0.0), 1.0)


def last_batch(x, y, batch):
    """Forget every mini-batch but the last."""
    start = (len(x) - 1) // batch * batch
    return minibatch(x[start:], y[start:], len(x))


def minibatch_epsilon(x, y, batch, epsilon=1e-4, epochs=10):
    """Sum over ten passes, and add 0.0001 to the product under the root."""
    xy, xx, yy = epochs * _batched_hsics(x, y, batch)
    return xy / math.sqrt(xx * yy + epsilon)


def song_over_biased(x, y, _, gram=repsim.gram_linear):
    """Divide an unbiased HSIC by biased ones."""
    k, m = gram(x), gram(y)
    norms = repsim.hsic_from_grams(k, k) * repsim.hsic_from_grams(m, m)
    return repsim.hsic_from_grams(k, m, debiased=True) / math.sqrt(norms)


def zeroed_diagonal(x, y, _):
    """Leave the diagonal out of the product of the centred matrices, with the factor 1 / (n (n - 3))."""
    k, m = (repsim.centre_gram(repsim.gram_linear(z)) for z in (x, y))
    return (np.vdot(k, m) - np.diag(k) @ np.diag(m)) / (len(x) * (len(x) - 3))


def zeroed_diagonal_over_biased(x, y, batch):
    """Divide that by biased HSICs."""
    norms = repsim.hsic(x, x) * repsim.hsic(y, y)
    return zeroed_diagonal(x, y, batch) / math.sqrt(norms)


def _above_diagonal(distances):
    return distances[np.triu_indices(len(distances), 1)]


def _rbf(bandwidth):
    """CKA of exp(-d / bandwidth(d)), d being squared distances."""

    def compute(x, y, _):
        grams = []
        for z in (x, y):
            d = repsim.squared_distances(z)
            grams.append(np.exp(-d / bandwidth(d)))
        return repsim.cka_from_grams(*grams)

    return compute


def _lower_median(d):
    return np.sort(d, axis=None)[(d.size - 1) // 2]


def _median_of_others(d):
    """Median distance of each example to the others."""
    others = np.sqrt(d)[~np.eye(len(d), dtype=bool)].reshape(len(d), -1)
    return np.median(others, axis=1)


def _median_distance(d):
    return np.median(np.sqrt(_above_diagonal(d)))


def _cca(x, y, statistic):
    """Canonical correlations of the centred columns, divided by the smaller rank before centring."""
    q = [_basis(_centred(_basis(z))) for z in (x, y)]
    ranks = [_basis(z).shape[1] for z in (x, y)]
    correlations = np.linalg.svd(q[0].T @ q[1], compute_uv=False)
    return float((correlations**2 if statistic == "r2" else correlations).sum() / min(ranks))


def _whitened_svcca(x, y, statistic):
    """Whiten, centre, and only then keep components up to 99 % of what is by now nearly the identity."""
    bases, ranks = [], []
    for z in (x, y):
        whitened = _basis(z)
        left, singular, _ = np.linalg.svd(_centred(whitened), full_matrices=False)
        share = np.cumsum(singular**2) / np.sum(singular**2)
        bases.append(left[:, : int(np.searchsorted(share, 0.99)) + 1])
        ranks.append(whitened.shape[1])
    correlations = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    return float((correlations**2 if statistic == "r2" else correlations).sum() / min(ranks))


def _pwcca_of_shared(x, y):
    """PWCCA in which only as many canonical variables carry weight as the smaller rank has."""
    x, y = _centred(x), _centred(y)
    left, right = _basis(x), _basis(y)
    directions, correlations, _ = np.linalg.svd(left.T @ right, full_matrices=False)
    weights = np.abs((left @ directions).T @ x).sum(axis=1)
    return float(weights @ np.minimum(correlations, 1) / weights.sum())


def _no_certain_ones(x, y):
    """Whether the ranks leave room for no canonical correlation to be 1 for certain, or for one."""
    return sum(_basis(_centred(z)).shape[1] for z in (x, y)) <= len(x)


def _one_left_out(x, y):
    """Whether truncation after whitening drops at most the one direction that centring shortened."""
    ranks = [_basis(z).shape[1] for z in (x, y)]
    return all(rank - math.ceil(0.99 * rank) <= 1 for rank in ranks)


def pwcca_both_ways(x, y, _):
    """Average PWCCA over which side is weighted."""
    return (_pwcca_of_shared(x, y) + _pwcca_of_shared(y, x)) / 2


def _demo_cca(x, y, _):
    """Uncentred mean squared canonical correlation, divided by the smaller number of features."""
    q = [np.linalg.qr(z)[0] for z in (x, y)]
    return float(np.sum((q[0].T @ q[1]) ** 2) / min(x.shape[1], y.shape[1]))


def roots_of_eigenvalues(x, y, _):
    """Take the nuclear norm from the square roots of eigenvalues of n × n matrices, those that are 0 among them."""
    k, m = (repsim.centre_gram(-repsim.squared_distances(z) / 2) for z in (x, y))
    values, vectors = np.linalg.eigh(k)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    norm = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ m @ root), 0)).sum()
    return float(norm / math.sqrt(np.trace(k) * np.trace(m)))


def _distance_correlation_matrix(z):
    """Centred squared distances, their mean off the diagonal having been taken out beforehand."""
    d = repsim.squared_distances(z)
    d -= _above_diagonal(d).mean()
    np.fill_diagonal(d, 0)
    return repsim.centre_gram(d)


CAUSES = {
    "minibatch": Cause(
        "averages Song et al.'s unbiased HSIC over mini-batches, so the value depends on the batch size", minibatch
    ),
    "minibatch-clamped": Cause(
        "averages Song et al.'s unbiased HSIC over mini-batches, then clamps the ratio to [0, 1]", minibatch_clamped
    ),
    "debiased-clamped": Cause("clamps the debiased value to [0, 1]", lambda x, y, _: minibatch_clamped(x, y, len(x))),
    "last-batch": Cause("keeps only the last mini-batch of each pass", last_batch),
    "minibatch-epsilon": Cause(
        "averages Song et al.'s unbiased HSIC over mini-batches and adds 0.0001 under the root of the denominator, to "
        "sums over ten passes",
        minibatch_epsilon,
    ),
    "option-ignored": Cause(
        "ignores the option for the debiased form: the biased value", lambda x, y, _: repsim.cka(x, y)
    ),
    "song-over-biased": Cause(
        "divides Song et al.'s unbiased HSIC by the biased HSICs of the two sides", song_over_biased
    ),
    "zeroed-diagonal": Cause(
        "leaves out the diagonal of the centred matrices, which is not Song et al.'s U-statistic", zeroed_diagonal
    ),
    "zeroed-diagonal-over-biased": Cause(
        "leaves out the diagonal of the centred matrices above, and divides by the biased HSICs",
        zeroed_diagonal_over_biased,
    ),
    "lower-median": Cause(
        "takes the lower of the two middle entries as the median of the squared distances",
        _rbf(lambda d: 2 * _lower_median(d)),
    ),
    "median-without-diagonal": Cause(
        "takes the median over pairs of different examples only", _rbf(lambda d: 2 * _median_distance(d) ** 2)
    ),
    "mean-distance": Cause(
        "divides by the mean squared distance of different examples, not by twice the squared bandwidth",
        _rbf(lambda d: _above_diagonal(d).mean()),
    ),
    "median-per-example": Cause(
        "gives each example a bandwidth of its own, its median distance to the others",
        _rbf(lambda d: 2 * np.outer(_median_of_others(d), _median_of_others(d))),
    ),
    "rank-before-centring-r2": Cause(
        "divides by the smaller rank before centring, which a constant direction makes one larger",
        lambda x, y, _: _cca(x, y, "r2"),
    ),
    "rank-before-centring-mean": Cause(
        "divides by the smaller rank before centring, which a constant direction makes one larger",
        lambda x, y, _: _cca(x, y, "mean"),
    ),
    "whitened-first-r2": Cause(
        "whitens before it truncates, so that 99 % of the variance is 99 % of the number of directions, whatever "
        "their variance was; divides by the rank before truncation",
        lambda x, y, _: _whitened_svcca(x, y, "r2"),
        _one_left_out,
    ),
    "whitened-first-mean": Cause(
        "whitens before it truncates, so that 99 % of the variance is 99 % of the number of directions, whatever "
        "their variance was; divides by the rank before truncation",
        lambda x, y, _: _whitened_svcca(x, y, "mean"),
        _one_left_out,
    ),
    "pwcca-both-ways": Cause(
        "averages over which side is weighted, and weights only as many canonical variables as the smaller rank has",
        pwcca_both_ways,
        _no_certain_ones,
    ),
    "uncentred-product": Cause(
        "does not centre, and is not divided by (n - 1)²", lambda x, y, _: float(np.sum((x.T @ y) ** 2))
    ),
    "uncentred-cca": Cause("does not centre", _demo_cca),
    "first-correlation": Cause(
        "keeps the first canonical correlation only, unless told otherwise",
        lambda x, y, _: float(repsim.canonical_correlations(x, y)[0]),
    ),
    "roots-of-eigenvalues": Cause(
        "takes square roots of eigenvalues that should be 0, which makes 1e-8 of a rounding error of 1e-16",
        roots_of_eigenvalues,
    ),
    "distances-cosine": Cause(
        "compares squared distances, neither centred nor with their diagonal",
        lambda x, y, _: _cosine(*(_above_diagonal(repsim.squared_distances(z)) for z in (x, y))),
    ),
    "distances-correlation": Cause(
        "correlates squared distances of different examples instead of centring them by row and column",
        lambda x, y, _: _cosine(
            *(d - d.mean() for d in (_above_diagonal(repsim.squared_distances(z)) for z in (x, y)))
        ),
    ),
    "distances-mean-removed": Cause(
        "takes the mean off the squared distances of different examples, then centres by row and column",
        lambda x, y, _: _cosine(*(_distance_correlation_matrix(z) for z in (x, y))),
    ),
}
