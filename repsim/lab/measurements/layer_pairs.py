"""Table 2, Figure 2 and Figure F.3 on the paper's 50,000 training images: one small artefact per pair of layers.

Each is made in minutes and committed by itself, so that another machine goes on where one stopped. Bases, which take
most of the disk and are made again in an hour a network, stay in the cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from itertools import combinations, product
from typing import Any

import numpy as np
from filelock import FileLock

from repsim.lab.errors import MissingArtefactError
from repsim.lab.measurements.common import Made, made_from, measured, members
from repsim.lab.paths import cache_root
from repsim.lab.products import THRESHOLDS, Basis, basis, compare
from repsim.lab.representations import sources
from repsim.lab.store import Artefact, clear, profile_store, write_atomically

STEP = "layer-pairs"
NETWORKS, EXAMPLES, SPLIT = 3, 50_000, "train"
VERSION = 1  # of the arithmetic of `repsim.lab.products`: raise it when the same inputs would give other values

Place = tuple[int, str]  # a network's place among those compared, and one of its layers


def layer_pairs(
    profile_name: str, networks_compared: int = NETWORKS, examples: int = EXAMPLES, *, make: bool = True
) -> Artefact:
    """Return every layer of some Tiny-10 networks compared with every layer of the others, by subspace indexes.

    As :func:`repsim.lab.measurements.tables`, which readers of tables take, with the numerical rank of each layer as
    ``ranks`` (m, L). Of a network with itself everything is NaN. Each pair of networks takes hours: unless they are to
    be `make`, missing pairs raise MissingArtefactError, which says how many.
    """
    (group,) = members(profile_name, most=networks_compared)
    trained, layers = list(group.networks), group.layers
    store = profile_store(profile_name)
    missing = sum(store.find(*_key(trained, *pair, examples)) is None for pair in _pairs(trained, layers))
    if missing and not make:
        raise MissingArtefactError(f"{missing} pairs of layers are not compared on {examples:,} images yet")

    def gather(_: Any) -> Made:
        tables: dict[str, np.ndarray] = {}
        ranks = np.zeros((len(trained), len(layers)), np.int64)
        for (a, first), (b, second) in _pairs(trained, layers):
            i, j = layers.index(first), layers.index(second)
            arrays = layer_pair(profile_name, trained, (a, first), (b, second), examples).arrays()
            ranks[a, i], ranks[b, j] = arrays.pop("ranks")
            for index, (forth, back) in arrays.items():
                table = tables.setdefault(index, np.full((len(trained),) * 2 + (len(layers),) * 2, np.nan))
                table[a, b, i, j], table[b, a, j, i] = forth, back
        facts = {"split": SPLIT, "examples": examples, "indexes": sorted(tables)}
        return {**tables, "ranks": ranks}, {**group.facts(), **facts}

    return measured(profile_name, "tables", "papers-n", _inputs(trained, examples), gather)


def _inputs(trained: list[Artefact], examples: int) -> dict[str, Any]:
    asked = {"split": SPLIT, "examples": examples, "thresholds": list(THRESHOLDS), "products": VERSION}
    return made_from(trained, **asked)


def _pairs(trained: list[Artefact], layers: tuple[str, ...]) -> Iterator[tuple[Place, Place]]:
    """Yield every pair of layers of different networks, once, those of a pair of networks together."""
    for a, b in combinations(range(len(trained)), 2):
        for first, second in product(layers, layers):
            yield (a, first), (b, second)


def _key(trained: list[Artefact], x_place: Place, y_place: Place, examples: int) -> tuple[str, str, dict[str, Any]]:
    (a, first), (b, second) = x_place, y_place
    seeds = [trained[place].record["inputs"]["seed"] for place in (a, b)]
    name = f"seed{seeds[0]}-{first}-seed{seeds[1]}-{second}"
    return STEP, name, {**_inputs([trained[a], trained[b]], examples), "layers": [first, second]}


def layer_pair(profile_name: str, trained: list[Artefact], x_place: Place, y_place: Place, examples: int) -> Artefact:
    """Return the similarities of two layers by each index: of one with the other, and of the other with the one."""

    def make(_: Any) -> Made:
        x, y = (kept_basis(trained[place], layer, examples) for place, layer in (x_place, y_place))
        arrays = {name: np.array(values) for name, values in compare(x, y).items()}
        arrays["ranks"] = np.array([len(x.singular), len(y.singular)])
        return arrays, {"examples": examples}

    return measured(profile_name, *_key(trained, x_place, y_place, examples), make)


def kept_basis(network: Artefact, layer: str, examples: int) -> Basis:
    """Return the basis of a layer on so many training images, from the cache or made and kept there."""
    folder = cache_root() / "bases" / f"v{VERSION}-{network.sha256[:16]}-{SPLIT}-{examples}-{layer}"
    paths = [folder / f"{field.name}.npy" for field in fields(Basis)]
    if not all(path.exists() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            clear(folder)
            if not all(path.exists() for path in paths):
                made = basis(sources([network], SPLIT, examples, (layer,), folder=folder / "representations")[0])
                shutil.rmtree(folder / "representations", ignore_errors=True)
                for path in paths:
                    write_atomically(path, partial(np.save, arr=getattr(made, path.stem), allow_pickle=False))
    left, singular, right = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
    return Basis(left, np.asarray(singular), right)
