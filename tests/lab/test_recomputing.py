"""Cells of similarity tables are drawn from where their records say, and come out the same when computed again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import repsim
from repsim.lab.archives import certification
from repsim.lab.claims import SIMILARITY

EXAMPLES, LAYERS, FILES = (20, 40), ("conv1", "conv2", "pool"), ("a.npz", "b.npz", "c.npz")
INDEXES = ("cka_linear", "cka_linear_debiased")


@dataclass(frozen=True)
class Network:
    name: str


@pytest.fixture(autouse=True)
def activations(monkeypatch):
    """Activations of three networks, from which the tables below are computed."""
    rng = np.random.default_rng(3)
    known = {(file, layer): rng.normal(size=(max(EXAMPLES), 6)) for file in FILES for layer in LAYERS}

    def representations(network, split, count, layers, dataset=None):
        assert split == "test"
        assert dataset in (None, "cifar10")
        return {layer: known[network.name, layer][:count] for layer in layers}

    monkeypatch.setattr(certification, "representations", representations)
    return known


def table(known, rows, columns, count, index):
    """The index of every layer of some networks with every layer of others."""
    xs, ys = ([known[file, layer][:count] for file in files for layer in LAYERS] for files in (rows, columns))
    return repsim.pairwise(xs, ys, index=index)


def group(*files):
    return {"group": " ".join(files), "seeds": list(range(len(files))), "network_files": list(files), "layers": LAYERS}


def blocks(values, networks):
    """(m, m, L, L) from (m L, m L)."""
    return values.reshape(networks, len(LAYERS), networks, len(LAYERS)).transpose(0, 2, 1, 3)


def made(step, known):
    """A record and arrays as the measurement of that name leaves them."""
    record = {"step": step, "split": "test", "indexes": list(INDEXES), "examples": list(EXAMPLES), **group(*FILES)}
    if step == "tables":
        record["examples"] = 40
        return record, {name: blocks(table(known, FILES, FILES, 40, name), 3) for name in INDEXES}
    if step == "within-class":
        return record, {
            f"all_{name}_{n}": blocks(table(known, FILES, FILES, n, name), 3) for name in INDEXES for n in EXAMPLES
        }
    if step == "within":
        return record, {
            f"{name}_{n}": np.stack([table(known, [file], [file], n, name) for file in FILES])
            for name in INDEXES
            for n in EXAMPLES
        }
    if step == "dimension":
        same = {
            f"same_{name}": np.array(
                [[table(known, FILES[:1], FILES[1:2], n, name)[i, i] for n in EXAMPLES] for i in range(len(LAYERS))]
            )
            for name in INDEXES
        }
        return {**record, "network_files": list(FILES[:2])}, {**same, "examples": np.array(EXAMPLES)}
    rows, columns, diagonal = [group("a.npz", "b.npz")], [group("c.npz"), group("a.npz")], step.endswith("diagonal")
    arrays = {}
    for name in INDEXES:
        for n in EXAMPLES:
            whole = table(known, ("a.npz", "b.npz"), ("c.npz", "a.npz"), n, name)
            arrays[f"{name}_{n}"] = np.einsum("abii->abi", blocks(whole, 2)) if diagonal else whole
    about = {"rows": rows, "columns": columns, "diagonal": diagonal, "dataset": "cifar10"}
    return {**record, "step": "between", **about}, {name: array.astype(np.float32) for name, array in arrays.items()}


@pytest.mark.parametrize("step", [*certification.TABLES, "between diagonal"])
def test_a_cell_is_what_activations_give(step, activations):
    record, arrays = made(step, activations)
    drawn = set()
    for seed in range(12):
        cell = certification.drawn_cell(record, arrays, np.random.default_rng(seed))
        found = certification.recomputed_cell(cell, [Network(name) for name in cell.networks])
        assert list(found) == list(INDEXES)
        assert SIMILARITY.holds(found, cell.held), f"{cell}: {found}, not {cell.held}"
        drawn.add(str(cell))
    assert len(drawn) > 3, "other seeds draw other cells"
    again = certification.drawn_cell(record, arrays, np.random.default_rng(11))
    assert again == cell


def test_another_value_is_noticed(activations):
    record, arrays = made("tables", activations)
    cell = certification.drawn_cell(
        record, {name: array + 0.01 for name, array in arrays.items()}, np.random.default_rng(0)
    )
    assert not SIMILARITY.holds(
        certification.recomputed_cell(cell, [Network(name) for name in cell.networks]), cell.held
    )


def test_one_network_is_compared_with_itself(activations):
    record, arrays = made("tables", activations)
    alone = {**record, **group("a.npz")}
    cell = certification.drawn_cell(
        alone, {name: array[:1, :1] for name, array in arrays.items()}, np.random.default_rng(0)
    )
    assert cell.networks == ("a.npz", "a.npz")


def test_a_cell_keeps_of_which_examples_the_median_is(activations):
    record, arrays = made("between", activations)
    for recorded, median in ((record, "exact"), ({**record, "median": "sample"}, "sample")):
        assert certification.drawn_cell(recorded, arrays, np.random.default_rng(0)).median == median
