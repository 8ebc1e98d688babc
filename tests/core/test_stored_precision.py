"""Numbers stored in less than float64: each unit is rounded relative to itself, whatever the others' sizes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import repsim
from repsim import pairwise

try:
    import ml_dtypes
except ImportError:  # where only the core is installed
    ml_dtypes = None
PRECISIONS = ["float16", "float32", *(["bfloat16"] if ml_dtypes else [])]
pytestmark = pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")
SEARCH = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
OPTIONS = {
    "cca": {},
    "linear_regression": {},
    "canonical_ridge": {"kappa_x": 1, "kappa_y": 1},
    "pwcca": {},
    "svcca": {"threshold": 0.9},
}


@pytest.fixture
def massive(rng):
    """Activations as transformers have them: one unit a thousand times the others, in half precision."""
    s = rng.normal(size=(300, 20))
    x = s @ rng.normal(size=(20, 20)) / 4 + 0.5 * rng.normal(size=(300, 20))
    a = (0.3 * s).astype(np.float16)
    a[:, 0] = (2000 + 20 * rng.normal(size=300)).astype(np.float16)
    return x, a


@pytest.mark.parametrize("name", OPTIONS)
def test_a_massive_unit_hides_no_other(massive, name):
    x, a = massive
    function = getattr(repsim, name)
    for pair in ((x, a), (a, x)):
        expected = function(*(z.astype(float) for z in pair), **OPTIONS[name])
        assert function(*pair, **OPTIONS[name]) == pytest.approx(expected, abs=1e-9)
    assert repsim.orthonormal_basis(a).shape == (300, 20)
    assert repsim.linear_regression(a, a) == pytest.approx(1)


@pytest.mark.parametrize(
    "name", ["cca_r2", "cca_mean", "linear_regression", "pwcca", "canonical_ridge_1", "procrustes"]
)
def test_all_pairs_see_it_too(massive, name):
    x, a = massive
    table = pairwise([x, a], index=name)
    for i, first in enumerate((x, a)):
        for j, second in enumerate((x, a)):
            assert table[i, j] == pytest.approx(repsim.get_index(name)(first, second), abs=1e-6)


def rounded(x, precision):
    """The same numbers, each with the relative rounding of a precision that NumPy need not have."""
    bits = {"float16": 11, "bfloat16": 8, "float32": 24}[precision]
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


@given(
    seed=st.integers(0, 2**32),
    precision=st.sampled_from(PRECISIONS),
    spread=st.sampled_from(["alike", "decades", "massive"]),
    shape=st.sampled_from([(120, 6), (60, 12), (40, 30)]),
)
@SEARCH
def test_the_value_is_that_of_the_same_numbers_in_double(seed, precision, spread, shape):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, *shape))
    y = y + x @ rng.normal(size=(shape[1], shape[1])) / 4
    if spread == "decades":  # twelve of them in float32; float16 has nine
        x *= 10.0 ** rng.uniform(-3 if precision == "float16" else -6, 3 if precision == "float16" else 6, shape[1])
    elif spread == "massive":
        x[:, 0] *= 1e4
    stored = x.astype(getattr(ml_dtypes, precision, precision))
    for name in ("cca_r2", "cca_mean", "linear_regression"):
        expected = repsim.get_index(name)(y, stored.astype(float))
        assert repsim.get_index(name)(y, stored) == pytest.approx(expected, abs=1e-6), name
        assert pairwise([y], [stored], index=name)[0, 0] == pytest.approx(expected, abs=1e-6), name


@pytest.mark.parametrize("name", ["cca_r2", "linear_regression"])
def test_half_precision_costs_what_its_rounding_costs(rng, name):
    """Beside the numbers before they were rounded."""
    x, y = rng.normal(size=(2, 500, 8))
    y += x
    x[:, 0] *= 1e4
    for precision, limit in (("float16", 1e-3), ("bfloat16", 1e-2), ("float32", 1e-6)):
        value = repsim.get_index(name)(y, rounded(x, precision))
        assert value == pytest.approx(repsim.get_index(name)(y, x), abs=limit), precision


@pytest.mark.parametrize(("precision", "mean"), [("float16", 30), *([("bfloat16", 3.5)] if ml_dtypes else [])])
def test_a_mean_of_some_deviations_costs_half_precision_no_direction(rng, precision, mean):
    s = rng.normal(size=(300, 20))
    x, y = (0.5 * (s @ rng.normal(size=(20, p)) + 0.3 * rng.normal(size=(300, p))) for p in (91, 71))
    deviation = x.std()
    stored = [(z + mean * deviation).astype(getattr(ml_dtypes, precision, precision)) for z in (x, y)]
    assert repsim.orthonormal_basis(stored[0]).shape == (300, 91)
    expected = repsim.cca(*(z.astype(float) for z in stored))
    assert repsim.cca(*stored) == pytest.approx(expected, abs=1e-9)
    assert pairwise(stored[:1], stored[1:], index="cca_r2")[0, 0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("precision", ["float16", *(["bfloat16"] if ml_dtypes else [])])
@pytest.mark.parametrize("mean", [0, 3, 50])
def test_rounding_of_half_precision_is_no_direction(rng, precision, mean):
    """Nor where it is alike in many units, as in multiples of one."""
    dtype = getattr(ml_dtypes, precision, precision)
    multiples = np.outer(rng.normal(size=300), np.linspace(1, 1.9, 91))
    for low, rank in ((rng.normal(size=(300, 5)) @ rng.normal(size=(5, 91)), 5), (multiples, 1)):
        assert repsim.orthonormal_basis((low + mean).astype(dtype)).shape[1] <= rank


def test_torch_keeps_the_precision_of_bfloat16(rng):
    torch = pytest.importorskip("torch")
    low = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 64))
    stored = torch.tensor(low).to(torch.bfloat16)
    assert repsim.orthonormal_basis(stored).shape == (200, 5)


def test_low_rank_beside_a_massive_unit(rng):
    low = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 30))
    low[:, 0] = 3000 + 100 * rng.normal(size=200)
    assert repsim.orthonormal_basis(low.astype(np.float16)).shape == (200, 5)
    assert repsim.orthonormal_basis(low.astype(np.float32)).shape == (200, 5)


@pytest.mark.parametrize(("precision", "sizes"), [("float16", (1e-5, 3e-6)), ("float32", (1e-38, 1e-41))])
def test_below_the_least_normal_number_rounding_is_absolute(rng, precision, sizes):
    low, y = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 30)), rng.normal(size=(200, 5))
    for size in sizes:
        stored = (size * low).astype(precision)
        assert repsim.orthonormal_basis(stored).shape == (200, 4)
        assert repsim.cca(y, stored) == pytest.approx(repsim.cca(y, low), abs=1e-3)
    beside = np.hstack([low[:, :10], sizes[1] * low]).astype(precision)
    assert repsim.orthonormal_basis(beside).shape == (200, 4)
    for name in ("cca_r2", "linear_regression"):
        expected = pytest.approx(repsim.get_index(name)(y, low), abs=1e-3)
        assert repsim.get_index(name)(y, beside) == expected
        assert pairwise([y], [beside], index=name)[0, 0] == expected


@pytest.mark.parametrize("few", [1, 3, 30])
@pytest.mark.parametrize("size", [3e-6, 3e-7])
def test_few_units_below_the_least_normal_number_among_many(rng, few, size):
    low = rng.normal(size=(800, 4)) @ rng.normal(size=(4, 200))
    low[:, :few] *= size
    assert repsim.orthonormal_basis(low.astype(np.float16)).shape == (800, 4)


@pytest.mark.parametrize("name", ["procrustes", "pwcca", "svcca_mean", "cca_mean"])
def test_all_pairs_of_little_precision_are_the_function(rng, name):
    """Offset by a million times their spread, so that most of the directions are rounding."""
    x, y = ((1000 + 1e-3 * rng.normal(size=(200, p))).astype(np.float32) for p in (41, 31))
    assert pairwise([x], [y], index=name)[0, 0] == pytest.approx(repsim.get_index(name)(x, y), abs=1e-6)


def test_pwcca_of_nearly_equal_correlations_in_single_precision(rng):
    """What it weights is turned by rounding over their small differences."""
    q = np.linalg.qr(rng.normal(size=(200, 16)))[0]
    x = (q[:, :8] * np.geomspace(1, 30, 8)).astype(np.float32)
    y = (q[:, :8] * 0.8 + q[:, 8:] * (0.6 + 1e-5 * np.arange(8))).astype(np.float32)
    expected = repsim.pwcca(x.astype(float), y.astype(float))
    assert pairwise([x], [y], index="pwcca")[0, 0] == pytest.approx(expected, abs=1e-6)


def test_nullable_columns_keep_their_precision(rng):
    pandas = pytest.importorskip("pandas")
    x = (rng.standard_normal((300, 5)) @ rng.standard_normal((5, 64))).astype(np.float32)
    y = rng.standard_normal((300, 20))
    nullable = pandas.DataFrame(x).astype("Float32")
    assert repsim.orthonormal_basis(nullable).shape == (300, 5)
    assert repsim.cca(nullable, y) == pytest.approx(repsim.cca(x, y), rel=1e-6)
    whole = pandas.DataFrame({"a": pandas.array([1, 2, 3, 5], dtype="Int64"), "b": [1.0, 2.0, 0.0, 4.0]})
    assert repsim.linear_regression(whole, whole) == pytest.approx(1)
