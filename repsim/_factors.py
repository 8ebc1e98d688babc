"""The indexes that need the singular values of every pair: mean CCA and SVCCA, PWCCA, Procrustes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from repsim._basis import Factor, cosines, factorise, warn_if_saturated
from repsim._operators import basis_key, is_operator_index
from repsim._representation import Float64, Representation
from repsim.cca import loadings, pwcca_of
from repsim.indexes import Index
from repsim.procrustes import procrustes_of


class FactorTables:
    """Factorises each representation once, then computes what each pair of them needs."""

    def __init__(
        self, views: Sequence[Representation], rows: Sequence[int], columns: Sequence[int], indexes: Sequence[Index]
    ) -> None:
        self._views = views
        self._columns = sorted(set(columns))
        self._wanted = {(i, j) for i in rows for j in columns}
        self._based = [i for i in indexes if i.base in ("cca", "svcca", "pwcca", "linear_regression", "procrustes")]
        self._own = [i for i in self._based if not is_operator_index(i)]
        self._weighted = [i for i in self._own if not i.symmetric]
        self._symmetric = [i for i in self._own if i.symmetric]
        self._unordered = sorted({(min(pair), max(pair)) for pair in self._wanted})
        self.bases: dict[str, list[Factor]] = {}

    @property
    def steps(self) -> int:
        """How often the methods will call `tick`."""
        pairs = (len(self._unordered) if self._symmetric else 0) + (len(self._wanted) if self._weighted else 0)
        return (len(self._views) if self._based else 0) + pairs

    def factorise(self, tick: Callable[[], None]) -> None:
        """Make every basis that is needed; float32 representations keep theirs in float32."""
        if not self._based:
            return
        factors = []
        for view in self._views:
            factors.append(factorise(view.in_double(), dtype=view.dtype))
            tick()
        self.bases["basis"] = factors
        for index in self._based:
            if index.base == "svcca" and basis_key(index) not in self.bases:
                kept = [f.leading(index.parameters["threshold"], "variance") for f in factors]
                self.bases[basis_key(index)] = kept

    def warn(self) -> None:
        """Say once which representations an index that was asked for cannot tell apart."""
        full: dict[str, Factor] = {}
        for index in self._based:
            if index.base == "procrustes":
                continue
            factors = self.bases[basis_key(index)]
            some = self._columns if index.base == "linear_regression" else range(len(factors))
            full.update({factors[i].name: factors[i] for i in some if factors[i].saturated})
        warn_if_saturated(list(full.values()))

    def compute(self, tick: Callable[[], None]) -> dict[str, Float64]:
        """Return a table over all views for each index, filled where it was asked for."""
        count = len(self._views)
        tables = {index.name: np.zeros((count, count)) for index in self._own}
        if self._symmetric:
            for i, j in self._unordered:
                for index in self._symmetric:
                    tables[index.name][i, j] = tables[index.name][j, i] = self._value(index, i, j)
                tick()
        if self._weighted:
            self._fill_weighted(tables, tick)
        return tables

    def _value(self, index: Index, i: int, j: int) -> float:
        factors = self.bases[basis_key(index)]
        a, b = factors[i], factors[j]
        if index.base == "procrustes":
            return procrustes_of(a, b)
        return min(float(cosines(a, b).sum()) / min(a.rank, b.rank), 1.0)

    def _fill_weighted(self, tables: dict[str, Float64], tick: Callable[[], None]) -> None:
        factors = self.bases["basis"]
        last, loaded = -1, np.zeros((0, 0))
        for i, j in sorted(self._wanted):
            if i != last:
                last, loaded = i, loadings(factors[i], self._views[i].in_double())
            value = pwcca_of(factors[i], factors[j], loaded)
            for index in self._weighted:
                tables[index.name][i, j] = value
            tick()
