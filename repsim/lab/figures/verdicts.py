"""The end of every page: what was measured for each claim, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repsim.lab import claims
from repsim.lab.claim_tables import headline, marked
from repsim.lab.figures.display import show_table

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
    for name, found in measured.items():
        values = {quantity: value for quantity, value in found.items() if quantity != "examples"}
        spread = next((values[quantity] for quantity in SPREADS if quantity in values), None)
        claims.record(profile, name, values, n=found.get("examples"), spread=spread, notebook=notebook)
        claim, measurement = claims.find_claim(name), claims.measurement(profile, name)
        verdict = marked(claims.judge(claim, measurement))
        rows.append(
            {
                "claim": name,
                "statement": claim.statement,
                "here": headline(claim, measurement),
                "verdict": verdict,
            }
        )
    columns = {"claim": "claim", "verdict": "verdict", "here": "here", "statement": "the paper says"}
    show_table(rows, {key: (heading, str) for key, heading in columns.items()})
