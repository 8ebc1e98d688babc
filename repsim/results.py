"""What results that hold arrays have in common: how they are compared."""

from __future__ import annotations

from dataclasses import fields

import numpy as np


class Result:
    """Base of the frozen dataclasses that hold arrays; to be declared with ``eq=False``.

    Two of one class are equal if every field is, arrays in shape and in every entry, but for fields that are declared
    with ``compare=False``; NaN equals NaN. They have no hash.
    """

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = [field.name for field in fields(self) if field.compare]  # type: ignore[arg-type]
        pairs = [(np.asarray(getattr(self, name)), np.asarray(getattr(other, name))) for name in names]
        return all(np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f") for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]
