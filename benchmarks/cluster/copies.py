"""A copy of the repository in which the workflow can run without touching anything of the original."""

import shutil
import subprocess
import sys
from pathlib import Path

from repsim.lab.repository import REPOSITORY


def copied(folder: Path) -> Path:
    """Copy what git tracks, with its times, into a new folder, which shares this Python's environment; return it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder
