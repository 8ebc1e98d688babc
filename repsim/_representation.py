"""One representation, checked once and then read in centred blocks of examples."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from repsim.errors import (
    ConstantRepresentationError,
    DimensionError,
    DTypeError,
    NonFiniteError,
    RepresentationError,
    ShapeMismatchError,
    TooFewExamplesError,
)

Array = NDArray[Any]
Float64 = NDArray[np.float64]

_SCAN_ELEMENTS = 2**23  # values looked at together while scanning: 64 MB in float64


class Rows(Protocol):
    """What the tiles are made from: n rows of p numbers, read in blocks."""

    @property
    def n(self) -> int: ...
    @property
    def p(self) -> int: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def block(self, start: int, stop: int) -> Array: ...


def to_numpy(x: Any, name: str) -> Array:
    """View anything array-like as a NumPy array of real numbers, or say why that cannot be."""
    try:
        array = np.asarray(x)
    except Exception as error:
        try:
            array = np.from_dlpack(x)
        except Exception:
            raise RepresentationError(
                f"{name} cannot be viewed as a NumPy array: {type(x).__name__}: {error}"
            ) from error
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise NonFiniteError(f"{name} is a masked array with masked entries; fill or drop those examples")
    if array.dtype.kind not in "iuf" and array.dtype.name != "bfloat16":
        raise DTypeError(f"{name} has dtype {array.dtype}; real numbers are needed (floating point or integer)")
    return array


def working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return float32 for half and single precision, float64 for everything else."""
    small = dtype.name == "bfloat16" or (dtype.kind == "f" and dtype.itemsize <= 4)
    return np.dtype(np.float32 if small else np.float64)


def stored_eps(dtype: np.dtype[Any]) -> float:
    """Return the relative spacing of the numbers as they were stored."""
    if dtype.name == "bfloat16":
        return 2.0**-7
    if dtype.kind == "f":
        return max(float(np.finfo(dtype).eps), 2.0**-52)
    return 2.0**-52


def check_shape(shape: tuple[int, ...], name: str, minimum: int) -> tuple[int, int]:
    """Check the shape and return (n, p), the features of a convolution flattened."""
    if len(shape) not in (2, 4):
        raise DimensionError(
            f"{name} has shape {shape}: {len(shape)} dimensions. A representation is (examples, features) "
            "or (examples, height, width, channels)"
        )
    n, p = int(shape[0]), math.prod(int(side) for side in shape[1:])
    if n < minimum:
        why = "a debiased estimate needs at least 4" if minimum == 4 else f"at least {minimum} are needed"
        raise TooFewExamplesError(f"{name} has shape {shape}, so {n} example(s); {why}")
    if p == 0:
        raise DimensionError(f"{name} has shape {shape}: there are no features")
    return n, p


class Representation:
    """A checked view of an array, centred and brought to a common scale as it is read.

    Parameters
    ----------
    x : array_like
        (n, p) or (n, h, w, c). Anything with `shape` and slicing along the first axis is read block by
        block, never as a whole, and never written to.
    name : str
        What error messages call it.
    dtype : dtype, optional
        Precision of the blocks; by default float32 for float32 and narrower, else float64.
    minimum : int
        Least number of examples.

    Notes
    -----
    `block` returns ``(x - mean) * 2**-exponent``, the largest entry lying in [0.5, 1), so that fourth powers
    neither overflow nor vanish. Columns that vary by no more than their rounding are set to zero.
    """

    def __init__(self, x: Any, name: str, *, dtype: Any = None, minimum: int = 2) -> None:
        if not (hasattr(x, "shape") and hasattr(x, "__getitem__")) or hasattr(x, "iloc"):
            x = to_numpy(x, name)
        elif isinstance(x, np.ma.MaskedArray):
            to_numpy(x, name)
        self.name = name
        self.shape = tuple(int(side) for side in x.shape)
        self.n, self.p = check_shape(self.shape, name, minimum)
        self._x = x
        stored = to_numpy(x[0:1], name).dtype
        self.eps = stored_eps(stored)
        self.dtype: np.dtype[Any] = np.dtype(dtype) if dtype is not None else working_dtype(stored)
        self._scan()

    def _raw(self, start: int, stop: int) -> Array:
        block = to_numpy(self._x[start:stop], self.name)
        if block.shape != (stop - start, *self.shape[1:]):
            raise DimensionError(
                f"{self.name}[{start}:{stop}] has shape {block.shape}; "
                f"its shape {self.shape} promises {(stop - start, *self.shape[1:])}"
            )
        block = block.reshape(stop - start, self.p)
        return block.astype(np.float32) if block.dtype.name == "bfloat16" else block

    def _scan(self) -> None:
        first = self._raw(0, 1)[0].astype(np.float64)
        low, high, total = first.copy(), first.copy(), np.zeros(self.p)
        step = max(1, _SCAN_ELEMENTS // self.p)
        with np.errstate(all="ignore"):
            for start in range(0, self.n, step):
                block = self._raw(start, min(start + step, self.n))
                np.minimum(low, block.min(axis=0), out=low)
                np.maximum(high, block.max(axis=0), out=high)
                if not (np.isfinite(low).all() and np.isfinite(high).all()):
                    self._raise_non_finite(block, start)
                total += np.subtract(block, first, dtype=np.float64).sum(axis=0)
            mean = first + total / self.n
            size = np.maximum(np.abs(low), np.abs(high))
            spread = np.maximum(high - mean, mean - low)
        if not (np.isfinite(mean).all() and np.isfinite(spread).all()):
            raise NonFiniteError(
                f"{self.name} holds values up to {size.max():.3g}, too large to be centred in float64; rescale it"
            )
        slack = 2 * self.eps if self.eps < 1e-5 else 0.0
        dead = (high - low) <= slack * size
        if dead.all():
            raise ConstantRepresentationError(
                f"{self.name} (shape {self.shape}) is constant: all {self.n} examples are equal, "
                f"with values up to {size.max():.6g}. Nothing is left after centring, so no similarity is "
                "defined; a representation that varies between examples is needed"
            )
        self.mean = mean
        self.exponent = int(np.frexp(spread[~dead].max())[1])
        self._dead = np.flatnonzero(dead)
        self._centre = mean.astype(self.dtype)

    def _raise_non_finite(self, block: Array, start: int) -> None:
        row, column = np.argwhere(~np.isfinite(block))[0]
        raise NonFiniteError(
            f"{self.name} (shape {self.shape}) holds {block[row, column]} at example {start + row}, "
            f"feature {column}; every value must be finite"
        )

    def block(self, start: int, stop: int) -> Array:
        """Return rows start to stop, centred and scaled, as a new (stop - start, p) array."""
        out: Array = np.subtract(self._raw(start, stop), self._centre, dtype=self.dtype)
        if self._dead.size:
            out[:, self._dead] = 0
        if abs(self.exponent) < (100 if self.dtype.itemsize == 4 else 1000):
            out *= self.dtype.type(2.0**-self.exponent)
            return out
        return np.ldexp(out, -self.exponent)

    def in_double(self) -> Representation:
        """Return the same view, read in float64, without looking through the array again."""
        other = copy.copy(self)
        other.dtype = np.dtype(np.float64)
        other._centre = self.mean
        return other

    def matrix(self) -> Array:
        """Return all rows, centred and scaled, in the precision of this view."""
        out = self.block(0, self.n)
        if self.dtype.itemsize == 8:
            out -= out.mean(axis=0)
        return out

    def stored_rounding(self, energy: float) -> float:
        """Bound the largest singular value that rounding to the stored precision can make.

        `energy` is the squared Frobenius norm of `matrix()`; the means, which are rounded too, are added.
        """
        mean = np.ldexp(self.mean, -self.exponent)
        mean[self._dead] = 0.0
        typical = math.sqrt((float(mean @ mean) + energy / self.n) / self.p)
        return self.eps * typical * (math.sqrt(self.n) + math.sqrt(self.p))


def pair(x: Any, y: Any, *, minimum: int = 2) -> tuple[Representation, Representation]:
    """Check two representations, to be read in float64, and that they are of the same examples."""
    a = Representation(x, "x", dtype=np.float64, minimum=minimum)
    b = Representation(y, "y", dtype=np.float64, minimum=minimum)
    check_same_examples([a, b])
    return a, b


def check_same_examples(views: Sequence[Representation]) -> None:
    """Raise unless all views have the number of examples of the first."""
    for view in views:
        if view.n != views[0].n:
            raise ShapeMismatchError(
                f"{views[0].name} has {views[0].n} examples (shape {views[0].shape}) and {view.name} has "
                f"{view.n} (shape {view.shape}); both must be of the same examples, in the same order"
            )
