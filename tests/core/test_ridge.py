import math
import warnings
from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest

from repsim import (
    RankSaturationWarning,
    canonical_ridge,
    cca,
    cka,
    errors,
    get_index,
    linear_regression,
    pairwise,
)
from repsim.engine.operators import ShrunkProjector
from repsim.ridge import NORMALISERS

from . import oracle


@pytest.fixture
def data(rng):
    x = rng.standard_normal((80, 5)) * [1, 2, 3, 4, 5]
    return x, x @ rng.standard_normal((5, 7)) + 5 * rng.standard_normal((80, 7))


def ridge_index(kappa_x, kappa_y, normaliser="cosine"):
    """An index of one's own, as strong on either side as one likes."""
    made = {"x": ShrunkProjector(kappa_x), "y": ShrunkProjector(kappa_y), "value": NORMALISERS[normaliser]}
    return replace(get_index("canonical_ridge_1"), name=f"{kappa_x} {kappa_y} {normaliser}", symmetric=False, **made)


def top(x):
    return float(np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[0] ** 2)


def test_limits(data):
    """T9, at 1e-9 and 1e9 times the top eigenvalue, and exactly."""
    x, y = data
    low, high = (1e-9 * top(x), 1e-9 * top(y)), (1e9 * top(x), 1e9 * top(y))
    for (small_x, small_y), (large_x, large_y), tolerance in ((low, high, 1e-4), ((0, 0), (math.inf,) * 2, 1e-12)):
        for normaliser in ("first", "smaller"):
            value = canonical_ridge(x, y, kappa_x=small_x, kappa_y=small_y, normaliser=normaliser)
            assert value == pytest.approx(cca(x, y), rel=tolerance)
        value = canonical_ridge(x, y, kappa_x=large_x, kappa_y=small_y, normaliser="first")
        assert value == pytest.approx(linear_regression(x, y), rel=tolerance)
        value = canonical_ridge(x, y, kappa_x=large_x, kappa_y=large_y, normaliser="cosine")
        assert value == pytest.approx(cka(x, y), rel=tolerance)


def test_smaller_with_one_infinite_kappa_is_regression(data):
    x, y = data
    options = {"normaliser": "smaller"}
    assert canonical_ridge(x, y, kappa_x=math.inf, kappa_y=0, **options) == pytest.approx(linear_regression(x, y))
    assert canonical_ridge(x, y, kappa_x=0, kappa_y=math.inf, **options) == pytest.approx(linear_regression(y, x))


def test_scales_with_the_data(data):
    x, y = data
    value = canonical_ridge(x, y, kappa_x=2.0, kappa_y=3.0)
    assert canonical_ridge(x * 1e50, y, kappa_x=2e100, kappa_y=3.0) == pytest.approx(value, rel=1e-11)


def test_options_are_checked(data):
    x, y = data
    for options, message in [
        ({"kappa_x": -1, "kappa_y": 0}, "kappa_x is -1"),
        ({"kappa_x": 0, "kappa_y": math.nan}, "kappa_y is nan"),
        ({"kappa_x": 0, "kappa_y": 0, "normaliser": "none"}, "normaliser is 'none'"),
        ({"kappa_x": 0, "kappa_y": math.inf, "normaliser": "first"}, "gives 0"),
        ({"kappa_x": math.inf, "kappa_y": math.inf, "normaliser": "smaller"}, "gives 0"),
    ]:
        with pytest.raises(errors.ParameterError, match=message):
            canonical_ridge(x, y, **options)


def test_warns_only_without_regularisation(rng):
    x, y = rng.standard_normal((10, 20)), rng.standard_normal((10, 2))
    assert 0 < canonical_ridge(x, y, kappa_x=1.0, kappa_y=0) < 1
    with pytest.warns(RankSaturationWarning, match="reached by x"):
        canonical_ridge(x, y, kappa_x=0, kappa_y=1.0)


@pytest.mark.parametrize("scale", [1.0, 1e-40, 1e-81, 1e-100, 1e100])
@pytest.mark.parametrize("kappa", [1e-3, 1.0, 1e162])
def test_kappa_may_dwarf_the_eigenvalues_or_be_dwarfed(rng, scale, kappa):
    x, y = (scale * rng.standard_normal((20, p)) for p in (3, 4))
    exact = oracle.canonical_ridge(x, y, kappa_x=mp.mpf(kappa), kappa_y=mp.mpf(kappa), normaliser="cosine")
    found = canonical_ridge(x, y, kappa_x=kappa, kappa_y=kappa)
    assert found == pytest.approx(float(exact), rel=1e-12)
    for normaliser in ("first", "smaller"):
        exact = oracle.canonical_ridge(x, y, kappa_x=mp.mpf(kappa), kappa_y=mp.mpf(kappa), normaliser=normaliser)
        found = canonical_ridge(x, y, kappa_x=kappa, kappa_y=kappa, normaliser=normaliser)
        assert found == pytest.approx(float(exact), rel=1e-12, abs=1e-320)


@pytest.mark.parametrize("kappa", [-1.0, math.nan, "1", None, True])
def test_a_kappa_that_is_no_number_is_named(rng, kappa):
    x = rng.standard_normal((20, 3))
    with pytest.raises(errors.ParameterError, match="kappa_y is .*; a number of at least 0 is needed"):
        canonical_ridge(x, x, kappa_x=1.0, kappa_y=kappa)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("block", [None, 7])
def test_all_pairs_are_those_of_the_function(rng, dtype, block):
    xs = [(10.0 ** rng.integers(-3, 3) * rng.standard_normal((40, p))).astype(dtype) for p in (3, 8, 30, 60)]
    options = [
        {"kappa_x": kappa_x, "kappa_y": kappa_y, "normaliser": normaliser}
        for normaliser in ("cosine", "first", "smaller")
        for kappa_x, kappa_y in ((0.0, 0.0), (2.0, 2.0), (math.inf, 0.0), (0.5, math.inf), (math.inf, math.inf))
        if not (normaliser == "first" and math.isinf(kappa_y))
        and not (normaliser == "smaller" and math.isinf(kappa_x + kappa_y))
    ]
    indexes = [ridge_index(**one) for one in options]
    with pytest.warns(RankSaturationWarning):
        tables = pairwise(xs, xs[1:], index=indexes, block=block)
    tolerance = 1e-12 if dtype == np.float64 else 1e-6
    for index, one in zip(indexes, options, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RankSaturationWarning)
            exact = [[canonical_ridge(x, y, **one) for y in xs[1:]] for x in xs]
        np.testing.assert_allclose(tables[index.name], exact, rtol=tolerance, atol=tolerance)


def test_the_ends_of_the_path_by_name(rng):
    xs = [rng.standard_normal((40, p)) for p in (3, 3, 3)]
    found = pairwise(xs, index=["canonical_ridge_0", "canonical_ridge_inf", "cca_r2", "cka_linear"])
    np.testing.assert_allclose(found["canonical_ridge_0"], found["cca_r2"], rtol=1e-12)
    np.testing.assert_allclose(found["canonical_ridge_inf"], found["cka_linear"], rtol=1e-12)
    assert get_index("canonical_ridge_1e-3")(xs[0], xs[1]) == canonical_ridge(xs[0], xs[1], kappa_x=1e-3, kappa_y=1e-3)
    with pytest.raises(errors.UnknownIndexError, match="canonical_ridge_10"):
        get_index("canonical_ridge_strong")


def test_a_ridge_goes_on_where_it_was_interrupted(rng, tmp_path):
    xs = [rng.standard_normal((40, p)) for p in (3, 30, 60)]

    def stop(done, total):
        if done > 0.9 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pairwise(xs, index="canonical_ridge_2", block=7, resume=tmp_path / "run", progress=stop)
    found = pairwise(xs, index="canonical_ridge_2", block=7, resume=tmp_path / "run")
    np.testing.assert_array_equal(found, pairwise(xs, index="canonical_ridge_2", block=7))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kappa_x": 1.0, "kappa_y": -1.0}, "kappa_y is -1.0; a number of at least 0"),
        ({"kappa_x": 1.0, "kappa_y": 1.0, "normaliser": "none"}, "normaliser is 'none'"),
        ({"kappa_x": 1.0, "kappa_y": math.inf, "normaliser": "first"}, "gives 0 whatever the data"),
    ],
)
def test_a_ridge_that_cannot_be_is_refused(rng, options, message):
    x = rng.standard_normal((9, 3))
    with pytest.raises(errors.ParameterError, match=message):
        canonical_ridge(x, x, **options)


def test_rounding_takes_no_value_above_one(rng):
    for seed in range(40):
        x = np.random.default_rng(seed).standard_normal((60, 1))
        assert canonical_ridge(x, 2 * x + 1, kappa_x=1.5, kappa_y=0) <= 1
