"""Indexes that are made of two functions: one of a representation, called once for each, and one of two results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from repsim._arrays import Float64, host
from repsim._representation import Representation, pair
from repsim.errors import RepresentationError

State = TypeVar("State")


def compared(prepare: Callable[[Float64], State], compare: Callable[[State, State], float], x: Any, y: Any) -> float:
    """Check two representations of the same examples, prepare each, and compare what came of them.

    `prepare` gets the values in float64, (n, p), features flattened, neither centred nor scaled. What it refuses is
    said of ``x`` or of ``y``.
    """
    states = []
    for view in pair(x, y):
        try:
            states.append(prepare(rows_as_given(view)))
        except RepresentationError as error:
            raise type(error)(f"{view.name}: {error}") from None
    return compare(*states)


def rows_as_given(view: Representation) -> Float64:
    """Return all values of a checked representation in float64, (n, p)."""
    return host(view._raw(0, view.n)).astype(np.float64)


def scaled(x: Float64) -> Float64:
    """Return values by a power of two, so that the largest spread of a feature is about 1 and squares of it fit."""
    return np.ldexp(x, -int(np.frexp(np.ptp(x, axis=0).max())[1]))
