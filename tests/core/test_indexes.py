"""The registry, and every invariance it claims or denies (claims T10 to T18)."""

import copy

import numpy as np
import pytest
from scipy.stats import ortho_group

from repsim import INDEXES, Index, errors, get_index

NAMES = [*INDEXES, "hsic_rbf_0.4", "svcca_r2_0.8", "svcca_mean_0.8"]
N = 60


def draw(seed):
    """Two related representations whose features differ in scale."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, 6)) * rng.permutation([0.3, 0.6, 1.0, 2.0, 4.0, 8.0]) + rng.standard_normal(6)
    y = x @ rng.standard_normal((6, 8)) + rng.standard_normal((N, 8)) * rng.uniform(1, 20, 8)
    return rng, x, y


def relative_changes(index, transform, side):
    for seed in range(20):
        rng, x, y = draw(seed)
        before = index(x, y)
        after = index(transform(x, rng), y) if side == "x" else index(x, transform(y, rng))
        yield abs(after - before) / abs(before)


def rotation(x, rng):
    return x @ ortho_group.rvs(x.shape[1], random_state=rng)


def scaling(x, rng):
    return x * rng.uniform(0.01, 100)


def invertible(x, rng):
    p = x.shape[1]
    return x @ (rng.standard_normal((p, p)) + np.eye(p)) * rng.uniform(0.2, 5, p)


@pytest.mark.parametrize("side", ["x", "y"])
@pytest.mark.parametrize(
    ("transform", "claim"), [(rotation, "orthogonal"), (scaling, "isotropic_scaling"), (invertible, "invertible")]
)
@pytest.mark.parametrize("name", NAMES)
def test_claimed_invariances_hold_and_denied_ones_fail(name, transform, claim, side):
    index = get_index(name)
    if claim == "invertible":
        claimed = index.invertible_linear == "yes" or (index.invertible_linear == "second" and side == "y")
    else:
        claimed = getattr(index, claim)
    if name == "pwcca" and side == "y":  # only the weights, which come from x, are not invariant
        claimed = True
    changes = list(relative_changes(index, transform, side))
    if claimed:
        assert max(changes) < 1e-6
    else:
        assert max(changes) > 1e-2


@pytest.mark.parametrize("name", [n for n in NAMES if get_index(n).invertible_linear == "same subspace"])
def test_svcca_is_invariant_if_the_same_subspace_is_kept(name):
    for seed in range(20):
        rng, x, y = draw(seed)
        x = x - x.mean(axis=0)
        u, _, vt = np.linalg.svd(x, full_matrices=False)
        x = u * [5.0, 4.8, 4.6, 0.1, 0.05, 0.01] @ vt
        mild = np.eye(6)
        mild[:3, :3] += 0.03 * rng.standard_normal((3, 3))
        mapped = x @ (vt.T @ mild @ vt)
        assert get_index(name)(mapped, y) == pytest.approx(get_index(name)(x, y), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_symmetry(name):
    index = get_index(name)
    changes = []
    for seed in range(20):
        _, x, y = draw(seed)
        changes.append(abs(index(y, x) - index(x, y)) / abs(index(x, y)))
    assert (max(changes) < 1e-10) if index.symmetric else (max(changes) > 1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_self_similarity_and_permutations(name):
    index = get_index(name)
    rng, x, y = draw(3)
    if index.function is not None and not name.startswith("hsic"):
        assert index(x, x) == pytest.approx(1.0, abs=1e-10)
    assert index(x[:, rng.permutation(6)], y[:, rng.permutation(8)]) == pytest.approx(index(x, y), rel=1e-10)
    order = rng.permutation(N)
    assert index(x[order], y[order]) == pytest.approx(index(x, y), rel=1e-10)
    low, high = index.bounds
    assert low <= index(x, y) <= high


def test_table_2_is_covered_and_described():
    assert list(INDEXES)[:11] == [
        "cca_mean", "cca_r2", "svcca_mean", "svcca_r2", "pwcca", "linear_regression", "hsic_linear", "cka_linear",
        "cka_rbf_0.2", "cka_rbf_0.4", "cka_rbf_0.8",
    ]  # fmt: skip
    for name, index in INDEXES.items():
        assert index.name == name
        assert all([index.title, index.symbol, index.formula, index.equation, index.source])
        assert index.invertible_linear in ("yes", "second", "same subspace", "no")
    assert len({index.title for index in INDEXES.values()}) == len(INDEXES)


def test_names_with_numbers():
    assert get_index("cka_rbf_0.25").parameters == {"kernel": "rbf", "bandwidth": 0.25, "debiased": False}
    assert get_index("cka_rbf_1_debiased").parameters["debiased"]
    assert get_index("svcca_mean_0.9").parameters == {"statistic": "mean", "threshold": 0.9}
    assert get_index("hsic_rbf_2").function.__name__ == "hsic"
    index = INDEXES["cka_linear"]
    assert get_index(index) is index
    assert isinstance(get_index("svcca_r2_1"), Index)


@pytest.mark.parametrize(
    "name", ["ckalinear", "cka_rbf_", "cka_rbf_x", "cka_rbf_-1", "svcca_r2_all", "mutual_knn_1.5", None, 3]
)
def test_unknown_names(name):
    with pytest.raises(errors.UnknownIndexError, match="unknown index.*Known: cca_mean, cca_r2,.*procrustes") as caught:
        get_index(name)
    assert repr(name) in str(caught.value)
    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("cka_rbf_0", "bandwidth is 0.0"),
        ("hsic_rbf_10000000", "bandwidth is 10000000.0"),
        ("svcca_r2_1.5", "threshold is 1.5"),
        ("svcca_mean_0", "threshold is 0.0"),
        ("mutual_knn_0", "k is 0"),
    ],
)
def test_a_number_out_of_range_is_said_by_the_name_of_the_option(name, option):
    with pytest.raises(errors.ParameterError, match=option):
        get_index(name)


def test_the_registry_is_read_only():
    with pytest.raises(TypeError):
        INDEXES["mine"] = INDEXES["cka_linear"]


def test_an_unknown_index_crosses_processes():
    with pytest.raises(errors.UnknownIndexError) as caught:
        get_index("ckb")
    again = copy.copy(caught.value)  # by what pickling uses
    assert str(again) == str(caught.value)
    assert again.name == "ckb"


def test_equal_names_are_equal_indexes():
    for name in ("rsa", "mutual_knn_5", "linear_predictivity", "cka_rbf_0.3", "svcca_r2_0.9", "canonical_ridge_2"):
        assert get_index(name) == get_index(name)
    assert get_index("mutual_knn_5") != get_index("mutual_knn_6")
