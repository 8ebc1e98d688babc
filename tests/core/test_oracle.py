"""Each index against its definition in 50 digits, on small data whose features differ in scale."""

import numpy as np
import pytest

from repsim import canonical_correlations, canonical_ridge, get_index, svcca
from repsim.indexes import Index
from repsim.neighbours import mutual_knn
from repsim.predictivity import linear_predictivity
from repsim.rsa import rsa

from . import oracle
from .hard_cases import PUBLIC


def data():
    rng = np.random.default_rng(7)
    x = rng.standard_normal((14, 3)) * [1.0, 5.0, 0.2] + 3.0
    y = x @ rng.standard_normal((3, 4)) + rng.standard_normal((14, 4)) * [1.0, 0.3, 2.0, 1.0]
    return x, y


NAMES = [*PUBLIC, "cka_rbf_0.3_debiased", "hsic_rbf_0.5", "hsic_rbf_0.5_debiased", "svcca_r2_0.7", "svcca_mean_0.9"]


@pytest.mark.parametrize("name", NAMES)
def test_index_equals_its_definition(name):
    index: Index = get_index(name)
    x, y = data()
    expected = float(getattr(oracle, index.function.__name__)(x, y, **index.parameters))
    value = index(x, y)
    assert type(value) is float
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_svcca_in_the_singular_value_reading(threshold):
    x, y = data()
    options = {"statistic": "mean", "threshold": threshold, "truncation": "singular_values"}
    assert svcca(x, y, **options) == pytest.approx(float(oracle.svcca(x, y, **options)), rel=1e-12)


@pytest.mark.parametrize("normaliser", ["cosine", "first", "smaller"])
def test_canonical_ridge(normaliser):
    x, y = data()
    options = {"kappa_x": 3.5, "kappa_y": 0.25, "normaliser": normaliser}
    expected = float(oracle.canonical_ridge(x, y, **options))
    assert canonical_ridge(x, y, **options) == pytest.approx(expected, rel=1e-12)


def test_canonical_correlations():
    x, y = data()
    expected = [float(rho) for rho in oracle.canonical_correlations(x, y)]
    np.testing.assert_allclose(canonical_correlations(x, y), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("index", "options"),
    [
        (rsa, {}),
        (mutual_knn, {"k": 3}),
        (mutual_knn, {}),
        (linear_predictivity, {}),
        (linear_predictivity, {"folds": 3, "strengths": (0.01, 0.1, 1.0)}),
    ],
)
def test_indexes_that_the_paper_does_not_compare(index, options):
    x, y = data()
    if index is rsa:
        x[5], y[7] = x[2], y[11]  # distances of 0, and equal ones
    expected = float(getattr(oracle, index.__name__)(x, y, **options))
    assert index(x, y, **options) == pytest.approx(expected, rel=1e-10)
