"""What the benchmarks wrote."""

from __future__ import annotations

from typing import Any

from repsim.lab.paths import results_root
from repsim.lab.sealed import unseal


def measured(benchmark: str) -> Any:
    """Return the result of a benchmark, None if there is none.

    There may be "accelerator", "cluster", "engine", "peers" and "training".

    Raises
    ------
    DamagedArtefactError
        If the file was altered.
    """
    path = results_root() / "benchmarks" / f"{benchmark}.json"
    return unseal(path) if path.exists() else None
