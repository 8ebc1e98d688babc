"""Arrays of other libraries are multiplied by those libraries, and give NumPy's values."""

import numpy as np
import pytest

from repsim import pairwise
from repsim.engine import median as _median
from repsim.engine.arrays import NUMPY
from repsim.engine.median import distances_of, median_squared_distance
from repsim.engine.representation import Representation

INDEXES = ["cka_linear", "cka_rbf_0.4", "hsic_linear_debiased", "cca_r2", "linear_regression", "cca_mean", "procrustes"]


@pytest.fixture
def layers(rng):
    return [np.maximum(rng.standard_normal((70, p)), 0).astype(np.float32) for p in (4, 30, 16)]


@pytest.fixture(params=["jax", pytest.param("torch", marks=pytest.mark.torch)])
def convert(request):
    if request.param == "jax":
        return pytest.importorskip("jax").numpy.asarray
    return pytest.importorskip("torch").from_numpy


@pytest.mark.parametrize("block", [16, None])
def test_they_agree_with_numpy(convert, layers, block):
    expected = pairwise(layers, index=INDEXES, block=block)
    found = pairwise([convert(x) for x in layers], index=INDEXES, block=block)
    for name in INDEXES:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-6, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("kind", ["normal", "ties", "misleading sample"])
def test_the_exact_median_is_found_among_distances_that_stay_there(convert, rng, monkeypatch, kind):
    monkeypatch.setattr(_median, "SAMPLE", 20)
    monkeypatch.setattr(_median, "_HELD", 500)
    monkeypatch.setattr(_median, "_BINS", 8)
    n = 150
    x = {
        "normal": rng.standard_normal((n, 3)),
        "ties": rng.integers(0, 3, (n, 2)).astype(float),
        "misleading sample": rng.standard_normal((n, 2)) * np.where(np.arange(n)[:, None] % 7 == 0, 100, 1),
    }[kind].astype(np.float32)
    view = Representation(convert(x), "x")
    assert view.xp is not NUMPY
    expected = np.median(distances_of(view.in_double().matrix()))
    assert median_squared_distance(view, memory=100_000) == pytest.approx(float(expected), rel=1e-5)


def test_sums_of_long_rows_agree_too(convert, rng):
    layers = [(rng.standard_normal((600, p)) ** 2 + 3).astype(np.float32) for p in (5, 40)]
    indexes = ["cka_linear", "cka_linear_debiased", "cka_rbf_0.4", "hsic_linear"]
    expected = pairwise(layers, index=indexes, block=290)
    found = pairwise([convert(x) for x in layers], index=indexes, block=290)
    for name in indexes:
        np.testing.assert_allclose(found[name], expected[name], rtol=2e-6, atol=2e-6, err_msg=name)


def test_they_are_computed_where_they_are(convert, layers):
    x = convert(layers[1])
    view = Representation(x, "x")
    assert view.xp is not NUMPY
    assert type(view.block(0, 5)) is type(x)


def test_mixed_libraries_meet_in_numpy(convert, layers):
    found = pairwise([convert(layers[0]), layers[1]], index=INDEXES)
    for name, table in pairwise(layers[:2], index=INDEXES).items():
        np.testing.assert_allclose(found[name], table, rtol=2e-6, atol=2e-6)


def test_whole_numbers_are_read_by_numpy(convert, rng):
    x = rng.integers(0, 9, (40, 5)).astype(np.int32)
    np.testing.assert_allclose(pairwise([convert(x), convert(x[:, :3])]), pairwise([x, x[:, :3]]), rtol=1e-12)
