"""Table 1: which transformations of the features leave each index unchanged, on random data."""

from __future__ import annotations

import numpy as np

import repsim
from repsim.lab.findings.measures import measures
from repsim.lab.findings.theory import (
    EQUATIONS,
    Array,
    Values,
    centred,
    cka_tells_related,
    equation,
    full_rank_is_one,
    index_values,
    related_pairs,
    relative_change,
    ridge_limits,
    theorem_1,
    wide_rbf_is_linear,
)

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


def _transformed(rng: np.random.Generator, kind: str, x: Array) -> Array:
    p = x.shape[1]
    if kind == "scaling":
        return 13.37 * x
    if kind == "orthogonal":
        return x @ _orthogonal(rng, p)
    if kind == "same subspace":
        return x @ _within_subspace(rng, x)
    return x @ (_orthogonal(rng, p) * np.geomspace(0.1, 10, p)) @ _orthogonal(rng, p)


def largest_changes(claim: str, draws: int = 20) -> dict[str, dict[str, float]]:
    """Return the largest relative change of the index of a claim T10 to T18, per transformation and argument."""
    index = TABLE_1[claim]
    claimed = claimed_invariances(index)
    rng = np.random.default_rng(10)
    largest = {kind: dict.fromkeys(BOTH, 0.0) for kind in claimed}
    for x, y in related_pairs(10, draws, n=100):
        (reference,) = index_values(x, [y], [index])[index]
        for kind in claimed:
            x_changed, y_changed = (_transformed(rng, kind, z) for z in (x, y))
            found = {
                "x": index_values(x_changed, [y], [index])[index][0],
                "y": index_values(x, [y_changed], [index])[index][0],
            }
            for side, value in found.items():
                largest[kind][side] = max(largest[kind][side], relative_change(float(value), float(reference)))
    return largest


@measures(TABLE_1, by=(repsim.pairwise,))
def table_1_row(claim: str, draws: int = 20) -> Values:
    """Measure claim T10 to T18: largest change under what is claimed, least of the changes under what is denied.

    A row of which nothing is denied has no denied change.
    """
    claimed, found = claimed_invariances(TABLE_1[claim]), largest_changes(claim, draws)
    kept = [found[kind][side] for kind, sides in claimed.items() for side in sides]
    denied = [
        max(change for side, change in found[kind].items() if side not in sides)
        for kind, sides in claimed.items()
        if sides != BOTH
    ]
    return {"claimed_change": max(kept)} | ({"denied_change": min(denied)} if denied else {})


def without_networks() -> dict[str, Values]:
    """Measure all claims that need no trained network, T1 to T19."""
    return {
        "T1": theorem_1(),
        "T2": full_rank_is_one(),
        "T3": cka_tells_related(),
        **{claim: equation(claim) for claim in EQUATIONS},
        "T9": ridge_limits(),
        **{claim: table_1_row(claim) for claim in TABLE_1},
        "T19": wide_rbf_is_linear(),
    }
