"""Properties that hold for any data, by random search."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repsim import INDEXES, pairwise

from .hard_cases import PUBLIC, saturation_expected

SEARCH = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@st.composite
def representations(draw):
    """Two representations of any widths, some of their units dead, duplicated or offset."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(5, 30))
    made = []
    for _ in range(2):
        x = rng.standard_normal((n, draw(st.integers(1, 40))))
        kind = draw(st.sampled_from(["plain", "relu", "duplicated", "offset", "skewed"]))
        if kind == "relu":
            x = np.maximum(x, 0)
            x[0, 0] += 1.0
        elif kind == "duplicated":
            x = np.hstack([x, x[:, :1], np.zeros((n, 1))])
        elif kind == "offset":
            x += 100.0
        elif kind == "skewed":
            x = np.exp(2 * x)
        made.append(x)
    return made


def quiet(index, x, y):
    with saturation_expected():
        return index(x, y)


@pytest.mark.parametrize("name", INDEXES)
@given(data=representations())
@SEARCH
def test_finite_bounded_symmetric(name, data):
    index = INDEXES[name]
    x, y = data
    value = quiet(index, x, y)
    assert type(value) is float
    assert np.isfinite(value)
    low, high = index.bounds
    assert low <= value <= high
    if index.symmetric:
        assert quiet(index, y, x) == pytest.approx(value, rel=1e-8, abs=1e-8)
    if name in PUBLIC and index.function.__name__ != "hsic":
        assert quiet(index, x, x) == pytest.approx(1.0, abs=1e-8)


@pytest.mark.parametrize("name", [n for n, i in INDEXES.items() if i.isotropic_scaling])
@given(data=representations(), power=st.sampled_from([-100, -30, 30, 100]))
@SEARCH
def test_scales_from_1e_minus_100_to_1e_100(name, data, power):
    x, y = data
    value = quiet(INDEXES[name], x, y)
    scaled = quiet(INDEXES[name], x * 10.0**power, y)
    assert scaled == pytest.approx(value, rel=1e-6, abs=1e-6)


@given(data=representations(), block=st.integers(1, 31))
@SEARCH
def test_pairwise_equals_the_functions(data, block):
    names = list(INDEXES)
    with saturation_expected():
        tables = pairwise(data, index=names, block=block)
        for name in names:
            for i, x in enumerate(data):
                for j, y in enumerate(data):
                    assert tables[name][i, j] == pytest.approx(INDEXES[name](x, y), rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@given(data=representations(), powers=st.lists(st.integers(-3, 3), min_size=2, max_size=2))
@SEARCH
def test_pairwise_equals_the_functions_in_any_precision_and_scale(dtype, data, powers):
    decades = {"float16": 0.5, "float32": 4, "float64": 20}[dtype]
    data = [
        (x / np.abs(x).max() * 10.0 ** (decades * power)).astype(dtype) for x, power in zip(data, powers, strict=True)
    ]
    names, close = list(INDEXES), 1e-9 if dtype == "float64" else 2e-5
    with saturation_expected():
        tables = pairwise(data, index=names)
        for name in names:
            expected = np.array([[INDEXES[name](x, y) for y in data] for x in data])
            np.testing.assert_allclose(
                tables[name], expected, rtol=close, atol=close * abs(expected).max(), err_msg=name
            )
