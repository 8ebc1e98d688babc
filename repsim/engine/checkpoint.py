"""Where the engine keeps what does not fit into memory, and what an interrupted run has finished."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from repsim.engine.arrays import Array, Float64
from repsim.errors import ParameterError

_HEADER = 128  # bytes of an .npy file without values
_SECONDS_BETWEEN_SAVES = 5.0


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say what could not be written, where a folder is gone perhaps because another run has come to its end there."""
    try:
        yield
    except OSError as error:
        gone = "; has another run ended there?" if isinstance(error, FileNotFoundError) else ""
        raise ParameterError(f"{folder} cannot be written into: {error.strerror or error}{gone}") from error


def _write(path: Path, write: Callable[[BinaryIO], Any], *, lasting: bool = True) -> None:
    """Write a file so that it is whole or not there; if it is to be lasting, even if the power fails."""
    unfinished = path.with_suffix(".part")
    with _writing(path.parent):
        try:
            with unfinished.open("wb") as file:
                write(file)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(unfinished, path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Checkpoint:
    """A folder for large arrays and for progress: one that the user named, which resumes, or a passing one.

    Without one, a temporary folder is made once arrays take more than `memory` bytes together. `call`, JSON values, is
    what the computation is: a folder that holds another one is refused.
    """

    def __init__(self, folder: Path | None, call: Mapping[str, Any], memory: int) -> None:
        self._named = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._left = memory
        self.held = 0  # bytes of memory
        self._next, self._keeps = time.monotonic() + _SECONDS_BETWEEN_SAVES, threading.Lock()
        if self._named is not None:
            self._claim(self._named, json.loads(json.dumps(call)))

    @staticmethod
    def _claim(folder: Path, call: dict[str, Any]) -> None:
        about = folder / "about.json"
        if about.exists():
            try:
                saved = json.loads(about.read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError):
                saved = None
            if not isinstance(saved, dict):
                raise ParameterError(f"resume: {about} is damaged; remove the folder to begin again")
            if saved != call:
                different = sorted(key for key in saved.keys() | call.keys() if saved.get(key) != call.get(key))
                raise ParameterError(
                    f"resume: {folder} holds an unfinished run of another computation (different: "
                    f"{', '.join(different)}); give another folder, or remove it"
                )
            return
        for path in (folder, *folder.parents):
            if path.is_file():
                raise ParameterError(f"resume: {path} is a file; a folder is needed")
        # A part of about.json is of a run that was killed as it began.
        if folder.exists() and any(path.name != "about.part" for path in folder.iterdir()):
            raise ParameterError(f"resume: {folder} is not empty and holds no unfinished run; give another folder")
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _write(about, lambda file: file.write(json.dumps(call).encode()))

    @property
    def resumes(self) -> bool:
        """Whether an interrupted run leaves its work."""
        return self._named is not None

    def holds(self, name: str) -> bool:
        """Whether an earlier run has kept arrays under a name."""
        return self._named is not None and (self._named / f"{name}.done").exists()

    def once(self, name: str, keys: Sequence[str], make: Callable[[], dict[str, Array]]) -> dict[str, Array]:
        """Return the arrays of these keys that an earlier run has kept under a name, or make and keep them.

        They stay in memory while they fit, else on disk; always on disk if an interrupted run can resume.
        """
        if self._named is not None and self.holds(name):
            return self._read_again(self._named, name, keys)
        arrays = make()
        with self._keeps:
            return self._keep(name, arrays)

    @staticmethod
    def _read(path: Path) -> Array:
        mode: Literal["r"] | None = "r" if path.stat().st_size > _HEADER else None  # nothing cannot be mapped
        array: Array = np.load(path, mmap_mode=mode, allow_pickle=False)
        return array

    def _read_again(self, folder: Path, name: str, keys: Sequence[str]) -> dict[str, Array]:
        """Return what an earlier run has kept, if every byte is still as it was written."""
        kept, path = {}, folder / f"{name}.done"
        try:
            digests = json.loads(path.read_text(encoding="utf-8"))
            for key in keys:
                path = folder / f"{name}.{key}.npy"
                if _digest(path) != digests[key]:
                    raise ValueError("its bytes are not those that were written")
                kept[key] = self._read(path)
        except Exception as error:  # whatever is made of a file that was cut, altered or removed
            raise ParameterError(f"resume: {path} is damaged ({error}); remove the folder to begin again") from None
        return kept

    def _keep(self, name: str, arrays: dict[str, Array]) -> dict[str, Array]:
        size = sum(array.nbytes for array in arrays.values())
        if self._named is None and size <= self._left:
            self._left -= size
            self.held += size
            return arrays
        folder = self._folder(size)
        paths = {key: folder / f"{name}.{key}.npy" for key in arrays}
        for key, array in arrays.items():
            _write(paths[key], partial(np.save, arr=array, allow_pickle=False), lasting=self._named is not None)
        if self._named is not None:
            digests = {key: _digest(path) for key, path in paths.items()}
            _write(folder / f"{name}.done", lambda file: file.write(json.dumps(digests).encode()))
        return {key: self._read(path) for key, path in paths.items()}

    def _folder(self, size: int) -> Path:
        if self._named is None and self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="repsim-")
        folder = self._named or Path(self._temporary.name)  # type: ignore[union-attr]
        with _writing(folder):
            free = shutil.disk_usage(folder).free
        if size > free:
            raise ParameterError(
                f"{folder} has {free:,} bytes left, and {size:,} are needed for what does not fit into memory; "
                "allow more memory, or name a folder on another disk with resume="
            )
        return folder

    def save(self, name: str, arrays: Mapping[str, Float64], done: int, block: int = 0) -> None:
        """Write what a pass has filled, the number of its steps done and its block, once in some seconds."""
        if self._named is None or (start := time.monotonic()) < self._next:
            return
        progress: dict[str, Any] = {"done": np.array([done, block]), **arrays}
        _write(self._named / f"progress-{name}.npz", lambda file: np.savez(file, **progress))
        # Large tables, which take over half a second, are written less often: a tenth of the time at most goes into it.
        end = time.monotonic()
        self._next = end + _SECONDS_BETWEEN_SAVES * max(1.0, 2 * (end - start))

    def restore(self, name: str, arrays: Mapping[str, Float64]) -> tuple[int, int] | None:
        """Set arrays to what was saved; return the number of steps done and the block."""
        path = self._named / f"progress-{name}.npz" if self._named else None
        if path is None or not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                for key, array in arrays.items():
                    array[...] = saved[key]
                done, block = saved["done"].tolist()
        except Exception as error:  # whatever NumPy and zipfile make of a file that was cut or altered
            raise ParameterError(f"resume: {path} is damaged ({error}); remove the folder to begin again") from None
        return done, block

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.close(finished=error is None)

    def close(self, *, finished: bool) -> None:
        """Remove what is no longer needed: everything, or nothing of a named folder if the run was interrupted."""
        if self._temporary is not None:
            self._temporary.cleanup()
        if self._named is not None and finished:
            # What says that arrays are there goes before them, so that a run that is killed here can be repeated.
            kept = [path.name.removesuffix("done") for path in self._named.glob("*.done")]
            own = ("*.done", "progress-*.npz", "progress-*.part", *(f"{glob.escape(name)}*.npy" for name in kept))
            for pattern in (*own, "about.json"):
                for path in self._named.glob(pattern):
                    path.unlink(missing_ok=True)
            # It stays if it holds something else; it may be gone if somebody else removed it. The work is done.
            with contextlib.suppress(OSError):
                self._named.rmdir()
