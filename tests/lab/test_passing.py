"""Folders that processes share: there as long as anyone uses them, and gone after."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repsim.lab.errors import StorageError
from repsim.lab.passing import keep, passing_folder

# Each goes in and out many times; a file written in the block has to be there at its end.
USER = """
import os, sys
from pathlib import Path
from repsim.lab.passing import passing_folder
folder = Path(sys.argv[1])
for turn in range(200):
    with passing_folder(folder):
        own = folder / f"{os.getpid()}-{turn}"
        own.write_text("here")
        assert own.read_text() == "here"
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def elsewhere(code, *arguments):
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_made_and_removed(tmp_path):
    with passing_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").touch()
    assert names(tmp_path / "a") == []


def test_what_was_there_before_stays(tmp_path):
    (tmp_path / "a").mkdir()
    with passing_folder(tmp_path / "a"):
        (tmp_path / "a" / "file").touch()
    assert names(tmp_path / "a") == ["file"]


def test_what_an_interrupted_block_left_goes_with_the_next(tmp_path):
    block = passing_folder(tmp_path / "a")
    block.__enter__()
    (tmp_path / "a" / "file").touch()
    assert not block.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with passing_folder(tmp_path / "a"):
        assert (tmp_path / "a" / "file").exists()
    assert names(tmp_path) == []


def test_the_last_user_removes_it(tmp_path):
    first, second = passing_folder(tmp_path / "a"), passing_folder(tmp_path / "a")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (tmp_path / "a").exists()
    second.__exit__(None, None, None)
    assert names(tmp_path) == []


def test_what_another_process_keeps_stays(tmp_path):
    with passing_folder(tmp_path / "a"):
        keep(tmp_path / "a")  # the process that uses it in passing does not keep it
        (tmp_path / "a" / "file").touch()
    assert names(tmp_path) == []
    with passing_folder(tmp_path / "a"):
        (tmp_path / "a" / "file").touch()
        elsewhere(
            "import sys; from pathlib import Path; from repsim.lab.passing import keep; keep(Path(sys.argv[1]))",
            tmp_path / "a",
        )
    assert names(tmp_path / "a") == ["file"]
    keep(tmp_path / "b")
    assert names(tmp_path) == ["a"]


def test_many_processes_at_once(tmp_path):
    command = [sys.executable, "-c", USER, str(tmp_path / "a")]
    users = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    for user in users:
        _, said = user.communicate(timeout=120)
        assert user.returncode == 0, said
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    def full(self, *arguments, **how):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(StorageError, match="a cannot be made: No space left on device"), passing_folder(tmp_path / "a"):
        pass
    assert names(tmp_path) == []
