"""The indexes that are Frobenius inner products of operators: CKA, HSIC, R² of CCA and SVCCA, regression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from repsim._basis import BasisRows, Factor
from repsim._representation import Float64, Representation
from repsim._tiles import Operator, Products, inner_products, steps
from repsim.errors import NonFiniteError
from repsim.indexes import Index
from repsim.kernels import median_squared_distance, raise_undefined

Bases = Mapping[str, Sequence[Factor]]


def basis_key(index: Index) -> str:
    """Name the bases that an index is made from: of everything, or of the components up to a threshold."""
    return f"basis {index.parameters['threshold']}" if index.base == "svcca" else "basis"


def is_operator_index(index: Index) -> bool:
    """Whether an index is an inner product of operators, rather than a function of singular values."""
    if index.base in ("cca", "svcca"):
        return bool(index.parameters["statistic"] == "r2")
    return index.base in ("cka", "hsic", "linear_regression")


class OperatorTables:
    """Computes all such indexes that were asked for in one pass over the examples."""

    def __init__(
        self, views: Sequence[Representation], indexes: Sequence[Index], block: int | None, memory: int
    ) -> None:
        self._views = views
        self._indexes = [i for i in indexes if is_operator_index(i)]
        self._inner = partial(inner_products, block=block, memory=memory)
        self._steps = partial(steps, block=block, memory=memory)
        self.medians_needed = views if any(i.parameters.get("kernel") == "rbf" for i in self._indexes) else []

    def guess_steps(self) -> int:
        """Count the steps of the pass: exact unless it works on bases, whose ranks are not known yet."""
        if not self._indexes:
            return 0
        families: dict[str, list[Operator]] = {}
        for index in self._indexes:
            bandwidth = 1.0 if index.parameters.get("kernel") == "rbf" else None
            for key in self._product(index):
                families[key] = [Operator(view, bandwidth) for view in self._views]
        return self._steps(families, [self._product(i) for i in self._indexes])

    def compute(self, bases: Bases, tick: Callable[[], None]) -> dict[str, Float64]:
        """Return a table over all views for each index."""
        if not self._indexes:
            return {}
        medians = []
        for view in self.medians_needed:
            medians.append(median_squared_distance(view))
            tick()
        families: dict[str, list[Operator]] = {}
        rows = {key: [BasisRows(factor) for factor in factors] for key, factors in bases.items()}
        products: list[tuple[str, str]] = []
        for index in self._indexes:
            key, product = self._key(index), self._product(index)
            if product not in products:
                products.append(product)
            for part in product:
                if part in rows:
                    families.setdefault(part, [Operator.linear(r) for r in rows[part]])
                elif part == "linear":
                    families.setdefault(part, [Operator.linear(view) for view in self._views])
            if index.parameters.get("kernel") == "rbf" and key not in families:
                fraction = index.parameters["bandwidth"]
                families[key] = [Operator.rbf(v, fraction, m) for v, m in zip(self._views, medians, strict=True)]
        found = self._inner(families, products, tick=tick)
        return {index.name: self._value(index, found, bases) for index in self._indexes}

    def _key(self, index: Index) -> str:
        if index.base in ("cca", "svcca"):
            return basis_key(index)
        if index.parameters.get("kernel") == "rbf":
            return f"rbf {index.parameters['bandwidth']}"
        return "linear"

    def _product(self, index: Index) -> tuple[str, str]:
        key = self._key(index)
        return (key, "basis" if index.base == "linear_regression" else key)

    def _value(self, index: Index, found: Products, bases: Bases) -> Float64:
        a, b = self._product(index)
        if index.base in ("cca", "svcca"):
            ranks = np.array([factor.rank for factor in bases[a]])
            r2: Float64 = np.minimum(found.plain(a, b) / np.minimum.outer(ranks, ranks), 1.0)
            return r2
        if index.base == "linear_regression":
            energy = found.diagonals[a].sum(axis=1)
            saturated = [factor.saturated for factor in bases[b]]
            explained: Float64 = np.minimum(found.plain(a, b) / energy[:, None], 1.0)
            explained[:, saturated] = 1.0
            return explained
        debiased = index.parameters["debiased"]
        table, noise = found.debiased(a, b) if debiased else found.biased(a, b)
        if index.base == "hsic":
            return self._hsic(table, index, found.n)
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
        if not np.isfinite(out).all():
            i, j = np.argwhere(~np.isfinite(out))[0]
            raise NonFiniteError(
                f"the HSIC of {self._views[i].name} and {self._views[j].name} does not fit a float64; rescale them"
            )
        return out
