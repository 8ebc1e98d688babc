"""What the benchmarks wrote."""

from __future__ import annotations

from typing import Any

from repsim.lab.paths import results_root
from repsim.lab.sealed import unseal


def measured(benchmark: str) -> Any:
    """Return the result of a benchmark, "cluster", "engine", "peers" or "training", None if there is none.

    Raises
    ------
    DamagedArtefactError
        If the file was altered.
    """
    path = results_root() / "benchmarks" / f"{benchmark}.json"
    return unseal(path) if path.exists() else None
