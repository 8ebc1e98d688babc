"""Where the engine keeps what does not fit into memory, and what an interrupted run has finished."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from repsim.engine.arrays import Array, Float64
from repsim.errors import ParameterError

_HEADER = 128  # bytes of an .npy file without values
_SECONDS_BETWEEN_SAVES = 5.0


@contextlib.contextmanager
def _writing(path: Path, problem: str = "") -> Iterator[None]:
    """Say what could not be written, and leave no half of it."""
    try:
        yield
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ParameterError(f"{problem or f'{path} cannot be written'}: {error.strerror or error}") from error


class Checkpoint:
    """A folder for large arrays and for progress: one that the user named, which resumes, or a passing one.

    Without one, a temporary folder is made once arrays take more than `memory` bytes together. `call`, JSON values, is
    what the computation is: a folder that holds another one is refused.
    """

    def __init__(self, folder: str | os.PathLike[str] | None, call: Mapping[str, Any], memory: int) -> None:
        self._named = Path(folder) if folder is not None else None
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
        partial = about.with_name("about.part")
        with _writing(partial, f"resume: {folder} cannot be written into"):
            folder.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(call), encoding="utf-8")
            os.replace(partial, about)

    def holds(self, name: str) -> bool:
        """Whether an earlier run has kept arrays under a name."""
        return self._named is not None and (self._named / f"{name}.done").exists()

    def once(self, name: str, keys: Sequence[str], make: Callable[[], dict[str, Array]]) -> dict[str, Array]:
        """Return the arrays of these keys that an earlier run has kept under a name, or make and keep them.

        They stay in memory while they fit, else on disk; always on disk if an interrupted run can resume.
        """
        if self._named is not None and self.holds(name):
            return self._read(self._named, name, keys)
        arrays = make()
        with self._keeps:
            return self._keep(name, arrays)

    @staticmethod
    def _read(folder: Path, name: str, keys: Sequence[str]) -> dict[str, Array]:
        kept = {}
        for key in keys:
            path = folder / f"{name}.{key}.npy"
            try:
                mode: Literal["r"] | None = "r" if path.stat().st_size > _HEADER else None  # nothing cannot be mapped
                kept[key] = np.load(path, mmap_mode=mode, allow_pickle=False)
            except Exception as error:  # whatever NumPy makes of a file that was cut, altered or removed
                raise ParameterError(f"resume: {path} is damaged ({error}); remove the folder to begin again") from None
        return kept

    def _keep(self, name: str, arrays: dict[str, Array]) -> dict[str, Array]:
        size = sum(array.nbytes for array in arrays.values())
        if self._named is None and size <= self._left:
            self._left -= size
            self.held += size
            return arrays
        folder = self._folder(size)
        for key, array in arrays.items():
            path = folder / f"{name}.{key}.npy"
            with _writing(path):
                np.save(path, array, allow_pickle=False)
        done = folder / f"{name}.done"
        with _writing(done):
            done.touch()
        return self._read(folder, name, list(arrays))

    def _folder(self, size: int) -> Path:
        if self._named is None and self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="repsim-")
        folder = self._named or Path(self._temporary.name)  # type: ignore[union-attr]
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
        partial = self._named / f"progress-{name}.part"
        with _writing(partial, f"resume: progress cannot be written into {self._named}"):
            with partial.open("wb") as file:
                np.savez(file, **{"done": np.array([done, block])}, **arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, partial.with_suffix(".npz"))
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
