"""The committed results: archived, certified by someone who has no data and by one who has, and altered."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from repsim.lab import contents as toc
from repsim.lab import data, paths
from repsim.lab.archives import again, archive, certify
from repsim.lab.execution import execute
from repsim.lab.families import describe
from repsim.lab.staging import StagingError, fit_to_show
from repsim.lab.store import read_artefact

from .conftest import commit_all, contents, flipped, git, pack

PROFILE = "laptop"
REAL_DATA = paths.data_root()
IMAGES_SCORED = 10_000  # the whole test set
SEEDS = 10_000  # among which the one is looked for whose sample takes least
KINDS = ("results/laptop/networks/*.npz", "results/laptop/tables/*.json", "results/laptop/claims/*.json")
KINDS += ("outputs/notebooks/*.ipynb", "outputs/figures/*.svg", "outputs/claims/*.json", "repsim/lab/*.py")

pytestmark = pytest.mark.slow


def project_files() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=paths.REPOSITORY, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("an archive is made from a git repository, and this is none")
    return [name for name in listed.split("\0") if name and (paths.REPOSITORY / name).is_file()]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """This repository as it is, committed elsewhere, with its notebooks executed there unless they are here."""
    root = tmp_path_factory.mktemp("clone")
    for name in project_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.REPOSITORY / name, root / name)
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit_all(root)
    here = paths.REPOSITORY / "build" / "notebooks"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPSIM_RESULTS", str(root / "results"))
        for stem in toc.notebooks(toc.contents(published=True, root=root)):
            target = root / "build" / "notebooks" / f"{stem}.ipynb"
            try:
                fit_to_show(here, root, stem, PROFILE)
            except StagingError:
                execute(root / "notebooks" / f"{stem}.ipynb", PROFILE, target)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(here / target.name, target)
        yield root


@pytest.fixture(scope="module")
def packed(clone) -> Path:
    return archive(PROFILE, clone / "build" / "archive", clone / "build" / "notebooks", clone)


def described(record):
    """Return a recorded network's architecture and the number of its classes."""
    recorded = record["inputs"]
    architecture = describe(recorded["architecture"], tuple(recorded.get("channels", ())))
    return architecture, data.classes_of(recorded["dataset"])


def operations(record) -> float:
    """Multiplications of a network's forward pass of one image."""
    architecture, classes = described(record)
    return architecture.multiply_adds(classes)


def cell_operations(cell, networks) -> float:
    """Multiplications of the forward passes of a cell's networks, and of its layers' inner products for each index."""
    total = 0.0
    for name, layer in zip(cell.networks, cell.layers, strict=True):
        record = networks[name].record
        architecture, classes = described(record)
        features = architecture.features(classes)[layer]
        total += cell.examples * operations(record) + len(cell.held) * cell.examples**2 * features
    return total


@pytest.fixture(scope="module")
def seed(clone) -> int:
    """The one that takes least, of those that draw the network without a test accuracy and one that JAX trained."""
    there = again.networks_of(clone, PROFILE)
    networks = {path.name: read_artefact(path) for path in there}
    tables = {path: read_artefact(path) for path in again.tables_of(clone, PROFILE)}
    away = again.not_committed(clone, PROFILE)
    cost = {}
    for number in range(SEEDS):
        rng = np.random.default_rng(number)
        scored = [path.name for path in again.drawn(there, again.NETWORKS_SCORED, rng)]
        records = [networks[name].record for name in scored]
        if any("test_accuracy" not in one for one in records) and any(one["backend"] == "jax" for one in records):
            sampled = again.drawn(list(tables), again.TABLES_SAMPLED, rng)
            cells = [again.drawn_cell(tables[path], away, rng) for path in sampled]
            if all(cells):
                scoring = sum(IMAGES_SCORED * operations(record) for record in records)
                cost[number] = scoring + sum(cell_operations(cell, networks) for cell in cells)
    assert cost, "no seed draws both networks and a cell of every table"
    return min(cost, key=cost.get)


def test_certified_without_data(clone, packed, tmp_path, monkeypatch):
    assert not packed.stem.endswith("-modified"), "drawing the figures leaves the committed results as they are"
    monkeypatch.setenv("REPSIM_DATA", str(tmp_path / "nowhere"))
    certificate = certify(packed, root=clone)
    assert certificate.agreed, certificate.text()
    assert [check.what.split()[-2:] for check in certificate.checks if check.not_done] == [
        ["records", "say"],
        ["networks", "give"],
    ]


@pytest.mark.data
def test_certified_with_data(clone, packed, seed, monkeypatch):
    if not (REAL_DATA / data.SOURCES["cifar10"].folder).exists():
        pytest.skip(f"no CIFAR-10 in {REAL_DATA}: `repsim-lab data laptop` fetches it")
    monkeypatch.setenv("REPSIM_DATA", str(REAL_DATA))
    certificate = certify(packed, seed, clone)
    assert certificate.verdict == "CERTIFIED", certificate.text()


def test_the_same_bytes_again(clone, packed):
    second = archive(PROFILE, clone / "build" / "again", clone / "build" / "notebooks", clone)
    assert second.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_one_altered_byte_is_found_by_the_files_name(clone, packed, kind, tmp_path):
    files = contents(packed)
    name = min(name for name in files if Path(name).match(kind))
    certificate = certify(pack(tmp_path / "altered.zip", {**files, name: flipped(files[name])}), root=clone)
    assert not certificate.agreed
    assert any(line.startswith(f"{name}: was altered") for line in certificate.checks[0].wrong)
