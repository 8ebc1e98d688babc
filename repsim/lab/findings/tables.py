"""The similarity tables of a profile, found by index or by groups of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from repsim.lab.similarities import Similarities

Array = NDArray[np.float64]

CCA_KINDS = ("cca_mean", "cca_r2", "svcca_mean", "svcca_r2", "pwcca")
CCA_TYPE = (*CCA_KINDS, "linear_regression")  # those that Theorem 1 makes constant where a layer is too wide


def off_diagonal(table: NDArray[Any]) -> NDArray[Any]:
    """Return what a table (m, m, ...) says of all ordered pairs of different networks, or layers: (m (m - 1), ...)."""
    return table[~np.eye(len(table), dtype=bool)]


def mean_map(table: Array) -> Array:
    """Return the (L, L) mean over all ordered pairs of different networks."""
    return np.asarray(off_diagonal(table).mean(axis=0))


def rank_correlation(x: Array, y: Array) -> float | None:
    """Return Spearman's rank correlation, 0 where either is the same throughout, None where a value is not known."""
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or len(x) < 2:
        return None
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(spearmanr(x, y).statistic)


def layer_ranks(index: str, features: Sequence[int], kept: Mapping[str, Array] | None = None) -> list[int]:
    """Return what bounds the ranks of layers under an index: their features, or the components that SVCCA keeps.

    `kept` are the arrays of :func:`repsim.lab.measurements.svcca_ranks`; of several networks the most counts.
    """
    if not (kept and index.startswith("svcca")):
        return list(features)
    named = index.split("_")[2:]
    return [int(most) for most in kept[named[0] if named else "0.99"].max(axis=0)]


def blind_pairs(rows: Sequence[int], columns: Sequence[int], examples: int) -> NDArray[np.bool_]:
    """Return (rows, columns), true for pairs of layers that leave an index of the CCA type too little room.

    Two layers whose :func:`layer_ranks` add up to more than n - 1 share directions whatever the networks do, so that
    some of their canonical correlations are certainly 1.
    """
    ranks = [np.minimum(features, examples - 1) for features in (rows, columns)]
    return np.asarray(np.add.outer(*ranks) > examples - 1)


def room(rows: Sequence[int], columns: Sequence[int], examples: int) -> dict[str, int]:
    """Return how many of all pairs of layers are :func:`blind_pairs`: "undetermined_pairs" of "layer_pairs"."""
    blind = blind_pairs(rows, columns, examples)
    return {"undetermined_pairs": int(blind.sum()), "layer_pairs": blind.size}


class Tables:
    """The similarity tables of a profile's measures, by index.

    By name of the measure, the artefacts of :func:`repsim.lab.measurements.tables` and, on the same examples, of
    :func:`repsim.lab.measurements.svcca_ranks`.
    """

    def __init__(self, measures: Mapping[str, Any], ranks: Mapping[str, Any] | None = None) -> None:
        self.kept = {name: artefact.arrays() for name, artefact in (ranks or {}).items()}
        self.records = {name: artefact.record for name, artefact in measures.items()}
        self.arrays = {name: artefact.arrays() for name, artefact in measures.items()}

    def measure(self, index: str, split: str = "train") -> str:
        """Return the measure with the most examples of a split that has an index, nothing if there is none."""
        having = [
            name for name, record in self.records.items() if record["split"] == split and index in record["indexes"]
        ]
        return max(having, key=lambda name: self.records[name]["examples"], default="")

    def get(self, index: str, split: str = "train") -> Array | None:
        """Return the table of an index on as many examples of the split as there are, None if it was not made."""
        return self.arrays.get(self.measure(index, split), {}).get(index)

    def beside(self, index: str, other: str) -> Array | None:
        """Return the table of `index` on the same examples as `other`, None if it was not made."""
        return self.arrays.get(self.measure(other), {}).get(index)

    def examples(self, index: str, split: str = "train") -> int | None:
        """Return the number of examples behind :meth:`get`."""
        return self.records.get(self.measure(index, split), {}).get("examples")

    def layers(self) -> list[str]:
        """Return the names of the compared layers."""
        return list(next(iter(self.records.values()))["layers"])

    def facts(self, index: str) -> dict[str, int]:
        """Return on what an index was measured, which decides whether a verdict can rest on it.

        "saturated_layers" are as wide as there are examples, which makes an index of the CCA type constant.
        """
        name = self.measure(index)
        record, table = self.records[name], self.arrays[name][index]
        wide = [count for count in record["features"] if count >= record["examples"] - 1]
        return {
            "examples": record["examples"],
            "networks": len(table),
            "saturated_layers": len(wide) if index.startswith(CCA_TYPE) else 0,
            **self.room(index),
        }

    def blind(self, index: str) -> NDArray[np.bool_] | None:
        """Return :func:`blind_pairs` of an index of the CCA type, None of others and of one that was not measured."""
        name = self.measure(index) if index.startswith(CCA_TYPE) else ""
        if not name:
            return None
        record = self.records[name]
        ranks = layer_ranks(index, record["features"], self.kept.get(name))
        return blind_pairs(ranks, ranks, record["examples"])

    def room(self, *indexes: str) -> dict[str, int]:
        """Return :func:`room` for some indexes in all, nothing where none of them is of the CCA type."""
        known = [blind for index in indexes if (blind := self.blind(index)) is not None]
        if not known:
            return {}
        return {"undetermined_pairs": int(sum(map(np.sum, known))), "layer_pairs": sum(map(np.size, known))}


def chance_level(own: Mapping[str, Array], first: str, second: str) -> Array:
    """Return (L,), what linear CKA of same layers of two groups' networks is on shuffled examples, on average.

    `own` are the arrays of :func:`repsim.lab.measurements.chance`.
    """
    levels = [np.sqrt(own[group]).mean(axis=0) for group in (first, second)]
    return np.asarray(np.multiply(*levels))


def available(tables: Tables, indexes: Sequence[str], split: str = "train") -> dict[str, Array]:
    """Return the table of each of the indexes that was measured on a split."""
    return {index: table for index in indexes if (table := tables.get(index, split)) is not None}


class Compared(Similarities):
    """What :func:`repsim.lab.measurements.between` or :func:`repsim.lab.measurements.null_between` measured, by group.

    Pairs of networks of one seed are left out everywhere. Within a group they are a network and itself; between groups
    they start from the same weights wherever shapes agree, so that they have more in common than what they learned.
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
