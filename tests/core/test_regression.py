import numpy as np
import pytest

from repsim import RankSaturationWarning, linear_regression


def test_equals_least_squares(golden):
    x, y = golden
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    residual = a - b @ np.linalg.lstsq(b, a)[0]
    assert linear_regression(x, y) == pytest.approx(1 - (residual**2).sum() / (a**2).sum(), rel=1e-12)


def test_predicts_the_first_from_the_second(rng):
    y = rng.standard_normal((50, 3))
    assert linear_regression(y[:, :1], y) == pytest.approx(1.0)
    assert linear_regression(y, y[:, :1]) < 0.6


def test_warns_only_if_the_predictor_is_saturated(rng):
    narrow, wide = rng.standard_normal((20, 3)), rng.standard_normal((20, 30))
    assert linear_regression(wide, narrow) < 1
    with pytest.warns(RankSaturationWarning, match=r"19 reached by y \(30 features\): by Theorem 1") as caught:
        assert linear_regression(narrow, wide) == 1.0
    assert len(caught) == 1
