"""The repository: the folders in use, its address, which is one value in ``pyproject.toml``, and what git says of it.

Three environment variables move the folders of results, cache and data.
Sources cannot hold the commit that pages are made at, so it is asked of git when they are used.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from repsim.lab.errors import LabError

REPOSITORY = Path(__file__).resolve().parents[2]
UNKNOWN_OWNER = "OWNER"
BRANCH = "main"
DEFAULT_REPOSITORY = "https://github.com/OWNER/repsim-revisited"
UNKNOWN = "unknown"
MODIFIED = "-modified"
# What a page is made from. What is built, cached or a person's own beside it does not count.
SOURCES = (
    *("repsim", "notebooks", "benchmarks", "book", "results", "workflow"),
    *("_config.yml", "_toc.yml", "requirements.lock"),
)


def results_root() -> Path:
    """Return the folder with one folder of results per profile (``REPSIM_RESULTS``, else ``results``)."""
    return Path(os.environ.get("REPSIM_RESULTS") or REPOSITORY / "results")


def cache_root() -> Path:
    """Return the folder for checkpoints, representations and downloads (``REPSIM_CACHE``)."""
    return Path(os.environ.get("REPSIM_CACHE") or Path.home() / ".cache" / "repsim-revisited")


def data_root() -> Path:
    """Return the folder that holds ``cifar-10-batches-bin`` and ``cifar-100-binary`` (``REPSIM_DATA``)."""
    return Path(os.environ.get("REPSIM_DATA") or cache_root() / "data")


def repository_url(root: Path = REPOSITORY) -> str:
    """Return the address of the repository."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["urls"]["Repository"]).removesuffix("/")
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return DEFAULT_REPOSITORY


def is_public(address: str) -> bool:
    """Return whether an address leads anywhere: until `make set-repository` is run, a placeholder names the owner."""
    return urlsplit(address).path.strip("/").split("/")[0] != UNKNOWN_OWNER


def commit(folder: Path = REPOSITORY) -> str:
    """Return the commit of the sources in `folder`, with ``-modified`` if they differ from it.

    "unknown" where `folder` is not the top of a git repository: it may lie within another project's.
    """
    try:
        if Path(_git(folder, "rev-parse", "--show-toplevel").strip()).resolve() != folder.resolve():
            return UNKNOWN
        name = tracked_commit(folder)
        changed = _git(folder, "status", "--porcelain", "--", *(path for path in SOURCES if (folder / path).exists()))
    except LabError:
        return UNKNOWN
    return f"{name}{MODIFIED}" if changed.strip() else name


def commit_in_words(name: str) -> str:
    """Return Markdown that says at which commit a page was made, and whether the sources differed from it."""
    if name == UNKNOWN:
        return "an unknown commit (made outside a git repository)"
    changed = " with uncommitted changes" if name.endswith(MODIFIED) else ""
    return f"commit `{name.removesuffix(MODIFIED)[:12]}`{changed}"


def tracked_files(folder: Path = REPOSITORY) -> dict[str, bool]:
    """Return the files that git tracks in `folder`, by their paths in order, and whether each can be executed."""
    files = {}
    for entry in filter(None, _git(folder, "ls-files", "--stage", "-z").split("\0")):
        about, path = entry.split("\t", 1)
        mode = about.split()[0]
        if mode not in {"100644", "100755"} or not (folder / path).is_file():
            raise LabError(f"{folder / path} is tracked by git, but is no plain file that can be read")
        files[path] = mode == "100755"
    return dict(sorted(files.items()))


def tracked_commit(folder: Path = REPOSITORY) -> str:
    """Return the commit that `folder` is at."""
    return _git(folder, "rev-parse", "HEAD").strip()


def modified_files(folder: Path = REPOSITORY) -> list[str]:
    """Return the tracked files that differ from the commit."""
    return sorted(filter(None, _git(folder, "diff", "--name-only", "--no-renames", "-z", "HEAD").split("\0")))


def commit_time(folder: Path = REPOSITORY) -> int:
    """Return ``SOURCE_DATE_EPOCH``, else when the commit was made, in seconds since 1970."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given and not given.isdecimal():
        raise LabError(f"SOURCE_DATE_EPOCH is {given!r}, not a number of seconds since 1970")
    return int(given or _git(folder, "log", "-1", "--format=%ct"))


def first_commits(path: str, pattern: str, folder: Path = REPOSITORY) -> dict[str, str]:
    """Return for what a group of `pattern` matches in the lines of a file the commit that first added such a line.

    Nothing where `folder` is not a git repository; in a shallow clone the first commit there is.
    """
    try:
        log = _git(folder, "log", "--reverse", "--format=commit %H", "--patch", "--unified=0", "--", path)
    except LabError:
        return {}
    commits, at = dict[str, str](), ""
    for line in log.splitlines():
        if line.startswith("commit "):
            at = line.removeprefix("commit ")
        elif added := re.fullmatch(rf"\+{pattern}", line):
            commits.setdefault(added[1], at)
    return commits


def _git(folder: Path, *arguments: str) -> str:
    """Return git's answer, or say in one sentence that there is none."""
    try:
        return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise LabError(f"{folder} is not a git repository with a commit, or git is not installed") from None
