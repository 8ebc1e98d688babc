"""Writing an archive: the same inputs give the same bytes, on every machine."""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from repsim.lab.archives.crate import (
    CLAIMS,
    CODECHECK,
    FIGURES,
    MANIFEST,
    METADATA,
    NOTEBOOKS,
    configuration,
    is_output,
    write_metadata,
)
from repsim.lab.claims import write_verdicts
from repsim.lab.execution import contents, figures_of, notebooks
from repsim.lab.paths import REPOSITORY, results_root
from repsim.lab.profiles import load_profile
from repsim.lab.repository import MODIFIED, commit_time, modified_files, tracked_commit, tracked_files
from repsim.lab.staging import fit_to_show
from repsim.lab.store import clear, digest, part_path, write_atomically
from repsim.lab.unpacking import ArchiveError

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
    modified = modified_files(root)
    about = {
        "profile": profile,
        "version": str(citation["version"]),
        "commit": tracked_commit(root),
        "modified": modified,
    }
    name = f"{about['commit'][:12]}{MODIFIED if modified else ''}"
    path = target / f"repsim-revisited-{about['version']}-{profile}-{name}.zip"
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

    ArchiveError if the profile has no committed results, or others than the repository's are in use; RepositoryError if
    `root` is no git repository; StagingError if an executed notebook is missing, stale or of another profile.
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
    files = {}
    for figure in figures_of(executed):
        if not figure.can_name_files:
            raise ArchiveError(f"{executed.name}: {figure.name!r:.60} is no name for a figure's file")
        if figure.svg:
            files[f"{figure.name}.svg"] = figure.svg.encode()
        if figure.data is not None:
            files[f"{figure.name}.csv"] = figure.table()
    return files
