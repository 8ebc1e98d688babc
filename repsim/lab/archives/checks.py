"""What an archive says of itself, compared with its files, and the certificate that lists every comparison.

Needs neither data nor a backend.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from repsim.lab.archives.writing import (
    CLAIMS,
    CODECHECK,
    FIGURES,
    MANIFEST,
    METADATA,
    NOTEBOOKS,
    OURS,
    figure_files,
    is_output,
)
from repsim.lab.claims import write_verdicts
from repsim.lab.errors import LabError
from repsim.lab.execution import is_stale
from repsim.lab.store import digest, machine, read_artefact, write_atomically, write_json
from repsim.lab.unpacking import ArchiveError

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


SOURCES = ("notebooks", "book", "benchmarks/*")  # where notebooks stand
LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def sentence(error: BaseException) -> str:
    """Return an error that untrusted content caused in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, LabError) else f"cannot be read ({type(error).__name__}: {text:.200})"


@contextmanager
def reading(name: str, differs: list[str]) -> Iterator[None]:
    """Add to what differs that a file of that name cannot be read, or not for what is compared."""
    try:
        yield
    except Exception as error:  # whatever reading what anyone may have written raises
        differs.append(f"{name}: {sentence(error)}")


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files of an unpacked archive by their paths."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def stated(folder: Path) -> dict[str, Any]:
    """Return what an archive says it is of: profile, version, commit, modified files; ArchiveError if it does not."""
    try:
        about = yaml.safe_load((folder / CODECHECK).read_text(encoding="utf-8"))[OURS]
        texts = {key: about[key] for key in ("profile", "version", "commit")}
        modified = [str(path) for path in about["modified"]]
    except Exception as error:  # likewise
        raise ArchiveError(f"{CODECHECK} does not say what the archive is of: {sentence(error)}") from None
    # The profile becomes part of paths.
    if not all(isinstance(text, str) and re.fullmatch(r"\w[\w.+-]{0,79}", text) for text in texts.values()):
        raise ArchiveError(f"{CODECHECK} does not say what the archive is of: {str(texts):.200}")
    return {**texts, "modified": modified}


def hashes(folder: Path) -> Check:
    """Compare every file with the manifest, and the manifest with the files."""
    there, expected, differs = files_of(folder), dict[str, str](), list[str]()
    with reading(MANIFEST, differs):
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if match := LINE.fullmatch(line):
                expected[match[2]] = match[1]
            else:
                differs.append(f"{MANIFEST}: line {number} is not a hash and a path")
        for path, sha256 in expected.items():
            if path not in there:
                differs.append(f"{path}: is missing")
            elif (have := digest(there[path])) != sha256:
                differs.append(f"{path}: was altered: expected SHA-256 {sha256}, found {have}")
        differs += [f"{path}: is not in {MANIFEST}" for path in sorted({*there} - {*expected, MANIFEST})]
    what = f"every file has the SHA-256 that {MANIFEST} gives it, and none is missing or added"
    return Check(what, len(expected), differs)


def listings(folder: Path, profile: str) -> Check:
    """Compare the lists of the CODECHECK configuration and of the metadata with the files."""
    there, differs = set(files_of(folder)), list[str]()
    with reading(CODECHECK, differs):
        manifest = yaml.safe_load((folder / CODECHECK).read_text(encoding="utf-8"))["manifest"]
        outputs = {path for path in there if is_output(path, profile)}
        differs += _compare(CODECHECK, {str(entry["file"]) for entry in manifest}, outputs)
    with reading(METADATA, differs):
        graph = json.loads((folder / METADATA).read_text(encoding="utf-8"))["@graph"]
        types = {str(entity["@id"]): entity["@type"] for entity in graph}  # one, or a list of them
        listed = {unquote(name) for name, its in types.items() if its == "File" or "File" in list(its)}
        differs += _compare(METADATA, listed, there - {METADATA})
    return Check(f"{CODECHECK} lists every output, and {METADATA} every file", len(there), differs)


def _compare(name: str, listed: set[str], there: set[str]) -> Iterator[str]:
    yield from (f"{path}: is not listed in {name}" for path in sorted(there - listed))
    yield from (f"{path:.200}: is listed in {name}, but not there" for path in sorted(listed - there))


def records(folder: Path, profile: str) -> Check:
    """Compare every artefact of the results with its own record, which is all there is of weights not committed."""
    results = folder / "results" / profile
    arrays = set(results.rglob("*.npz"))
    alone = {path for path in (results / "networks").glob("*.json") if path.with_suffix(".npz") not in arrays}
    differs = list[str]()
    for path in sorted(arrays | alone):
        with reading(path.relative_to(folder).as_posix(), differs):
            read_artefact(path.with_suffix(".npz"))
    return Check("every artefact of the results has the SHA-256 that its record gives it", len(arrays), differs)


def notebooks(folder: Path) -> Check:
    """Compare executed notebooks with their sources, and figures with the notebooks they were taken from."""
    executed = sorted((folder / NOTEBOOKS).glob("*.ipynb"))
    drawn, differs = dict[str, bytes](), list[str]()
    for path in executed:
        with reading(path.relative_to(folder).as_posix(), differs):
            sources = [source for where in SOURCES for source in folder.glob(f"{where}/{path.name}")]
            source = sources[0] if sources else folder / "notebooks" / path.name
            if is_stale(path, source):
                differs.append(f"{path.relative_to(folder)}: was not made from {source.relative_to(folder)}")
            drawn |= figure_files(path)
    for name in sorted({path.name for path in (folder / FIGURES).glob("*")} | set(drawn)):
        path = folder / FIGURES / name
        if name not in drawn or not path.is_file() or path.read_bytes() != drawn[name]:
            differs.append(f"{FIGURES}/{name}: is not what an executed notebook shows")
    what = "executed notebooks come from the notebooks, and figures from the executed notebooks"
    return Check(what, len(executed) + len(drawn), differs)


def verdicts(folder: Path, profile: str, scratch: Path) -> Check:
    """Compute the verdicts again from the claims and the measurements. The results in use must be the archive's."""
    name, judged, differs = f"{CLAIMS}/verdicts.json", 0, list[str]()
    with reading(name, differs):
        again = json.loads(write_verdicts(profile, scratch, folder / "book" / "claims.yml").read_text(encoding="utf-8"))
        judged = len(again["claims"])
        if json.loads((folder / name).read_text(encoding="utf-8")) != again:
            differs.append(f"{name}: holds other verdicts or values")
    return Check("the verdicts follow from the claims and what was measured", judged, differs)
