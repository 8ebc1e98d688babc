"""The table of how fast networks are trained, from ``benchmarks/training.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.results import Result
from repsim.lab.figures.style import network
from repsim.lab.wording import table

ASKED = 0.9  # of PyTorch's images per second
PRECISIONS = {"float32": "float32", "bfloat16": "bfloat16, weights in float32"}


def training(result: Result) -> str:
    """Return images per second beside PyTorch's."""
    rows = [
        [
            network(row["group"]),
            PRECISIONS[row["precision"]],
            "one, all cores" if row["processes"] == 1 else "one per core",
            f"{row['keras']:,.0f}",
            f"{row['torch']:,.0f}",
            f"{row['ratio']:.2f}",
        ]
        for row in result["rows"]
    ]
    best = {name: _best(result["rows"], name) for name in dict.fromkeys(row["group"] for row in result["rows"])}
    ratios = ", ".join(f"{network(name)} {ratio:.2f}" for name, ratio in best.items())
    where, versions = result["machine"], result["versions"]
    return "\n\n".join(
        [
            table(["network", "arithmetic", "processes", "Keras, images/s", "PyTorch, images/s", "ratio"], rows),
            f"The fastest way of one against the fastest way of the other: {ratios}, where {ASKED} was asked: "
            f"{'met' if min(best.values()) >= ASKED else '**missed**'}.",
            f"*Measured on {result['date']} on {where['system']}, {result['cores']} processor cores, with batches of "
            f"{result['batch']} made-up images: the median of {len(result['rows'][0]['runs']['keras'])} runs of "
            f"{result['seconds']:g} seconds, both libraries in turn. Keras {versions['keras']}; PyTorch "
            f"{versions['torch']}, channels last.*",
        ]
    )


def _best(rows: list[Mapping[str, Any]], group: str) -> float:
    keras, torch = (max(float(row[library]) for row in rows if row["group"] == group) for library in ("keras", "torch"))
    return keras / torch
