"""Every index right, or refused by name, on data that is hard: shapes, ranks, scales, layouts, blocks and orders."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.engine.rounding import digits
from repsim import RepresentationError, get_index, pairwise
from repsim.lab.store import unseal

from . import oracle
from .accuracy import LIMIT, ROUNDINGS, condition, rows, tolerance
from .hard_cases import KINDS, PUBLIC, SCALES, SHAPES, all_at_once, laid_out, made, one, pairs, size_of

SEARCH = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
ROOT = Path(__file__).resolve().parents[2]
NAMES = [*PUBLIC, "hsic_rbf_0.4", "hsic_rbf_0.4_debiased", "svcca_r2_0.7"]
NARROW = ["cka_rbf_0.05", "cka_rbf_0.01", "cka_rbf_0.02_debiased"]
SINGLE = 1e-6
EPS_SINGLE = 2.0**-23
WORST_SINGLE = 100  # condition beyond which `pairwise` goes on in double precision

pytestmark = pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")


def agree(name, expected, found, x, y, limit):
    """Both have a value, to within the limit, or both are refused for the same reason."""
    if isinstance(expected, RepresentationError):
        assert type(found) is type(expected), (name, expected, found)
        return
    assert isinstance(found, float), (name, expected, found)
    assert np.isfinite(expected)
    assert np.isfinite(found)
    assert abs(found - expected) <= limit * size_of(name, x, y), (name, expected, found)


@given(data=pairs(), block=st.integers(1, 20), order=st.randoms(use_true_random=False))
@SEARCH
def test_finite_or_refused_and_the_same_for_all_blocks_and_orders(data, block, order):
    x, y = data
    before = [z.tobytes() for z in data]
    shuffled = list(range(len(x)))
    order.shuffle(shuffled)
    own = {name: one(name, x, y) for name in NAMES}
    ways = [
        all_at_once(NAMES, x, y),
        all_at_once(NAMES, x, y, block=min(block, len(x))),
        all_at_once(NAMES, x[shuffled], y[shuffled], block=min(block, len(x))),
        {name: one(name, x[shuffled], y[shuffled]) for name in NAMES},
    ]
    assert [z.tobytes() for z in data] == before
    for name, value in own.items():
        limit = 0.0 if isinstance(value, RepresentationError) else tolerance(condition(name, x, y))
        for found in ways:
            agree(name, value, found[name], x, y, limit)


@given(data=pairs(np.float32), block=st.integers(1, 20), order=st.randoms(use_true_random=False))
@SEARCH
def test_single_precision_is_the_value_of_double(data, block, order):
    """The functions read float32 in float64; `pairwise` multiplies it as it is."""
    x, y = data
    shuffled = list(range(len(x)))
    order.shuffle(shuffled)
    names = [*NAMES, *NARROW]
    own = {name: one(name, x, y) for name in names}
    ways = [all_at_once(names, x, y), all_at_once(names, x[shuffled], y[shuffled], block=min(block, len(x)))]
    for name, value in own.items():
        limit = SINGLE
        if not isinstance(value, RepresentationError):
            limit = max(SINGLE, EPS_SINGLE * min(WORST_SINGLE, condition(name, x, y)))
        for found in ways:
            agree(name, value, found[name], x, y, limit)


def exact(name, x, y):
    """The definition in 50 digits, for any rank; None where it does not say which canonical variables are meant."""
    index = get_index(name)
    if index.function.__name__ in ("hsic", "cka"):
        return getattr(oracle, index.function.__name__)(x, y, **index.parameters)
    a, b = oracle.reduced(x), oracle.reduced(y)
    if index.function.__name__ != "pwcca":
        return getattr(oracle, index.function.__name__)(a, b, **index.parameters)
    if b.cols == len(x) - 1:
        return 1
    if a.cols > b.cols or a.cols + b.cols > len(x) - 1:
        return None  # several correlations of 0 or 1
    return oracle.pwcca(x, y) if a.cols == x.shape[1] and b.cols == y.shape[1] else None


def dyadic(rng, shape, kind):
    """Numbers of few digits, so that ranks are exact and sums are too."""
    x = made(rng, shape, "plain" if kind == "low rank" else kind)
    x = np.round(x * 64) / 64
    if kind == "low rank" and min(shape) > 1:
        rank = max(1, min(shape) // 2)
        x = x[:, :rank] @ rng.integers(-2, 3, (rank, shape[1])).astype(float)
        x[:, 0] += 0.5 * x[:, -1]
    return x


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "widths"), [(20, (2, 2)), (9, (3, 9)), (5, (50, 2)), (4, (2, 1))])
def test_equals_its_definition_in_fifty_digits(n, widths, kind):
    rng = np.random.default_rng([n, KINDS.index(kind)])
    x, y = (dyadic(rng, (n, width), kind) for width in widths)
    y[:, 0] += x[:, 0]
    found = all_at_once(NAMES, x, y, block=3)
    for name in NAMES:
        value = one(name, x, y)
        if isinstance(value, RepresentationError):
            assert type(found[name]) is type(value)
            continue
        expected = exact(name, x, y)
        if expected is not None:
            limit = tolerance(condition(name, x, y))
            agree(name, float(expected), value, x, y, limit)
            agree(name, float(expected), found[name], x, y, limit)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [SHAPES["tall"], SHAPES["square"], (6, 12)])
def test_scales(shape, dtype):
    """All pairs of scales of one representation at once: HSIC in the product of the units, the others unchanged."""
    rng = np.random.default_rng(shape[1])
    x, y = (made(rng, shape, "plain").astype(dtype) for _ in range(2))
    powers = [2.0 ** round(k * np.log2(10)) for k in SCALES[dtype]]
    xs, ys = ([(z * power).astype(dtype) for power in powers] for z in (x, y))
    names = [name for name in NAMES if "hsic_linear" not in name]
    tables, single = pairwise(xs, ys, index=names, block=4), pairwise([x], [y], index=names, block=4)
    for name in names:
        np.testing.assert_allclose(tables[name], single[name][0, 0], rtol=1e-14, atol=1e-14, err_msg=name)
    for name in ("hsic_linear", "hsic_linear_debiased"):
        for i, j in [(0, -1), (1, 1), (-1, 0), (-2, -2)]:
            value = pairwise([xs[i]], [ys[j]], index=name)[0, 0] / powers[i] ** 2 / powers[j] ** 2
            limit = LIMIT if dtype is np.float64 else SINGLE
            assert value == pytest.approx(one(name, x, y), rel=1e-15, abs=limit * size_of(name, x, y))


@pytest.mark.parametrize("order", ["C", "F", "strided", "reversed"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8, np.float16])
def test_layouts_and_types(rng, order, dtype):
    values = [np.round(np.abs(made(rng, (12, p), "plain")) * 40).astype(dtype) for p in (3, 8)]
    x, y = (laid_out(z, order, True) for z in values)
    assert x.dtype == dtype
    limit = LIMIT if np.dtype(dtype).kind != "f" or dtype is np.float64 else SINGLE
    exactly = {name: one(name, *(z.astype(np.float64) for z in values)) for name in NAMES}
    found = all_at_once(NAMES, x, y, block=5)
    for name in NAMES:
        agree(name, exactly[name], found[name], x, y, limit * 10)
        agree(name, exactly[name], one(name, x, y), x, y, LIMIT)


def test_the_same_one_several_times(rng):
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 20))
    copy = x.copy()
    found = pairwise([x, y, x, copy], [y, x, y], index=NAMES)
    for name in NAMES:
        np.testing.assert_array_equal(found[name][0], found[name][2])
        np.testing.assert_array_equal(found[name][:, 0], found[name][:, 2])
        np.testing.assert_allclose(found[name][3], found[name][0], rtol=1e-12, atol=1e-14, err_msg=name)
        assert found[name][0, 1] == pytest.approx(one(name, x, x), rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("p", [1, 2, 7])
def test_few_examples(rng, n, p):
    x, y = rng.standard_normal((n, p)), rng.standard_normal((n, 1))
    found = all_at_once(NAMES, x, y, block=1)
    for name in NAMES:
        value = one(name, x, y)
        limit = 0.0 if isinstance(value, RepresentationError) else tolerance(condition(name, x, y))
        agree(name, value, found[name], x, y, limit)
        assert isinstance(value, RepresentationError) == ("debiased" in name and n < 4)


@pytest.mark.parametrize("value", [0.0, 1e30, -7.3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_constant_representations_are_refused(rng, value, dtype):
    x, y = np.full((9, 4), value, dtype), rng.standard_normal((9, 2))
    for name in NAMES:
        for pair in ((x, y), (y, x)):
            assert type(one(name, *pair)).__name__ == "ConstantRepresentationError"
            assert type(all_at_once([name], *pair)[name]).__name__ == "ConstantRepresentationError"


def check_single_precision(n, widths, names, block):
    rng = np.random.default_rng(n)
    hidden = rng.standard_normal((n, 40))
    xs = [np.maximum(hidden @ rng.standard_normal((40, p)) + rng.standard_normal((n, p)), 0) for p in widths]
    xs = [x.astype(np.float32) for x in xs]
    single = pairwise(xs, index=names, block=block)
    double = pairwise([x.astype(np.float64) for x in xs], index=names, block=block)
    for name in names:
        np.testing.assert_allclose(single[name], double[name], rtol=SINGLE, atol=SINGLE, err_msg=name)


def test_single_precision_at_a_size_where_sums_are_long():
    names = [name for name in NAMES if get_index(name).function.__name__ != "pwcca"]
    check_single_precision(700, (40, 150, 900), names, 256)


@pytest.mark.slow
def test_single_precision_at_the_size_of_a_layer():
    names = [name for name in NAMES if get_index(name).function.__name__ in ("cka", "hsic")]
    check_single_precision(10_000, (64, 16_384), names, 2000)


def test_where_fifty_digits_are_not_met():
    found = rows()
    assert {row["index"] for row in found} == set(PUBLIC)
    for row in found:
        for way in ("function", "pairwise"):
            refused = row[way] is None
            hopeless = {"function": 1e12, "pairwise": 1e10}[way]  # fewer than six digits are no value
            assert row["condition"] > hopeless if refused else row[way] <= tolerance(row["condition"]), row
    shown = digits({"rows": found, "limit": LIMIT, "roundings": ROUNDINGS})
    assert "| `cca_r2` | features 1e+08 | " in shown
    assert "`cka_linear` |" not in shown
    assert "procrustes" not in shown
    published = unseal(ROOT / "results" / "benchmarks" / "digits.json")["rows"]
    for row, kept in zip(found, published, strict=True):
        assert (row["index"], row["difficulty"]) == (kept["index"], kept["difficulty"])
        assert row["condition"] == pytest.approx(kept["condition"], rel=1e-3)
        assert [row[way] is None for way in ("function", "pairwise")] == [
            kept[way] is None for way in ("function", "pairwise")
        ]
