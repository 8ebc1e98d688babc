"""Folders that several processes use side by side, and that the last of them removes."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from repsim.lab.errors import StorageError
from repsim.lab.leftovers import clear, part_path

MARK = ".passing"  # in a folder that goes with its last user; each of them holds a shared lock on it
_in_use: Counter[Path] = Counter()


@contextmanager
def passing_folder(folder: Path) -> Iterator[None]:
    """Make a folder for the block, or share it; the last user removes it, unless it was there before or is to be kept.

    One whose block does not come to its end is left for the next run, which removes it.

    Raises
    ------
    StorageError
        If it cannot be made, as on a full disk.
    """
    mark = _enter(folder)
    _in_use[folder] += 1
    try:
        yield
    except BaseException:
        if mark is not None:
            mark.close()
        raise
    finally:
        _in_use[folder] -= 1
    if mark is not None:
        with mark:
            _leave(folder, mark)


def keep(folder: Path) -> None:
    """Let a folder stay, as one that is needed again, unless this process is in a block that uses it in passing."""
    if not _in_use[folder] and (mark := _locked(folder)) is not None:
        with mark:
            (folder / MARK).unlink(missing_ok=True)


def _enter(folder: Path) -> IO[bytes] | None:
    """Return the locked mark of a folder, which is made if it is missing; None if it is one that stays."""
    clear(folder.parent, folder.name)
    while True:
        if not folder.exists():
            _make(folder)
        mark = _locked(folder)
        if mark is not None or folder.exists():
            return mark


def _make(folder: Path) -> None:
    part = part_path(folder)
    try:
        part.mkdir(parents=True)
        (part / MARK).touch()
        part.rename(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # then another process was faster
            raise StorageError(f"{folder} cannot be made: {error.strerror or error}") from error


def _locked(folder: Path) -> IO[bytes] | None:
    """Return the mark of a folder, which nobody removes while it is open; None if the folder has none."""
    while True:
        try:
            mark = (folder / MARK).open("r+b")
        except FileNotFoundError:
            return None
        fcntl.flock(mark, fcntl.LOCK_SH)
        if _is_there(folder, mark):
            return mark
        mark.close()


def _is_there(folder: Path, mark: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.fstat(mark.fileno()), (folder / MARK).stat())
    except FileNotFoundError:
        return False


def _leave(folder: Path, mark: IO[bytes]) -> None:
    """Remove the folder, unless others use it or one of them has kept it."""
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if _is_there(folder, mark):
        part = part_path(folder)
        folder.rename(part)
        shutil.rmtree(part, ignore_errors=True)
