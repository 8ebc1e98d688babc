"""What an archive says of itself, compared with its files: needs neither data nor a backend."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from repsim.lab.archives.certificates import Check
from repsim.lab.archives.codecheck import CODECHECK, OURS
from repsim.lab.archives.layout import (
    CLAIMS,
    FIGURES,
    MANIFEST,
    METADATA,
    NOTEBOOKS,
    ArchiveError,
    figure_files,
    is_output,
)
from repsim.lab.downloads import write_verdicts
from repsim.lab.errors import LabError
from repsim.lab.execution import is_stale
from repsim.lab.sealed import unseal
from repsim.lab.store import digest, read_artefact, record_path

LINE = re.compile(r"([0-9a-f]{64})  (.+)")
# What reading something else than expected raises: this all comes from anyone.
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    yaml.YAMLError,
)


def sentence(error: BaseException) -> str:
    """Return an error that untrusted content caused in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, LabError) else f"cannot be read ({type(error).__name__}: {text:.200})"


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files of an unpacked archive by their paths."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def stated(folder: Path) -> dict[str, Any]:
    """Return what an archive says it is of: profile, version, commit, and which files differ from the commit.

    Raises
    ------
    ArchiveError
        If it does not say so.
    """
    try:
        about = yaml.safe_load((folder / CODECHECK).read_text(encoding="utf-8"))[OURS]
        texts = {key: about[key] for key in ("profile", "version", "commit")}
        modified = [str(path) for path in about["modified"]]
    except UNREADABLE as error:
        raise ArchiveError(f"{CODECHECK} does not say what the archive is of: {sentence(error)}") from None
    # The profile becomes part of paths.
    if not all(isinstance(one, str) and re.fullmatch(r"\w[\w.+-]{0,79}", one) for one in texts.values()):
        raise ArchiveError(f"{CODECHECK} does not say what the archive is of: {str(texts):.200}")
    return {**texts, "modified": modified}


def hashes(folder: Path, damaged: Mapping[str, str]) -> Check:
    """Compare every file with the manifest, and the manifest with the files."""
    found = files_of(folder)
    what = f"every file has the SHA-256 that {MANIFEST} gives it, and none is missing or added"
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except UNREADABLE as error:
        return Check(what, wrong=[f"{MANIFEST}: {damaged.get(MANIFEST) or sentence(error)}"])
    wrong, expected = [], {}
    for number, line in enumerate(lines, start=1):
        if match := LINE.fullmatch(line):
            expected[match[2]] = match[1]
        else:
            wrong.append(f"{MANIFEST}: line {number} is not a hash and a path")
    for path, sha256 in expected.items():
        if path in damaged:
            wrong.append(f"{path}: was altered ({damaged[path]})")
        elif path not in found:
            wrong.append(f"{path}: is missing")
        elif (have := digest(found[path])) != sha256:
            wrong.append(f"{path}: was altered: expected SHA-256 {sha256}, found {have}")
    wrong += [f"{path}: is not in {MANIFEST}" for path in sorted({*found, *damaged} - {*expected, MANIFEST})]
    return Check(what, len(expected), wrong)


def listings(folder: Path, profile: str) -> Check:
    """Compare the lists of the CODECHECK configuration and of the metadata with the files."""
    found = set(files_of(folder))
    wrong: list[str] = []
    outputs = {path for path in found if is_output(path, profile)}
    try:
        manifest = yaml.safe_load((folder / CODECHECK).read_text(encoding="utf-8"))["manifest"]
        wrong += _compare(CODECHECK, {str(one["file"]) for one in manifest}, outputs)
    except UNREADABLE as error:
        wrong.append(f"{CODECHECK}: {sentence(error)}")
    try:
        graph = json.loads((folder / METADATA).read_text(encoding="utf-8"))["@graph"]
        files = {unquote(str(one["@id"])) for one in graph if one["@type"] == "File"}
        wrong += _compare(METADATA, files, found - {METADATA})
    except UNREADABLE as error:
        wrong.append(f"{METADATA}: {sentence(error)}")
    return Check(f"{CODECHECK} lists every output, and {METADATA} every file", len(found), wrong)


def _compare(name: str, listed: set[str], there: set[str]) -> Iterator[str]:
    yield from (f"{path}: is not listed in {name}" for path in sorted(there - listed))
    yield from (f"{path:.200}: is listed in {name}, but not there" for path in sorted(listed - there))


def records(folder: Path, profile: str) -> Check:
    """Compare every artefact of the results with its own record, which is all there is of weights not committed."""
    wrong = []
    arrays = sorted((folder / "results" / profile).rglob("*.npz"))
    for path in arrays:
        try:
            expected = unseal(record_path(path))["sha256"]
        except (LabError, *UNREADABLE) as error:
            wrong.append(f"{record_path(path).relative_to(folder)}: {sentence(error)}")
            continue
        if digest(path) != expected:
            wrong.append(f"{path.relative_to(folder)}: is not what {record_path(path).name} says")
    for record in alone(folder, profile):
        try:
            read_artefact(record.with_suffix(".npz"))
        except (LabError, *UNREADABLE) as error:
            wrong.append(f"{record.relative_to(folder)}: {sentence(error)}")
    return Check("every artefact of the results has the SHA-256 that its record gives it", len(arrays), wrong)


def alone(folder: Path, profile: str) -> list[Path]:
    """Return the records of networks whose weights are not in the archive."""
    records = sorted((folder / "results" / profile / "networks").glob("*.json"))
    return [path for path in records if not path.with_suffix(".npz").exists()]


def notebooks(folder: Path) -> Check:
    """Compare executed notebooks with their sources, and figures with the notebooks they were taken from."""
    executed = sorted((folder / NOTEBOOKS).glob("*.ipynb"))
    wrong, drawn = [], {}
    for path in executed:
        name = path.relative_to(folder).as_posix()
        try:
            if is_stale(path, folder / "notebooks" / path.name):
                wrong.append(f"{name}: was not made from notebooks/{path.name}")
            drawn.update(figure_files(path))
        except (LabError, *UNREADABLE) as error:
            wrong.append(f"{name}: {sentence(error)}")
    for name in sorted({path.name for path in (folder / FIGURES).glob("*")} | set(drawn)):
        path = folder / FIGURES / name
        if name not in drawn or not path.is_file() or path.read_bytes() != drawn[name]:
            wrong.append(f"{FIGURES}/{name}: is not what an executed notebook shows")
    what = "executed notebooks come from the notebooks, and figures from the executed notebooks"
    return Check(what, len(executed) + len(drawn), wrong)


def verdicts(folder: Path, profile: str, scratch: Path) -> Check:
    """Compute the verdicts again from the claims and the measurements. The results in use must be the archive's."""
    what, name = "the verdicts follow from the claims and what was measured", f"{CLAIMS}/verdicts.json"
    try:
        again = json.loads(write_verdicts(profile, scratch, folder / "book" / "claims.yml").read_text(encoding="utf-8"))
        held = json.loads((folder / name).read_text(encoding="utf-8"))
    except (LabError, *UNREADABLE) as error:
        return Check(what, wrong=[f"{name}: {sentence(error)}"])
    if held == again:
        return Check(what, len(again["claims"]))
    return Check(what, len(again["claims"]), [f"{name}: holds other verdicts or values"])
