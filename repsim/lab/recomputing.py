"""Computing a part of what is in the results again: the accuracy of a network, single cells of similarity tables.

What to compute is read from the records beside the results, not from a profile: results of another version can be
computed again too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import repsim
from repsim.lab.data import load_dataset
from repsim.lab.measurements.common import saturation_is_recorded
from repsim.lab.representations import dataset_of, representations, scaling_of
from repsim.lab.store import Artefact

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Cell:
    """The similarity of two layers by one or more indexes, as a table of the results holds it.

    Attributes
    ----------
    networks, layers
        The files of the two networks, and the layer of each.
    split, examples, dataset
        On which images; `dataset` None: those of the networks' own data set.
    held
        Index -> value.
    """

    networks: tuple[str, str]
    layers: tuple[str, str]
    split: str
    examples: int
    held: Mapping[str, float]
    dataset: str | None = None

    def __str__(self) -> str:
        (first, second), (one, other) = self.networks, self.layers
        return f"{one} of {first} and {other} of {second} on {self.examples} examples"


def accuracy(network: Artefact) -> tuple[str, float]:
    """Return what the record of a network calls its accuracy, and that accuracy: a fraction.

    It is that on the test images of its data set, or on the training images that were held out if some were.
    """
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
        found = repsim.pairwise([x], [y], index=list(cell.held))
    return {name: float(value[0, 0]) for name, value in found.items()}


def pick(record: Mapping[str, Any], arrays: Arrays, rng: np.random.Generator) -> Cell:
    """Draw a cell of a table that :data:`TABLES` knows to read, given its record and its arrays."""
    return TABLES[record["step"]](record, arrays, rng)


def _of_tables(record: Mapping[str, Any], arrays: Arrays, rng: np.random.Generator) -> Cell:
    (a, b), (i, j) = _networks(record, rng), _layers(record, rng)
    held = {name: float(arrays[name][a, b, i, j]) for name in record["indexes"]}
    return _cell(record, (a, b), (i, j), record["examples"], held)


def _of_dimension(record: Mapping[str, Any], arrays: Arrays, rng: np.random.Generator) -> Cell:
    (i, _), k = _layers(record, rng), rng.integers(len(arrays["examples"]))
    held = {name: float(arrays[f"same_{name}"][i, k]) for name in record["indexes"]}
    return _cell(record, (0, 1), (i, i), arrays["examples"][k], held)


def _of_within(record: Mapping[str, Any], arrays: Arrays, rng: np.random.Generator) -> Cell:
    m, (i, j) = int(rng.integers(len(record["network_files"]))), _layers(record, rng)
    count = rng.choice(record["examples"])
    held = {name: float(arrays[f"{name}_{count}"][m, i, j]) for name in record["indexes"]}
    return _cell(record, (m, m), (i, j), count, held)


def _of_within_class(record: Mapping[str, Any], arrays: Arrays, rng: np.random.Generator) -> Cell:
    (a, b), (i, j) = _networks(record, rng), _layers(record, rng)
    count = rng.choice(record["examples"])
    held = {name: float(arrays[f"all_{name}_{count}"][a, b, i, j]) for name in record["indexes"]}
    return _cell(record, (a, b), (i, j), count, held)


def _of_between(record: Mapping[str, Any], arrays: Arrays, rng: np.random.Generator) -> Cell:
    rows, columns = ([(some, n) for some in record[of] for n in some["network_files"]] for of in ("rows", "columns"))
    a, b, count = rng.integers(len(rows)), rng.integers(len(columns)), rng.choice(record["examples"])
    i, j = rng.integers(len(rows[a][0]["layers"])), rng.integers(len(columns[b][0]["layers"]))
    place: tuple[int, ...]
    if record["diagonal"]:
        j, place = i, (int(a), int(b), int(i))
    else:
        above, left = (sum(len(some["layers"]) for some, _ in part) for part in (rows[:a], columns[:b]))
        place = (above + int(i), left + int(j))
    return Cell(
        (rows[a][1], columns[b][1]),
        (rows[a][0]["layers"][i], columns[b][0]["layers"][j]),
        record["split"],
        int(count),
        {name: float(arrays[f"{name}_{count}"][place]) for name in record["indexes"]},
        record["dataset"],
    )


def _networks(record: Mapping[str, Any], rng: np.random.Generator) -> tuple[int, int]:
    """Draw two different networks, or the only one twice."""
    there = len(record["network_files"])
    a, b = rng.choice(there, 2, replace=there < 2)
    return int(a), int(b)


def _layers(record: Mapping[str, Any], rng: np.random.Generator) -> tuple[int, int]:
    """Draw two layers, which may be the same."""
    i, j = rng.integers(len(record["layers"]), size=2)
    return int(i), int(j)


def _cell(
    record: Mapping[str, Any],
    networks: tuple[int, int],
    layers: tuple[int, int],
    count: int,
    held: Mapping[str, float],
) -> Cell:
    first, second = (record["network_files"][one] for one in networks)
    one, other = (record["layers"][layer] for layer in layers)
    return Cell((first, second), (one, other), record["split"], int(count), held)


# Step -> how a cell of what it makes is drawn.
TABLES: dict[str, Callable[[Mapping[str, Any], Arrays, np.random.Generator], Cell]] = {
    "tables": _of_tables,
    "dimension": _of_dimension,
    "between": _of_between,
    "within": _of_within,
    "within-class": _of_within_class,
}
