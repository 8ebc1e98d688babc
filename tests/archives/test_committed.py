"""The committed results: archived, certified by someone who has no data and by one who has, and altered."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from repsim.lab import data, execution, repository
from repsim.lab.archives.certification import certify
from repsim.lab.archives.writing import archive
from repsim.lab.errors import LabError
from repsim.lab.execution import execute
from repsim.lab.staging import fit_to_show

from .conftest import commit_all, contents, flipped, git, pack

PROFILE = "laptop"
EXECUTED = Path("build/notebooks") / PROFILE
REAL_DATA = repository.data_root()
MINUTES = 0.5  # of processor time: enough for a network and a table
KINDS = ("results/laptop/networks/*.npz", "results/laptop/tables/*.json", "results/laptop/claims/*.json")
KINDS += ("outputs/notebooks/*.ipynb", "outputs/figures/*.svg", "outputs/claims/*.json", "repsim/lab/*.py")

pytestmark = pytest.mark.slow


def project_files() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=repository.REPOSITORY, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("an archive is made from a git repository, and this is none")
    return [name for name in listed.split("\0") if name and (repository.REPOSITORY / name).is_file()]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """This repository as it is, committed elsewhere, with its notebooks executed there unless they are here."""
    root = tmp_path_factory.mktemp("clone")
    for name in project_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository.REPOSITORY / name, root / name)
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit_all(root)
    here = repository.REPOSITORY / EXECUTED
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPSIM_RESULTS", str(root / "results"))
        for name in execution.notebooks(execution.contents(published=True, root=root)):
            target = root / EXECUTED / Path(name).name
            try:
                fit_to_show(here, root, name, PROFILE)
            except LabError:
                execute(root / name, PROFILE, target)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(here / target.name, target)
        yield root


@pytest.fixture(scope="module")
def packed(clone) -> Path:
    return archive(PROFILE, clone / "build" / "archive", clone / EXECUTED, clone)


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
def test_certified_with_data(clone, packed, monkeypatch):
    if not (REAL_DATA / data.SOURCES["cifar10"].folder).exists():
        pytest.skip(f"no CIFAR-10 in {REAL_DATA}: `repsim-lab data laptop` fetches it")
    monkeypatch.setenv("REPSIM_DATA", str(REAL_DATA))
    certificate = certify(packed, 7, clone, minutes=MINUTES)
    assert certificate.verdict == "CERTIFIED", certificate.text()


def test_the_same_bytes_again(clone, packed):
    second = archive(PROFILE, clone / "build" / "again", clone / EXECUTED, clone)
    assert second.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_one_altered_byte_is_found_by_the_files_name(clone, packed, kind, tmp_path):
    files = contents(packed)
    name = min(name for name in files if Path(name).match(kind))
    certificate = certify(pack(tmp_path / "altered.zip", {**files, name: flipped(files[name])}), root=clone)
    assert not certificate.agreed
    assert any(line.startswith(f"{name}: was altered") for line in certificate.checks[0].differs)
