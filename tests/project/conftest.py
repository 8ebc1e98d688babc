"""What the tests of the project's own files share."""

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {".git", ".venv", ".snakemake", "build", "reproduction", "__pycache__"}


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def project_files() -> list[Path]:
    """The files that git tracks or would track; outside a git repository, all but what is built."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
        paths = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for path in ROOT.rglob("*") if not LEFT_OUT & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in paths if path.is_file())


@pytest.fixture(scope="session")
def texts(project_files: list[Path]) -> dict[Path, str]:
    """The text files among them, by path relative to the root."""
    found = {}
    for path in project_files:
        try:
            found[path.relative_to(ROOT)] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
    return found
