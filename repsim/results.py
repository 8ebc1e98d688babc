"""What results that hold arrays have in common: how they are compared."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np


class Result:
    """Base of the frozen dataclasses that hold arrays; to be declared with ``eq=False``.

    Two of one class are equal if every field is, arrays in shape and in every entry; NaN equals NaN. They have no hash.
    """

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))  # type: ignore[arg-type]

    __hash__ = None  # type: ignore[assignment]


def same(a: Any, b: Any) -> bool:
    """Whether two numbers or arrays are equal, in shape and in every entry, of which NaN equals NaN."""
    a, b = np.asarray(a), np.asarray(b)
    return np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f")
