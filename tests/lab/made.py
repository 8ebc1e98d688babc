"""What stands for an artefact of the store in tests of what is computed from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from repsim.lab.findings.tables import Compared


@dataclass
class Made:
    """A record and arrays, as an artefact has them."""

    record: dict[str, Any]
    values: dict[str, np.ndarray]

    def arrays(self) -> dict[str, np.ndarray]:
        return self.values


def part(group, seeds, layers):
    """What a record says of a group."""
    return {"group": group, "seeds": list(seeds), "layers": [f"l{i}" for i in range(layers)], "features": [40] * layers}


def compared(parts, arrays, columns=None, examples=(100,), diagonal=False):
    """Similarities by group, of layers of the groups `parts` with those of `columns` or with each other."""
    record = {
        "rows": parts,
        "columns": columns or parts,
        "examples": list(examples),
        "indexes": sorted({name.rsplit("_", 1)[0] for name in arrays}),
        "diagonal": diagonal,
    }
    return Compared(Made(record, arrays))


def square(parts, values):
    """A table of the layers of all networks from {(first group, second group): (L1, L2) values}; one seed: 1."""
    rows = []
    for first in parts:
        for a in first["seeds"]:
            row = []
            for second in parts:
                for b in second["seeds"]:
                    key = first["group"], second["group"]
                    block = values[key] if key in values else np.transpose(values[key[::-1]])
                    row.append(block if a != b else np.ones_like(block))
            rows.append(np.hstack(row))
    return np.vstack(rows)
