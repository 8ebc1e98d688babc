"""One representation, checked once and then read in centred blocks of examples."""

from __future__ import annotations

import copy
import hashlib
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from repsim.engine.arrays import (
    NUMPY,
    Array,
    Float64,
    check_dense,
    host,
    is_array,
    namespace,
    native,
    stored_eps,
    to_numpy,
)
from repsim.engine.files import FileRows, file_rows
from repsim.errors import (
    ConstantRepresentationError,
    DimensionError,
    NonFiniteError,
    RepresentationError,
    ShapeMismatchError,
    TooFewExamplesError,
)

_CACHED = 2**17  # values gone through together, so that they stay in the processor's cache
_PANEL = 2**12  # features that are multiplied at once where no more need be read
_SCAN_ELEMENTS = 2**19  # values that others are asked for together, while looking through them
_SCAN_THERE = 2**22  # and that a library looks through at once where they are
_TYPICAL_ROWS = 64
# Entries between its inverse and this are not scaled, which would take time: their fourth powers fit as they are.
LARGEST_ENTRY = 2.0**8
FAR_FROM_MEAN = 16.0  # times what examples lie apart, squared: beyond that their differences are lost in their lengths


class Rows:
    """What the tiles are made from: n rows of p numbers of some precision, read in blocks where a library has them."""

    n: int
    p: int
    features: int  # of the representation that they are, or are made from
    dtype: np.dtype[Any]
    xp: Any
    device: Any
    about_mean = True  # whether their mean is 0, but for rounding

    @property
    def panel(self) -> int:
        """How many of the numbers of a row can be read by themselves, at no more cost than all of them together."""
        return self.p

    @property
    def any_thread(self) -> bool:
        """Whether any thread may read them."""
        return self.xp is NUMPY

    def block(self, start: int, stop: int) -> Any:
        """Return rows start to stop, (stop - start, p)."""
        raise NotImplementedError

    def panels(self) -> Iterator[Any]:
        """Yield all rows, some columns at a time."""
        yield self.block(0, self.n)

    def on_host(self) -> Self:
        """Return the same, read by NumPy."""
        other = copy.copy(self)
        other.xp, other.device = NUMPY, None
        return other

    def in_double(self) -> Self:
        """Return the same in as many digits as there are, read by NumPy."""
        return self.on_host()


class BasisRows(Rows):
    """A basis, (n, p), as the rows of an operator, read where the representation is that it is made of."""

    def __init__(self, basis: Array, view: Rows) -> None:
        self.n, self.p = basis.shape
        self.features = view.features
        self.dtype, self.xp, self.device = basis.dtype, view.xp, view.device
        self._basis = file_rows(basis)

    def block(self, start: int, stop: int) -> Any:
        """Return rows start to stop."""
        rows = self._basis[start:stop]
        return rows if self.xp is NUMPY else self.xp.asarray(rows, device=self.device)


def check_shape(shape: tuple[int, ...], name: str, minimum: int) -> tuple[int, int]:
    """Check the shape and return (n, p), the features of a convolution flattened."""
    if len(shape) not in (2, 4):
        tokens = (
            '. Of (examples, tokens, width), say what an example is: repsim.pool(x, "mean") or "first" for the mean or '
            'the first token of each, "tokens" for every token'
        )
        raise DimensionError(
            f"{name} has shape {shape}: {len(shape)} dimensions. A representation is (examples, features) "
            f"or (examples, height, width, channels){tokens if len(shape) == 3 else ''}"
        )
    n, p = int(shape[0]), math.prod(int(side) for side in shape[1:])
    if n < minimum:
        why = "a debiased estimate, and chance, need at least 4" if minimum == 4 else f"at least {minimum} are needed"
        raise TooFewExamplesError(f"{name} has shape {shape}, so {n} example(s); {why}")
    if p == 0:
        raise DimensionError(f"{name} has shape {shape}: there are no features")
    return n, p


class Representation(Rows):
    """A checked view of an array, centred and brought to a common scale as it is read.

    Anything with `shape` and slicing along the first axis is read block by block, never as a whole, and never written
    to. Arrays of an Array API library stay where they are, unless a `dtype` is asked for: then NumPy reads them. By
    default blocks are float32 for float32 and narrower, else float64. Where it is to be `recognised`, every value is
    looked at for `fingerprint`, which costs a little.

    `block` returns ``(x - mean) * 2**-exponent``, so that fourth powers neither overflow nor vanish: the exponent is
    0 if the largest entry lies between 2**-9 and 2**8, else the one that brings it into [0.5, 1). Columns that vary
    by no more than their rounding are set to zero.
    """

    def __init__(self, x: Any, name: str, *, dtype: Any = None, minimum: int = 2, recognised: bool = False) -> None:
        check_dense(x, name)
        if not (hasattr(x, "shape") and hasattr(x, "__getitem__")) or hasattr(x, "iloc"):
            x = to_numpy(x, name)
        elif isinstance(x, np.ma.MaskedArray):
            to_numpy(x, name)  # says what is wrong with it, if something is
        self.name = name
        self.shape = tuple(int(side) for side in x.shape)
        self.n, self.p = check_shape(self.shape, name, minimum)
        self.features = self.p
        self._x = file_rows(x)
        self._recomputed = not is_array(self._x)
        first = _checked_rows(self._x, self.shape, 0, 1, name, native)
        self.eps, self.least = stored_eps(first.dtype)
        self.dtype: np.dtype[Any] = np.dtype(dtype or (np.float32 if self.eps > 1e-10 else np.float64))
        # A library need not have the precision that was asked for, or that integers need.
        xp = namespace(first)
        at_home = dtype is None and xp is not NUMPY and xp.isdtype(first.dtype, "real floating")
        self.xp = xp if at_home else NUMPY
        self.device = None if self.xp is NUMPY else first.device
        self._checksum = 0
        self._scan(recognised)

    def raw(self, start: int, stop: int) -> Any:
        """Return rows start to stop as they are, (stop - start, p), in the library of this view."""
        read = to_numpy if self.xp is NUMPY else native
        rows = _checked_rows(self._x, self.shape, start, stop, self.name, read)
        block = self.xp.reshape(rows, (stop - start, self.p))
        return block.astype(np.float32) if self.xp is NUMPY and block.dtype.kind == "V" else block  # bfloat16

    def _scan(self, recognised: bool) -> None:
        xp = self.xp
        first = host(self.raw(0, 1)).astype(np.float64)[0]
        low, high, total = first.copy(), first.copy(), np.zeros(self.p)
        there = self._first_in_double(first)
        together = _CACHED if self.any_thread else _SCAN_ELEMENTS if there is None else _SCAN_THERE
        step = max(1, together // self.p)
        with np.errstate(all="ignore"):
            for start in range(0, self.n, step):
                block = self.raw(start, min(start + step, self.n))
                np.minimum(low, host(xp.min(block, axis=0)), out=low)
                np.maximum(high, host(xp.max(block, axis=0)), out=high)
                if not (np.isfinite(low).all() and np.isfinite(high).all()):
                    values = host(block).astype(np.float64)
                    row, column = np.argwhere(~np.isfinite(values))[0]
                    raise NonFiniteError(
                        f"{self.name} (shape {self.shape}) holds {values[row, column]} at example {start + row}, "
                        f"feature {column}; every value must be finite"
                    )
                if recognised:  # where the values are not here, the sums of all rows go for them
                    seen = block if self.xp is NUMPY else host(xp.sum(block, axis=1))
                    self._checksum = zlib.crc32(np.ascontiguousarray(seen).data, self._checksum)
                if there is None:
                    total += _sum_of_differences(host(block), first)
                else:
                    total += host(xp.sum(xp.astype(block, xp.float64) - there, axis=0))
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
        exponent = int(np.frexp(spread[~dead].max())[1])
        self.exponent = 0 if abs(exponent) <= math.log2(LARGEST_ENTRY) else exponent
        self.alive = ~dead
        if spread.max() > np.finfo(self.dtype).max:  # differences of the largest float32 do not fit one
            self.xp, self.device, self.dtype = NUMPY, None, np.dtype(np.float64)
        self._prepare()

    def _first_in_double(self, first: Float64) -> Any:
        """Return the first example where the others are, if the library has float64 there; the means are summed in it.

        None where sums are NumPy's: of its own arrays, and of what has no float64, as JAX unless told otherwise.
        """
        if self.xp is NUMPY or "float64" not in self.xp.__array_namespace_info__().dtypes(device=self.device):
            return None
        return self.xp.asarray(first, dtype=self.xp.float64, device=self.device)

    def _prepare(self) -> None:
        """Bring the centre, and a mask of the columns that vary, to where the blocks are."""
        centre, alive = self.mean.astype(self.dtype), self.alive.astype(self.dtype)
        if self.xp is not NUMPY:
            centre, alive = (self.xp.asarray(vector, device=self.device) for vector in (centre, alive))
        self._centre, self._mask = centre, None if self.alive.all() else alive

    def block(self, start: int, stop: int) -> Any:
        """Return rows start to stop, centred and scaled, as a new (stop - start, p) array."""
        if self.xp is not NUMPY:
            working = getattr(self.xp, self.dtype.name)
            values = self.xp.astype(self.raw(start, stop), working, copy=False) - self._centre
            return self._scaled(values, start, stop)
        return self._read_by_numpy(start, stop, slice(0, self.p))

    @property
    def panel(self) -> int:
        """Some of the columns, of an array in memory."""
        return min(self.p, _PANEL) if type(self._x) is np.ndarray and self._x.flags.c_contiguous else self.p

    def panels(self) -> Iterator[Any]:
        """Yield all rows, centred and scaled, some columns at a time."""
        if self.panel == self.p:
            yield from super().panels()
            return
        for first in range(0, self.p, self.panel):
            yield self._read_by_numpy(0, self.n, slice(first, min(first + self.panel, self.p)))

    def _read_by_numpy(self, start: int, stop: int, columns: slice) -> Array:
        width = columns.stop - columns.start
        out = np.empty((stop - start, width), self.dtype)
        raw = None if self.any_thread else self.raw(start, stop)
        step = max(1, _CACHED // width)
        for first in range(start, stop, step):
            last = min(first + step, stop)
            rows = out[first - start : last - start]
            if raw is not None:
                values = raw[first - start : last - start]
            elif isinstance(self._x, FileRows) and self._x.dtype == self.dtype:
                values = rows
                self._x.read_into(rows, first)
            else:
                values = self.raw(first, last)[:, columns]
            np.subtract(values, self._centre[columns], dtype=self.dtype, out=rows)
            self._scaled(rows, first, last, columns)
        return out

    def _scaled(self, out: Any, start: int, stop: int, columns: slice = slice(None)) -> Any:
        """Bring rows less their centre to the common scale, in place where that can be."""
        if self._mask is not None:
            out *= self._mask[columns]
        if self.exponent:  # by halves, of which each fits the precision
            for half in (-self.exponent // 2, -self.exponent - -self.exponent // 2):
                out *= 2.0**half
        if self._recomputed and not math.isfinite(float(self.xp.sum(out))):
            raise NonFiniteError(
                f"{self.name}: examples {start} to {stop} hold a NaN or an infinity that was not there when they were "
                "first read; rows must be the same each time they are asked for"
            )
        return out

    @property
    def any_thread(self) -> bool:
        """Whether any thread may read it: an array or a file, rather than what calls somebody else's code."""
        return self.xp is NUMPY and isinstance(self._x, FileRows | np.ndarray)

    def _with(self, **changed: Any) -> Self:
        """Return the same view but for some attributes, without looking through the array again."""
        other = copy.copy(self)
        vars(other).update(changed)
        other._prepare()
        return other

    def on_host(self) -> Self:
        """Return the same view, read by NumPy."""
        return self._with(xp=NUMPY, device=None)

    def in_double(self) -> Self:
        """Return the same view, read in float64 by NumPy."""
        there = self.xp is NUMPY and self.dtype.itemsize == 8
        return self if there else self._with(xp=NUMPY, device=None, dtype=np.dtype(np.float64))

    def _typical_rows(self) -> Float64:
        """Return some evenly spaced rows, of which each is read alone if there are many."""
        chosen = evenly_spaced(self.n, _TYPICAL_ROWS)
        if self.n * self.p <= _CACHED:
            rows = host(self.block(0, self.n))[chosen]
        else:
            rows = np.concatenate([host(self.block(i, i + 1)) for i in chosen.tolist()])
        typical: Float64 = rows.astype(np.float64)
        return typical

    @cached_property
    def typical_square(self) -> float:
        """Median squared length of some rows."""
        return float(np.median(np.square(self._typical_rows()).sum(axis=1)))

    @cached_property
    def about_most(self) -> Self:
        """The same view in float64, about the middle of some examples in place of the mean of all.

        Where most are close to each other and far from the mean, as beside an outlying one, this keeps their digits.
        """
        view = self.in_double()
        middle = view.mean + np.ldexp(np.median(view._typical_rows(), axis=0), view.exponent)
        other = view._with(mean=middle, about_mean=False)
        vars(other).pop("typical_square", None)
        return other

    @property
    def far_from_mean(self) -> bool:
        """Whether most examples are much closer to each other than to the mean of all."""
        return self.about_mean and self.typical_square > FAR_FROM_MEAN * self.about_most.typical_square

    def matrix(self) -> Array:
        """Return all rows, centred and scaled, in the precision of this view; for views that NumPy reads."""
        out: Array = self.block(0, self.n)
        if self.dtype.itemsize == 8 and self.about_mean:
            out -= out.mean(axis=0)
        return out

    def fingerprint(self) -> str:
        """Return a digest of the shape, the precision, the means and a checksum of all that was scanned."""
        digest = hashlib.sha256(f"{self.shape} {self.dtype} {self.eps} {self._checksum}".encode())
        digest.update(self.mean.tobytes())
        return digest.hexdigest()


def evenly_spaced(n: int, count: int) -> NDArray[np.int64]:
    """Return the numbers of evenly spaced examples, as many as there are or as are wanted."""
    return np.linspace(0, n - 1, min(n, count)).round().astype(np.int64)


def _sum_of_differences(rows: Array, first: Float64) -> Float64:
    """Add up what rows differ by from the first of all."""
    if rows.dtype.kind == "f" and rows.dtype.itemsize <= 4:  # a sum of some is as good as exact in float64
        total: Float64 = np.sum(rows, axis=0, dtype=np.float64) - len(rows) * first
    else:
        total = np.sum(np.subtract(rows, first, dtype=np.float64), axis=0)
    return total


def _checked_rows(
    x: Any, shape: tuple[int, ...], start: int, stop: int, name: str, read: Callable[[Any, str], Any]
) -> Any:
    """Return some examples, or say whose could not be read, or are not of the shape that the whole has said."""
    try:
        rows = x[start:stop]
    except RepresentationError:
        raise
    except Exception as error:
        raise RepresentationError(
            f"{name}: examples {start} to {stop} could not be read: {type(error).__name__}: {error}"
        ) from error
    rows = read(rows, name)
    if tuple(rows.shape) != (promised := (stop - start, *shape[1:])):
        raise DimensionError(
            f"{name}[{start}:{stop}] has shape {tuple(rows.shape)}; its shape {tuple(shape)} promises {promised}"
        )
    return rows


def matrix_of(x: Any, name: str) -> Float64:
    """Return an array as it is, (n, p) in float64, checked to be finite; it may be constant."""
    check_dense(x, name)
    if getattr(x, "shape", ()) and not (is_array(x) or hasattr(x, "iloc")):
        array = _checked_rows(x, x.shape, 0, x.shape[0], name, to_numpy)
    else:
        array = to_numpy(x, name)
    n, p = check_shape(array.shape, name, 1)
    matrix: Float64 = array.reshape(n, p).astype(np.float64)
    for row, column in np.argwhere(~np.isfinite(matrix))[:1]:
        raise NonFiniteError(f"{name} holds {matrix[row, column]} at example {row}, feature {column}")
    return matrix


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
