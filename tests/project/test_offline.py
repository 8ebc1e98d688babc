"""Training on a machine without a network: a folder goes there, small files come back."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from repsim.lab.profiles import load_profile
from repsim.lab.store import profile_store, unseal
from repsim.lab.weights import find_network

ROOT = Path(__file__).resolve().parents[2]
WIDTH4 = load_profile("smoke").group("width4")


def offline(*arguments, **environment):
    command = [sys.executable, str(ROOT / "workflow" / "offline.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def begun(cache, epochs):
    (cache / "checkpoints").mkdir(parents=True, exist_ok=True)
    np.savez(cache / "checkpoints" / "begun.npz", history=np.zeros((epochs, 2)))


def run(folder, *options, **environment):
    command = ["sh", "run.sh", "--group", "width4", *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPSIM_")}
    return subprocess.run(
        command, cwd=folder, env={**kept, **environment}, capture_output=True, text=True, check=False, timeout=900
    )


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.slow
def test_what_is_made_there_comes_back(results):
    folder = results / "folder"
    assert offline("prepare", "smoke", folder, "--no-wheels").returncode == 0
    assert "width4" in (folder / "plan.txt").read_text(encoding="utf-8")
    there = shutil.copytree(folder, results / "there")
    done = run(there, "--seed", "1", PYTHONPATH=sysconfig.get_path("purelib"))
    assert done.returncode == 0, done.stderr
    assert "1 networks and 0 checkpoints in 1 files" in done.stdout, done.stdout + done.stderr
    assert not find_network(profile_store("smoke"), WIDTH4, 1)
    back = offline("collect", "smoke", there / "take-back")
    assert back.stdout == "1 networks are new\n", back.stderr
    artefact = find_network(profile_store("smoke"), WIDTH4, 1)
    assert artefact.record["backend"] == "jax"
    assert artefact.arrays()
    assert offline("collect", "smoke", there / "take-back").stdout == "0 networks are new\n"

    # What is here already is not trained there again, and another network of that name is not written over.
    assert "is not empty" in offline("prepare", "smoke", folder, "--no-wheels").stderr
    assert offline("prepare", "smoke", results / "again", "--no-wheels").returncode == 0
    assert (results / "again" / "known.txt").read_text(encoding="utf-8") == f"{artefact.path.name}\n"
    done = run(results / "again", "--seed", "1", PYTHONPATH=sysconfig.get_path("purelib"))
    assert "0 networks and 0 checkpoints in 1 files" in done.stdout, done.stdout + done.stderr
    artefact.path.write_bytes(b"another")
    again = offline("collect", "smoke", there / "take-back")
    assert again.returncode == 1
    assert again.stderr == f"error: {artefact.path} is there already and is another network\n"
    assert artefact.path.read_bytes() == b"another"


def test_a_failure_there_is_a_failure_of_the_script(results):
    assert offline("prepare", "smoke", results / "folder", "--no-wheels").returncode == 0
    done = run(results / "folder", "--seed", "77", PYTHONPATH=sysconfig.get_path("purelib"))
    assert done.returncode == 1
    assert "has no seed 77" in done.stderr
    assert "0 networks and 0 checkpoints in 1 files" in done.stdout


def test_parts_are_small_and_damage_is_found(results):
    networks = results / "results" / "smoke" / "networks"
    networks.mkdir(parents=True)
    for number in range(4):
        (networks / f"a{number}.npz").write_bytes(bytes(700_000))
        (networks / f"a{number}.json").write_bytes(b"{}")
    (networks / "begun.npz").write_bytes(b"without a record")
    begun(results / "cache", 5)
    (results / "known.txt").write_text("a0.npz\n", encoding="utf-8")
    done = offline("pack", "smoke", results / "known.txt", results / "back", "--mib", "0.7")
    assert "3 networks and 1 checkpoints in 3 files" in done.stdout
    parts = sorted((results / "back").glob("*"))
    listed = [subprocess.run(["tar", "-tf", path], capture_output=True, text=True, check=True).stdout for path in parts]
    assert [len(names.split()) for names in listed] == [2, 2, 3]  # a network and its record stay together
    shutil.rmtree(networks)
    refused = offline("collect", "smoke", results / "back")
    assert refused.returncode == 1
    assert refused.stderr.count("is damaged") == 3
    assert not networks.exists()


def test_a_checkpoint_is_kept_if_it_has_seen_more(results):
    begun(results / "there", 5)
    (results / "known.txt").write_text("", encoding="utf-8")
    environment = {"REPSIM_CACHE": str(results / "there")}
    assert offline("pack", "smoke", results / "known.txt", results / "back", **environment).returncode == 0
    checkpoint = results / "cache" / "checkpoints" / "begun.npz"
    for before, after in ((None, 5), (7, 7), (3, 5)):
        if before:
            begun(results / "cache", before)
        assert offline("collect", "smoke", results / "back").returncode == 0
        with np.load(checkpoint) as arrays:
            assert len(arrays["history"]) == after


@pytest.mark.bare
def test_the_packages_are_enough(results):
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = offline("prepare", "smoke", results / "folder", "--python", version)
    assert done.returncode == 0, done.stderr
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"
    made = run(results / "folder", "--at-once", "2", PATH=path, PYTHONPATH="", PIP_NO_INDEX="1")
    assert "2 networks and 0 checkpoints" in made.stdout, made.stdout + made.stderr
    (first, *_) = (results / "folder").rglob("width4-synthetic-seed0-*.json")
    assert unseal(first)["device"] == "CPU"
