"""The paper's equations that tie the indexes together (claims T3 to T7 and T19)."""

import numpy as np
import pytest

from repsim import cca, cka, cka_from_grams, linear_regression, orthonormal_basis


def draws(count=20):
    rng = np.random.default_rng(11)
    for _ in range(count):
        x = rng.standard_normal((60, 5)) * rng.uniform(0.1, 3, 5)
        y = x @ rng.standard_normal((5, 12)) + rng.standard_normal((60, 12)) * rng.uniform(0.1, 3, 12)
        yield x - x.mean(axis=0), y - y.mean(axis=0)


def test_equation_11():
    for x, y in draws():
        p, q = (z @ z.T for z in (orthonormal_basis(x), orthonormal_basis(y)))
        assert cka_from_grams(p, q) * np.sqrt(12 / 5) == pytest.approx(cca(x, y), rel=1e-10)


def test_equation_12_holds_with_p2_and_not_as_printed():
    for x, y in draws():
        q = orthonormal_basis(y)
        rest = cka_from_grams(x @ x.T, q @ q.T) * np.linalg.norm(x.T @ x) / np.linalg.norm(x) ** 2
        assert rest * np.sqrt(12) == pytest.approx(linear_regression(x, y), rel=1e-10)
        assert rest * np.sqrt(5) != pytest.approx(linear_regression(x, y), rel=1e-1)


def test_equation_13():
    for x, y in draws():
        overlap = orthonormal_basis(x).T @ orthonormal_basis(y)
        assert (overlap**2).sum() / 5 == pytest.approx(cca(x, y), rel=1e-10)


def test_equation_14():
    for x, y in draws():
        u, s, _ = np.linalg.svd(x, full_matrices=False)
        v, t, _ = np.linalg.svd(y, full_matrices=False)
        weighted = s**2 @ (u.T @ v) ** 2 @ t**2
        assert weighted / np.sqrt((s**4).sum() * (t**4).sum()) == pytest.approx(cka(x, y), rel=1e-10)


def test_equation_1():
    for x, y in draws(3):
        assert np.vdot(x @ x.T, y @ y.T) == pytest.approx(np.linalg.norm(y.T @ x) ** 2, rel=1e-12)


def test_cka_tells_related_from_unrelated_beyond_n_features():
    """T3."""
    rng = np.random.default_rng(5)
    for _ in range(100):
        x = rng.standard_normal((100, 200))
        related, unrelated = x + rng.standard_normal((100, 200)), rng.standard_normal((100, 200))
        for debiased in (False, True):
            assert cka(x, related, debiased=debiased) > cka(x, unrelated, debiased=debiased)
