"""`make` while another run is at work, and after one was killed."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

SNAKEFILE = """
rule book:
    output: "book.txt"
    shell: "echo half >> {output}; sleep $NAP; echo whole >> {output}; echo made >> made.txt"
"""


@pytest.fixture
def copy(root, tmp_path):
    """The Makefile over a graph of one step, in an environment that counts as made."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    (tmp_path / "workflow").mkdir()
    for name in ("Makefile", "workflow/alone.py"):
        shutil.copy(root / name, tmp_path / name)
    (tmp_path / "workflow" / "Snakefile").write_text(SNAKEFILE)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    return tmp_path


def make(copy, nap):
    environment = {**os.environ, "NAP": str(nap), "PATH": os.path.dirname(sys.executable) + os.pathsep + os.defpath}
    command = ["make", "book"]
    text = (copy / "Makefile").read_text().replace("--forcerun execute ", "")
    (copy / "Makefile").write_text(text)
    with (copy / "log").open("a") as log:
        return subprocess.Popen(
            command, cwd=copy, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def begun(copy, process):
    deadline = time.monotonic() + 120
    while not (copy / "book.txt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (copy / "book.txt").exists(), (copy / "log").read_text()


def test_a_killed_run_is_followed_by_another(copy):
    process = make(copy, 600)
    begun(copy, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert make(copy, 0).wait(timeout=120) == 0, (copy / "log").read_text()
    assert (copy / "book.txt").read_text() == "half\nwhole\n"


def test_two_runs_at_once_do_the_work_once(copy):
    first = make(copy, 5)
    begun(copy, first)
    second = make(copy, 0)
    assert first.wait(timeout=120) == 0, (copy / "log").read_text()
    assert second.wait(timeout=120) == 0, (copy / "log").read_text()
    assert (copy / "made.txt").read_text() == "made\n"
    assert (copy / "log").read_text().count("Another run is at work in this folder") == 1
