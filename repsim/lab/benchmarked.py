"""What the benchmarks wrote."""

from __future__ import annotations

import json
from typing import Any

from repsim.lab.paths import results_root


def measured(benchmark: str) -> Any:
    """Return the result of a benchmark, "cluster", "engine", "peers" or "training", None if there is no such file."""
    path = results_root() / "benchmarks" / f"{benchmark}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
