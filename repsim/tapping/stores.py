"""Where the rows of a layer are kept: in memory, in a file, on a device."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from repsim.blocks import Blocks
from repsim.engine.arrays import Array, to_numpy
from repsim.errors import DTypeError, ParameterError
from repsim.notices import listed
from repsim.options import path_option

# How .npy files, which lack bfloat16, hold it: its 16 bits, in a field whose name says what they are.
_BFLOAT16 = np.dtype([("bfloat16", "<u2")])
_GROWTH = 1.125  # of the rows in memory, where their number is not known beforehand


class InMemory:
    """Rows in one array, written where they stay.

    bfloat16, which NumPy lacks, is kept in its 16 bits and given back as a tensor, so that its precision is known.
    """

    def __init__(self, name: str, values: Any, rows: int | None) -> None:
        self._name = name
        self.shape = tuple(values.shape[1:])
        self._dtype, first = values.dtype, to_numpy(values[:1], name)
        self._bfloat16 = is_torch_bfloat16(values)
        self._array = np.empty((rows or len(values), *self.shape), np.int16 if self._bfloat16 else first.dtype)
        self._filled = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the rows so far."""
        return self._array[: self._filled].nbytes

    def append(self, values: Any) -> None:
        """Copy the rows of a batch."""
        _check_dtype(values.dtype, self._dtype)
        stop = self._filled + len(values)
        if stop > len(self._array):
            self._resize(max(stop, int(_GROWTH * len(self._array))))
        rows = self._array[self._filled : stop]
        if hasattr(values, "detach"):  # PyTorch copies in all of its threads, which otherwise spin meanwhile
            self._tensor(rows).copy_(values.detach())
        else:
            rows[...] = to_numpy(values, self._name)
        self._filled = stop

    def finish(self) -> Any:
        """Return all rows."""
        self._resize(self._filled)
        return self._tensor(self._array) if self._bfloat16 else self._array

    def discard(self) -> None:
        """Let go of what is not finished."""
        self._resize(0)

    def _resize(self, rows: int) -> None:
        self._array.resize((rows, *self.shape), refcheck=False)  # the system moves pages and copies nothing

    def _tensor(self, rows: Array) -> Any:
        """View rows as a tensor of the precision that they have."""
        import torch

        return torch.from_numpy(rows).view(torch.bfloat16) if self._bfloat16 else torch.from_numpy(rows)


class InFile:
    """Rows appended to a .npy file, which has its name once it is complete."""

    def __init__(self, name: str, values: Any, folder: Path) -> None:
        self._name, self._of_torch = name, is_torch_bfloat16(values)
        self.shape = tuple(values.shape[1:])
        self.path = folder / f"{quote(name, safe='#[] ')}.npy"
        self._unfinished = self.path.with_suffix(".npy.part")
        self._dtype = _as_stored(values[:1], name).dtype
        self._rows = 0
        try:
            self._file = self._unfinished.open("wb")
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise ParameterError(
                f"to: the name of layer {name!r} is too long for that of a file; leave the layer out, or give no to="
            ) from None
        self._header()
        self._data = self._file.tell()

    def append(self, values: Any) -> None:
        """Copy the rows of a batch."""
        rows = _as_stored(values, self._name)
        _check_dtype(rows.dtype, self._dtype)
        self._file.write(np.ascontiguousarray(rows).data)
        self._rows += len(values)

    def finish(self) -> Any:
        """Return all rows."""
        self._file.seek(0)
        self._header()
        assert self._file.tell() == self._data  # NumPy leaves room for the number of rows
        self._file.close()
        os.replace(self._unfinished, self.path)
        return read_file(self.path, self._of_torch)

    def discard(self) -> None:
        """Let go of what is not finished."""
        self._file.close()
        self._unfinished.unlink(missing_ok=True)

    def _header(self) -> None:
        described = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._rows, *self.shape),
        }
        np.lib.format.write_array_header_1_0(self._file, described)


class OnDevice:
    """Copies of a PyTorch module's rows, on the device that was asked for."""

    def __init__(self, device: Any, name: str, values: Any, rows: int | None) -> None:
        self.shape = tuple(values.shape[1:])
        self._device = device
        self._batches: list[Any] = []

    def append(self, values: Any) -> None:
        """Copy the rows of a batch."""
        self._batches.append(values.detach().to(self._device, copy=True))

    def finish(self) -> Any:
        """Return all rows."""
        import torch

        whole = torch.cat(self._batches)
        self._batches.clear()
        return whole

    def discard(self) -> None:
        """Let go of what is not finished."""
        self._batches.clear()


Store = InMemory | InFile | OnDevice
# From the name of a layer, its first rows (to know what to expect: they are not appended) and the number of rows to
# come, where it is known.
MakeStore = Callable[[str, Any, int | None], Store]


def _check_dtype(actual: Any, expected: Any) -> None:
    if actual != expected:
        before, now = (
            "bfloat16" if dtype == _BFLOAT16 else str(dtype).removeprefix("torch.") for dtype in (expected, actual)
        )
        raise DTypeError(f"rows are {before} in one batch and {now} in another; all must be of one precision")


def check_folders(stores: Iterable[Store]) -> None:
    """Raise if a folder holds files of other layers, which would be read with those that are written now."""
    written = {store.path for store in stores if isinstance(store, InFile)}
    for folder in {path.parent for path in written}:
        if others := sorted(path.name for path in {*folder.glob("*.npy")} - written):
            raise ParameterError(
                f"to: {folder} holds files of other layers ({listed(others)}), which would be read with these; remove "
                "them, or give another folder"
            )


def store_in(to: str | os.PathLike[str] | None, *inside: str) -> MakeStore:
    """Return what makes the store of a layer: in a folder, which is made, or in memory."""
    if to is None:
        return InMemory
    folder = path_option("to", to).joinpath(*inside)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"to: {folder} cannot be made: {error.strerror or error}") from None
    return lambda name, values, rows: InFile(name, values, folder)


def read_folder(folder: Path) -> dict[str, Any]:
    """Return memory maps of the .npy files in a folder, by the names of their layers."""
    paths: dict[str, Path] = {}
    for path in sorted(folder.glob("*.npy")):
        name = unquote(path.name.removesuffix(".npy"))
        if (other := paths.setdefault(name, path)) != path:
            raise ParameterError(f"{other} and {path.name} are both of layer {name!r}; remove or rename one of them")
    return {name: read_file(paths[name]) for name in sorted(paths, key=_counting)}


def read_file(path: Path, of_torch: bool | None = None) -> Any:
    """Return a memory map of a .npy file; for bfloat16 a `Blocks`, of PyTorch's tensors if these are asked for.

    Unless that is said, they are NumPy's arrays if there is ml_dtypes, with which it has bfloat16.
    """
    rows = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(rows, np.ndarray):
        raise ParameterError(f"{path} is an .npz file; .npy files of one layer each are read from a folder")
    if rows.dtype != _BFLOAT16:
        return rows
    if of_torch is None:
        of_torch = importlib.util.find_spec("ml_dtypes") is None

    def read(start: int, stop: int) -> Any:
        bits = rows[start:stop]["bfloat16"].astype(np.uint16)
        if not of_torch:
            import ml_dtypes

            return bits.view(ml_dtypes.bfloat16)
        import torch

        return torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16)

    return Blocks(read, rows.shape)


def _counting(name: str) -> list[Any]:
    """Sort names as one counts: layer2 before layer10."""
    return [int(segment) if place % 2 else segment for place, segment in enumerate(re.split(r"(\d+)", name))]


def is_torch_bfloat16(values: Any) -> bool:
    """Whether something is a PyTorch tensor of bfloat16."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor) and values.dtype == torch.bfloat16


def _as_stored(values: Any, name: str) -> Array:
    """Return rows as .npy files hold them."""
    if is_torch_bfloat16(values):
        import torch

        rows = values.detach().cpu().view(torch.int16).numpy()
    else:
        rows = to_numpy(values, name)
        if rows.dtype.name != "bfloat16":
            return rows
    return np.ascontiguousarray(rows).view(np.uint16).astype("<u2").view(_BFLOAT16)
