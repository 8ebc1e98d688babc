"""Half-written files of runs that were killed, which the next run clears away."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import psutil

HALF_WRITTEN = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.part(?:\.ipynb)?")


def part_path(path: Path, suffix: str = "") -> Path:
    """Return the passing name under which this process writes `path`: hidden, with the process's number."""
    return path.with_name(f".{path.name}.{os.getpid()}.part{suffix}")


def clear(folder: Path, name: str | None = None) -> list[Path]:
    """Remove what killed processes left half-written in a folder; what a living one writes stays.

    Parameters
    ----------
    folder
        Where to look; it need not exist.
    name
        Only parts of the file or folder of this name; None: all parts.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for path in sorted(folder.glob(".*.part*")):
        match = HALF_WRITTEN.fullmatch(path.name)
        if match is None or name not in (None, match["name"]) or psutil.pid_exists(int(match["process"])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        removed.append(path)
    return removed
