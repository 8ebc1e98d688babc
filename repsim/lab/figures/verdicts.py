"""The end of every page: what was measured for each claim, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repsim.lab import claims
from repsim.lab.figures.display import number, show_table

SPREADS = ("standard_error", "deviation")


def conclude(profile: str, notebook: str, measured: Mapping[str, Mapping[str, Any]]) -> None:
    """Record the values of each claim and show the verdicts.

    Parameters
    ----------
    profile, notebook
        What measured them.
    measured
        Claim -> values. "examples" among them is the number of examples, "standard_error" or "deviation" the
        spread over networks.
    """
    rows = []
    for claim, found in measured.items():
        values = {name: value for name, value in found.items() if name != "examples"}
        spread = next((values[name] for name in SPREADS if name in values), None)
        claims.record(profile, claim, values, n=found.get("examples"), spread=spread, notebook=notebook)
        rows.append({"claim": claim, "values": values, "verdict": claims.verdict(profile, claim)})
    columns = {
        "claim": ("claim", str),
        "values": ("measured", written),
        "verdict": ("verdict", str),
    }
    show_table(rows, columns)


def written(values: Mapping[str, Any]) -> str:
    """Write values in a line, numbers to three digits."""
    parts = [f"{name.replace('_', ' ')} {number(value)}" for name, value in values.items() if value is not None]
    return "; ".join(parts)
