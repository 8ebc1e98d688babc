"""The benchmark of the cluster: what it runs, and that the page can show what it writes."""

import contextlib
import os
import sys
import time
from types import SimpleNamespace

import pytest

from benchmarks.cluster import __main__ as driver
from benchmarks.cluster import clusters
from benchmarks.cluster.copies import copied
from benchmarks.results import measured
from repsim.lab.repository import REPOSITORY


@pytest.fixture
def runs(monkeypatch):
    """Commands are noted and not run; the machine has SLURM, and a cluster is its number of nodes."""
    found = []

    @contextlib.contextmanager
    def cluster(nodes):
        yield SimpleNamespace(environment={**os.environ, "NODES": str(nodes)})

    def run(command, cwd, env, check):
        assert check
        time.sleep(0.2)
        found.append((command, env))

    monkeypatch.setattr(driver, "virtual_cluster", cluster)
    monkeypatch.setattr(driver, "missing", lambda: [])
    monkeypatch.setattr(driver, "slurm_version", lambda: "22.05.8")
    monkeypatch.setattr(driver.subprocess, "run", run)
    monkeypatch.setattr(driver, "copied", lambda folder: folder)
    return found


def test_the_same_networks_are_trained_without_slurm_and_on_more_and_more_nodes(runs, tmp_path, monkeypatch):
    driver.main(workers=[1, 4], networks=3, out=tmp_path / "benchmarks" / "cluster.json")
    assert [env.get("NODES") for _, env in runs] == [None, "1", "4"]
    wanted = ["plain10-untrained/seed-0", *(f"plain10-untrained-16/seed-{seed}" for seed in (0, 1))]
    for command, env in runs:
        assert [target.split("/networks/")[1] for target in command[command.index("--") + 1 :]] == wanted
        assert command[command.index("--") + 1].startswith(env["REPSIM_RESULTS"])
    local, *remote = (command for command, _ in runs)
    assert "--workflow-profile" not in local
    assert all("workflow/executors/slurm" in command and "cluster=true" in command for command in remote)
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path))
    result = measured("cluster")
    assert [row["workers"] for row in result["rows"]] == [0, 1, 4]
    assert "SLURM 22.05.8" in clusters.speed(result)


def test_without_slurm_it_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(driver, "missing", lambda: ["slurmd"])
    with pytest.raises(SystemExit, match=r"SLURM is missing \(slurmd\): make slurm"):
        driver.main(workers=None, networks=1, out=tmp_path / "cluster.json")
    assert not (tmp_path / "cluster.json").exists()


def test_a_copy_has_what_git_tracks_as_old_as_it_is(tmp_path):
    copy = copied(tmp_path / "copy")
    for name in ("Makefile", "workflow/Snakefile", "repsim/lab/profiles/smoke.yml"):
        assert (copy / name).read_bytes() == (REPOSITORY / name).read_bytes()
        assert (copy / name).stat().st_mtime == (REPOSITORY / name).stat().st_mtime, "else make makes .venv anew"
    assert os.readlink(copy / ".venv") == sys.prefix
    assert not (copy / ".git").exists()
    assert not (copy / "build").exists()
