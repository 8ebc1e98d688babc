"""How far two computations of the same number may differ, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tolerance:
    """Numbers agree within `relative` of the larger one or within `absolute`; `why` is a reason in words."""

    relative: float
    absolute: float
    why: str

    def __str__(self) -> str:
        return f"within {self.relative:g} of the value or {self.absolute:g}: {self.why}"

    def holds(self, value: Any, other: Any) -> bool:
        """Return whether two JSON values are the same but for numbers that agree."""
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            return value.keys() == other.keys() and all(self.holds(value[key], other[key]) for key in value)
        if isinstance(value, list | tuple) and isinstance(other, list | tuple):
            return len(value) == len(other) and all(map(self.holds, value, other))
        if isinstance(value, int | float) and isinstance(other, int | float):
            return math.isclose(value, other, rel_tol=self.relative, abs_tol=self.absolute)
        return bool(value == other)


ROUNDING = Tolerance(1e-9, 1e-12, "processors add up float64 numbers in different orders")
CLAIMS = Tolerance(1e-6, 1e-9, "the same float64 arithmetic on the same results")
ACCURACY = Tolerance(0, 2e-4, "two of 10,000 images may change sides with the rounding of float32 activations")
SIMILARITY = Tolerance(2e-3, 1e-6, "activations are float32, and other machines round them differently")
