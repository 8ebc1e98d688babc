"""The step between executed notebooks and pages: what they measured for the claims, and the verdicts."""

from __future__ import annotations

from pathlib import Path

from repsim.lab import claims
from repsim.lab.claim_tables import summary
from repsim.lab.downloads import write_verdicts
from repsim.lab.execution import kept


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
