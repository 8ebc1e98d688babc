"""Models that are functions from a batch to a mapping of names to activations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from repsim.errors import ParameterError
from repsim.tapping.batches import copied, count
from repsim.tapping.collecting import Collector
from repsim.tapping.selection import Selection


class FunctionTap:
    """Calls a function and hands on the activations in the mapping that it returns."""

    channels = None  # those of its arrays' library

    def __init__(self, function: Callable[[Any], Any], layers: Any, owner: str) -> None:
        self._function, self._layers, self._owner = function, layers, owner
        self._selection: Selection | None = None

    count = staticmethod(count)

    def kept(self) -> contextlib.AbstractContextManager[None]:
        """Put nothing back: what a function keeps is its own."""
        return contextlib.nullcontext()

    def __call__(self, given: Any, collector: Collector) -> None:
        """Call the function on a batch."""
        outputs = self._function(copied(given))
        if not isinstance(outputs, Mapping):
            raise ParameterError(
                f"{self._owner} returned {type(outputs).__name__}; a mapping of layer name to activations is needed, "
                'such as {"conv1": ..., "pool": ...}'
            )
        if other := [name for name in outputs if not isinstance(name, str)]:
            raise ParameterError(f"{self._owner} returned the name {other[0]!r}; names of layers are strings")
        if self._selection is None:
            # All of them by name: a function returns what it means to.
            wanted = list(outputs) if self._layers is None else self._layers
            self._selection = Selection(outputs, wanted, [], self._owner)
        collector.selection = self._selection
        for name, values in outputs.items():
            collector.take(name, values)
