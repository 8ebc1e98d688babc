"""The tables of ``faults.ipynb``: what ``make faults`` counted, from ``faults/*.json`` among the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from repsim.lab.repository import results_root
from repsim.lab.store import unseal
from repsim.lab.wording import table

Run = Mapping[str, Any]

NOT_COUNTED = "*Not counted here: `make faults` does that.*"
# Names of the tests' tables and rows -> what the page calls them.
WORK = {
    "unpack": "downloading and unpacking data",
    "artefact": "writing an artefact",
    "checkpoint": "writing the checkpoint of an epoch",
    "train": "training a network",
    "representations": "writing representations",
    "tiles": "all pairs of representations, with `resume`",
    "measurement": "writing what was measured for a claim",
    "notebook": "executing a notebook",
    "stage": "putting the book together",
    "archive": "writing an archive",
    "certify": "unpacking an archive to certify it",
    "certificate": "writing a certificate",
}
HOSTILE = {
    "profile": "profiles (YAML)",
    "claims": "claims (YAML)",
    "values": "measured values",
    "arrays": "files of arrays",
    "record": "records (JSON)",
    "notebook": "notebooks",
    "resume": "what an interrupted run left",
    "tar": "tar archives of data",
    "zip": "zip archives to certify",
    "code": "files that carry code",
}


def runs() -> list[Run]:
    """Return what each run of the fault tests counted, in order of the files' names.

    Raises
    ------
    DamagedArtefactError
        If a file was altered.
    """
    return [unseal(path) for path in sorted((results_root() / "faults").glob("*.json"))]


def kills() -> str:
    """Return how often each kind of work was killed, and how it ended after it was started again."""
    rows = [
        [WORK.get(name, name), f"{sums['seconds'] / len(runs()):.1f}", *_numbers(sums, "kills", "nothing_yet", "same")]
        for name, sums in _rows("kills")
    ]
    heads = ["work", "seconds, uninterrupted", "kills", "nothing under its name yet", "the same bytes in the end"]
    return table(heads, [*rows, _total(rows, 2)]) if rows else NOT_COUNTED


def full() -> str:
    """Return how often each step met a full disk."""
    columns = ("full", "refused", "completed")
    rows = [[WORK.get(name, name), *_numbers(sums, *columns)] for name, sums in _rows("full")]
    heads = ["step", "full disks", "one sentence, nothing half-written", "and the same bytes once there was room"]
    return table(heads, [*rows, _total(rows, 1)]) if rows else NOT_COUNTED


def altered() -> str:
    """Return how many altered bytes of committed results were refused."""
    rows = [[name, *_numbers(sums, "altered", "refused")] for name, sums in _rows("altered")]
    return table(["results", "bytes altered", "refused by name"], [*rows, _total(rows, 1)]) if rows else NOT_COUNTED


def hostile() -> str:
    """Return how many made-up inputs were read, refused in a sentence, or did anything else."""
    columns = ("tried", "read", "refused")
    rows = [[HOSTILE.get(name, name), *_numbers(sums, *columns)] for name, sums in _rows("hostile")]
    heads = ["what was made up", "tried", "read: harmless", "refused in a sentence"]
    return table(heads, [*rows, _total(rows, 1)]) if rows else NOT_COUNTED


def provenance() -> str:
    """Say when and where the faults were counted."""
    lines = [
        f"seed {run['seed']} on {run['date']} on {run['machine']['system']}, {run['machine']['processors']} processor "
        f"cores, Python {run['machine']['python']}, in {run['minutes']:.0f} minutes"
        for run in runs()
    ]
    return f"*Counted with {'; '.join(lines)}.*" if lines else NOT_COUNTED


def _rows(name: str) -> list[tuple[str, Counter[str]]]:
    """Return the sums over all runs of each row of a table."""
    sums: dict[str, Counter[str]] = {}
    for run in runs():
        for row, outcomes in run["tables"].get(name, {}).items():
            sums.setdefault(row, Counter()).update(outcomes)
    return list(sums.items())


def _numbers(sums: Mapping[str, int], *names: str) -> list[str]:
    return [f"{sums.get(name, 0):,}" for name in names]


def _total(rows: Sequence[Sequence[str]], first: int) -> list[str]:
    """Return a last row with the sums of the columns from `first` on."""
    sums = [sum(int(row[column].replace(",", "")) for row in rows) for column in range(first, len(rows[0]))]
    return ["**all**", *[""] * (first - 1), *(f"**{total:,}**" for total in sums)]
