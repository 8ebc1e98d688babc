"""kill -9 in the middle of a notebook's cell: nothing half-written, nothing that blocks, and the same in the end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from repsim.lab.store import Store

from .conftest import notebook

# Makes an artefact, and waits in the middle of that where WAITING names a file to say so in.
CODE = """
import os, time
from pathlib import Path
import numpy as np
from repsim.lab.store import Store

def make():
    if waiting := os.environ.get("WAITING"):
        Path(waiting).write_text(str(os.getpid()))
        time.sleep(600)
    return {"a": np.arange(5)}, {}

artefact = Store(Path(os.environ["REPSIM_RESULTS"])).get("step", "name", {"seed": 1}, make)
print(artefact.sha256, artefact.arrays()["a"])
"""


def start(source: Path, folder: Path, waiting: str = "") -> subprocess.Popen:
    command = [sys.executable, "-m", "repsim.lab", "execute", str(source), "--profile", "smoke"]
    command += ["--out", str(folder / "out" / "out.ipynb")]
    environment = {**os.environ, "REPSIM_RESULTS": str(folder / "results"), "WAITING": waiting}
    with (folder / "log").open("w") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)


def wait_until(true, seconds=120):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert true()


def without_stamp(path: Path) -> dict:
    content = json.loads(path.read_text())
    del content["metadata"]["repsim"]
    return content


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The source, and what an uninterrupted run makes of it."""
    folder = tmp_path_factory.mktemp("whole")
    source = notebook(folder / "source.ipynb", "print('before')", CODE, "print('after')")
    assert start(source, folder).wait(timeout=120) == 0, (folder / "log").read_text()
    return source, folder


@pytest.fixture
def in_the_middle(whole, tmp_path):
    """A run that is in the middle of a cell, where it holds a lock: its process, and its kernel's."""
    waiting = tmp_path / "waiting"
    process = start(whole[0], tmp_path, str(waiting))
    wait_until(lambda: process.poll() is not None or (waiting.exists() and waiting.read_text()))
    assert process.poll() is None, (tmp_path / "log").read_text()
    kernel = psutil.Process(int(waiting.read_text()))
    yield process, kernel
    process.kill()
    process.wait()
    if kernel.is_running():
        kernel.kill()


def ends_the_same(whole, tmp_path):
    """Run again and compare with the uninterrupted run."""
    assert start(whole[0], tmp_path).wait(timeout=120) == 0, (tmp_path / "log").read_text()
    executed = [folder / "out" / "out.ipynb" for folder in (tmp_path, whole[1])]
    assert without_stamp(executed[0]) == without_stamp(executed[1])
    assert os.listdir(executed[0].parent) == ["out.ipynb"]
    artefacts = [Store(folder / "results").find("step", "name", {"seed": 1}) for folder in (tmp_path, whole[1])]
    assert artefacts[0].path.read_bytes() == artefacts[1].path.read_bytes()
    assert not list((tmp_path / "results").rglob("*.part"))


def test_the_process_is_killed(whole, in_the_middle, tmp_path):
    process, kernel = in_the_middle
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE, 30)
    assert not (tmp_path / "out" / "out.ipynb").exists()
    assert Store(tmp_path / "results").find("step", "name", {"seed": 1}) is None
    ends_the_same(whole, tmp_path)


def test_the_process_is_killed_and_the_next_run_starts_at_once(whole, in_the_middle, tmp_path):
    os.kill(in_the_middle[0].pid, signal.SIGKILL)
    in_the_middle[0].wait()
    ends_the_same(whole, tmp_path)


def test_both_are_killed(whole, in_the_middle, tmp_path):
    for one in in_the_middle:
        os.kill(one.pid, signal.SIGKILL)
    in_the_middle[0].wait()
    ends_the_same(whole, tmp_path)


def test_its_kernel_is_killed(whole, in_the_middle, tmp_path):
    process, kernel = in_the_middle
    os.kill(kernel.pid, signal.SIGKILL)
    assert process.wait(timeout=60) == 1
    said = (tmp_path / "log").read_text()
    assert "source.ipynb: its kernel died" in " ".join(said.split())
    assert "Traceback" not in said
    assert os.listdir(tmp_path / "out") == []
    ends_the_same(whole, tmp_path)
