"""The one reader of similarity tables, whatever measurement made them.

Measurements keep all layers of all networks on the two sides of a matrix, or by pairs of networks, or of each network
with itself; on one number of examples or on several. Here each is found by networks and by groups.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repsim.lab.errors import LabError, known

SEED = re.compile(r"-seed(\d+)-")
WITHOUT_GROUP = "tiny10"  # whose networks a record is about that names no group


class Similarities:
    """The similarities that one artefact holds, whose record and arrays are given.

    `rows` and `columns` are what the record says of each group on the two sides: "group", "seeds", "layers",
    "network_files" and, where it is known, "features".
    """

    def __init__(self, record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        self.record, self.arrays = record, arrays
        self.rows, self.columns = (
            self.record[side] if side in self.record else [_own_group(self.record)] for side in ("rows", "columns")
        )
        self.alone = self.record.get("step") == "within"  # each network is compared with itself only
        self.diagonal = bool(self.record.get("diagonal", False))  # only same layers are compared

    @property
    def groups(self) -> list[str]:
        """The names of the groups on the rows."""
        return [facts["group"] for facts in self.rows]

    @property
    def examples(self) -> list[int]:
        """The numbers of examples, rising."""
        return sorted(np.ravel(self.record["examples"]).tolist())

    def name(self, index: str = "cka_linear", n: int | None = None) -> str:
        """Return the name of the array of an index on so many examples, the largest number if none is given."""
        wanted = f"{index}_{max(self.examples) if n is None else n}"
        for name in (wanted, f"all_{wanted}", index):
            if name in self.arrays:
                return name
        raise LabError(known("similarities", wanted, self.arrays))

    def part(self, group: str, side: str = "rows") -> dict[str, Any]:
        """Return what the record says of a group on one side, "rows" or "columns"."""
        groups = {facts["group"]: facts for facts in getattr(self, side)}
        if group not in groups:
            raise LabError(known(f"group among the {side}", group, groups))
        return dict(groups[group])

    def networks(self, side: str) -> list[tuple[dict[str, Any], int]]:
        """Return for each network on one side its group and its number within it."""
        return [(facts, number) for facts in getattr(self, side) for number in range(len(facts["seeds"]))]

    def pair(self, name: str, a: int, b: int) -> NDArray[Any]:
        """Return (L1, L2), or (L,) of same layers, the values of network `a` of the rows with `b` of the columns."""
        array = self.arrays[name]
        if self.alone:
            return array[a]
        if self.diagonal or array.ndim == 4:
            return array[a, b]
        return array[_layers_of(self.networks("rows"), a), _layers_of(self.networks("columns"), b)]

    def block(self, name: str, first: str, second: str) -> NDArray[Any]:
        """Return the values of all networks of one group of the rows with all of another of the columns, as stored.

        (m1, m2, L1, L2), or (m1, m2, L) of same layers, or (m, L, L) of each network with itself only.
        """
        self.part(first), self.part(second, "columns")
        sides = ((self.networks("rows"), first), (self.networks("columns"), second))
        rows, columns = ([n for n, (facts, _) in enumerate(side) if facts["group"] == group] for side, group in sides)
        if self.alone:
            return self.arrays[name][rows]
        values = np.stack([np.stack([self.pair(name, a, b) for b in columns], axis=-2) for a in rows])
        return values.swapaxes(1, -2) if not self.diagonal else values


def _own_group(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one group that a record without sides is about."""
    seeds = [int(SEED.findall(file)[-1]) for file in record["network_files"]] if "seeds" not in record else []
    return {"group": WITHOUT_GROUP, "seeds": seeds, **record}


def _layers_of(networks: list[tuple[dict[str, Any], int]], number: int) -> slice:
    """Return which rows or columns are the layers of one network."""
    start = sum(len(facts["layers"]) for facts, _ in networks[:number])
    return slice(start, start + len(networks[number][0]["layers"]))
