"""How accurate the networks are, and what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repsim.lab import measurements
from repsim.lab.findings import measures

PAPER_TINY_10 = 89.4
# Claim -> group of networks: tables E.1 and E.2 and Figure F.6.
PAPER_ACCURACIES = {"A2": "plain10", "A3": "plain18", "A4": "plain34", "A5": "plain66", "A6": "plain10-nobn"}


def paper_accuracy(records: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the paper's mean test accuracy, percent, None for an architecture that the paper does not have."""
    return {"tiny10": PAPER_TINY_10}.get(records[0]["inputs"]["architecture"])


@measures("A1", by=(measurements.networks,), networks=("tiny10",))
def accuracies(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Measure claim A1 from the networks' records: mean test accuracy, percent, and its spread over seeds."""
    accuracy = 100 * np.array([record["test_accuracy"] for record in records], np.float64)
    return {
        "accuracy": float(accuracy.mean()),
        "deviation": float(accuracy.std(ddof=1)) if len(accuracy) > 1 else None,
        "lowest": float(accuracy.min()),
        "highest": float(accuracy.max()),
        "networks": len(accuracy),
    }


def cost(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what making artefacts cost in all: hours, the largest memory in MiB, machine, and when it ended.

    "elsewhere" says how many were made on which other device than a processor.
    """
    machines = [record.get("machine", {}) for record in records]
    versions = [machine.get("versions", {}) for machine in machines]
    return {
        "hours": sum(float(record.get("seconds", 0)) for record in records) / 3600,
        "mebibytes": max(int(record.get("peak_memory_mib", 0)) for record in records),
        "machine": machines[0] | {"versions": versions[0] if all(map(versions[0].__eq__, versions)) else {}},
        "last": max(str(record.get("made", "")) for record in records),
        "elsewhere": Counter(record["device"] for record in records if record.get("device", "CPU") != "CPU"),
        "resumed": sum(bool(record.get("resumed")) for record in records),
    }


@measures(*PAPER_ACCURACIES, by=(measurements.networks,), networks=PAPER_ACCURACIES)
def family_accuracies(
    records: Mapping[str, Sequence[Mapping[str, Any]]], paper_size: bool
) -> dict[str, dict[str, Any]]:
    """Measure claims A2 to A6, those whose networks are there; narrower ones than the paper's are not judged."""
    return {
        claim: accuracies(records[group]) | {"paper_size": int(paper_size)}
        for claim, group in PAPER_ACCURACIES.items()
        if group in records
    }
