"""The address of the repository: one value, in ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from repsim.lab.paths import REPOSITORY

UNKNOWN_OWNER = "OWNER"
BRANCH = "main"
DEFAULT_REPOSITORY = "https://github.com/OWNER/repsim-revisited"


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
