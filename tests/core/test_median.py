"""The exact median of more distances than are held, found in brackets."""

import numpy as np
import pytest

from repsim import errors, pairwise
from repsim.engine import median as _median
from repsim.engine.median import distances_of, median_squared_distance
from repsim.engine.representation import Representation


@pytest.fixture
def small(monkeypatch):
    """Few distances at once, so that brackets matter."""
    monkeypatch.setattr(_median, "SAMPLE", 20)
    monkeypatch.setattr(_median, "_HELD", 500)
    monkeypatch.setattr(_median, "_READ_ELEMENTS", 30)
    monkeypatch.setattr(_median, "_BINS", 8)


def direct(x):
    view = Representation(x, "x", dtype=np.float64)
    return float(np.median(distances_of(view.matrix())))


@pytest.mark.parametrize("n", [21, 64, 150, 151])
@pytest.mark.parametrize("memory", [10_000, 100_000, 10_000_000])
@pytest.mark.parametrize("kind", ["normal", "clusters", "ties", "two values", "misleading sample"])
def test_equals_the_median_of_all(small, rng, n, memory, kind):
    x = {
        "normal": lambda: rng.standard_normal((n, 3)),
        "clusters": lambda: rng.standard_normal((n, 3)) + 100 * rng.integers(0, 2, (n, 1)),
        "ties": lambda: rng.integers(0, 3, (n, 2)).astype(float),
        "two values": lambda: np.eye(n) * rng.integers(1, 3, (n, 1)),
        "misleading sample": lambda: rng.standard_normal((n, 2)) * np.where(np.arange(n)[:, None] % 7 == 0, 100, 1),
    }[kind]()
    found = median_squared_distance(Representation(x, "x", dtype=np.float64), memory=memory)
    assert found == pytest.approx(direct(x), rel=1e-12)


def test_of_the_sample_when_asked_for(small, rng):
    x = rng.standard_normal((300, 3))
    view = Representation(x, "x", dtype=np.float64)
    chosen = x[np.linspace(0, 299, 20).round().astype(int)]
    assert median_squared_distance(view, "sample", memory=10**6) == pytest.approx(
        float(np.median(distances_of((chosen - x.mean(axis=0)) * 2.0**-view.exponent))), rel=1e-12
    )
    assert median_squared_distance(view, "sample", memory=10**6) != pytest.approx(direct(x), rel=1e-6)


def test_a_median_of_zero_is_refused(small):
    x = np.zeros((100, 2))
    x[:10] = np.arange(20).reshape(10, 2)
    with pytest.raises(
        errors.UndefinedSimilarityError, match=r"^xs\[0\]: the median distance between its 100 examples"
    ):
        pairwise([x], index="cka_rbf_0.4")


def test_the_record_says_which(small, rng):
    x = rng.standard_normal((100, 3)) * 1e3
    for how in ("exact", "sample"):
        record = {}
        pairwise([x], index=["cka_rbf_0.4", "cka_linear"], median=how, record=record)
        assert record["median"] == how
        assert record["examples"] == 100
        if how == "exact":
            assert record["median_distances"][0] ** 2 == pytest.approx(
                float(np.median(((x[:, None] - x) ** 2).sum(axis=2))), rel=1e-10
            )
    record = {}
    pairwise([x], record=record)
    assert "median" not in record
    with pytest.raises(errors.ParameterError, match='"exact" or "sample" is needed'):
        pairwise([x], index="cka_rbf_0.4", median="approximate")


def test_two_examples_with_little_memory(rng):
    x = rng.standard_normal((2, 20_000))
    exact = float(np.linalg.norm(x[0] - x[1]) ** 2) / 2  # of 0, 0, d, d
    for memory in (2**16, 2**21, 2**27):
        assert median_squared_distance(Representation(x, "x"), memory=memory) == pytest.approx(exact)
