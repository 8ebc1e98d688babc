"""Writing an archive: the same inputs give the same bytes, on every machine.

The repository's files lie at their own paths, beside them what was made from them, described as a research object
(RO-Crate) and to a codechecker (CODECHECK). RO-Crate is written by its maintained library. The CODECHECK configuration
is of version 1.0 of the specification, because 2.0 demands an ORCID of every author. Who checks, with what result, is
added by the codechecker.
"""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from repsim.lab.claims import write_verdicts
from repsim.lab.execution import contents, figures_of, notebooks, stamp
from repsim.lab.profiles import load_profile
from repsim.lab.repository import (
    MODIFIED,
    REPOSITORY,
    commit_time,
    modified_files,
    results_root,
    tracked_commit,
    tracked_files,
)
from repsim.lab.staging import fit_to_show
from repsim.lab.store import clear, digest, part_path, write_atomically
from repsim.lab.unpacking import ArchiveError

METADATA = "ro-crate-metadata.json"  # the name that RO-Crate demands
MANIFEST = "manifest-sha256.txt"  # as sha256sum writes and reads it
NOTEBOOKS, FIGURES, CLAIMS = "outputs/notebooks", "outputs/figures", "outputs/claims"
CODECHECK = "codecheck.yml"
SPECIFICATION = "https://codecheck.org.uk/spec/config/1.0/"
OURS = "repsim_revisited"  # nodes beyond the specification bear the name of what they are for
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


def is_output(path: str, profile: str) -> bool:
    """Return whether a file of an archive is one that running the notebooks, training or measuring makes."""
    return path.startswith((f"results/{profile}/", "outputs/"))


def write_metadata(
    folder: Path, files: Iterable[str], citation: Mapping[str, Any], about: Mapping[str, Any], when: int
) -> None:
    """Write the metadata of an archive into the folder of its `files`, published at `when`, in seconds since 1970."""
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
    added = {path: crate.add_file(folder / path, path, properties=_properties(folder / path, path)) for path in files}
    for path, entity in added.items():
        if path.startswith(f"{FIGURES}/") or (path.startswith("book/") and path.endswith(".md")):
            entity["license"] = licences["CC-BY-4.0"]  # of text and figures
    types = ["CreativeWork", "Profile"]
    root["conformsTo"] = _entity(crate, PROCESS_RUN, types, name="Process Run Crate", version="0.5")
    executed = [PurePosixPath(path) for path in added if path.startswith(f"{NOTEBOOKS}/")]
    root["mentions"] = [
        _entity(crate, f"#run-{path.stem}", "CreateAction", **_run(folder / path, str(path), added, authors[0]))
        for path in executed
    ]
    # Without hash and size: it is written last, as it holds the hash of this metadata.
    about_manifest = {"encodingFormat": "text/plain", "description": "The SHA-256 of every other file"}
    crate.add_file(None, MANIFEST, properties={"name": MANIFEST, **about_manifest})
    crate.metadata.write(folder)


def _entity(crate: Any, identifier: str, types: str | list[str], **properties: Any) -> Any:
    """Add something that is not one of the files."""
    from rocrate.model import ContextEntity

    return crate.add(ContextEntity(crate, identifier, properties={"@type": types, **properties}))


def _people(crate: Any, identifier: str, people: Sequence[Mapping[str, Any]], **properties: Any) -> list[Any]:
    """Add authors as ``CITATION.cff`` has them."""
    types = ["Organization" if "name" in person else "Person" for person in people]
    return [
        _entity(crate, f"{identifier}-{number}", its, name=author_name(person), **properties)
        for number, (its, person) in enumerate(zip(types, people, strict=True), start=1)
    ]


def _describe_whole(crate: Any, citation: Mapping[str, Any], about: Mapping[str, Any], when: int) -> None:
    """Say what the archive is, and what paper it is about."""
    (paper,) = [reference for reference in citation["references"] if reference["type"] == "conference-paper"]
    root = crate.root_dataset
    root["name"] = citation["title"]
    modified = f", but for {', '.join(about['modified'])}" if about["modified"] else ""
    said = f"Profile {about['profile']}, commit {about['commit']}{modified}."
    root["description"] = f"{citation['abstract']} {said}"
    root["datePublished"] = datetime.fromtimestamp(when, UTC).isoformat()
    root["version"] = about["version"]
    root["keywords"] = citation["keywords"]
    root["url"] = citation["repository-code"]
    writers = _people(crate, "#paper-author", paper["authors"])
    facts = {"name": paper["title"], "author": writers, "datePublished": str(paper["year"])}
    root["isBasedOn"] = _entity(crate, paper["url"], "ScholarlyArticle", **facts)


def _run(executed: Path, path: str, added: Mapping[str, Any], agent: Any) -> dict[str, Any]:
    """Return what the metadata says of the execution of a notebook, which is based on its source."""
    source = next(file for name, file in added.items() if name != path and PurePosixPath(name).name == executed.name)
    added[path]["isBasedOn"] = source
    told = stamp(executed)
    ended = datetime.fromisoformat(told["date"])
    return {
        "name": f"Execution of {source['name']}",
        "instrument": source,
        "result": added[path],
        "agent": agent,
        "startTime": (ended - timedelta(seconds=told["seconds"])).isoformat(timespec="seconds"),
        "endTime": ended.isoformat(timespec="seconds"),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }


def _properties(path: Path, name: str) -> dict[str, Any]:
    """Return what the metadata says of a file."""
    # Of code that is run an action says what came of it.
    is_code = name.endswith(".py") or (name.endswith(".ipynb") and not name.startswith(f"{NOTEBOOKS}/"))
    return {
        **({"@type": ["File", "SoftwareSourceCode"]} if is_code else {}),
        "name": name,
        "description": _described(name),
        "encodingFormat": FORMATS.get(path.suffix, "text/plain"),
        "contentSize": str(path.stat().st_size),
        "sha256": digest(path),
    }


def configuration(citation: Mapping[str, Any], outputs: Sequence[str], about: Mapping[str, Any]) -> str:
    """Return the text of ``codecheck.yml``, for the files to make again."""
    (paper,) = [reference for reference in citation["references"] if reference["type"] == "conference-paper"]
    contents = {
        "version": SPECIFICATION,
        "manifest": [{"file": path, "comment": _described(path)} for path in outputs],
        "paper": {
            "title": citation["title"],
            "authors": [{"name": author_name(author)} for author in citation["authors"]],
            "reference": citation["repository-code"],
        },
        "source": f"A reproduction of {paper['title']}, {paper['url']}. CIFAR-10 and CIFAR-100 are fetched from their "
        "home page.",
        "repository": citation["repository-code"],
        OURS: dict(about),
    }
    text = yaml.safe_dump(contents, sort_keys=False, allow_unicode=True, width=120)
    return f"%YAML 1.1\n---\n{text}"


def author_name(author: Mapping[str, str]) -> str:
    """Return how an author of a citation file is called."""
    return author.get("name") or f"{author['given-names']} {author['family-names']}"


def _described(path: str) -> str:
    return next(text for start, text in DESCRIPTIONS.items() if path.startswith(start))


EARLIEST = 315_532_800  # 1980, where the times of zip archives begin


def archive(profile: str, target: Path, executed_dir: Path, root: Path = REPOSITORY) -> Path:
    """Write sources, results, executed notebooks, figures and verdicts into one research object, a zip file.

    Its times are ``SOURCE_DATE_EPOCH``, else that of the commit; what is left of the machine and the day are the stamps
    in the executed notebooks and in the records of the results. Its name holds version, profile and commit.
    ArchiveError if there are no results to archive, or no room; see :func:`gather` for what else is raised.
    """
    load_profile(profile)
    when = max(commit_time(root), EARLIEST)
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    version, at, modified = str(citation["version"]), tracked_commit(root), modified_files(root)
    about = {"profile": profile, "version": version, "commit": at, "modified": modified}
    name = f"{version}-{profile}-{at[:12]}{MODIFIED if modified else ''}"
    path = target / f"repsim-revisited-{name}.zip"
    target.mkdir(parents=True, exist_ok=True)
    clear(target)
    folder = part_path(target / "contents")
    folder.mkdir()
    try:
        files = gather(profile, root, executed_dir, folder)
        _describe(folder, files, citation, about, when)
        write_atomically(path, lambda file: _pack(file, folder, files, when))
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return path


def _describe(
    folder: Path, files: dict[str, bool], citation: Mapping[str, Any], about: Mapping[str, Any], when: int
) -> None:
    """Write what an archive says of its files, and add those files to them."""
    outputs = [path for path in files if is_output(path, about["profile"])]
    (folder / CODECHECK).write_text(configuration(citation, outputs, about), encoding="utf-8")
    files[CODECHECK] = False
    write_metadata(folder, sorted(files), citation, about, when)
    files[METADATA] = False
    lines = [f"{digest(folder / path)}  {path}\n" for path in sorted(files)]
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")
    files[MANIFEST] = False


def _pack(file: Any, folder: Path, files: Mapping[str, bool], when: int) -> None:
    """Write a zip archive in order of the names, uncompressed: compressed bytes depend on the version of zlib."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, time.gmtime(when)[:6])
            entry.create_system = 3  # Unix, whatever the system
            entry.external_attr = (0o100755 if files[path] else 0o100644) << 16
            packed.writestr(entry, (folder / path).read_bytes())


def gather(profile: str, root: Path, executed_dir: Path, folder: Path) -> dict[str, bool]:
    """Copy all that goes into an archive but its metadata into an empty folder; return which files are executable.

    ArchiveError if the profile has no committed results, or others than the repository's are in use; LabError if
    `root` is no git repository, or if an executed notebook is missing, stale or of another profile.
    """
    if results_root().resolve() != (root / "results").resolve():
        raise ArchiveError(
            f"an archive holds the results in {root / 'results'}, but REPSIM_RESULTS names others: unset it"
        )
    files = tracked_files(root)
    if not any(name.startswith(f"results/{profile}/") for name in files):
        raise ArchiveError(f"no results of profile {profile} are committed in {root / 'results'}")
    sources = notebooks(contents(published=True, root=root))
    for source in sources:
        fit_to_show(executed_dir, root, source, profile)
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)
    for name in (NOTEBOOKS, FIGURES, CLAIMS):
        (folder / name).mkdir(parents=True)
    for source in sources:
        executed = folder / NOTEBOOKS / Path(source).name
        shutil.copyfile(executed_dir / executed.name, executed)
        for name, content in figure_files(executed).items():
            (folder / FIGURES / name).write_bytes(content)
    write_verdicts(profile, folder / CLAIMS, root / "book" / "claims.yml")
    made = [path.relative_to(folder).as_posix() for path in (folder / "outputs").rglob("*") if path.is_file()]
    if taken := sorted({*made, METADATA, MANIFEST, CODECHECK} & set(files)):
        raise ArchiveError(f"the repository has files of its own where an archive's stand: {', '.join(taken)}")
    return dict(sorted({**files, **dict.fromkeys(made, False)}.items()))


def figure_files(executed: Path) -> dict[str, bytes]:
    """Return the drawings and tables of an executed notebook, by their file names."""
    files = dict[str, bytes]()
    for figure in figures_of(executed):
        if not figure.files:
            raise ArchiveError(f"{executed.name}: {figure.name!r:.60} is no name for a figure's file")
        files |= {f"{figure.name}.{suffix}": content for suffix, content in figure.files.items() if suffix != "pdf"}
    return files
