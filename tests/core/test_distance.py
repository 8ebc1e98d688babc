"""Distances from similarities: what a metric is, and what one minus a similarity is not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repsim import INDEXES, errors, get_index, pairwise
from repsim.distance import to_distance

METRICS = ["cka_linear", "cka_rbf_0.4", "cka_rbf_2", "procrustes"]


@st.composite
def triples(draw):
    """Three representations of the same examples, more or less related to each other."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, shared = draw(st.integers(5, 12)), draw(st.floats(0, 3))
    hidden = rng.standard_normal((n, 2))
    widths = draw(st.lists(st.integers(1, 6), min_size=3, max_size=3))
    return [shared * hidden @ rng.standard_normal((2, p)) + rng.standard_normal((n, p)) for p in widths]


@given(layers=triples())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_metric(layers):
    for index, values in pairwise(layers, index=METRICS).items():
        d = to_distance(values, index)
        np.testing.assert_allclose(np.diag(d), 0, atol=1e-6)
        np.testing.assert_allclose(d, d.T, atol=1e-7)
        for i, j, k in [(0, 1, 2), (1, 2, 0), (2, 0, 1)]:
            assert d[i, k] <= d[i, j] + d[j, k] + 1e-7, index


@pytest.mark.parametrize("index", ["cka_linear", "procrustes"])
def test_one_minus_the_similarity_is_none(index):
    plane = np.linalg.qr(np.array([[1.0, 1.0], [-1.0, 1.0], [0.0, -2.0]]))[0]
    layers = [plane @ [[np.cos(t)], [np.sin(t)]] for t in np.radians([0, 30, 60])]
    values = pairwise(layers, index=index)
    d, gap = to_distance(values, index), 1 - values
    assert gap[0, 2] > gap[0, 1] + gap[1, 2] + 0.2
    assert d[0, 2] < d[0, 1] + d[1, 2] + 1e-9


def test_values_by_hand():
    assert to_distance(0.5, "cka_linear") == pytest.approx(np.pi / 3)
    assert isinstance(to_distance(0.5, INDEXES["procrustes"]), float)
    np.testing.assert_allclose(to_distance([[1.0, 0.0]], get_index("cka_rbf_0.35")), [[0, np.pi / 2]], atol=1e-15)
    assert to_distance(1 + 1e-12, "cka_linear") == 0.0


@pytest.mark.parametrize("index", [name for name in INDEXES if name not in METRICS and "cka_rbf" not in name])
def test_others_have_none(index):
    for given_as in (index, INDEXES[index]):
        with pytest.raises(errors.ParameterError, match=f"index is '{index}'.*cka_linear, cka_rbf_.*procrustes"):
            to_distance(0.5, given_as)


def test_bad_input():
    for bad in ("cka_rbf_0.4_debiased", "cka_linear ", None, 3):
        with pytest.raises(errors.ParameterError, match="has no distance"):
            to_distance(0.5, bad)
    for values in (1.1, -0.2, np.nan, [[0.2, 3.0]]):
        with pytest.raises(errors.ParameterError, match="values holds .*between 0 and 1"):
            to_distance(values, "cka_linear")
    with pytest.raises(errors.ParameterError, match="values is no array of real numbers"):
        to_distance("0.5", "cka_linear")
    masked = np.ma.masked_array([0.5, 0.3], mask=[True, False])
    for values, said in (
        (masked, "masked"),
        (np.array(["0.5"], object), "object"),
        (np.array([1], "m8[s]"), "timedelta"),
    ):
        with pytest.raises(errors.ParameterError, match=f"values is no array of real numbers: .*{said}"):
            to_distance(values, "cka_linear")


def test_what_an_index_is_made_of_decides_not_its_name():
    with pytest.raises(errors.ParameterError, match="has no distance"):
        to_distance(0.3, replace(INDEXES["pwcca"], name="cka_linear"))
    assert to_distance(0.3, replace(INDEXES["cka_linear"], name="mine")) == to_distance(0.3, "cka_linear")
    with pytest.raises(errors.ParameterError, match="bandwidth is 0"):
        to_distance(0.3, "cka_rbf_0")
