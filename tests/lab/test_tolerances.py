"""When two JSON values count as the same."""

import pytest

from repsim.lab.claims import ACCURACY, SUMMATION, Tolerance

HUNDREDTH = Tolerance(0.01, 0.001, "a test")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.009),
        (0, 0.0009),
        ([1, [2.0]], [1.0, [2.001]]),
        ({"a": 1.0, "b": None, "c": "text"}, {"c": "text", "b": None, "a": 1.001}),
    ],
)
def test_the_same(one, other):
    assert HUNDREDTH.holds(one, other)
    assert HUNDREDTH.holds(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.02),
        (0, 0.002),
        (1, None),
        (1, "1"),
        (1, [1]),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ("text", "texts"),
        (float("nan"), 1.0),
    ],
)
def test_not_the_same(one, other):
    assert not HUNDREDTH.holds(one, other)
    assert not HUNDREDTH.holds(other, one)


def test_said_with_its_reason():
    assert str(ACCURACY) == f"within 0 of the value or 0.0002: {ACCURACY.why}"
    assert SUMMATION.holds(1.1e-15, 0.0)
