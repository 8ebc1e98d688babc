"""The step between executed notebooks and pages: what they measured for the claims, and the verdicts."""

from __future__ import annotations

from pathlib import Path

from repsim.lab import claims
from repsim.lab.claim_tables import summary
from repsim.lab.claims import judged
from repsim.lab.execution import kept
from repsim.lab.store import as_json


def judge(profile: str, executed: Path) -> str:
    """Take what executed notebooks measured for the claims into the results, and write ``verdicts.json`` beside them.

    Parameters
    ----------
    profile
        Which the notebooks were executed on.
    executed
        The folder that holds them.

    Returns
    -------
    str
        How many claims have which verdict.

    Raises
    ------
    NotebookError
        If one of them is not a notebook.
    ClaimError
        If one of them measured something for a claim that does not exist, or not what its predicate needs.
    """
    for notebook in sorted(executed.glob("*.ipynb")):
        for measured in kept(notebook, "claims"):
            for held in measured.values():
                about = {name: held[name] for name in ("n", "spread", "notebook")}
                claims.record(profile, held["claim"], held["values"], **about)
    write_verdicts(profile, executed)
    return summary(profile)


def write_verdicts(profile: str, folder: Path, claims: Path | None = None) -> Path:
    """Write all measurements and verdicts into one file; `claims` names another file of claims than the book's."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "claim": claim.id,
            "statement": claim.statement,
            "place": claim.place,
            "paper": claim.paper,
            "values": None if measured is None else dict(measured.values),
            "examples": None if measured is None else measured.n,
            "spread": None if measured is None else measured.spread,
            "verdict": verdict,
        }
        for claim, measured, verdict in judged(profile, claims)
    ]
    path = folder / "verdicts.json"
    path.write_bytes(as_json({"profile": profile, "claims": rows}))
    return path
