"""Logistic regression with a penalty on the squared weights, its strength chosen on held-out examples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from repsim.lab.errors import LabError

if TYPE_CHECKING:  # else loaded when a probe is fitted: it takes a second
    from sklearn.linear_model import LogisticRegression

Features = NDArray[np.float32]
STRENGTHS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)  # of the penalty, examples having mean squared norm 1
PATIENCE = 2  # weaker penalties are not tried once the held-out accuracy has been below its best this often
STEPS = 100
TOLERANCE = 1e-5  # largest entry of the gradient


class ProbeError(LabError):
    """Examples that no probe can be fitted to; the message says why."""


@dataclass(frozen=True)
class Probe:
    """A linear classifier of features, which are centred and scaled first."""

    model: LogisticRegression
    centre: Features
    scale: float
    strength: float

    def accuracy(self, x: Features, labels: NDArray[Any]) -> float:
        """Return the share of the rows of `x` that get their label."""
        return float(self.model.score((x - self.centre) * np.float32(self.scale), labels))


def fit_probe(x: Any, labels: Any, *, held_out: int, strengths: Sequence[float] = STRENGTHS) -> Probe:
    """Fit a probe on features (n, p) and labels, after choosing the strength of its penalty on the last of them.

    From the strongest on, each fit starts from the one before; of equally good strengths `s`, in mean cross-entropy + s
    / 2 times the sum of squared weights, the strongest counts. With it all examples are fitted. One number scales all
    features, so that the penalty does not depend on their unit. ProbeError if examples and labels do not fit together,
    features do not vary or are not finite, a part would be empty, or a class is only among the examples that are held
    out.
    """
    from sklearn.linear_model import LogisticRegression

    x, labels = np.array(x, np.float32, copy=True), np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1] or not 0 < held_out < len(x) or not strengths:
        raise ProbeError(
            f"features {x.shape} and labels {labels.shape} are needed as (n, p) and (n,), with 0 < held_out < n, "
            f"not {held_out}, and at least one strength"
        )
    fitted = len(x) - held_out
    if not 1 < len(np.unique(labels)) == len(np.unique(labels[:fitted])):
        raise ProbeError(f"at least two classes are needed, each of them among the first {fitted} examples")
    centre = x.mean(axis=0)
    x -= centre
    size = float(np.sqrt(np.einsum("ij,ij->", x, x, dtype=np.float64) / len(x)))
    if not (np.isfinite(size) and size > 0):
        raise ProbeError("features that are not finite, or the same for all examples, cannot be classified")
    x /= np.float32(size)
    model = LogisticRegression(tol=TOLERANCE, max_iter=STEPS, warm_start=True)
    scores: dict[float, float] = {}
    starts, falls = {}, 0
    for strength in sorted(map(float, strengths), reverse=True):
        _fit(model, x[:fitted], labels[:fitted], strength)
        score = float(model.score(x[fitted:], labels[fitted:]))
        falls = falls + 1 if scores and score < max(scores.values()) else 0
        scores[strength], starts[strength] = score, (model.coef_, model.intercept_)
        if falls >= PATIENCE:
            break
    chosen = max(scores, key=lambda strength: scores[strength])
    model.coef_, model.intercept_ = starts[chosen]
    return Probe(_fit(model, x, labels, chosen), centre, 1 / size, chosen)


def _fit(model: LogisticRegression, x: Features, labels: NDArray[Any], strength: float) -> LogisticRegression:
    """Fit from where the model is; what has not converged after so many steps is good enough to compare layers."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.set_params(C=1 / (strength * len(x))).fit(x, labels)
