"""Probes: fits whose answers are known, against the optimality conditions and another solver's choice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from repsim.lab.errors import LabError
from repsim.lab.measurements.properties import fit_probe


def blobs(n, p, spread, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, p))
    labels = rng.integers(0, classes, n)
    return (centres[labels] + spread * rng.normal(size=(n, p))).astype(np.float32), labels


def test_separable_classes_are_told_apart():
    x, labels = blobs(300, 20, 0.3)
    other, other_labels = blobs(200, 20, 0.3, seed=1)
    assert fit_probe(x, labels, held_out=60).accuracy(other, other_labels) == 1


def test_noise_is_at_chance():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    probe = fit_probe(rng.normal(size=(400, 30)), labels, held_out=100)
    assert probe.accuracy(rng.normal(size=(1000, 30)).astype(np.float32), rng.integers(0, 4, 1000)) < 0.35


def test_the_fit_is_optimal():
    x, labels = blobs(200, 8, 2.0)
    probe = fit_probe(x, labels, held_out=50, strengths=[1e-2])
    z = (x - probe.centre) * probe.scale
    assert (z**2).sum(axis=1).mean() == pytest.approx(1, rel=1e-4)
    weights = probe.model.coef_.T
    scores = z @ weights + probe.model.intercept_
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    residual = (chances - np.eye(3)[labels]) / len(x)
    np.testing.assert_allclose(z.T @ residual + 1e-2 * weights, 0, atol=2e-4)
    np.testing.assert_allclose(residual.sum(axis=0), 0, atol=2e-4)


def minimised(x, labels, classes, strength):
    """Weights and, in the last row, offsets that minimise mean cross-entropy + strength / 2 times squared weights."""

    def loss(theta):
        both = theta.reshape(-1, classes)
        scores = x @ both[:-1] + both[-1]
        return (logsumexp(scores, axis=1) - scores[np.arange(len(x)), labels]).mean() + strength / 2 * (
            both[:-1] ** 2
        ).sum()

    def slope(theta):
        both = theta.reshape(-1, classes)
        residual = (softmax(x @ both[:-1] + both[-1], axis=1) - np.eye(classes)[labels]) / len(x)
        return np.vstack([x.T @ residual + strength * both[:-1], residual.sum(axis=0)]).ravel()

    start = np.zeros((x.shape[1] + 1) * classes)
    return minimize(loss, start, jac=slope, method="BFGS").x.reshape(-1, classes)


def test_the_strength_is_that_of_the_best_held_out_accuracy():
    x, labels = blobs(120, 60, 4.0)
    chosen = fit_probe(x, labels, held_out=40, strengths=(1, 1e-6)).strength
    assert chosen in (1, 1e-6)
    z = x - x.mean(axis=0)
    z /= np.sqrt((z**2).sum(axis=1).mean())
    scores = {}
    for strength in (1, 1e-6):
        weights = minimised(z[:80].astype(np.float64), labels[:80], 3, strength)
        scores[strength] = ((z[80:] @ weights[:-1] + weights[-1]).argmax(axis=1) == labels[80:]).mean()
    assert scores[1] != scores[1e-6]
    assert chosen == max(scores, key=lambda strength: scores[strength])


def test_scale_and_position_of_the_features_do_not_matter():
    x, labels = blobs(200, 10, 1.0)
    first, second = (fit_probe(one, labels, held_out=50) for one in (x, 64 * x + 8))
    assert first.strength == second.strength
    np.testing.assert_allclose(first.model.coef_, second.model.coef_, atol=1e-2)


@pytest.mark.parametrize(
    ("x", "labels", "held_out"),
    [
        (np.ones((10, 2)), np.arange(10) % 2, 3),
        (np.full((10, 2), np.nan), np.arange(10) % 2, 3),
        (np.eye(10), np.zeros(9, int), 3),
        (np.eye(10), np.arange(10) % 2, 0),
        (np.eye(10), np.arange(10) % 2, 10),
        (np.ones((10, 2, 2)), np.arange(10) % 2, 3),
        (np.eye(10), np.zeros(10, int), 3),
        (np.eye(10), np.arange(10) // 9, 3),
    ],
)
def test_what_cannot_be_probed(x, labels, held_out):
    with pytest.raises(LabError):
        fit_probe(x, labels, held_out=held_out)
