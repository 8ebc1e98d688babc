"""The similarity tables among a profile's results, whatever measurement made them, by groups of networks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from repsim.lab.findings import Compared
from repsim.lab.measurements.common import GROUP
from repsim.lab.paths import results_root
from repsim.lab.profiles import Profile
from repsim.lab.sealed import unseal
from repsim.lab.store import Artefact

STEPS = ("tables", "between", "within")
SEED = re.compile(r"-seed(\d+)-")


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
        record = unseal(path)
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
