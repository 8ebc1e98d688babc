"""The metadata of an archive as a research object: RO-Crate, written by its maintained library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from repsim.lab.archives.codecheck import CODECHECK, author_name
from repsim.lab.archives.layout import CLAIMS, FIGURES, MANIFEST, NOTEBOOKS
from repsim.lab.execution import stamp
from repsim.lab.store import digest

VERSION = "1.2"
PROCESS_RUN = "https://w3id.org/ro/wfrun/process/0.5"
SPDX = "https://spdx.org/licenses"
LICENCES = {
    "MIT": ("MIT licence", "The code"),
    "CC-BY-4.0": ("Creative Commons Attribution 4.0 International", "Text and figures"),
}
# Not those of the `mimetypes` module, which reads what the system happens to have.
FORMATS = {
    ".bib": "application/x-bibtex",
    ".cff": "application/yaml",
    ".css": "text/css",
    ".csv": "text/csv",
    ".ipynb": "application/x-ipynb+json",
    ".js": "text/javascript",
    ".json": "application/json",
    ".lock": "text/plain",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".txt": "text/plain",
    ".yml": "application/yaml",
}
DESCRIPTIONS = {  # of a file, or of all in a folder
    CODECHECK: "The outputs that a codechecker is to make again, as CODECHECK lists them",
    "requirements.lock": "Every dependency, pinned with its hashes",
    "book/claims.yml": "The claims of the paper, as predicates stated before they were measured",
    "CITATION.cff": "How to cite this",
    "results/": "What was trained or measured, or the record of it",
    f"{NOTEBOOKS}/": "A notebook with its outputs",
    f"{FIGURES}/": "A figure, or the data of one",
    f"{CLAIMS}/": "Every claim with what was measured and its verdict",
    "": "A source of the code, the book or the tests",
}


def write_metadata(
    folder: Path, files: Iterable[str], citation: Mapping[str, Any], about: Mapping[str, Any], when: int
) -> None:
    """Write the metadata of an archive into the folder that holds its files.

    Parameters
    ----------
    folder, files
        The archive's files, by their paths in the folder.
    citation
        The content of ``CITATION.cff``.
    about
        What the archive says of itself: profile, commit, version.
    when
        When it counts as published, in seconds since 1970.
    """
    from rocrate.rocrate import ROCrate  # loads an HTTP client, which no other command needs

    crate = ROCrate(version=VERSION)
    licences = {
        name: _entity(crate, f"{SPDX}/{name}", "CreativeWork", name=title, description=what, url=f"{SPDX}/{name}")
        for name, (title, what) in LICENCES.items()
    }
    authors = _people(crate, "#author", citation["authors"], url=citation["repository-code"])
    _describe_whole(crate, citation, about, when)
    root = crate.root_dataset
    root["license"] = licences[citation["license"]]
    root["author"] = root["publisher"] = authors
    added = {}
    for path in files:
        added[path] = crate.add_file(folder / path, path, properties=_properties(folder / path, path))
        if _is_text(path):
            added[path]["license"] = licences["CC-BY-4.0"]
    root["conformsTo"] = _entity(
        crate, PROCESS_RUN, ["CreativeWork", "Profile"], name="Process Run Crate", version="0.5"
    )
    root["mentions"] = [
        _entity(
            crate, f"#run-{PurePosixPath(path).stem}", "CreateAction", **_run(folder / path, file, source, authors[0])
        )
        for path, (file, source) in _executed(added).items()
    ]
    # Without hash and size: it is written last, as it holds the hash of this metadata.
    crate.add_file(
        None,
        MANIFEST,
        properties={"name": MANIFEST, "encodingFormat": "text/plain", "description": "The SHA-256 of every other file"},
    )
    crate.metadata.write(folder)


def _entity(crate: Any, identifier: str, types: str | list[str], **properties: Any) -> Any:
    """Add something that is not one of the files."""
    from rocrate.model import ContextEntity

    return crate.add(ContextEntity(crate, identifier, properties={"@type": types, **properties}))


def _people(crate: Any, identifier: str, people: Iterable[Mapping[str, Any]], **properties: Any) -> list[Any]:
    """Add authors as ``CITATION.cff`` has them."""
    return [
        _entity(
            crate,
            f"{identifier}-{number}",
            "Organization" if "name" in person else "Person",
            name=author_name(person),
            **properties,
        )
        for number, person in enumerate(people, start=1)
    ]


def _describe_whole(crate: Any, citation: Mapping[str, Any], about: Mapping[str, Any], when: int) -> None:
    """Say what the archive is, and what paper it is about."""
    (paper,) = [one for one in citation["references"] if one["type"] == "conference-paper"]
    root = crate.root_dataset
    root["name"] = citation["title"]
    root["description"] = f"{citation['abstract']} {_sentence(about)}"
    root["datePublished"] = datetime.fromtimestamp(when, UTC).isoformat()
    root["version"] = about["version"]
    root["keywords"] = citation["keywords"]
    root["url"] = citation["repository-code"]
    root["isBasedOn"] = _entity(
        crate,
        paper["url"],
        "ScholarlyArticle",
        name=paper["title"],
        author=_people(crate, "#paper-author", paper["authors"]),
        datePublished=str(paper["year"]),
    )


def _executed(added: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the executed notebooks by path, each beside its source, which it says it is based on."""
    sources = {PurePosixPath(path).name: file for path, file in added.items() if not path.startswith(f"{NOTEBOOKS}/")}
    executed = {}
    for path, file in added.items():
        if path.startswith(f"{NOTEBOOKS}/"):
            file["isBasedOn"] = source = sources[PurePosixPath(path).name]
            executed[path] = file, source
    return executed


def _run(executed: Path, result: Any, source: Any, agent: Any) -> dict[str, Any]:
    """Return what the metadata says of the execution of a notebook."""
    told = stamp(executed) or {}
    ended = datetime.fromisoformat(told["date"])
    return {
        "name": f"Execution of {source['name']}",
        "instrument": source,
        "result": result,
        "agent": agent,
        "startTime": (ended - timedelta(seconds=told["seconds"])).isoformat(timespec="seconds"),
        "endTime": ended.isoformat(timespec="seconds"),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }


def _sentence(about: Mapping[str, Any]) -> str:
    modified = f", but for {', '.join(about['modified'])}" if about["modified"] else ""
    return f"Profile {about['profile']}, commit {about['commit']}{modified}."


def _properties(path: Path, name: str) -> dict[str, Any]:
    """Return what the metadata says of a file."""
    suffix = PurePosixPath(name).suffix
    code = {"@type": ["File", "SoftwareSourceCode"]} if _is_source(name) else {}
    return code | {
        "name": name,
        "description": next(text for start, text in DESCRIPTIONS.items() if name.startswith(start)),
        "encodingFormat": FORMATS.get(suffix, "text/plain"),
        "contentSize": str(path.stat().st_size),
        "sha256": digest(path),
    }


def _is_source(path: str) -> bool:
    """Return whether a file is code that is run: an action says what came of it."""
    return path.endswith(".py") or (path.endswith(".ipynb") and not path.startswith(f"{NOTEBOOKS}/"))


def _is_text(path: str) -> bool:
    """Return whether a file is text or a figure, which have another licence than code."""
    return path.startswith(f"{FIGURES}/") or (path.startswith("book/") and path.endswith(".md"))
