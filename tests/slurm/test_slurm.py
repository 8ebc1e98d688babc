"""The workflow on a SLURM cluster of which a node is lost: the results are those of one machine."""

import json
import os
import subprocess
import time

import pytest

from benchmarks.cluster.copies import copied
from benchmarks.cluster.virtual import SNAKEMAKE, missing, virtual_cluster
from repsim.lab.measurements import steps
from repsim.lab.profiles import load_profile

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(7200)]

TRAINED = 3  # networks that are there when a node is lost
PROFILE = load_profile("smoke")


@pytest.fixture
def few_cores():
    """Everything that is started here sees as many cores as a measurement asks a cluster for: sums depend on it."""
    cores = os.sched_getaffinity(0)
    few = set(sorted(cores)[: PROFILE.cluster.measuring_cpus])
    if len(few) < PROFILE.cluster.measuring_cpus:
        pytest.skip("a measurement asks for more cores than this machine has")
    os.sched_setaffinity(0, few)
    yield
    os.sched_setaffinity(0, cores)


def reproduce(copy, environment, *arguments):
    command = ["make", "reproduce", "PROFILE=smoke", *arguments]
    given = {**environment, "PYTHONPATH": str(copy)}
    with (copy / "log").open("w") as log:
        return subprocess.Popen(command, cwd=copy, env=given, stdout=log, stderr=subprocess.STDOUT)


def finished(process, copy):
    assert process.wait(timeout=3600) == 0, (copy / "log").read_text()[-8000:]
    assert (copy / "build/_build/html/index.html").exists()


def hashes(copy):
    """SHA-256 of every artefact, by its name."""
    records = sorted((copy / "reproduction/results/smoke").glob("*/*.json"))
    found = {path.stem: json.loads(path.read_text()) for path in records if path.with_suffix(".npz").exists()}
    return {name: record["sha256"] for name, record in found.items()}


def test_a_lost_node_changes_nothing(tmp_path, few_cores):
    assert missing() == [], "make test-slurm installs them"
    here, there = copied(tmp_path / "here"), copied(tmp_path / "there")
    finished(reproduce(here, os.environ), here)
    with virtual_cluster(nodes=2, cpus=PROFILE.cluster.measuring_cpus) as cluster:
        process = reproduce(there, cluster.environment, "EXECUTOR=slurm", f"ARGS={SNAKEMAKE}")
        networks, lost = there / "reproduction/results/.done/smoke/networks", []
        while not (lost and len(list(networks.glob("*/seed-*"))) >= TRAINED):
            assert process.poll() is None, (there / "log").read_text()[-8000:]
            time.sleep(0.2)
            lost = cluster.running("node2")
        cluster.lose("node2")
        finished(process, there)
        assert cluster.state("node2").startswith("down")
    assert cluster.processes() == []
    # A job of the lost node may have ended just before. What must hold: everything was made, and is the same.
    assert hashes(there) == hashes(here)
    translating = PROFILE.transformers
    transformers = len(translating.seeds) * len({0, *translating.snapshots})
    assert len(hashes(here)) == len(PROFILE.jobs()) + transformers + len(steps("smoke"))
