"""Representations that are computed a block at a time instead of being stored."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from repsim.engine.arrays import is_array, to_numpy
from repsim.errors import DimensionError, ParameterError


class Blocks:
    """A representation whose rows a function computes when they are needed.

    It can be given wherever `repsim.pairwise` takes a representation. Rows are asked for several times, so the
    function must return the same ones each time.

    Parameters
    ----------
    read : callable
        ``read(start, stop)`` returns the activations of examples start to stop, (stop - start, p) or
        (stop - start, h, w, c).
    shape : sequence of int
        (n, p) or (n, h, w, c).

    Attributes
    ----------
    shape : tuple of int
        As given.

    Raises
    ------
    ParameterError
        If `read` is not a function or `shape` does not hold positive whole numbers.
    DimensionError
        If slices other than of consecutive examples are asked for.

    See Also
    --------
    repsim.pairwise : Reads them within a `memory`.
    repsim.minibatch_cka : An estimate from batches.

    Examples
    --------
    >>> import numpy as np
    >>> from repsim import cka
    >>> powers = Blocks(lambda start, stop: np.arange(start, stop)[:, None] ** [1, 2, 3], shape=(100, 3))
    >>> line = Blocks(lambda start, stop: np.arange(start, stop)[:, None], shape=(100, 1))
    >>> print(f"{cka(powers, line):.2f}")
    0.84
    """

    def __init__(self, read: Callable[[int, int], Any], shape: Sequence[int]) -> None:
        if not callable(read):
            raise ParameterError(f"read is {read!r}; a function of start and stop is needed")
        try:
            sides = tuple(0 if isinstance(side, bool) else operator.index(side) for side in shape)
        except TypeError:
            sides = ()
        if not sides or min(sides) < 1:
            raise ParameterError(f"shape is {shape!r}; positive whole numbers are needed, the first one of examples")
        self._read = read
        self.shape = sides

    def __getitem__(self, rows: slice) -> Any:
        """Return the rows of a slice of consecutive examples."""
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise DimensionError(f"only slices of consecutive examples can be read, not {rows!r}")
        start, stop, _ = rows.indices(self.shape[0])
        return self._read(start, stop)


def whole(x: Any, name: str) -> Any:
    """Return all rows of a representation as an array of its own library, or of NumPy; what computes them is read."""
    x = x[:] if isinstance(x, Blocks) else x
    return x if is_array(x) and not hasattr(x, "iloc") else to_numpy(x, name)
