"""The indexes that need bases: what every pair needs of singular values, and the projections of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from repsim._arrays import Float64
from repsim._basis import Factor, certain_ones, cosines, singular_values, warn_if_saturated
from repsim._memory import needed
from repsim._operators import Shrunk, basis_key, is_operator_index, ridge_kappas, ridge_key
from repsim._progress import Tick
from repsim._projection import (
    Projection,
    canonical_correlations,
    checked_factorise,
    project,
    qr_bytes,
    svd_bytes,
)
from repsim._representation import Representation
from repsim._workspace import Workspace
from repsim.cca import loadings, pwcca_of
from repsim.errors import ParameterError
from repsim.indexes import Index
from repsim.procrustes import procrustes_of
from repsim.ridge import Shrinkage

_KEPT = 0.4  # of the memory, for bases


def is_based(index: Index) -> bool:
    """Whether an index needs a basis of each representation."""
    return index.base in ("cca", "svcca", "pwcca", "linear_regression", "procrustes", "canonical_ridge")


def needs_singular_values(indexes: Sequence[Index]) -> bool:
    """Whether any of them needs the singular values of each representation, not only a basis."""
    return any(index.base in ("svcca", "pwcca", "procrustes", "canonical_ridge") for index in indexes)


def memory_for_bases(views: Sequence[Representation], indexes: Sequence[Index], memory: int) -> int:
    """Return the bytes that kept bases may take: a part of the memory, which leaves the largest factorisation room."""
    if not any(is_based(index) for index in indexes):
        return int(_KEPT * memory)
    double = np.dtype(np.float64)
    singular = needs_singular_values(indexes)
    largest = max(svd_bytes(view) if singular else qr_bytes(view, double, memory) for view in views)
    return max(0, min(int(_KEPT * memory), int(memory - largest)))


class FactorTables:
    """Factorises each representation once, then computes what each pair of them needs.

    Singular values are found only where an index needs them or the principal components; the projections that
    others are made of come from a QR factorisation, which costs a small part of that.
    """

    def __init__(
        self,
        views: Sequence[Representation],
        rows: Sequence[int],
        columns: Sequence[int],
        indexes: Sequence[Index],
        *,
        memory: int,
        workspace: Workspace,
    ) -> None:
        self._views, self._allowed, self._workspace = views, memory, workspace
        self._rows, self._columns = sorted(set(rows)), sorted(set(columns))
        self._based = [i for i in indexes if is_based(i)]
        self._own = [i for i in self._based if not is_operator_index(i)]
        self._singular = needs_singular_values(indexes)
        wanted = {(i, j) for i in rows for j in columns}
        self._weighted = sorted(wanted) if any(not i.symmetric for i in self._own) else []
        unordered = sorted({(min(pair), max(pair)) for pair in wanted})
        self._unordered = unordered if any(i.symmetric for i in self._own) else []
        self._factors: dict[str, list[Factor]] = {}
        self.projections: dict[str, list[Projection]] = {}
        self.shrunk: dict[str, list[Shrunk]] = {}

    @property
    def _memory(self) -> int:
        """What may be taken beside the bases that are kept in memory."""
        return self._allowed - self._workspace.held

    def operations(self) -> float:
        """Estimate the operations of all factorisations and pairs."""
        own = sum(self._own_operations(view) for view in self._views) if self._based else 0.0
        return own + sum(self._pair_operations(i, j) for i, j in [*self._unordered, *self._weighted])

    def _own_operations(self, view: Representation) -> float:
        return (20.0 if self._singular else 3.0) * view.n * view.p * min(view.n, view.p)

    def _pair_operations(self, i: int, j: int) -> float:
        return 20.0 * min(self._width(self._views[i]), self._width(self._views[j])) ** 3

    def _width(self, view: Representation) -> int:
        """Columns of the basis that pairs are made of: of the complement where that is narrower and enough."""
        most = max(0, view.n - 1 - view.p) if 2 * view.p > view.n - 1 else view.p
        return min(view.n, view.p) if self._singular else most

    def factorise(self, tick: Tick) -> None:
        """Make every basis that is needed; float32 representations keep theirs in float32."""
        for i, view in enumerate(self._views if self._based else ()):
            if self._singular:
                factor = self._factor(i, view)
                self._factors.setdefault("basis", []).append(factor)
            else:
                self.projections.setdefault("basis", []).append(self._projection(i, view))
            tick(self._own_operations(view))
        for index in self._based:
            if index.base == "canonical_ridge":
                for kappa in ridge_kappas(index):
                    self._shrink(kappa)
                continue
            key = basis_key(index)
            if index.base == "svcca" and key not in self._factors:
                kept = [
                    f.leading(index.parameters["threshold"], index.parameters["truncation"])
                    for f in self._factors["basis"]
                ]
                self._factors[key] = kept
            if (is_operator_index(index) or index.base == "cca") and key not in self.projections:
                self.projections[key] = [self._projected(i, key) for i in range(len(self._views))]

    def _shrink(self, kappa: float) -> None:
        key = ridge_key(kappa)
        if key in self.shrunk:
            return
        found = self.shrunk[key] = []
        for i, factor in enumerate(self._factors["basis"]):
            shrinkage, name = Shrinkage.of(factor, kappa), f"{key} {i}"
            kept = self._workspace.find(name, "rows")
            if kept is None:
                rows = np.ascontiguousarray(factor.left * np.sqrt(shrinkage.weights).astype(factor.left.dtype))
                kept = self._workspace.keep(name, {"rows": rows})
            found.append(Shrunk(kept["rows"], shrinkage))

    def _projected(self, i: int, key: str) -> Projection:
        factor = self._factors[key][i]
        if Projection.by_complement(factor):
            self._provide_complement(f"complement{i} {key}", factor)
        return Projection.of_factor(factor)

    def _factor(self, i: int, view: Representation) -> Factor:
        name = f"factor{i}"
        kept = self._workspace.find(name, "left", "singular")
        if kept is None:
            factor = checked_factorise(view, self._memory)
            kept = self._workspace.keep(name, {"left": factor.left, "singular": factor.singular})
        return Factor(kept["left"], np.array(kept["singular"]), view.p, view.exponent, view.name)

    def _projection(self, i: int, view: Representation) -> Projection:
        name = f"projection{i}"
        kept = self._workspace.find(name, "rows", "facts")
        if kept is None:
            found = project(view, self._memory)
            facts = np.array([found.rank, found.complement])
            kept = self._workspace.keep(name, {"rows": found.rows, "facts": facts})
        rank, complement = kept["facts"].tolist()
        return Projection(kept["rows"], rank, bool(complement), view.name)

    def warn(self) -> None:
        """Say once which representations an index that was asked for cannot tell apart."""
        full: dict[str, Factor | Projection] = {}
        for index in self._based:
            if index.base == "procrustes":
                continue
            if index.base == "canonical_ridge":
                for kappa, places in zip(ridge_kappas(index), (self._rows, self._columns), strict=True):
                    factors = self._factors["basis"]
                    full.update({factors[i].name: factors[i] for i in places if not kappa and factors[i].saturated})
                continue
            key = basis_key(index)
            bases: Sequence[Factor | Projection] = self._factors.get(key) or self.projections[key]
            some = self._columns if index.base == "linear_regression" else range(len(bases))
            full.update({bases[i].name: bases[i] for i in some if bases[i].saturated})
        warn_if_saturated(list(full.values()))

    def compute(self, tick: Tick) -> dict[str, Float64]:
        """Return a table over all views for each index, filled where it was asked for."""
        count = len(self._views)
        tables = {index.name: np.zeros((count, count)) for index in self._own}
        if not tables:
            return tables
        tasks = [(True, *pair) for pair in self._unordered] + [(False, *pair) for pair in self._weighted]
        saved = self._workspace.restore("pairs", tables)
        done = saved[0] if saved else 0
        loaded_of, loaded = -1, np.zeros((0, 0))
        try:
            for number, (symmetric, i, j) in enumerate(tasks):
                if number >= done:
                    if not symmetric and i != loaded_of:
                        loaded_of, loaded = i, loadings(self._factors["basis"][i], self._views[i].in_double())
                    self._fill(tables, symmetric, i, j, loaded)
                    done = number + 1
                    self._workspace.save_sometimes("pairs", tables, done)
                tick(self._pair_operations(i, j))
        except BaseException:
            self._workspace.save("pairs", tables, done)
            raise
        return tables

    def _fill(self, tables: dict[str, Float64], symmetric: bool, i: int, j: int, loaded: Float64) -> None:
        for index in self._own:
            if index.symmetric and symmetric:
                tables[index.name][i, j] = tables[index.name][j, i] = self._value(index, i, j)
            elif not index.symmetric and not symmetric:
                factors = self._factors["basis"]
                tables[index.name][i, j] = pwcca_of(factors[i], factors[j], loaded)

    def _value(self, index: Index, i: int, j: int) -> float:
        if index.base == "cca":
            return self._mean_correlation(i, j)
        factors = self._factors[basis_key(index)]
        a, b = factors[i], factors[j]
        if index.base == "procrustes":
            return procrustes_of(a, b)
        if certain_ones(a, b):
            for k, factor in ((i, a), (j, b)):
                self._provide_complement(f"complement{k} {basis_key(index)}", factor)
        return min(float(cosines(a, b).sum()) / min(a.rank, b.rank), 1.0)

    def _mean_correlation(self, i: int, j: int) -> float:
        a, b = (self.projections["basis"][k] for k in (i, j))
        found = canonical_correlations(a, b)
        if found is None:
            for k, projection in ((i, a), (j, b)):
                self._provide_basis(k, projection)
            found = np.minimum(singular_values(a.basis.T @ b.basis), 1.0)
        return min(float(found.sum()) / min(a.rank, b.rank), 1.0)

    def _provide_basis(self, k: int, projection: Projection) -> None:
        if projection.complement and "basis" not in projection.__dict__:
            name = f"basis{k}"
            size = 3.0 * projection.rows.dtype.itemsize * projection.n**2
            if size > self._memory:
                raise ParameterError(needed(projection.name, "a basis beside its complement", size, self._memory))
            kept = self._workspace.find(name, "basis") or self._workspace.keep(name, {"basis": projection.basis})
            projection.remember_basis(kept["basis"])

    def _provide_complement(self, name: str, factor: Factor) -> None:
        if "complement" not in factor.__dict__:
            kept = self._workspace.find(name, "basis") or self._workspace.keep(name, {"basis": factor.complement})
            factor.remember_complement(kept["basis"])
