"""Linear and RBF Gram operators of representations, and what their inner products are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from repsim._arrays import Float64
from repsim._representation import Rows
from repsim.kernels import shift_of, shift_rounding


@dataclass(frozen=True, eq=False)
class Operator:
    """A linear Gram operator of some rows, or an RBF one less its value at the median distance."""

    rows: Rows
    bandwidth: float | None = None
    median: float = 1.0

    @classmethod
    def linear(cls, rows: Rows) -> Operator:
        """Rows times rows'."""
        return cls(rows)

    def diagonal(self, norms: Float64) -> Float64:
        """Diagonal entries, given the squared norms of the rows."""
        if self.bandwidth is None:
            return norms
        return np.full(norms.shape, 1 - shift_of(self.bandwidth))

    def floor(self) -> float:
        """Energy that rounding may leave of a kernel whose entries are all alike."""
        if self.bandwidth is None:
            return 0.0
        relative = 1e-12 if self.rows.dtype.itemsize == 8 else 1e-5
        return (relative * self.rows.n * shift_rounding(self.bandwidth)) ** 2


Families = Mapping[str, Sequence[Operator]]
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Products:
    """Tables of inner products with the diagonals left out, and each operator's diagonal and row sums."""

    n: int
    tables: dict[tuple[str, str], Float64]
    diagonals: dict[str, Float64]
    row_sums: dict[str, Float64]  # without the diagonal
    precision: dict[str, float]
    floors: dict[str, Float64]  # energy that rounding alone may leave after centring

    @classmethod
    def zero(cls, families: Families, products: Pairs) -> Products:
        """Nothing added up yet."""
        n = next(iter(families.values()))[0].rows.n
        return cls(
            n,
            {key: np.zeros((len(families[key[0]]), len(families[key[1]]))) for key in products},
            {key: np.zeros((len(ops), n)) for key, ops in families.items()},
            {key: np.zeros((len(ops), n)) for key, ops in families.items()},
            {key: 1e-13 if itemsize(ops) == 8 else 1e-9 for key, ops in families.items()},
            {key: np.array([op.floor() for op in ops]) for key, ops in families.items()},
        )

    def finite(self) -> bool:
        """Whether all that was added up is finite."""
        parts = (self.tables, self.diagonals, self.row_sums)
        return all(np.isfinite(array).all() for part in parts for array in part.values())

    def plain(self, a: str, b: str) -> Float64:
        """<K, L>, as the operators are."""
        return self.tables[a, b] + self.diagonals[a] @ self.diagonals[b].T

    def energy(self, a: str) -> Float64:
        """Trace of HKH for each K, whose rows need not be exactly centred."""
        diagonal = self.diagonals[a].sum(axis=1)
        energy: Float64 = diagonal - (self.row_sums[a].sum(axis=1) + diagonal) / self.n
        return energy

    def biased(self, a: str, b: str) -> tuple[Float64, Float64]:
        """<HKH, HLH>, and for each K below what its own product would be rounding error."""
        sums = {key: self.row_sums[key] + self.diagonals[key] for key in (a, b)}
        totals = {key: sums[key].sum(axis=1) for key in (a, b)}
        table = self.plain(a, b)
        noise = self.precision[a] * np.diag(table) + self.floors[a] if a == b else np.zeros(len(table))
        return (
            table - 2 / self.n * (sums[a] @ sums[b].T) + np.outer(totals[a], totals[b]) / self.n**2,
            noise,
        )

    def debiased(self, a: str, b: str) -> tuple[Float64, Float64]:
        """Inner products of the U-centred operators, and the same."""
        n, table, sums = self.n, self.tables[a, b], self.row_sums
        totals = {key: sums[key].sum(axis=1) for key in (a, b)}
        noise = self.precision[a] * np.diag(table) + self.floors[a] if a == b else np.zeros(len(table))
        return (
            table - 2 / (n - 2) * (sums[a] @ sums[b].T) + np.outer(totals[a], totals[b]) / ((n - 1) * (n - 2)),
            noise,
        )

    def arrays(self) -> dict[str, Float64]:
        """Everything that is added up, by name, to be saved or restored in place."""
        found = {f"table {a} {b}": table for (a, b), table in self.tables.items()}
        found |= {f"diagonal {key}": values for key, values in self.diagonals.items()}
        return found | {f"sums {key}": values for key, values in self.row_sums.items()}


def distinct_rows(families: Families) -> list[Rows]:
    """Return what the operators are made from, once each."""
    return list({id(op.rows): op.rows for ops in families.values() for op in ops}.values())


def itemsize(ops: Sequence[Operator]) -> int:
    """Return the bytes of a number of the most precise operator."""
    return max(op.rows.dtype.itemsize for op in ops)
