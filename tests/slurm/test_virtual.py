"""The virtual cluster: a node that is lost takes its jobs with it, and nothing stays when the cluster is stopped."""

import subprocess
import time

import psutil
import pytest

from benchmarks.cluster.virtual import virtual_cluster

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def submit(cluster, folder, *options):
    command = ["sbatch", "--parsable", "--mem=100", *options, "--wrap", f"sleep 300; touch {folder}/ended"]
    given = {"cwd": folder, "env": cluster.environment, "check": True, "capture_output": True, "text": True}
    return subprocess.run(command, **given).stdout.strip()


def wait(there, seconds=90):
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def sleepers(cluster):
    return [process.pid for process in cluster.processes() if process.name() == "sleep"]


def runs(pid):
    """Say whether a process is there, and not only its entry, which stays until its parent has asked how it ended."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_lost_node_is_down_and_its_job_fails(tmp_path):
    with virtual_cluster(nodes=2) as cluster:
        lost, other = (submit(cluster, tmp_path, f"--nodelist={node}") for node in cluster.nodes)
        wait(lambda: len(sleepers(cluster)) == 2)
        assert [cluster.running(node) for node in cluster.nodes] == [[lost], [other]]
        cluster.lose("node1")
        wait(lambda: len(sleepers(cluster)) == 1)
        wait(lambda: cluster.state("node1").startswith("down"))
        assert cluster.running("node1") == []
        assert cluster.running("node2") == [other]
        left = sleepers(cluster)
    assert cluster.processes() == []
    assert len(left) == 1
    assert not runs(left[0])
    assert not cluster.folder.exists()
    assert not (tmp_path / "ended").exists()


def test_a_daemon_that_ends_is_told_with_what_it_said(monkeypatch):
    """Which one notices first is a race."""
    monkeypatch.setattr("benchmarks.cluster.virtual.CONFIGURATION", "Nonsense={host}{port}{user}{folder}{nodes}\n")
    with pytest.raises(RuntimeError, match="ended: (slurmctld|node1)(?s:.)*Nonsense"), virtual_cluster(nodes=1):
        pass
