"""What a certifier is given: every comparison with its outcome, as text to read and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from repsim.lab.errors import LabError
from repsim.lab.store import machine, write_atomically, write_json

AGREED, DIFFERS, NOT_DONE = "agreed", "DIFFERS", "not done"
MOST_SHOWN = 20


class CertificationError(LabError):
    """An archive that does not hold what it says."""


@dataclass(frozen=True)
class Check:
    """One comparison: of what with what, of how many things, and each that differs, by its file, and how.

    `tolerance` says how far numbers may differ, `remark` what else is to be known, `not_done` why it could not be made
    and what to do; each is empty where there is none.
    """

    what: str
    compared: int = 0
    differs: Sequence[str] = ()
    tolerance: str = ""
    remark: str = ""
    not_done: str = ""

    @property
    def outcome(self) -> str:
        """One of agreed, DIFFERS, not done."""
        return DIFFERS if self.differs else NOT_DONE if self.not_done else AGREED

    def lines(self) -> list[str]:
        """Return it as text."""
        about = (
            [f"{self.compared} compared" + (f", {self.tolerance}" if self.tolerance else "")] if self.compared else []
        )
        more = len(self.differs) - MOST_SHOWN
        about += [*self.differs[:MOST_SHOWN], *([f"and {more} more, all in the JSON form"] if more > 0 else [])]
        about += [line for line in (self.remark, self.not_done) if line]
        return [f"{self.outcome:<9} {self.what}", *(f"{'':<10}{line}" for line in about)]


@dataclass(frozen=True)
class Certificate:
    """The outcome of all checks of one archive, by whom it concerns: the archive, the sample's seed, this machine."""

    archive: str
    sha256: str
    about: dict[str, Any]
    seed: int
    commit: str
    checks: list[Check]
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    machine: dict[str, Any] = field(default_factory=machine)

    @property
    def agreed(self) -> bool:
        """Whether nothing that was checked differs."""
        return all(check.outcome != DIFFERS for check in self.checks)

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        if not self.agreed:
            count = sum(len(check.differs) for check in self.checks)
            return f"NOT CERTIFIED: {count} difference{'s' if count > 1 else ''}"
        left = sum(check.outcome == NOT_DONE for check in self.checks)
        return f"CERTIFIED, but for {left} of {len(self.checks)} checks that were not done" if left else "CERTIFIED"

    def text(self) -> str:
        """Return it as text."""
        versions = ", ".join(f"{name} {version}" for name, version in self.machine["versions"].items())
        about = "; ".join(f"{key} {value}" for key, value in self.about.items() if key != "modified")
        head = [
            f"Certificate of {self.archive}",
            f"SHA-256   {self.sha256}",
            f"It says   {about}" if about else "It does not say what it is of",
            f"Checked   {self.date} with seed {self.seed}, by the code of commit {self.commit}",
            f"On        {self.machine['system']}, {self.machine['processors']} processor cores, "
            f"Python {self.machine['python']}: {versions}",
        ]
        return (
            "\n".join([*head, "", *(line for check in self.checks for line in check.lines()), "", self.verdict]) + "\n"
        )

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write it as text and as JSON into a folder, and return the two files."""
        stem = f"{Path(self.archive).stem}-seed{self.seed}"
        text, data = folder / f"{stem}.txt", folder / f"{stem}.json"
        write_atomically(text, lambda file: file.write(self.text().encode()))
        checks = [{"outcome": check.outcome, **asdict(check)} for check in self.checks]
        write_json(data, {**asdict(self), "checks": checks, "verdict": self.verdict, "certified": self.agreed})
        return text, data
