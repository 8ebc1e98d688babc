"""The indexes that are Frobenius inner products of operators: CKA, HSIC, R² of CCA and SVCCA, regression."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from repsim._arrays import Array, Float64
from repsim._crew import crew
from repsim._gram import Operator, Products
from repsim._median import kernel_rows, median_squared_distance
from repsim._progress import Tick
from repsim._projection import BasisRows, Projection
from repsim._representation import Representation
from repsim._tiles import inner_products, operations
from repsim._workspace import Workspace
from repsim.errors import NonFiniteError
from repsim.indexes import Index
from repsim.kernels import raise_undefined
from repsim.ridge import Shrinkage, normalised

_SHARED = 1e9  # operations of the medians from which on threads share them
_MEDIAN_BYTES = 2**13  # a feature: what each of several at once may at least take, so that its blocks are not too small
_MOST_CENTRED = 100  # times the energy that is left: beyond that, products of float32 numbers are not to 1e-6
_FEW = 48  # examples, below which rounding does not average out over the entries of a debiased form
Projections = Mapping[str, Sequence[Projection]]
ShrunkBases = Mapping[str, "Sequence[Shrunk]"]


def basis_key(index: Index) -> str:
    """Name the bases that an index is made from: of everything, or of the components up to a threshold."""
    parameters = index.parameters
    return f"basis {parameters['threshold']} {parameters['truncation']}" if index.base == "svcca" else "basis"


def is_operator_index(index: Index) -> bool:
    """Whether an index is an inner product of operators, rather than a function of singular values."""
    if index.base in ("cca", "svcca"):
        return bool(index.parameters["statistic"] == "r2")
    return index.base in ("cka", "hsic", "linear_regression", "canonical_ridge")


def ridge_kappas(index: Index) -> tuple[float, float]:
    """Return how strongly a canonical ridge regularises each side."""
    return index.parameters["kappa_x"], index.parameters["kappa_y"]


def ridge_key(kappa: float) -> str:
    """Name the bases that are shrunk by a strength."""
    return f"ridge {kappa!r}"


@dataclass(frozen=True, eq=False)
class Shrunk:
    """The basis of a representation, its columns shrunk: the rows of the operator Q~ Q~' up to a factor."""

    rows: Array
    shrinkage: Shrinkage


class OperatorTables:
    """Computes all such indexes that were asked for in one pass over the examples."""

    def __init__(
        self,
        views: Sequence[Representation],
        rows: Sequence[int],
        columns: Sequence[int],
        indexes: Sequence[Index],
        *,
        block: int | None,
        memory: int,
        median: str,
        workspace: Workspace,
    ) -> None:
        self._views, self._rows, self._columns = views, rows, columns
        self._indexes = [i for i in indexes if is_operator_index(i)]
        self._block, self._memory, self._median, self._workspace = block, memory, median, workspace
        self._rbf = any(i.parameters.get("kernel") == "rbf" for i in self._indexes)
        self.medians: list[float] = []
        self._kernel_rows: list[Representation] = []

    def operations(self) -> float:
        """Estimate the operations: of the pass, as if every basis were as wide as its representation, and medians."""
        if not self._indexes:
            return 0.0
        families: dict[str, list[Operator]] = {}
        for index in self._indexes:
            bandwidth = 1.0 if index.parameters.get("kernel") == "rbf" else None
            for key in self._product(index):
                families[key] = [Operator(view, bandwidth) for view in self._views]
        own = sum(self._median_operations(view) for view in self._views) if self._rbf else 0.0
        return own + operations(families, [self._product(i) for i in self._indexes], self._memory)

    def _median_operations(self, view: Representation) -> float:
        return float(view.n) ** 2 * (view.p + 20)

    def find_medians(self, tick: Tick) -> None:
        """Find the median squared distances of all views, if an RBF kernel was asked for."""
        if not self._rbf:
            return
        saved = {i: self._workspace.find(f"median{i}", "value") for i in range(len(self._views))}
        kept = {i: found for i, found in saved.items() if found is not None}
        missing = [i for i in range(len(self._views)) if i not in kept]
        alone = not all(view.any_thread for view in self._views)
        alone |= sum(self._median_operations(self._views[i]) for i in missing) < _SHARED
        widest = max(view.p for view in self._views)
        with crew(1 if alone else min(len(missing), self._memory // (_MEDIAN_BYTES * widest))) as threads:
            share, one_keeps = self._memory // threads.size, threading.Lock()

            def find(i: int) -> None:
                found = median_squared_distance(self._views[i], self._median, memory=share, go_on=threads.go_on)
                with one_keeps:
                    kept[i] = self._workspace.keep(f"median{i}", {"value": np.array([found])})

            for i in kept:
                tick(self._median_operations(self._views[i]))
            for i, _ in zip(missing, threads.map(find, missing), strict=True):
                tick(self._median_operations(self._views[i]))
        self.medians = [float(kept[i]["value"][0]) for i in range(len(self._views))]

    def compute(self, projections: Projections, shrunk: ShrunkBases, tick: Tick) -> dict[str, Float64]:
        """Return a table over all views for each index."""
        if not self._indexes:
            return {}
        families: dict[str, list[Operator]] = {}
        products: list[tuple[str, str]] = []
        for index in self._indexes:
            key, product = self._key(index), self._product(index)
            if product not in products:
                products.append(product)
            for part in product:
                bases: Sequence[Projection | Shrunk] = projections.get(part) or shrunk.get(part, ())
                if bases and part not in families:
                    families[part] = [
                        Operator.linear(BasisRows(found.rows, view.xp, view.device))
                        for found, view in zip(bases, self._views, strict=True)
                    ]
                elif part == "linear" and part not in families:
                    families[part] = [Operator.linear(view) for view in self._views]
            if index.parameters.get("kernel") == "rbf" and key not in families:
                fraction = index.parameters["bandwidth"]
                rows = self._kernel_rows = self._kernel_rows or self._rows_for_kernels()
                families[key] = [Operator(r, fraction, m) for r, m in zip(rows, self.medians, strict=True)]
        left = self._memory - self._workspace.held
        found = inner_products(families, products, memory=left, block=self._block, tick=tick, workspace=self._workspace)
        self._again_in_double(families, found)
        return {
            index.name: _ridge(index, found, shrunk)
            if index.base == "canonical_ridge"
            else self._value(index, found, projections)
            for index in self._indexes
        }

    def _again_in_double(self, families: Mapping[str, Sequence[Operator]], found: Products) -> None:
        """Compute the kernels anew of which centring leaves so little that float32 has rounded it away."""
        weak = {self._key(i) for i in self._indexes if i.base in ("cka", "hsic") and self._rounded_away(i, found)}
        if not weak:
            return
        doubled = {id(op.rows): op.rows.in_double() for key in weak for op in families[key]}  # type: ignore[attr-defined]
        anew = {key: [replace(op, rows=doubled[id(op.rows)]) for op in families[key]] for key in weak}
        products = [(key, key) for key in weak]
        better = inner_products(anew, products, memory=self._memory - self._workspace.held, block=self._block)
        for part in ("tables", "diagonals", "row_sums", "precision", "floors"):
            getattr(found, part).update(getattr(better, part))

    def _rounded_away(self, index: Index, found: Products) -> bool:
        key = self._key(index)
        debiased = index.parameters["debiased"]
        before = np.diag(found.tables[key, key] if debiased else found.plain(key, key))
        left = np.diag((found.debiased if debiased else found.biased)(key, key)[0])
        single = np.array([view.dtype.itemsize == 4 for view in self._views])
        few = debiased and found.n < _FEW
        return bool((single & (few | (left * _MOST_CENTRED < before))).any())

    def _rows_for_kernels(self) -> list[Representation]:
        """Return the views, read in more precision where distances need it; tiles of one library are multiplied."""
        rows = [kernel_rows(v, m) for v, m in zip(self._views, self.medians, strict=True)]
        mixed = len({id(row.xp) for row in rows}) > 1
        return [row.on_host() for row in rows] if mixed else rows

    def _key(self, index: Index) -> str:
        if index.base in ("cca", "svcca"):
            return basis_key(index)
        if index.parameters.get("kernel") == "rbf":
            return f"rbf {index.parameters['bandwidth']}"
        return "linear"

    def _product(self, index: Index) -> tuple[str, str]:
        if index.base == "canonical_ridge":
            kappa_x, kappa_y = ridge_kappas(index)
            return ridge_key(kappa_x), ridge_key(kappa_y)
        key = self._key(index)
        return (key, "basis" if index.base == "linear_regression" else key)

    def _value(self, index: Index, found: Products, projections: Projections) -> Float64:
        a, b = self._product(index)
        if index.base in ("cca", "svcca"):
            ranks = np.array([projection.rank for projection in projections[a]])
            overlap = _overlap(found.plain(a, b), projections[a])
            r2: Float64 = np.clip(overlap / np.minimum.outer(ranks, ranks), 0.0, 1.0)
            return r2
        if index.base == "linear_regression":
            return _explained(found.plain(a, b), found.energy(a), projections[b])
        debiased = index.parameters["debiased"]
        table, noise = found.debiased(a, b) if debiased else found.biased(a, b)
        if index.base == "hsic":
            return self._hsic(table if debiased else np.maximum(table, 0.0), index, found.n)
        own = np.diag(table)
        for view, value, floor in zip(self._views, own, noise, strict=True):
            if not value > floor:
                raise_undefined(view.name, debiased)
        table = table / np.sqrt(np.outer(own, own))
        np.fill_diagonal(table, 1.0)
        return np.minimum(table, 1.0) if debiased else np.clip(table, 0.0, 1.0)

    def _hsic(self, table: Float64, index: Index, n: int) -> Float64:
        out = table / (n * (n - 3) if index.parameters["debiased"] else (n - 1) ** 2)
        if index.parameters["kernel"] == "linear":
            exponents = np.array([2 * view.exponent for view in self._views])
            with np.errstate(over="ignore"):
                out = np.ldexp(out, np.add.outer(exponents, exponents))
        bad = [(i, j) for i in self._rows for j in self._columns if not np.isfinite(out[i, j])]
        if bad:
            first, second = (self._views[k].name for k in bad[0])
            raise NonFiniteError(f"the HSIC of {first} and {second} does not fit a float64; rescale them")
        return out


def _ridge(index: Index, found: Products, shrunk: ShrunkBases) -> Float64:
    """Normalise the overlaps of shrunk bases, for each pair."""
    first, second = (ridge_key(kappa) for kappa in ridge_kappas(index))
    table = found.plain(first, second)
    for i, x in enumerate(shrunk[first]):
        for j, y in enumerate(shrunk[second]):
            table[i, j] = normalised(float(table[i, j]), x.shrinkage, y.shrinkage, index.parameters["normaliser"])
    return table


def _signs(projections: Sequence[Projection]) -> tuple[Float64, Float64]:
    """Return c and s of each P = c H + s rows rows'."""
    constants = np.array([float(projection.complement) for projection in projections])
    return constants, 1 - 2 * constants


def _overlap(table: Float64, projections: Sequence[Projection]) -> Float64:
    """Turn the inner products of the bases' operators into those of the projections."""
    constants, signs = _signs(projections)
    widths = np.array([projection.width for projection in projections], dtype=np.float64)
    mixed = np.outer(constants, signs * widths)
    both = np.outer(constants, constants) * (projections[0].n - 1)
    found: Float64 = both + mixed + mixed.T + np.outer(signs, signs) * table
    return found


def _explained(table: Float64, energy: Float64, projections: Sequence[Projection]) -> Float64:
    """Turn <K_X, rows rows'> of each predicting basis into the explained fraction of the energy of each X."""
    constants, signs = _signs(projections)
    explained: Float64 = np.clip(constants + signs * table / energy[:, None], 0.0, 1.0)
    return explained
