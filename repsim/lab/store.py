"""Artefacts addressed by what they were made from, written atomically, checked when read.

An artefact is one ``.npz`` file of arrays with a JSON record beside it. Its file name ends in the first twelve
digits of the SHA-256 of its *inputs* (step, version of the step, recipe, seed, hashes of the artefacts before it),
so that a changed recipe makes a new artefact and never touches an old one.

Not every file is committed. A record that says by which command its file is made again may stand alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from filelock import FileLock

from repsim.lab.errors import DamagedArtefactError, MissingArtefactError, StorageError
from repsim.lab.repository import results_root

Arrays = dict[str, np.ndarray]
HALF_WRITTEN = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.part(?:\.ipynb)?")
ONLY_READ = "REPSIM_ONLY_READ"
SEAL = "record_sha256"
SECONDS_BEFORE = "seconds_before"  # of what was made: what interrupted runs took, which the record's seconds include
MADE_AGAIN_BY = "made_again_by"  # in a record: the command that makes a file that is not committed
VERSIONED = ("numpy", "scipy", "keras", "tensorflow", "jax", "repsim-revisited")


def part_path(path: Path, suffix: str = "") -> Path:
    """Return the passing name under which this process writes `path`: hidden, with the process's number."""
    return path.with_name(f".{path.name}.{os.getpid()}.part{suffix}")


def clear(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left half-written in a folder, if there is one; what a living one writes stays.

    `name` is that of the only file or folder whose parts go; None: all parts go.
    """
    for path in folder.glob(".*.part*"):
        match = HALF_WRITTEN.fullmatch(path.name)
        if match is None or name not in (None, match["name"]) or psutil.pid_exists(int(match["process"])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[Any], None]) -> None:
    """Write a file through `write(binary file)` so that `path` is whole or as it was; StorageError on a full disk."""
    partial = part_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # where nothing can be written there is nothing to remove
            partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` as indented JSON, atomically."""
    write_atomically(path, lambda file: file.write(as_json(value)))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `arrays` as a compressed ``.npz`` file, atomically; the same arrays give the same bytes."""
    write_atomically(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def read_arrays(path: Path) -> Arrays:
    """Return the arrays of an ``.npz`` file; no pickle is read. DamagedArtefactError if it is anything else."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except Exception as error:  # whatever NumPy, zipfile and zlib make of bytes that anyone may have written
        raise DamagedArtefactError(f"{path} is damaged: not a file of arrays ({error})") from None


def sealed(value: Mapping[str, Any]) -> bytes:
    """Return `value` as indented JSON whose last entry is the SHA-256 of the JSON without that entry.

    This guards against damage, not against forgery: whoever alters a file on purpose can seal it again.
    """
    content = {name: entry for name, entry in value.items() if name != SEAL}
    return as_json({**content, SEAL: hashlib.sha256(as_json(content)).hexdigest()})


def as_json(value: Mapping[str, Any]) -> bytes:
    """Return `value` as indented JSON for people and machines to read, in its own order."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def unseal(path: Path) -> dict[str, Any]:
    """Read what :func:`sealed` wrote, without its seal; DamagedArtefactError if any byte of it is another."""
    try:
        content = path.read_bytes()
        value = json.loads(content)
    except OSError as error:
        raise DamagedArtefactError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedArtefactError(f"{path} is damaged: not JSON ({error})") from None
    if not isinstance(value, dict) or SEAL not in value:
        raise DamagedArtefactError(f"{path} is damaged: it holds no {SEAL}, which every record ends with")
    with contextlib.suppress(ValueError):  # half of a pair of surrogates, which no file can hold
        if content == sealed(value):
            del value[SEAL]
            return value
    raise DamagedArtefactError(f"{path} is damaged: its content is not that of its {SEAL}, {value[SEAL]!s:.64}")


def write_record(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` as JSON that holds its own hash, atomically; :func:`unseal` reads it."""
    write_atomically(path, lambda file: file.write(sealed(value)))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(path: Path, expected: str) -> None:
    """Raise DamagedArtefactError unless the file at `path` has the `expected` SHA-256."""
    actual = digest(path) if path.exists() else "no file"
    if actual != expected:
        raise DamagedArtefactError(
            f"{path} is damaged: expected SHA-256 {expected}, found {actual}. "
            f"Restore it, or delete it together with {record_path(path).name} to have it made again."
        )


def key(inputs: Mapping[str, Any]) -> str:
    """Return the address of what is made from `inputs`: the SHA-256 of their canonical JSON."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def record_path(path: Path) -> Path:
    """Return where the record of the artefact at `path` stands."""
    return path.with_suffix(".json")


@dataclass(frozen=True)
class Artefact:
    """One file of arrays and the record of how it was made."""

    path: Path
    record: dict[str, Any]

    @property
    def sha256(self) -> str:
        """The hash of the file, by which later artefacts name this one as an input."""
        return str(self.record["sha256"])

    @property
    def made_again_by(self) -> str | None:
        """The command that makes the file again, if it is one that is not committed."""
        return self.record.get(MADE_AGAIN_BY)

    @property
    def is_away(self) -> bool:
        """Whether the file is not here, and need not be."""
        return self.made_again_by is not None and not self.path.exists()

    def arrays(self) -> Arrays:
        """Read the arrays, after checking the file against its record.

        MissingArtefactError if it is not here because it is not committed; DamagedArtefactError if it is missing
        otherwise, has another SHA-256, or holds something else than arrays.
        """
        if self.is_away:
            raise MissingArtefactError(
                f"{self.path} is not here, only its record: it is not committed. Make it again: {self.made_again_by}"
            )
        check(self.path, self.sha256)
        return read_arrays(self.path)


def read_artefact(path: Path) -> Artefact:
    """Return the artefact at `path` after checking its record and, unless that need not be here, its file."""
    artefact = Artefact(path, unseal(record_path(path)))
    if "sha256" not in artefact.record:
        raise DamagedArtefactError(f"{record_path(path)} is damaged: not the record of an artefact")
    if not artefact.is_away:
        check(path, artefact.sha256)
    return artefact


def machine() -> dict[str, Any]:
    """Return what a record says of the machine and the versions."""
    versions = {}
    for name in VERSIONED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
    }


def peak_memory_mib(who: int = resource.RUSAGE_SELF) -> int:
    """Return the largest resident memory that this process has had, or any of its ended children, in MiB."""
    peak = resource.getrusage(who).ru_maxrss
    return peak // (1 << 20) if sys.platform == "darwin" else peak // (1 << 10)


class Store:
    """The artefacts in one folder, usually those of one profile; see :func:`profile_store`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def path(self, step: str, name: str, inputs: Mapping[str, Any]) -> Path:
        """Return the file of the artefact `name` of `step` made from `inputs`."""
        return self.folder / step / f"{name}-{key({'step': step, **inputs})[:12]}.npz"

    def find(self, step: str, name: str, inputs: Mapping[str, Any]) -> Artefact | None:
        """Return the artefact if it has been made, else None; its file may be away, as :attr:`Artefact.is_away` says.

        DamagedArtefactError if it has been made but its file is missing or altered, or its record cannot be read.
        """
        path = self.path(step, name, inputs)
        return read_artefact(path) if record_path(path).exists() else None

    def get(
        self,
        step: str,
        name: str,
        inputs: Mapping[str, Any],
        make: Callable[[], tuple[Mapping[str, np.ndarray], Mapping[str, Any]]],
        *,
        again: bool = False,
    ) -> Artefact:
        """Return the artefact `name` in the folder `step`, made if it is missing from all that it depends on, `inputs`.

        `make` returns its arrays and what the record says beside the usual facts; :data:`SECONDS_BEFORE` among it is
        added to the time. Of several processes that ask at once, one makes it and the others wait. `again` makes a file
        that is away, too: if it comes out as it was, its record is kept; if not, as networks that another machine
        trains do not, the new one takes its place, and what was made from the old one is made anew.

        Raises
        ------
        DamagedArtefactError
            As :meth:`find`.
        MissingArtefactError
            If it has not been made and :data:`ONLY_READ` is set, as while results from elsewhere are certified.
        """
        held = self.find(step, name, inputs)
        if held is not None and not (again and held.is_away):
            return held
        path = self.path(step, name, inputs)
        if os.environ.get(ONLY_READ):
            raise MissingArtefactError(f"{path} is missing, and nothing is made while {ONLY_READ} is set")
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.stem}.lock")):
            held = self.find(step, name, inputs)
            if held is not None and not (again and held.is_away):
                return held
            clear(path.parent, path.name)
            start = time.perf_counter()
            arrays, given = make()
            facts = dict(given)
            before = float(facts.pop(SECONDS_BEFORE, 0))
            write_arrays(path, arrays)
            if held is not None and digest(path) == held.sha256:
                return held
            record = {
                "step": step,
                "name": name,
                "inputs": dict(inputs),
                "sha256": digest(path),
                "bytes": path.stat().st_size,
                "seconds": round(before + time.perf_counter() - start, 1),
                "peak_memory_mib": peak_memory_mib(),
                "made": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": machine(),
                **facts,
            }
            write_record(record_path(path), dict(sorted(record.items())))
        return Artefact(path, record)


def profile_store(profile: str) -> Store:
    """Return the store of a profile's results."""
    return Store(results_root() / profile)
