"""Computing a part of what is in the results again: the accuracy of a network, single cells of similarity tables.

What to compute is read from the records beside the results, not from a profile: results of another version can be
computed again too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import repsim
from repsim.lab.data import load_dataset
from repsim.lab.measurements.common import saturation_is_recorded
from repsim.lab.representations import dataset_of, representations, scaling_of
from repsim.lab.similarities import Similarities
from repsim.lab.store import Artefact

Arrays = Mapping[str, np.ndarray]
TABLES = ("tables", "dimension", "between", "within", "within-class")  # whose cells can be computed again


@dataclass(frozen=True)
class Cell:
    """The similarity of two layers by one or more indexes, as a table of the results holds it."""

    networks: tuple[str, ...]  # the files of the two
    layers: tuple[str, ...]  # one of each
    split: str
    examples: int
    held: Mapping[str, float]  # index -> value
    dataset: str | None = None  # None: the networks' own
    median: str = "exact"  # of which examples RBF bandwidths are fractions of the median distance

    def __str__(self) -> str:
        (first_network, second_network), (first_layer, second_layer) = self.networks, self.layers
        return f"{first_layer} of {first_network} and {second_layer} of {second_network} on {self.examples} examples"


def accuracy(network: Artefact) -> tuple[str, float]:
    """Return what the record of a network calls its accuracy, on test images or held-out ones, and that: a fraction."""
    from repsim.lab.training import evaluate, hold_out, load_network  # only now is a backend needed

    dataset, held_out = load_dataset(dataset_of(network)), network.record["inputs"]["recipe"].get("held_out", 0)
    name, scored = ("held_out", hold_out(dataset.train, held_out)[1]) if held_out else ("test", dataset.test)
    return f"{name}_accuracy", evaluate(load_network(network), dataset, scored, scaling=scaling_of(network))[0]


def similarities(cell: Cell, networks: Sequence[Artefact]) -> dict[str, float]:
    """Compute a cell again, from the images and the weights of its two networks."""
    x, y = (
        representations(network, cell.split, cell.examples, (layer,), cell.dataset)[layer]
        for network, layer in zip(networks, cell.layers, strict=True)
    )
    with saturation_is_recorded():
        values = repsim.pairwise([x], [y], index=list(cell.held), median=cell.median)
    return {name: float(value[0, 0]) for name, value in values.items()}


def pick(record: Mapping[str, Any], arrays: Arrays, rng: np.random.Generator) -> Cell:
    """Draw a cell of an artefact of one of the steps in :data:`TABLES`: of two networks, if it compares any two."""
    if record["step"] == "dimension":
        return _of_dimension(record, arrays, rng)
    table = Similarities(record, arrays)
    rows, columns = table.networks("rows"), table.networks("columns")
    a, count = int(rng.integers(len(rows))), int(rng.choice(table.examples))
    apart = len(rows) > 1 and not table.alone and table.rows == table.columns
    b = (a + int(rng.integers(1, len(rows)))) % len(rows) if apart else int(rng.integers(len(columns)))
    b = a if table.alone else b
    sides = rows[a], columns[b]
    i, j = (int(rng.integers(len(facts["layers"]))) for facts, _ in sides)
    place = (i,) if table.diagonal else (i, j)
    names = {index: table.name(index, count) for index in record["indexes"]}
    return Cell(
        tuple(facts["network_files"][number] for facts, number in sides),
        (rows[a][0]["layers"][i], columns[b][0]["layers"][i if table.diagonal else j]),
        record["split"],
        count,
        {index: float(table.pair(name, a, b)[place]) for index, name in names.items()},
        record.get("dataset"),
        record.get("median", "exact"),
    )


def _of_dimension(record: Mapping[str, Any], arrays: Arrays, rng: np.random.Generator) -> Cell:
    i, k = int(rng.integers(len(record["layers"]))), int(rng.integers(len(arrays["examples"])))
    layer, (first, second) = record["layers"][i], record["network_files"]
    held = {name: float(arrays[f"same_{name}"][i, k]) for name in record["indexes"]}
    return Cell((first, second), (layer, layer), record["split"], int(arrays["examples"][k]), held)
