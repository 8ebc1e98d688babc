"""What needs no trained network: Theorem 1, equations 10 to 14, the limits of canonical ridge and of RBF CKA.

Every function draws its own random data from a seed and returns the measured quantities of one claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import repsim
from repsim.lab.findings.measures import measures
from repsim.lab.measurements import saturation_is_recorded

Array = NDArray[np.float64]
Values = dict[str, Any]

CCA = ("cca_r2", "cca_mean")


def index_values(x: Array, ys: Sequence[Array], indexes: Sequence[str]) -> dict[str, Array]:
    """Return each index of `x` with each of `ys`, without the warning that a representation fills its space."""
    with saturation_is_recorded():
        found = repsim.pairwise([x], list(ys), index=list(indexes))
    return {name: np.asarray(found[name])[0] for name in indexes}


def relative_change(value: float, reference: float) -> float:
    """Return abs(value - reference) in units of abs(reference)."""
    return abs(value - reference) / max(abs(reference), np.finfo(float).tiny)


def _kinds(rng: np.random.Generator, n: int, x: Array) -> list[Array]:
    """Return five kinds of third representation: narrow, wide, heavy-tailed, one-hot classes, noisy copy of x."""
    return [
        rng.normal(size=(n, 5)),
        rng.normal(size=(n, 3 * n)),
        rng.standard_t(2, size=(n, 20)),
        np.eye(10)[rng.integers(10, size=n)],
        x[:, :20] + rng.normal(size=(n, 20)),
    ]


@measures("T1", by=(repsim.cca, repsim.pairwise))
def theorem_1(n: int = 100, p: int = 200, pairs: int = 20) -> Values:
    """Measure claim T1: wide representations X, Y cannot be told apart by a CCA-type index, whatever Z is."""
    rng = np.random.default_rng(1)
    largest = dict.fromkeys(CCA, 0.0)
    for _ in range(pairs):
        x, y = rng.normal(size=(2, n, p))
        kinds = _kinds(rng, n, x)
        with_x, with_y = index_values(x, kinds, CCA), index_values(y, kinds, CCA)
        for name in CCA:
            largest[name] = max(largest[name], float(np.abs(with_x[name] - with_y[name]).max()))
    return {"largest_difference": max(largest.values()), **{f"largest_difference_{k}": v for k, v in largest.items()}}


@measures("T2", by=(repsim.cca, repsim.pairwise))
def full_rank_is_one(n: int = 100, p: int = 200, pairs: int = 20) -> Values:
    """Measure claim T2: CCA of two unrelated representations of rank n - 1 is 1."""
    rng = np.random.default_rng(2)
    largest = 0.0
    for _ in range(pairs):
        x, y = rng.normal(size=(2, n, p))
        largest = max(largest, *(abs(float(v[0]) - 1) for v in index_values(x, [y], CCA).values()))
    return {"largest_deviation": largest}


@measures("T3", by=(repsim.cka, repsim.pairwise))
def cka_tells_related(n: int = 100, p: int = 200, draws: int = 100) -> Values:
    """Measure claim T3: in how many draws CKA of X with a noisy copy exceeds that with an unrelated one."""
    rng = np.random.default_rng(3)
    names = ("cka_linear", "cka_linear_debiased")
    higher = dict.fromkeys(names, 0)
    for _ in range(draws):
        x, noise, unrelated = rng.normal(size=(3, n, p))
        for name, (related, other) in index_values(x, [x + noise, unrelated], names).items():
            higher[name] += int(related > other)
    return {"draws": draws, "higher": higher["cka_linear"], "higher_debiased": higher["cka_linear_debiased"]}


def centred(x: Array) -> Array:
    """Return x with columns of mean 0."""
    return x - x.mean(axis=0)


def _bases(x: Array) -> tuple[Array, Array]:
    """Return the left singular vectors of the centred x and the eigenvalues of its Gram matrix."""
    u, s, _ = np.linalg.svd(centred(x), full_matrices=False)
    return u, s**2


def related_pairs(seed: int, count: int, n: int = 60, p1: int = 8, p2: int = 12) -> Iterator[tuple[Array, Array]]:
    """Yield random pairs, p1 <= p2, that share a part of their signal and whose features differ in scale."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shared = rng.normal(size=(n, 4))
        x = (shared @ rng.normal(size=(4, p1)) + rng.normal(size=(n, p1))) * np.geomspace(0.2, 5, p1)
        y = (shared @ rng.normal(size=(4, p2)) + rng.normal(size=(n, p2))) * np.geomspace(5, 0.2, p2)
        yield x, y


def _equation_11(x: Array, y: Array) -> tuple[float, float]:
    (ux, _), (uy, _) = _bases(x), _bases(y)
    return repsim.cca(x, y, statistic="r2"), repsim.cka(ux, uy) * np.sqrt(y.shape[1] / x.shape[1])


def _equation_12(x: Array, y: Array) -> tuple[float, float]:
    (_, weights), (uy, _) = _bases(x), _bases(y)
    factor = np.sqrt(y.shape[1]) * np.linalg.norm(weights) / weights.sum()  # as printed: sqrt(p1), a misprint
    return repsim.linear_regression(x, y), repsim.cka(x, uy) * factor


def _equation_13(x: Array, y: Array) -> tuple[float, float]:
    (ux, _), (uy, _) = _bases(x), _bases(y)
    return repsim.cca(x, y, statistic="r2"), float(((ux.T @ uy) ** 2).sum()) / x.shape[1]


def _equation_14(x: Array, y: Array) -> tuple[float, float]:
    (ux, wx), (uy, wy) = _bases(x), _bases(y)
    return repsim.cka(x, y), float(wx @ (ux.T @ uy) ** 2 @ wy / (np.linalg.norm(wx) * np.linalg.norm(wy)))


def _equation_10(x: Array, y: Array) -> tuple[float, float]:
    (ux, _), (uy, _) = _bases(x), _bases(y)
    left, rho, _ = np.linalg.svd(ux.T @ uy, full_matrices=False)
    weights = (((ux @ left).T @ centred(x)) ** 2).sum(axis=1)
    return repsim.linear_regression(x, y), float(weights @ rho**2 / weights.sum())


EQUATIONS = {"T4": _equation_11, "T5": _equation_12, "T6": _equation_13, "T7": _equation_14, "T8": _equation_10}


@measures("T4", by=(repsim.cca, repsim.cka))
@measures("T5", by=(repsim.linear_regression, repsim.cka))
@measures("T6", by=(repsim.cca,))
@measures("T7", by=(repsim.cka,))
@measures("T8", by=(repsim.linear_regression,))
def equation(claim: str, pairs: int = 100) -> Values:
    """Measure claim T4 to T8: the largest relative error between the two sides of an equation."""
    sides = (EQUATIONS[claim](x, y) for x, y in related_pairs(4, pairs))
    return {"relative_error": float(max(relative_change(left, right) for left, right in sides))}


@measures("T9", by=(repsim.canonical_ridge, repsim.cca, repsim.linear_regression, repsim.cka))
def ridge_limits(pairs: int = 20) -> Values:
    """Measure claim T9: canonical ridge tends to CCA, to regression and to CKA."""
    largest = dict.fromkeys(("cca", "regression", "cka"), 0.0)
    for x, y in related_pairs(9, pairs):
        (_, wx), (_, wy) = _bases(x), _bases(y)
        small_x, small_y, large_x, large_y = 1e-9 * wx[0], 1e-9 * wy[0], 1e9 * wx[0], 1e9 * wy[0]
        cca = repsim.canonical_ridge(x, y, kappa_x=small_x, kappa_y=small_y, normaliser="first")
        regression = repsim.canonical_ridge(x, y, kappa_x=large_x, kappa_y=small_y, normaliser="first")
        cka = repsim.canonical_ridge(x, y, kappa_x=large_x, kappa_y=large_y, normaliser="cosine")
        found = {
            "cca": (cca, repsim.cca(x, y)),
            "regression": (regression, repsim.linear_regression(x, y)),
            "cka": (cka, repsim.cka(x, y)),
        }
        largest = {name: max(largest[name], relative_change(*sides)) for name, sides in found.items()}
    return {"relative_error": max(largest.values()), **{f"relative_error_{k}": v for k, v in largest.items()}}


@measures("T19", by=(repsim.cka,))
def wide_rbf_is_linear(pairs: int = 20) -> Values:
    """Measure claim T19: RBF CKA at 100 times the median distance beside linear CKA."""
    differences = [
        abs(repsim.cka(x, y, kernel="rbf", bandwidth=100.0) - repsim.cka(x, y)) for x, y in related_pairs(19, pairs)
    ]
    return {"largest_difference": float(max(differences))}
