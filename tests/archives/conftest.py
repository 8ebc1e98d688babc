"""A small repository with results that can be archived, certified and computed again without any data set."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest

import repsim
from repsim.lab import repository
from repsim.lab.archives.writing import archive
from repsim.lab.claims import take
from repsim.lab.execution import execute
from repsim.lab.representations import representations
from repsim.lab.store import Artefact, Store, profile_store
from repsim.lab.weights import STEP, artefact_name, inputs

if shutil.which("git") is None:
    collect_ignore_glob = ["test_*.py"]  # an archive is made from a git repository

PROFILE, NOTEBOOK = "smoke", "01-train-networks"
EXECUTED = Path("build/notebooks") / PROFILE
LAYERS, INDEXES = ("conv1", "pool"), ("cka_linear", "hsic_linear")
DRAWS = """
from repsim.lab import figures
values = {"largest_difference": 0.25, "largest_difference_cca_mean": 0.125, "largest_difference_cca_r2": 0.25}
figures.conclude(profile, "01-train-networks", {"T1": values})
"""
FIGURE = """
from IPython.display import display
svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 60 20'><path d='M0 10H60' stroke='black'/></svg>"
figure = {"name": "drawn", "caption": "A line.", "data": {"x": [1, 2], "y": [0.5, 0.1]}}
display({"image/svg+xml": svg, "text/plain": "A line."}, raw=True, metadata={"repsim": {"figure": figure}})
"""
FILES = {
    "README.md": "# A small repository\n",
    "LICENSE": "MIT License\n",
    "_toc.yml": f"format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/{NOTEBOOK}\n",
    "book/index.md": "# A page\n",
    "repsim/__init__.py": '"""Stands for the code."""\n',
    "requirements.lock": "numpy==2.4.6\n",
    "run.sh": "#!/bin/sh\n",
}
COMMITTED = "2026-01-02T03:04:05+00:00"


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=A tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
    environment = {**os.environ, "GIT_AUTHOR_DATE": COMMITTED, "GIT_COMMITTER_DATE": COMMITTED}
    subprocess.run(["git", "-C", folder, *names, *arguments], check=True, capture_output=True, env=environment)


def commit_all(folder: Path, message: str = "All of it") -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def made_networks(store: Store) -> list[Artefact]:
    """Two networks as they are before training, with the accuracy that they have: one on images that were held out."""
    from repsim.lab.data import load_dataset
    from repsim.lab.profiles import load_profile
    from repsim.lab.training import evaluate, get_weights, hold_out, initialised

    group, dataset = load_profile(PROFILE).group("tiny10"), load_dataset("synthetic")
    other = replace(group, recipe=replace(group.recipe, held_out=100))
    scored = {"test_accuracy": (group, dataset.test), "held_out_accuracy": (other, hold_out(dataset.train, 100)[1])}

    def network(seed, score):
        group, images = scored[score]

        def make():
            model = initialised(group, dataset.classes, seed)
            return get_weights(model), {score: evaluate(model, dataset, images)[0]}

        return store.get(STEP, artefact_name(group, seed), inputs(group, seed), make)

    return [network(seed, score) for seed, score in enumerate(scored)]


def made_table(store: Store, networks: list[Artefact]) -> Artefact:
    """The similarities of two layers of each network."""
    record = {
        "split": "test",
        "examples": 50,
        "layers": list(LAYERS),
        "indexes": list(INDEXES),
        "network_files": [network.path.name for network in networks],
    }
    arrays = [array for one in networks for array in representations(one, "test", 50, LAYERS).values()]
    values = repsim.pairwise(arrays, index=list(INDEXES))
    tables = {name: value.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3) for name, value in values.items()}
    return store.get("tables", "test", {"networks": [one.sha256 for one in networks]}, lambda: (tables, record))


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """The repository, committed, with its executed notebook in ``build``."""
    root = tmp_path_factory.mktemp("made")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "run.sh").chmod(0o755)
    (root / ".gitignore").write_text("build/\n.*.lock\n")
    for name in ("CITATION.cff", "LICENSE-CONTENT", "book/claims.yml"):
        shutil.copy(repository.REPOSITORY / name, root / name)
    cells = [
        nbformat.v4.new_code_cell(f'profile = "{PROFILE}"', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(DRAWS),
        nbformat.v4.new_code_cell(FIGURE),
    ]
    (root / "notebooks").mkdir()
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), root / "notebooks" / f"{NOTEBOOK}.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPSIM_RESULTS", str(root / "results"))
        patch.setenv("REPSIM_CACHE", str(root / "build" / "cache"))
        made_table(profile_store(PROFILE), made_networks(profile_store(PROFILE)))
        execute(root / "notebooks" / f"{NOTEBOOK}.ipynb", PROFILE, root / EXECUTED / f"{NOTEBOOK}.ipynb")
        take(PROFILE, root / EXECUTED)
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit_all(root)
    return root


@pytest.fixture
def root(made, tmp_path, monkeypatch) -> Path:
    """A copy of the repository, whose results are in use."""
    copy = shutil.copytree(made, tmp_path / "repository")
    monkeypatch.setenv("REPSIM_RESULTS", str(copy / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return copy


def archived(root: Path, out: str = "build/archive") -> Path:
    return archive(PROFILE, root / out, root / EXECUTED, root)


@pytest.fixture
def packed(root) -> Path:
    """Its archive."""
    return archived(root)


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """Write a zip archive of some files."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def flipped(content: bytes, position: int | None = None) -> bytes:
    """The content with one bit of one byte changed, that in the middle unless another is named."""
    position = len(content) // 2 if position is None else position
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def parameters(values):
    """Names of files as those of tests."""
    return [pytest.param(value, id=value.replace("/", "-")) for value in values]


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}
