"""Several networks trained at a time, in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from repsim.lab.errors import LabError
from repsim.lab.profiles import load_profile
from repsim.lab.repository import cache_root
from repsim.lab.side_by_side import train_side_by_side
from repsim.lab.store import profile_store
from repsim.lab.training import train_network
from repsim.lab.weights import find_network

JOBS = load_profile("smoke").jobs(["width4", "plain10-untrained"])


def test_they_are_trained_once(capsys):
    assert train_side_by_side("smoke", JOBS, 2) == []
    lines = capsys.readouterr().out.splitlines()
    store = profile_store("smoke")
    made = {job: find_network(store, *job).record["made"] for job in JOBS}
    assert len(lines) == len(JOBS) == 3
    assert all("test accuracy" in line for line in lines)
    assert train_side_by_side("smoke", JOBS, 2) == []
    assert {job: find_network(store, *job).record["made"] for job in JOBS} == made
    assert not capsys.readouterr().out


def test_what_is_not_committed_is_trained_again_when_asked(capsys):
    store, job = profile_store("smoke"), JOBS[2]  # that without training
    artefact = train_network(store, replace(job[0], committed=False), job[1])
    artefact.path.unlink()
    assert train_side_by_side("smoke", [job], 2) == []
    assert not capsys.readouterr().out
    assert train_side_by_side("smoke", [job], 2, again=True) == []
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert find_network(store, *job).arrays()


def test_they_stop_in_time():
    left = train_side_by_side("smoke", JOBS, 2, minutes=0.01)
    assert sorted(left) == ["plain10-untrained-seed0", "width4-seed0", "width4-seed1"]
    assert not any(find_network(profile_store("smoke"), *job) for job in JOBS)


def test_they_end_with_what_began_them():
    command = [sys.executable, "-m", "repsim.lab", "train", "smoke", "--group", "width4", "--at-once", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    logs = cache_root() / "logs"
    deadline = time.monotonic() + 120
    while len(list(logs.glob("*.log"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    children = [child.pid for child in psutil.Process(process.pid).children()]
    assert len(children) == 2
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert not any(psutil.pid_exists(pid) for pid in children)


def test_what_fails_is_named_and_the_others_are_trained(capsys):
    unknown = (replace(JOBS[0][0], name="no-such-group"), JOBS[0][1])
    with pytest.raises(LabError, match=r"^1 of 2 networks failed; see .*no-such-group-seed0\.log$"):
        train_side_by_side("smoke", [unknown, JOBS[2]], 2)
    assert any(line.endswith("no-such-group-seed0 failed") for line in capsys.readouterr().out.splitlines())
    assert "no-such-group" in (cache_root() / "logs" / "no-such-group-seed0.log").read_text(encoding="utf-8")
    assert find_network(profile_store("smoke"), *JOBS[2])


@pytest.mark.parametrize(
    ("options", "message"), [(["--minutes", "3"], "--at-once"), (["--held-out", "9", "--at-once", "2"], "--at-once")]
)
def test_options_that_do_not_go_together(options, message):
    command = [sys.executable, "-m", "repsim.lab", "train", "smoke", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 2
    assert message in done.stderr
