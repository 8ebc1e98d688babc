"""Arrays of any library that follows the Array API standard, and how they become NumPy's."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from repsim.errors import DTypeError, NonFiniteError, RepresentationError

Array = NDArray[Any]
Float64 = NDArray[np.float64]
NUMPY: Any = np  # its own names are those of the standard; array_api_compat.numpy takes longer to import than NumPy


def namespace(x: Any) -> Any:
    """Return the Array API namespace that computes with `x`; NumPy's for everything that has none."""
    if isinstance(x, np.ndarray | np.generic) or not array_api_compat.is_array_api_obj(x):
        return NUMPY
    return array_api_compat.array_namespace(x)


def is_array(x: Any) -> bool:
    """Whether something holds its values in memory, so that they are the same each time they are read."""
    return isinstance(x, np.ndarray) or bool(array_api_compat.is_array_api_obj(x))


def native(x: Any, name: str) -> Any:
    """View anything array-like as an array of its own library, or of NumPy, and check that it holds real numbers."""
    xp = namespace(x)
    if xp is NUMPY:
        return to_numpy(x, name)
    if hasattr(x, "detach"):
        x = x.detach()
    check_dense(x, name)
    if "float8" in str(x.dtype) or not xp.isdtype(x.dtype, ("real floating", "integral")):
        raise _dtype_error(x.dtype, name)
    return x


def check_dense(x: Any, name: str) -> None:
    """Raise if something is a sparse array, of SciPy, PyTorch or JAX, or PyTorch's of several lengths or no values."""
    if str(getattr(x, "device", "")) == "meta":
        raise DTypeError(f"{name} is on PyTorch's meta device, which holds no values; run the model on another device")
    if getattr(x, "is_nested", False):
        raise DTypeError(f"{name} is nested; a dense array is needed, as its .to_padded_tensor(0.0) makes it")
    how = "to_dense" if str(getattr(x, "layout", "")).startswith("torch.sparse") else None
    if hasattr(x, "nnz") or hasattr(x, "nse"):
        how = "toarray" if hasattr(x, "toarray") else "todense"
    if how:
        raise DTypeError(f"{name} is sparse ({type(x).__name__}); a dense array is needed, as its .{how}() makes it")


def _dtype_error(dtype: Any, name: str) -> DTypeError:
    return DTypeError(
        f"{name} has dtype {dtype}; real numbers are needed (floating point of at least 16 bits, or integer)"
    )


def to_numpy(x: Any, name: str) -> Array:
    """Turn anything array-like into a NumPy array of real numbers, or say why that cannot be."""
    if type(x) is np.ndarray and _is_real(x.dtype):
        return x
    check_dense(x, name)
    if isinstance(x, Mapping):
        raise DTypeError(f"{name} is a {type(x).__name__}; one array is needed (repsim.pairwise takes several)")
    try:
        array = host(x)
        if array.dtype == object and hasattr(x, "iloc"):
            array = _nullable(x, name)
    except DTypeError:
        raise
    except Exception as error:
        try:
            array = np.from_dlpack(x)
        except Exception:  # what NumPy said first tells more than that this did not help either
            raise RepresentationError(
                f"{name} cannot be viewed as a NumPy array: {type(x).__name__}: {error}"
            ) from error
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise NonFiniteError(f"{name} is a masked array with masked entries; fill or drop those examples")
    if array.dtype == object and array.ndim == 0:
        raise DTypeError(f"{name} is a {type(x).__name__}; an array of real numbers is needed")
    if not _is_real(array.dtype) and array.dtype.name != "bfloat16":
        raise _dtype_error(array.dtype, name)
    return array


def _is_real(dtype: np.dtype[Any]) -> bool:
    """Whether NumPy computes with it: not with 8 bits of floating point, of which there are several."""
    return dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize > 1)


def _nullable(x: Any, name: str) -> Array:
    """Return pandas' nullable columns in the precision that they have; what is missing becomes NaN."""
    columns = [getattr(dtype, "numpy_dtype", dtype) for dtype in (x.dtypes if x.ndim > 1 else [x.dtype])]
    for dtype in columns:
        if dtype.kind not in "iuf":
            raise _dtype_error(dtype, name)
    common = np.result_type(*columns) if all(dtype.kind == "f" for dtype in columns) else np.float64
    array: Array = x.to_numpy(dtype=common, na_value=np.nan)
    return array


def host(x: Any) -> Array:
    """Copy an array from wherever it lives, unless NumPy can look at it there."""
    if type(x) is np.ndarray:
        return x
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        if str(x.dtype) == "torch.bfloat16":
            x = x.float()
    elif array_api_compat.is_cupy_array(x):
        x = x.get()
    return np.asarray(x)


def scaled(x: Float64) -> Float64:
    """Return values by a power of two, so that the largest spread of a feature is about 1 and squares of it fit."""
    return np.ldexp(x, -int(np.frexp(np.ptp(x, axis=0).max())[1]))


_STORED = {"bfloat16": (-7, -133), "float16": (-10, -24), "float32": (-23, -149)}  # powers of two


def stored_eps(dtype: Any) -> tuple[float, float]:
    """Return the relative spacing of numbers as they were stored, and the absolute one of the smallest.

    Those of float64 for integers.
    """
    # NumPy's name, unlike what it prints, does not tell the order of the bytes.
    name = dtype.name if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")
    relative, least = _STORED.get(name, (-52, -1074))
    return 2.0**relative, 2.0**least


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Keep JAX from multiplying float32 in fewer bits, as it does on some accelerators unless told otherwise."""
    jax = sys.modules.get("jax")
    with jax.default_matmul_precision("highest") if jax else contextlib.nullcontext():
        yield
