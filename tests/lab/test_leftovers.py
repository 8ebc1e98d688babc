"""What killed processes leave half-written is cleared by the next run; what living ones write is not."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from repsim.lab.store import Store, clear, part_path

KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from repsim.lab.store import write_atomically
def write(file):
    file.write(b"half of it")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path(sys.argv[1]), write)
"""


@pytest.fixture
def ended():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_only_what_the_dead_left_is_cleared(tmp_path, ended):
    living = part_path(tmp_path / "a.npz")
    others = [living, tmp_path / "a.npz", tmp_path / ".a.npz.lock", tmp_path / ".a.part", tmp_path / f"a.{ended}.part"]
    left = [tmp_path / f".a.npz.{ended}.part", tmp_path / f".b.ipynb.{ended}.part.ipynb"]
    for path in (*others, *left):
        path.write_text("x")
    (tmp_path / f".book.{ended}.part" / "book").mkdir(parents=True)
    clear(tmp_path, "a.npz")
    assert [path.exists() for path in left] == [False, True]
    clear(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)
    clear(tmp_path / "nowhere")


def test_a_kill_in_the_middle_of_a_write(tmp_path):
    store, inputs = Store(tmp_path), {"seed": 1}
    path, other = (store.path("step", name, inputs) for name in ("name", "other"))
    for one in (path, other):
        done = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(one)], check=False)
        assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    assert len(os.listdir(path.parent)) == 2
    artefact = store.get("step", "name", inputs, lambda: ({"a": np.arange(3)}, {}))
    np.testing.assert_array_equal(artefact.arrays()["a"], np.arange(3))
    (left,) = path.parent.glob("*.part")
    assert left.name.startswith(f".{other.name}."), "what belongs to another artefact is not touched"
