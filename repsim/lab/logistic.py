"""Logistic regression with a penalty on the squared weights, its strength chosen on held-out examples.

Fitted by L-BFGS on the features as they are. A layer of more features than examples could be rotated into the space of
the examples first, which changes nothing, but the Gram matrix for that costs more than all the steps it would save;
and keeping only leading principal components would probe something else than the layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from repsim.lab.errors import LabError

Features = NDArray[np.float32]
STRENGTHS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)  # of the penalty, examples having mean squared norm 1
PATIENCE = 2  # weaker penalties are not tried once the held-out accuracy has been below its best this often
STEPS = 100
TOLERANCE = 1e-5  # largest entry of the gradient
_ROWS = 1000  # of the examples, multiplied at a time: products with few columns are slow for many rows


class ProbeError(LabError):
    """Examples that no probe can be fitted to; the message says why."""


@dataclass(frozen=True)
class Probe:
    """A linear classifier of features: ``argmax((x - centre) * scale @ weights + offsets)``."""

    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    centre: Features
    scale: float
    strength: float

    def accuracy(self, x: Features, labels: NDArray[Any]) -> float:
        """Return the share of the rows of `x` that get their label."""
        scores = self.scale * ((x - self.centre) @ self.weights.astype(np.float32)) + self.offsets
        return float((scores.argmax(axis=1) == labels).mean())


def fit_probe(
    x: Any,
    labels: Any,
    *,
    held_out: int,
    strengths: Sequence[float] = STRENGTHS,
) -> Probe:
    """Fit a probe on examples, after choosing its strength on the last of them.

    From the strongest penalty on, each fit starts from the one before. Of equally good strengths the strongest counts.
    With it, all examples are fitted.

    Parameters
    ----------
    x
        (n, p) features. One number scales all, so that the penalty does not depend on their unit.
    labels
        (n,) integers from 0.
    held_out
        How many of the examples choose the strength.
    strengths
        Those to choose from: `s` in mean cross-entropy + s / 2 times the sum of squared weights.

    Raises
    ------
    ProbeError
        If examples and labels do not fit together, features do not vary or are not finite, or a part would be empty.
    """
    x, labels = np.array(x, np.float32, copy=True), np.asarray(labels, np.intp)
    if x.ndim != 2 or labels.shape != x.shape[:1] or not 0 < held_out < len(x) or not strengths:
        raise ProbeError(
            f"features {x.shape} and labels {labels.shape} are needed as (n, p) and (n,), with 0 < held_out < n, "
            f"not {held_out}, and at least one strength"
        )
    centre = x.mean(axis=0)
    x -= centre
    size = float(np.sqrt(np.einsum("ij,ij->", x, x, dtype=np.float64) / len(x)))
    if not (np.isfinite(size) and size > 0):
        raise ProbeError("features that are not finite, or the same for all examples, cannot be classified")
    x /= np.float32(size)
    classes = int(labels.max()) + 1
    fitted = len(x) - held_out
    theta, best, starts, falls = np.zeros((x.shape[1] + 1) * classes), -1.0, {}, 0
    chosen = float(max(strengths))
    for strength in sorted(map(float, strengths), reverse=True):
        theta = starts[strength] = _minimise(x[:fitted], labels[:fitted], classes, strength, theta)
        weights, offsets = _parts(theta, classes)
        scores = x[fitted:] @ weights.astype(np.float32) + offsets
        correct = scores.argmax(axis=1) == labels[fitted:]
        falls = falls + 1 if correct.mean() < best else 0
        if correct.mean() > best:
            best, chosen = float(correct.mean()), strength
        if falls >= PATIENCE:
            break
    weights, offsets = _parts(_minimise(x, labels, classes, chosen, starts[chosen]), classes)
    return Probe(weights, offsets, centre, 1 / size, chosen)


def _parts(theta: NDArray[np.float64], classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights and offsets."""
    both = theta.reshape(-1, classes)
    return both[:-1], both[-1]


def _minimise(
    x: Features, labels: NDArray[np.intp], classes: int, strength: float, start: NDArray[np.float64]
) -> NDArray[np.float64]:
    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, offsets = _parts(theta, classes)
        in_single = weights.astype(np.float32)
        value = strength / 2 * float(np.vdot(weights, weights))
        slope = np.vstack([strength * weights, np.zeros(classes)])
        for first in range(0, len(x), _ROWS):
            part, truth = x[first : first + _ROWS], labels[first : first + _ROWS]
            rows = np.arange(len(part))
            scores = part @ in_single + offsets
            scores -= scores.max(axis=1, keepdims=True)
            logs = np.log(np.exp(scores).sum(axis=1))
            residual = np.exp(scores - logs[:, None])
            value += float((logs - scores[rows, truth]).sum()) / len(x)
            residual[rows, truth] -= 1
            residual /= len(x)
            slope[:-1] += (residual.T.astype(np.float32) @ part).T
            slope[-1] += residual.sum(axis=0)
        return value, slope.ravel()

    options = {"maxiter": STEPS, "gtol": TOLERANCE, "ftol": 1e-9}
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x)
