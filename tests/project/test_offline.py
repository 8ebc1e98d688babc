"""Training on a machine without a network: a folder goes there, small files come back."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from repsim.lab.__main__ import train
from repsim.lab.profiles import load_profile
from repsim.lab.store import digest, profile_store, unseal
from repsim.lab.training import train_network
from repsim.lab.weights import find_network

ROOT = Path(__file__).resolve().parents[2]
WIDTH4 = load_profile("smoke").group("width4")
NAMED = [("plain10-untrained", 0), ("width4", 0), ("width4", 1)]
JAX = {"KERAS_BACKEND": "jax"}
# In place of Python: says that two networks are missing, and trains for longer than the test takes.
STAND_IN = """#!/bin/sh
case "$*" in *--missing*) echo --seed 1; echo --seed 2;; *) echo $$ >> pids; exec sleep 60;; esac
"""


def offline(*arguments, **environment):
    command = [sys.executable, str(ROOT / "workflow" / "offline.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def begun(cache, epochs):
    (cache / "checkpoints").mkdir(parents=True, exist_ok=True)
    np.savez(cache / "checkpoints" / "begun.npz", history=np.zeros((epochs, 2)))


def run(folder, *options, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPSIM_")}
    kept |= {"PYTHONPATH": sysconfig.get_path("purelib")} | environment
    command = ["timeout", "900", "sh", "run.sh", "2", "--group", "width4", *options]
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)


def packed(folder):
    """The names in what is to be taken back."""
    parts = b"".join(part.read_bytes() for part in sorted((folder / "take-back").glob("part*")))
    listed = subprocess.run(["tar", "-t"], input=parts, capture_output=True, check=True).stdout.decode()
    return [name for name in listed.splitlines() if not name.endswith("/")]


def test_what_is_missing_is_said_the_longest_first(results, capsys):
    def missing(profile="smoke", groups=("width4", "plain10-untrained"), **how):
        train(profile, list(groups), missing=True, **how)
        return capsys.readouterr().out.splitlines()

    minutes = {group.name: group.minutes for group in load_profile("laptop").networks}
    listed = [minutes[line.split()[1]] for line in missing("laptop", minutes)]
    assert listed == sorted(listed, reverse=True)
    assert listed[0] > listed[-1]
    every = [f"--group {name} --seed {seed} --threads 1 --held-out 0" for name, seed in NAMED]
    assert sorted(missing()) == every
    group = replace(load_profile("smoke").group("plain10-untrained"), committed=False)
    made = train_network(profile_store("smoke"), group, 0)
    assert missing() == every[1:]
    made.path.unlink()
    assert missing() == every[1:]
    assert sorted(missing(again=True)) == [f"{line} --again" for line in every]


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
    done = run(there, "--seed", "1")
    assert done.returncode == 0, done.stderr
    (weights, record) = sorted(name for name in packed(there) if name.startswith("networks/"))[::-1]
    assert not find_network(profile_store("smoke"), WIDTH4, 1)
    back = offline("collect", "smoke", there / "take-back")
    assert back.stdout == "1 networks are new\n", back.stderr
    artefact = find_network(profile_store("smoke"), WIDTH4, 1)
    assert artefact.record["backend"] == "jax"
    assert (f"networks/{artefact.path.name}", artefact.path.with_suffix(".json").name) == (weights, Path(record).name)
    assert offline("collect", "smoke", there / "take-back").stdout == "0 networks are new\n"

    # It is the network that a training alone gives.
    environment = {"REPSIM_RESULTS": str(results / "alone"), "REPSIM_CACHE": str(results / "other"), **JAX}
    command = [sys.executable, "-m", "repsim.lab", "train", "smoke", "--group", "width4", "--seed", "1"]
    subprocess.run(command, check=True, env={**os.environ, **environment})
    assert digest(results / "alone" / "smoke" / "networks" / artefact.path.name) == artefact.sha256

    # What is here already is not trained there again, and another network of that name is not written over.
    assert "is not empty" in offline("prepare", "smoke", folder, "--no-wheels").stderr
    assert offline("prepare", "smoke", results / "again", "--no-wheels").returncode == 0
    assert (results / "again" / "known.txt").read_text(encoding="utf-8") == f"{artefact.path.stem}.*\n"
    assert run(results / "again", "--seed", "1").returncode == 0
    assert packed(results / "again") == ["training.log"]
    artefact.path.write_bytes(b"another")
    again = offline("collect", "smoke", there / "take-back")
    assert again.returncode == 1
    assert again.stderr == f"error: {artefact.path} is there already and is another network\n"
    assert artefact.path.read_bytes() == b"another"


def test_a_failure_there_is_a_failure_of_the_script(results):
    assert offline("prepare", "smoke", results / "folder", "--no-wheels").returncode == 0
    done = run(results / "folder", "--seed", "77")
    assert done.returncode == 1
    assert "has no seed 77" in done.stderr


def test_what_is_interrupted_is_packed_and_leaves_no_process(results):
    assert offline("prepare", "smoke", results / "folder", "--no-wheels").returncode == 0
    python = results / "folder" / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (python.parents[1] / "complete").touch()
    python.write_text(STAND_IN, encoding="utf-8")
    python.chmod(0o755)
    begun(results / "folder" / "cache", 3)
    command = ["timeout", "3", "sh", "run.sh", "2"]
    assert subprocess.run(command, cwd=results / "folder", check=False).returncode == 124
    assert packed(results / "folder") == ["training.log", "checkpoints/begun.npz"]
    pids = (results / "folder" / "pids").read_text(encoding="utf-8").split()
    assert len(pids) == 2
    assert all(ended(int(pid)) for pid in pids)


def ended(pid):
    """Whether a process has ended, though nobody may have asked for its status."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def returned(folder, networks):
    """Write what comes back with some networks, by their names; "{}" is the record of each."""
    (folder / "networks").mkdir(parents=True)
    for name in networks:
        (folder / "networks" / f"{name}.npz").write_bytes(bytes(700))
        (folder / "networks" / f"{name}.json").write_bytes(b"{}")
    (folder / "take-back").mkdir()
    subprocess.run("tar -c networks | split -b 1000 - take-back/part", shell=True, cwd=folder, check=True)
    return folder / "take-back"


def test_parts_are_joined_and_damage_is_found(results):
    back = returned(results / "there", ["a1", "a2", "a3"])
    assert len(list(back.iterdir())) > 3
    refused = offline("collect", "smoke", back)
    assert refused.returncode == 1
    assert refused.stderr.count("is damaged") == 3
    assert not (results / "results" / "smoke" / "networks").exists()


def test_a_checkpoint_is_kept_if_it_has_seen_more(results):
    begun(results / "there", 5)
    (results / "back").mkdir()
    subprocess.run(["tar", "-cf", results / "back" / "partaa", "-C", results / "there", "checkpoints"], check=True)
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
    made = run(results / "folder", PATH=path, PYTHONPATH="", PIP_NO_INDEX="1")
    assert sum(name.endswith(".npz") for name in packed(results / "folder")) == 2, made.stdout + made.stderr
    (first, *_) = (results / "folder").rglob("width4-synthetic-seed0-*.json")
    assert unseal(first)["device"] == "CPU"
