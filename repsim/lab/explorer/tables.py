"""The similarity tables among a profile's results, whatever measurement made them, by groups of networks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from repsim.lab.paths import results_root
from repsim.lab.profiles import Profile
from repsim.lab.published import NETWORKS
from repsim.lab.similarities import Similarities
from repsim.lab.store import Artefact, unseal

STEPS = ("tables", "between", "published", "within")


class SimilarityTable:
    """One measurement on one set of images: blocks of similarities by index and by the groups of the two sides."""

    def __init__(self, artefact: Artefact, held: Similarities, examples: int) -> None:
        self.record, self.path, self.examples = artefact.record, artefact.path, examples
        self.own, self.rows, self.columns = held.alone, held.rows, held.columns
        self._held = held

    @property
    def key(self) -> str:
        """Its name in addresses of the page."""
        ending = f"_{self.examples}" if isinstance(self.record["examples"], list) else ""
        return f"{self.record['step']}-{self.record['name']}{ending}"

    @property
    def indexes(self) -> list[str]:
        """The names of its indexes."""
        return list(self.record["indexes"])

    @property
    def bytes(self) -> int:
        """How many bytes each number has."""
        return next(iter(self._held.arrays.values())).dtype.itemsize

    def pairs(self) -> list[tuple[str, str]]:
        """Return the groups of each block."""
        if self.own:
            return [(side["group"], side["group"]) for side in self.rows]
        return [(first["group"], second["group"]) for first in self.rows for second in self.columns]

    def seeds(self, group: str) -> list[int]:
        """Return the seeds of the networks of a group among those of the first side."""
        return next(list(side["seeds"]) for side in self.rows if side["group"] == group)

    def holds(self, index: str, first: str, second: str) -> bool:
        """Return whether it has a block of an index and two groups."""
        return index in self.indexes and (first, second) in self.pairs()

    def block(self, index: str, first: str, second: str) -> np.ndarray:
        """Return (m1, m2, L1, L2), or (m, L, L) where each network is compared with itself, as it was stored."""
        return self._held.block(self._held.name(index, self.examples), first, second)


def similarity_tables(profile: Profile) -> Iterator[SimilarityTable]:
    """Yield the tables among a profile's results that hold whole maps, those on most images first.

    Of measurements of one name the latest is taken, and what is of groups that the profile no longer has is left out.
    """
    groups = {group.name for group in (*profile.networks, NETWORKS)}
    found = [
        table
        for step in STEPS
        for artefact in _latest(profile.name, step)
        for table in _of_artefact(artefact)
        if {side["group"] for side in (*table.rows, *table.columns)} <= groups
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
    if not artefact.record.get("diagonal"):
        held = Similarities(artefact.record, artefact.arrays())
        yield from (SimilarityTable(artefact, held, examples) for examples in held.examples)
