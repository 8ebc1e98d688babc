"""The end of every page: what was measured for each claim, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repsim.lab import claims
from repsim.lab.claim_tables import headline, marked
from repsim.lab.figures.display import show_table

SPREADS = ("standard_error", "deviation")


def conclude(profile: str, notebook: str, measured: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the verdicts that follow from the values of each claim, which `repsim-lab judge` takes from the notebook.

    Parameters
    ----------
    profile, notebook
        What measured them.
    measured
        Claim -> values. "examples" among them is the number of examples, "standard_error" or "deviation" the
        spread over networks.
    """
    rows, held = [], {}
    for name, found in measured.items():
        values = {quantity: value for quantity, value in found.items() if quantity != "examples"}
        spread = next((values[quantity] for quantity in SPREADS if quantity in values), None)
        held[name] = claims.contents(profile, name, values, n=found.get("examples"), spread=spread, notebook=notebook)
        claim = claims.find_claim(name)
        measurement = claims.Measurement(name, *(held[name][key] for key in ("values", "n", "spread", "notebook")))
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
    show_table(rows, {key: (heading, str) for key, heading in columns.items()}, about={"claims": held})
