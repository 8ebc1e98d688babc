"""Similarities of the networks of several groups, found by group: what the findings of most figures start from."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim.lab.errors import LabError, known
from repsim.lab.findings.tables import Array


class ComparedError(LabError):
    """Something that was not compared; the message lists what was."""


class Compared:
    """What :func:`repsim.lab.measurements.between` or :func:`repsim.lab.measurements.null_between` measured, by group.

    Pairs of networks of one seed are left out everywhere. Within a group they are a network and itself; between groups
    they start from the same weights wherever shapes agree, so that they have more in common than what they learned.

    Parameters
    ----------
    artefact
        With a record and arrays.
    """

    def __init__(self, artefact: Any) -> None:
        self.record: dict[str, Any] = artefact.record
        self.arrays: dict[str, Array] = artefact.arrays()
        self.diagonal = bool(self.record.get("diagonal", False))

    @property
    def groups(self) -> list[str]:
        """The names of the groups on the rows."""
        return [part["group"] for part in self.record["rows"]]

    @property
    def examples(self) -> list[int]:
        """The numbers of examples, rising."""
        found = self.record["examples"]
        return sorted(found) if isinstance(found, list) else [int(found)]

    def name(self, index: str = "cka_linear", n: int | None = None) -> str:
        """Return the name of the array of an index on so many examples, the largest number if none is given.

        Raises
        ------
        ComparedError
            If there is none.
        """
        found = f"{index}_{max(self.examples) if n is None else n}"
        if found not in self.arrays:
            raise ComparedError(known("similarities", found, self.arrays))
        return found

    def part(self, group: str, side: str = "rows") -> dict[str, Any]:
        """Return what the record says of a group on one side, "rows" or "columns".

        Raises
        ------
        ComparedError
            If the group is not there.
        """
        for part in self.record[side]:
            if part["group"] == group:
                return dict(part)
        raise ComparedError(known(f"group among the {side}", group, [part["group"] for part in self.record[side]]))

    def _place(self, group: str, side: str) -> tuple[slice, int, int]:
        """Return where a group's entries are, of how many networks they are, and of how many layers each."""
        start = 0
        for part in self.record[side]:
            networks = len(part["seeds"])
            size = networks * (1 if self.diagonal else len(part["layers"]))
            if part["group"] == group:
                return slice(start, start + size), networks, len(part["layers"])
            start += size
        raise ComparedError(known(f"group among the {side}", group, [part["group"] for part in self.record[side]]))

    def block(self, name: str, first: str, second: str) -> Array:
        """Return the values of all networks of one group with all of another.

        Parameters
        ----------
        name
            Of the array; see :meth:`name`.
        first, second
            Groups on the rows and on the columns.

        Returns
        -------
        ndarray
            (m1, m2, L1, L2), or (m1, m2, L) where only same layers were kept.
        """
        rows, m1, l1 = self._place(first, "rows")
        columns, m2, l2 = self._place(second, "columns")
        found = np.asarray(self.arrays[name][rows, columns], np.float64)
        return found if self.diagonal else found.reshape(m1, l1, m2, l2).transpose(0, 2, 1, 3)

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
