"""What needs no trained network, and where indexes stop meaning anything.

Theorem 1, equations 10 to 14, the limits of canonical ridge and of RBF CKA, and Table 1: every function draws its own
random data from a seed and returns the measured quantities of one claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import repsim
from repsim.lab.findings import measures
from repsim.lab.findings.components import centred
from repsim.lab.findings.tables import Array
from repsim.lab.measurements.common import saturation_is_recorded
from repsim.lab.measurements.properties import DIMENSION_INDEXES

Values = dict[str, Any]

CCA = ("cca_r2", "cca_mean")


def index_values(x: Array, ys: Sequence[Array], indexes: Sequence[str]) -> dict[str, Array]:
    """Return each index of `x` with each of `ys`, without the warning that a representation fills its space."""
    with saturation_is_recorded():
        similarities = repsim.pairwise([x], list(ys), index=list(indexes))
    return {name: np.asarray(similarities[name])[0] for name in indexes}


def relative_change(value: float, reference: float) -> float:
    """Return abs(value - reference) in units of abs(reference)."""
    return float(abs(value - reference) / max(abs(reference), np.finfo(float).tiny))


@measures("T1", by=(repsim.cca, repsim.pairwise))
def theorem_1(n: int = 100, p: int = 200, pairs: int = 20) -> Values:
    """Measure claim T1: wide representations X, Y cannot be told apart by a CCA-type index, whatever Z is."""
    rng = np.random.default_rng(1)
    largest = dict.fromkeys(CCA, 0.0)
    for _ in range(pairs):
        x, y = rng.normal(size=(2, n, p))
        representations = [
            rng.normal(size=(n, 5)),
            rng.normal(size=(n, 3 * n)),
            rng.standard_t(2, size=(n, 20)),  # with heavy tails
            np.eye(10)[rng.integers(10, size=n)],  # classes
            x[:, :20] + rng.normal(size=(n, 20)),  # a noisy copy
        ]
        with_x, with_y = index_values(x, representations, CCA), index_values(y, representations, CCA)
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


def _bases(x: Array) -> tuple[Array, Array]:
    """Return the left singular vectors of the centred x and the eigenvalues of its Gram matrix."""
    u, s, _ = np.linalg.svd(centred(x), full_matrices=False)
    return u, s**2


def related_pairs(seed: int, count: int, n: int = 60) -> Iterator[tuple[Array, Array]]:
    """Yield random pairs that share a part of their signal and whose features differ in scale."""
    rng, p1, p2 = np.random.default_rng(seed), 8, 12
    for _ in range(count):
        shared = rng.normal(size=(n, 4))
        x = (shared @ rng.normal(size=(4, p1)) + rng.normal(size=(n, p1))) * np.geomspace(0.2, 5, p1)
        y = (shared @ rng.normal(size=(4, p2)) + rng.normal(size=(n, p2))) * np.geomspace(5, 0.2, p2)
        yield x, y


def sides_of_equations(x: Array, y: Array) -> dict[str, tuple[float, float]]:
    """Return the two sides of equations 11, 12, 13, 14 and 10, by the claims about them."""
    (ux, wx), (uy, wy) = _bases(x), _bases(y)
    m, (p1, p2) = ux.T @ uy, (x.shape[1], y.shape[1])
    cca, regression = repsim.cca(x, y, statistic="r2"), repsim.linear_regression(x, y)
    factor = np.sqrt(p2) * np.linalg.norm(wx) / wx.sum()  # as printed: sqrt(p1), a misprint
    left, rho, _ = np.linalg.svd(m, full_matrices=False)
    weights = (((ux @ left).T @ centred(x)) ** 2).sum(axis=1)
    return {
        "T4": (cca, repsim.cka(ux, uy) * np.sqrt(p2 / p1)),
        "T5": (regression, repsim.cka(x, uy) * factor),
        "T6": (cca, float((m**2).sum()) / p1),
        "T7": (repsim.cka(x, y), float(wx @ m**2 @ wy / (np.linalg.norm(wx) * np.linalg.norm(wy)))),
        "T8": (regression, float(weights @ rho**2 / weights.sum())),
    }


@measures("T4", by=(repsim.cca, repsim.cka))
@measures("T5", by=(repsim.linear_regression, repsim.cka))
@measures("T6", by=(repsim.cca,))
@measures("T7", by=(repsim.cka,))
@measures("T8", by=(repsim.linear_regression,))
def equations(pairs: int = 100) -> dict[str, Values]:
    """Measure claims T4 to T8: the largest relative error between the two sides of an equation."""
    drawn = [sides_of_equations(x, y) for x, y in related_pairs(4, pairs)]
    return {claim: {"relative_error": max(relative_change(*sides[claim]) for sides in drawn)} for claim in drawn[0]}


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
        limits = {
            "cca": (cca, repsim.cca(x, y)),
            "regression": (regression, repsim.linear_regression(x, y)),
            "cka": (cka, repsim.cka(x, y)),
        }
        largest = {name: max(largest[name], relative_change(*sides)) for name, sides in limits.items()}
    return {"relative_error": max(largest.values()), **{f"relative_error_{k}": v for k, v in largest.items()}}


@measures("T19", by=(repsim.cka,))
def wide_rbf_is_linear(pairs: int = 20) -> Values:
    """Measure claim T19: RBF CKA at 100 times the median distance beside linear CKA."""
    differences = [
        abs(repsim.cka(x, y, kernel="rbf", bandwidth=100.0) - repsim.cka(x, y)) for x, y in related_pairs(19, pairs)
    ]
    return {"largest_difference": float(max(differences))}


BOTH = ("x", "y")
# The rows of Table 1. What each claims to be unchanged by stands in the registry, `repsim.INDEXES`.
TABLE_1 = {
    "T10": "linear_regression",
    "T11": "cca_r2",
    "T12": "cca_mean",
    "T13": "svcca_r2",
    "T14": "svcca_mean",
    "T15": "pwcca",
    "T16": "hsic_linear",
    "T17": "cka_linear",
    "T18": "cka_rbf_0.4",
}


def claimed_invariances(index: str) -> dict[str, tuple[str, ...]]:
    """Return for each transformation the arguments that it may be applied to without changing the index."""
    entry = repsim.get_index(index)
    linear = entry.invertible_linear
    same = {"same subspace": BOTH} if linear == "same subspace" else {}
    return same | {
        "invertible": {"yes": BOTH, "second": ("y",)}.get(linear, ()),
        "orthogonal": BOTH if entry.orthogonal else (),
        "scaling": BOTH if entry.isotropic_scaling else (),
    }


def _orthogonal(rng: np.random.Generator, p: int) -> Array:
    return np.linalg.qr(rng.normal(size=(p, p)))[0]


def _within_subspace(rng: np.random.Generator, x: Array) -> Array:
    """Return an invertible map of x that mixes its principal components within those that SVCCA keeps."""
    _, s, vt = np.linalg.svd(centred(x), full_matrices=False)
    kept = int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), 0.99)) + 1
    mixing = _orthogonal(rng, kept) * rng.uniform(0.8, 1.2, kept) @ _orthogonal(rng, kept)
    # The kept ones come out nearly equal in size and the others negligible, so the same ones are kept again.
    middle = np.diag(np.full(len(s), 0.01))
    middle[:kept, :kept] = mixing
    return vt.T / s @ middle @ vt


def _transformed(rng: np.random.Generator, transformation: str, x: Array) -> Array:
    p = x.shape[1]
    if transformation == "scaling":
        return 13.37 * x
    if transformation == "orthogonal":
        return x @ _orthogonal(rng, p)
    if transformation == "same subspace":
        return x @ _within_subspace(rng, x)
    return x @ (_orthogonal(rng, p) * np.geomspace(0.1, 10, p)) @ _orthogonal(rng, p)


def largest_changes(claim: str, draws: int = 20) -> dict[str, dict[str, float]]:
    """Return the largest relative change of the index of a claim T10 to T18, per transformation and argument."""
    index = TABLE_1[claim]
    claimed = claimed_invariances(index)
    rng = np.random.default_rng(10)
    largest = {transformation: dict.fromkeys(BOTH, 0.0) for transformation in claimed}
    for x, y in related_pairs(10, draws, n=100):
        (reference,) = index_values(x, [y], [index])[index]
        for transformation in claimed:
            x_changed, y_changed = (_transformed(rng, transformation, z) for z in (x, y))
            for side, (first, second) in zip(BOTH, ((x_changed, y), (x, y_changed)), strict=True):
                (value,) = index_values(first, [second], [index])[index]
                change = relative_change(float(value), float(reference))
                largest[transformation][side] = max(largest[transformation][side], change)
    return largest


@measures(TABLE_1, by=(repsim.pairwise,))
def table_1_row(claim: str, draws: int = 20) -> Values:
    """Measure claim T10 to T18: largest change under what is claimed, least of the changes under what is denied.

    A row of which nothing is denied has no denied change.
    """
    claimed, changes = claimed_invariances(TABLE_1[claim]), largest_changes(claim, draws)
    kept = [changes[transformation][side] for transformation, sides in claimed.items() for side in sides]
    denied = [
        max(change for side, change in changes[transformation].items() if side not in sides)
        for transformation, sides in claimed.items()
        if sides != BOTH
    ]
    return {"claimed_change": max(kept)} | ({"denied_change": min(denied)} if denied else {})


def without_networks() -> dict[str, Values]:
    """Measure all claims that need no trained network, T1 to T19."""
    return {
        "T1": theorem_1(),
        "T2": full_rank_is_one(),
        "T3": cka_tells_related(),
        **equations(),
        "T9": ridge_limits(),
        **{claim: table_1_row(claim) for claim in TABLE_1},
        "T19": wide_rbf_is_linear(),
    }


MEANINGFUL = 0.1  # the least by which related representations must score above unrelated ones


def random_widths(
    n: int = 200, ratios: Sequence[float] = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 1.1, 1.5, 2, 4), draws: int = 3
) -> dict[str, Array]:
    """Measure each index on random data of growing width, at a fixed number of examples, means over the draws.

    "ratio" (k,) are features per example, "related_<index>" (k,) X with X plus as much noise, and "unrelated_<index>"
    (k,) X with independent data.
    """
    rng = np.random.default_rng(200)
    widths = [max(1, round(ratio * n)) for ratio in ratios]
    names = [f"{relation}_{name}" for relation in ("related", "unrelated") for name in DIMENSION_INDEXES]
    means = {name: np.zeros(len(widths)) for name in names}
    for place, width in enumerate(widths):
        for _ in range(draws):
            x, noise, unrelated = rng.normal(size=(3, n, width))
            for name, (high, low) in index_values(x, [x + noise, unrelated], DIMENSION_INDEXES).items():
                means[f"related_{name}"][place] += high / draws
                means[f"unrelated_{name}"][place] += low / draws
    return {"ratio": np.array(widths) / n, **means}


def contrast(arrays: Mapping[str, Array], index: str) -> Array:
    """Return (layers, examples): by how much an index tells two networks' same layer from shuffled examples."""
    return np.asarray(arrays[f"same_{index}"] - arrays[f"shuffled_{index}"])


def meaningful_range(arrays: Mapping[str, Array], indexes: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per index: share of cells where it tells related from shuffled, and up to which width.

    `features_per_example` is the largest ratio up to which the index is meaningful in every cell, 0 if there is
    none.
    """
    ratio = arrays["features"][:, None] / arrays["examples"][None]
    rows = []
    for index in indexes:
        good = contrast(arrays, index) >= MEANINGFUL
        failing = ratio[~good].min() if not good.all() else np.inf
        below = ratio[ratio < failing]
        rows.append(
            {
                "index": index,
                "meaningful": float(good.mean()),
                "features_per_example": float(below.max()) if below.size else 0.0,
                "largest_shuffled": float(np.max(arrays[f"shuffled_{index}"])),
            }
        )
    return rows
