"""Memory-mapped arrays, read through the file instead of the map.

Pages of a map stay in resident memory after they were used, and touching one that a truncated file no longer backs
kills the process. Reading the same bytes from the file does neither.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np

from repsim.engine.arrays import Array
from repsim.errors import RepresentationError


def file_rows(x: Any) -> Any:
    """Return a reader of the file behind a memory-mapped array; anything else as it is."""
    if not isinstance(x, np.memmap) or not x.flags.c_contiguous or x.ndim == 0:
        return x
    root: Any = x
    while isinstance(root.base, np.ndarray):
        root = root.base
    path = getattr(root, "filename", None)
    # What was written into a copy-on-write map is not in the file.
    if path is None or not isinstance(root.base, mmap.mmap) or root.mode == "c":
        return x
    first: int = x.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    rows = FileRows(Path(path), x.dtype, x.shape, int(root.offset) + first)
    return rows if rows.holds_ends_of(x) else x


class FileRows:
    """Rows of a C-ordered array in a file."""

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int) -> None:
        self.path, self.dtype, self.shape, self._offset = path, dtype, shape, offset
        self._row = math.prod(shape[1:])
        self._file: tuple[int, int] | None = None  # device and number of the file that was first read

    def __getitem__(self, rows: slice) -> Array:
        start, stop, _ = rows.indices(self.shape[0])
        array = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
        self.read_into(array, start)
        return array

    def holds_ends_of(self, x: Array) -> bool:
        """Whether the file has the first and last row of its map; another file may have taken its place since.

        A file that is too short is not looked at through its map, and is told when it is read.
        """
        with contextlib.suppress(OSError):
            if self.path.stat().st_size < self._offset + x.nbytes:
                return True
        ends = (slice(0, 1), slice(len(x) - 1, len(x))) if len(x) else ()
        return all(self[rows].tobytes() == x[rows].tobytes() for rows in ends)

    def read_into(self, array: Array, start: int) -> None:
        """Fill a contiguous array of the same precision with the rows from `start` on."""
        try:
            # Reads into the array itself, unlike np.fromfile, whose buffered file copies everything twice.
            with self.path.open("rb") as file:
                opened = os.fstat(file.fileno())
                self._file = self._file or (opened.st_dev, opened.st_ino)
                replaced = self._file != (opened.st_dev, opened.st_ino)
                file.seek(self._offset + start * self._row * self.dtype.itemsize)
                read = file.readinto(array.reshape(-1).view(np.uint8).data)
        except OSError as error:
            raise RepresentationError(
                f"the file behind a memory-mapped array cannot be read: {error.strerror or error}: {self.path}"
            ) from error
        if replaced:
            raise RepresentationError(
                f"{self.path} is another file than when it was first read; open the memory map again"
            )
        if read < array.nbytes:
            raise RepresentationError(
                f"{self.path} ends too early: it is mapped as {self.shape} {self.dtype}, but examples {start} to "
                f"{start + len(array)} are not all there. It was cut or replaced since it was opened; open it again"
            )
