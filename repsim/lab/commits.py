"""The commit that pages are made at. Sources cannot hold their own commit, so it is asked of git when they are used."""

from __future__ import annotations

import subprocess
from pathlib import Path

from repsim.lab.paths import REPOSITORY

UNKNOWN = "unknown"
MODIFIED = "-modified"
# What a page is made from. What is built, cached or a person's own beside it does not count.
SOURCES = ("repsim", "notebooks", "book", "results", "workflow", "_config.yml", "_toc.yml", "requirements.lock")


def commit(folder: Path = REPOSITORY) -> str:
    """Return the commit of the sources in `folder`, with ``-modified`` if they differ from it.

    "unknown" where `folder` is not the top of a git repository: an installed package may lie within a repository that
    is another project's.
    """
    try:
        if Path(_git(folder, "rev-parse", "--show-toplevel").strip()).resolve() != folder.resolve():
            return UNKNOWN
        name = _git(folder, "rev-parse", "HEAD").strip()
        changed = _git(folder, "status", "--porcelain", "--", *(one for one in SOURCES if (folder / one).exists()))
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN
    return f"{name}{MODIFIED}" if changed.strip() else name


def commit_in_words(name: str) -> str:
    """Return Markdown that says at which commit a page was made, and whether the sources differed from it."""
    if name == UNKNOWN:
        return "an unknown commit (made outside a git repository)"
    changed = " with uncommitted changes" if name.endswith(MODIFIED) else ""
    return f"commit `{name.removesuffix(MODIFIED)[:12]}`{changed}"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
