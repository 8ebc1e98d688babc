"""What the benchmarks wrote."""

from __future__ import annotations

import hashlib
from typing import Any

from repsim.lab.paths import REPOSITORY, results_root
from repsim.lab.sealed import unseal


def measured(benchmark: str) -> Any:
    """Return the result of a benchmark, None if there is none.

    There may be "accelerator", "cluster", "digits", "engine", "peers" and "training".

    Raises
    ------
    DamagedArtefactError
        If the file was altered.
    """
    path = results_root() / "benchmarks" / f"{benchmark}.json"
    return unseal(path) if path.exists() else None


def engine_digest() -> str:
    """Return the SHA-256 of the core package's code, which tells results of the present engine from earlier ones."""
    digest = hashlib.sha256()
    for path in sorted([*(REPOSITORY / "repsim").glob("*.py"), *(REPOSITORY / "repsim" / "engine").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
