"""What the explorer's page shows: every layer-by-layer similarity table of a profile's results, as scripts.

A page that is opened from disk may not fetch data but may run scripts beside it. So each block of a table, one index of
the networks of two groups, becomes a script of its own, which the page loads when it is chosen.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import repsim
from repsim.lab import heatmap
from repsim.lab.families import describe
from repsim.lab.findings import Compared, saturated_layers, score
from repsim.lab.findings.correspondence import ASYMMETRIC
from repsim.lab.findings.tables import CCA_TYPE
from repsim.lab.measurements.common import GROUP
from repsim.lab.paths import results_root
from repsim.lab.profiles import Networks, Profile, load_profile
from repsim.lab.store import Artefact

STEPS = ("tables", "between", "within")
DEBIASED = "_debiased"
SEED = re.compile(r"-seed(\d+)-")
FAMILIES = {"resnet": "ResNet"}
DATASETS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "synthetic": "made-up images"}
NOTHING = "This profile's results hold no layer-by-layer table of similarities."


@dataclass(frozen=True)
class Side:
    """The networks of one group on one side of a table."""

    group: str
    seeds: list[int]
    layers: list[str]
    features: list[int]


class SimilarityTable:
    """One measurement on one set of images: blocks of similarities by index and by the groups of the two sides.

    `own` says that each network is only compared with itself.
    """

    def __init__(self, artefact: Artefact, examples: int, ending: str, rows: list[Side], columns: list[Side]) -> None:
        self.record, self.path = artefact.record, artefact.path
        self.examples, self.ending, self.rows, self.columns = examples, ending, rows, columns
        self.own = self.record["step"] == "within"
        self._arrays = artefact.arrays()
        self._compared = Compared(artefact) if self.record["step"] == "between" else None

    @property
    def key(self) -> str:
        """Its name in addresses of the page."""
        return f"{self.record['step']}-{self.record['name']}{self.ending}"

    @property
    def indexes(self) -> list[str]:
        """The names of its indexes."""
        return list(self.record["indexes"])

    @property
    def bytes(self) -> int:
        """How many bytes each number has."""
        return next(iter(self._arrays.values())).dtype.itemsize

    def pairs(self) -> list[tuple[str, str]]:
        """Return the groups of each block."""
        if self.own:
            return [(side.group, side.group) for side in self.rows]
        return [(first.group, second.group) for first in self.rows for second in self.columns]

    def block(self, index: str, first: str, second: str) -> np.ndarray:
        """Return (m1, m2, L1, L2), or (m, L, L) where each network is compared with itself, as it was stored."""
        name = f"{index}{self.ending}"
        if self._compared is None:
            return self._arrays[name]
        return self._compared.block(name, first, second).astype(self._arrays[name].dtype)


def similarity_tables(profile: Profile) -> Iterator[SimilarityTable]:
    """Yield the tables among a profile's results that hold whole maps, those on most images first.

    Of measurements of one name the latest is taken, and what is of groups that the profile no longer has is left out.
    """
    groups = {group.name for group in profile.networks}
    found = [
        table
        for step in STEPS
        for artefact in _latest(profile.name, step)
        for table in _of_artefact(artefact)
        if {side.group for side in (*table.rows, *table.columns)} <= groups
    ]
    yield from sorted(found, key=lambda table: (STEPS.index(table.record["step"]), -table.examples))


def _latest(profile: str, step: str) -> list[Artefact]:
    found: dict[str, Artefact] = {}
    for path in sorted((results_root() / profile / step).glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["name"] not in found or record["made"] > found[record["name"]].record["made"]:
            found[record["name"]] = Artefact(path.with_suffix(".npz"), record)
    return list(found.values())


def _of_artefact(artefact: Artefact) -> Iterator[SimilarityTable]:
    """Yield the table of each number of examples."""
    record = artefact.record
    if record["step"] == "tables":
        seeds = [int(SEED.findall(file)[-1]) for file in record["network_files"]]
        sides = [Side(GROUP, seeds, record["layers"], record["features"])]
        yield SimilarityTable(artefact, record["examples"], "", sides, sides)
    elif not record.get("diagonal"):
        rows, columns = (
            [Side(one["group"], one["seeds"], one["layers"], one["features"]) for one in record.get(side, [record])]
            for side in ("rows", "columns")
        )
        for examples in record["examples"]:
            yield SimilarityTable(artefact, examples, f"_{examples}", rows, columns)


def network_facts(group: Networks) -> dict[str, str]:
    """Return what the page calls a group of networks, and what it says of it."""
    kind, _, variant = group.architecture.partition("-")
    family = kind.rstrip("0123456789")
    shape = describe(group.architecture, group.channels)
    channels = sorted({one.channels for one in shape.convolutions})
    width = f"{channels[0]} to {channels[-1]} channels" if len(channels) > 1 else f"{channels[0]} channels"
    name = f"{FAMILIES.get(family, family.capitalize())}-{kind.removeprefix(family)}"
    name += " without batch normalisation" if variant == "nobn" else ""
    images = DATASETS.get(group.dataset, group.dataset)
    trained = f"trained on {images} for {group.recipe.epochs} epochs"
    untrained = f"untrained, made for {images}"
    return {
        "title": f"{name}, {width}, {images}" + ("" if group.recipe.epochs else ", untrained"),
        "facts": f"{name}: {len(shape.convolutions)} convolutions of {width}, pooling, logits; "
        + (trained if group.recipe.epochs else untrained),
    }


def identification(table: SimilarityTable, index: str, group: str) -> dict[str, Any] | None:
    """Return the identification score of an index over the networks of one group, None where there are no pairs.

    As :func:`repsim.lab.findings.score`, whose jackknife error needs a third network.
    """
    if table.own or group not in {side.group for side in table.columns}:
        return None
    block = np.asarray(table.block(index, group, group), np.float64)
    networks, layers = block.shape[0], block.shape[2]
    if networks < 2 or not np.isfinite(block[~np.eye(networks, dtype=bool)]).all():
        return None
    error = None
    if networks > 2:
        scored = score(block, index)
        accuracy, error = scored.estimate, scored.standard_error
    else:
        accuracy = repsim.identification_accuracy(block, symmetrise=index in ASYMMETRIC)
    return {"accuracy": accuracy, "error": error, "networks": networks, "layers": layers}


def _index(name: str) -> dict[str, Any]:
    """Return what the page says of an index; a debiased one is coloured on the scale of the biased one."""
    bounds = repsim.get_index(name.removesuffix(DEBIASED)).bounds
    return {
        "title": repsim.get_index(name).title,
        "bounds": [bound if math.isfinite(bound) else None for bound in bounds],
        "exchanged": name in ASYMMETRIC,
        "saturates": name in CCA_TYPE or name.startswith("svcca"),
    }


def catalogue(profile: Profile, tables: list[SimilarityTable]) -> dict[str, Any]:
    """Return what the page has to know before any similarity: networks, indexes, tables, scores, the drawing."""
    sides = {side.group: side for table in tables for side in (*table.columns, *table.rows)}
    names = {index for table in tables for index in table.indexes}
    known = [*repsim.INDEXES, *sorted(names - set(repsim.INDEXES))]
    ordered = sorted((name for name in known if name in names), key=lambda name: not name.startswith("cka"))
    return {
        "profile": profile.name,
        "spec": heatmap.specification(),
        "networks": {
            group.name: {**network_facts(group), "layers": sides[group.name].layers}
            for group in profile.networks
            if group.name in sides
        },
        "indexes": {name: _index(name) for name in ordered},
        "tables": [_entry(table) for table in tables],
        "blocks": {},
    }


def _entry(table: SimilarityTable) -> dict[str, Any]:
    record = table.record
    images = DATASETS.get(record["dataset"], record["dataset"])
    kind = {"train": "training", "test": "test"}[record["split"]]
    return {
        "key": table.key,
        "title": f"{table.examples:,} {kind} images, {images} ({record['name']})",
        "file": f"{record['step']}/{table.path.name}",
        "data": f"data.html#data-{record['step']}",
        "own": table.own,
        "bytes": table.bytes,
        "indexes": table.indexes,
        "rows": {side.group: side.seeds for side in table.rows},
        "columns": {side.group: side.seeds for side in table.columns},
        "saturated": {
            side.group: saturated_layers(side.layers, side.features, table.examples)
            for side in (*table.rows, *table.columns)
        },
        "scores": {
            index: {side.group: found for side in table.rows if (found := identification(table, index, side.group))}
            for index in table.indexes
        },
    }


def write_blocks(tables: list[SimilarityTable], folder: Path) -> None:
    """Write each block of each table as a script: the little-endian numbers, row by row, in base 64."""
    for table in tables:
        for index in table.indexes:
            for first, second in table.pairs():
                block = table.block(index, first, second)
                numbers = np.ascontiguousarray(block, block.dtype.newbyteorder("<")).tobytes()
                name = f"{table.key}-{index}-{first}-{second}"
                text = f'explorer.blocks["{name}"] = "{base64.b64encode(numbers).decode()}";\n'
                (folder / f"{name}.js").write_text(text, encoding="utf-8")


def explorer(profile_name: str, static: Path) -> str:
    """Write the scripts of the explorer's page, and return the HTML that loads them.

    Parameters
    ----------
    profile_name
        Whose results are shown.
    static
        The folder of the book's static files, which holds ``explorer.js``.
    """
    profile = load_profile(profile_name)
    tables = list(similarity_tables(profile))
    if not tables:
        return NOTHING
    folder = static / "explorer"
    folder.mkdir(exist_ok=True)
    write_blocks(tables, folder)
    known = json.dumps(catalogue(profile, tables), separators=(",", ":"), ensure_ascii=False)
    (folder / "catalogue.js").write_text(f"window.explorer = {known};\n", encoding="utf-8")
    (folder / "vega.js").write_text(heatmap.script(), encoding="utf-8")
    scripts = ("explorer/vega.js", "explorer/catalogue.js", "explorer.js")
    return "\n".join(f'<script defer src="../_static/{name}"></script>' for name in scripts)
