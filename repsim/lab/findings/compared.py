"""Similarities of the networks of several groups, found by group: what the findings of most figures start from."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim.lab.findings.tables import Array
from repsim.lab.similarities import ComparedError, Similarities

__all__ = ["Compared", "ComparedError"]


class Compared(Similarities):
    """What :func:`repsim.lab.measurements.between` or :func:`repsim.lab.measurements.null_between` measured, by group.

    Pairs of networks of one seed are left out everywhere. Within a group they are a network and itself; between groups
    they start from the same weights wherever shapes agree, so that they have more in common than what they learned.

    Parameters
    ----------
    artefact
        With a record and arrays.
    """

    def __init__(self, artefact: Any) -> None:
        super().__init__(artefact.record, artefact.arrays())

    def block(self, name: str, first: str, second: str) -> Array:
        """Return the values of all networks of one group with all of another, in float64."""
        return np.asarray(super().block(name, first, second), np.float64)

    def different(self, first: str, second: str) -> np.ndarray:
        """Return (m1, m2), true for pairs of networks of different seeds."""
        seeds = [self.part(first)["seeds"], self.part(second, "columns")["seeds"]]
        return np.not_equal.outer(*map(np.asarray, seeds))

    def mean(self, name: str, first: str, second: str) -> Array:
        """Return (L1, L2), or (L,), the mean over pairs of networks of different seeds; NaN if there is no pair."""
        return _mean(self.block(name, first, second), self.different(first, second))

    def itself(self, name: str, group: str) -> Array:
        """Return (L, L), the mean over the networks of a group of each with itself."""
        return np.asarray(np.einsum("aaij->aij", self.block(name, group, group)).mean(axis=0))

    def shuffled(self, first: str, second: str) -> Array:
        """Return (L,), of a comparison with shuffled examples: what linear CKA of same layers is on average."""
        return np.asarray(np.diagonal(self.mean("cka_linear_mean", first, second)))

    def jackknife(self, name: str, first: str, second: str) -> tuple[Array, Array]:
        """Return the mean over pairs and its jackknife standard error, leaving out one seed at a time.

        The error is NaN where leaving out a seed leaves no pair.
        """
        values, different = self.block(name, first, second), self.different(first, second)
        seeds = np.asarray(self.part(first)["seeds"]), np.asarray(self.part(second, "columns")["seeds"])
        every = sorted({*seeds[0].tolist(), *seeds[1].tolist()})
        without = [
            _mean(values, different & np.logical_and.outer(seeds[0] != seed, seeds[1] != seed)) for seed in every
        ]
        spread = np.stack(without) - np.mean(without, axis=0)
        error = np.sqrt((len(every) - 1) / len(every) * (spread**2).sum(axis=0))
        return _mean(values, different), error


def _mean(values: Array, chosen: np.ndarray) -> Array:
    if not chosen.any():
        return np.full(values.shape[2:], np.nan)
    return np.asarray(values[chosen].mean(axis=0))
