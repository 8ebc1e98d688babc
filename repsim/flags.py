"""Options that are true or false."""

from __future__ import annotations

from typing import Any

import numpy as np

from repsim.errors import ParameterError


def flag(name: str, value: Any) -> bool:
    """Return an option as a bool, or say that it is neither True nor False; text and numbers are not."""
    if not isinstance(value, bool | np.bool_):
        raise ParameterError(f"{name} is {value!r}; True or False is needed")
    return bool(value)
