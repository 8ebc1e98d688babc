"""What stands for an artefact of the store in tests of what is computed from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Made:
    """A record and arrays, as an artefact has them."""

    record: dict[str, Any]
    values: dict[str, np.ndarray]

    def arrays(self) -> dict[str, np.ndarray]:
        return self.values
