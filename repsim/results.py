"""What results that hold arrays have in common: how they are compared."""

from __future__ import annotations

from dataclasses import fields

import numpy as np


class Result:
    """Base of the frozen dataclasses that hold arrays; to be declared with ``eq=False``.

    Two of one class are equal if every field is, arrays in shape and in every entry. They have no hash.
    """

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))  # type: ignore[arg-type]
        return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b) for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]
