"""Artefacts: addressed by their inputs, atomic, checked, made once."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from repsim.lab.errors import DamagedArtefactError, MissingArtefactError, StorageError
from repsim.lab.store import (
    MADE_AGAIN_BY,
    ONLY_READ,
    Store,
    digest,
    key,
    read_arrays,
    read_artefact,
    record_path,
    sealed,
    write_arrays,
    write_atomically,
)

INPUTS = {"version": 1, "seed": 3}


def make():
    return {"a": np.arange(6.0).reshape(2, 3)}, {"note": "made"}


def test_made_once_then_found(tmp_path):
    store, calls = Store(tmp_path), []

    def counted():
        calls.append(1)
        return make()

    first = store.get("step", "name", INPUTS, counted)
    again = store.get("step", "name", INPUTS, counted)
    assert len(calls) == 1
    np.testing.assert_array_equal(again.arrays()["a"], np.arange(6.0).reshape(2, 3))
    assert first.record["sha256"] == again.sha256 == digest(first.path)
    assert first.record["note"] == "made"
    assert first.record["inputs"] == INPUTS


def not_committed(value=1.0):
    return {"a": np.full(3, value)}, {MADE_AGAIN_BY: "make it"}


def test_what_is_not_committed_is_known_by_its_record(tmp_path):
    store = Store(tmp_path)
    made = store.get("step", "name", INPUTS, not_committed)
    assert not made.is_away
    made.path.unlink()
    ways = (store.find("step", "name", INPUTS), store.get("step", "name", INPUTS, make), read_artefact(made.path))
    for found in ways:
        assert found.is_away
        assert found.sha256 == made.sha256
        with pytest.raises(MissingArtefactError, match="only its record: it is not committed. Make it again: make it"):
            found.arrays()
    made.path.write_bytes(b"another")
    with pytest.raises(DamagedArtefactError, match="expected SHA-256"):
        store.find("step", "name", INPUTS)


def test_made_again_the_same_keeps_its_record_and_another_takes_its_place(tmp_path):
    store = Store(tmp_path)
    made = store.get("step", "name", INPUTS, not_committed)
    written = record_path(made.path).read_bytes()
    assert store.get("step", "name", INPUTS, lambda: pytest.fail("it is there"), again=True).sha256 == made.sha256
    made.path.unlink()
    assert store.get("step", "name", INPUTS, not_committed, again=True).arrays()["a"][0] == 1
    assert record_path(made.path).read_bytes() == written
    made.path.unlink()
    other = store.get("step", "name", INPUTS, lambda: not_committed(2.0), again=True)
    assert other.sha256 != made.sha256
    assert store.find("step", "name", INPUTS).arrays()["a"][0] == 2


def test_nothing_is_made_where_results_are_only_read(tmp_path, monkeypatch):
    store = Store(tmp_path)
    made = store.get("step", "name", INPUTS, make)
    monkeypatch.setenv(ONLY_READ, "1")
    assert store.get("step", "name", INPUTS, make).sha256 == made.sha256
    with pytest.raises(MissingArtefactError, match=r"other-[0-9a-f]{12}\.npz is missing, and nothing is made while"):
        store.get("step", "other", INPUTS, make)
    assert [path.name for path in tmp_path.rglob("*.npz")] == [made.path.name]


@pytest.mark.parametrize("other", [{"version": 2, "seed": 3}, {"version": 1, "seed": 4}, {"version": 1}])
def test_other_inputs_have_another_address(tmp_path, other):
    store = Store(tmp_path)
    assert store.path("step", "name", INPUTS) != store.path("step", "name", other)
    assert store.find("step", "name", other) is None


def test_address_does_not_depend_on_the_order_of_inputs():
    assert key({"a": 1, "b": [1, 2]}) == key({"b": [1, 2], "a": 1})


def test_same_arrays_same_bytes(tmp_path):
    for name in ("one.npz", "two.npz"):
        write_arrays(tmp_path / name, {"a": np.eye(3), "b": np.zeros(2, np.float32)})
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_every_altered_byte_is_refused_by_name(tmp_path):
    store = Store(tmp_path)
    artefact = store.get("step", "name", INPUTS, make)
    content = artefact.path.read_bytes()
    for position in range(0, len(content), 17):
        damaged = bytearray(content)
        damaged[position] ^= 1
        artefact.path.write_bytes(damaged)
        with pytest.raises(DamagedArtefactError, match="expected SHA-256") as error:
            store.get("step", "name", INPUTS, make)
        assert str(artefact.path) in str(error.value)
        assert digest(artefact.path) in str(error.value)
    artefact.path.write_bytes(content)
    assert store.get("step", "name", INPUTS, make).sha256 == artefact.sha256


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: content + b"x"])
def test_nothing_else_is_touched_when_one_is_refused(tmp_path, damage):
    store = Store(tmp_path)
    damaged, other = (store.get("step", name, INPUTS, make) for name in ("damaged", "other"))
    damaged.path.write_bytes(damage(damaged.path.read_bytes()))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.*")}
    with pytest.raises(DamagedArtefactError) as error:
        store.get("step", "damaged", INPUTS, lambda: pytest.fail("a damaged artefact is not made again unasked"))
    assert f"expected SHA-256 {damaged.sha256}, found {digest(damaged.path)}" in str(error.value)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.rglob("*.*")} == before
    assert store.get("step", "other", INPUTS, make).sha256 == other.sha256


def test_missing_file_is_refused(tmp_path):
    artefact = Store(tmp_path).get("step", "name", INPUTS, make)
    artefact.path.unlink()
    with pytest.raises(DamagedArtefactError, match="no file"):
        Store(tmp_path).find("step", "name", INPUTS)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"sha256": '])
def test_damaged_record_is_refused(tmp_path, content):
    artefact = Store(tmp_path).get("step", "name", INPUTS, make)
    record_path(artefact.path).write_text(content)
    with pytest.raises(DamagedArtefactError, match=record_path(artefact.path).name):
        Store(tmp_path).find("step", "name", INPUTS)


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, lambda file: file.write(b"old"))

    def fail(file):
        file.write(b"half of the new")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_no_pickle_is_read(tmp_path):
    artefact = Store(tmp_path).get("step", "name", INPUTS, make)
    np.savez(artefact.path, a=np.array([{"an": "object"}], dtype=object))
    record_path(artefact.path).write_bytes(sealed({**artefact.record, "sha256": digest(artefact.path)}))
    with pytest.raises(DamagedArtefactError, match="allow_pickle"):
        Store(tmp_path).find("step", "name", INPUTS).arrays()


SLOW_MAKER = """
import sys, time, numpy as np
from pathlib import Path
from repsim.lab.store import Store
def make():
    with open(sys.argv[1] + "/calls", "a") as file: file.write("x")
    time.sleep(float(sys.argv[2]))
    return {"a": np.arange(3)}, {}
print(Store(Path(sys.argv[1])).get("step", "name", {"seed": 1}, make).sha256)
"""


def start(folder, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_MAKER, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_make_it_once(tmp_path):
    both = [start(tmp_path, 1), start(tmp_path, 1)]
    assert len({process.communicate(timeout=60)[0] for process in both}) == 1
    assert (tmp_path / "calls").read_text() == "x"


SEVERAL = """
import random, sys, time, numpy as np
from pathlib import Path
from repsim.lab.store import Store
store = Store(Path(sys.argv[1]))
seeds = list(range(6))
random.Random(int(sys.argv[2])).shuffle(seeds)
for seed in seeds:
    def make():
        with open(sys.argv[1] + "/calls", "a") as file: file.write(f"{seed} ")
        time.sleep(0.1)
        return {"a": np.full(1000, seed)}, {}
    assert (store.get("step", "name", {"seed": seed}, make).arrays()["a"] == seed).all()
"""


def test_many_processes_at_once_make_each_once_and_damage_none(tmp_path):
    command = [sys.executable, "-c", SEVERAL, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0, 0]
    assert sorted((tmp_path / "calls").read_text().split()) == list("012345")
    for seed in range(6):
        assert (Store(tmp_path).find("step", "name", {"seed": seed}).arrays()["a"] == seed).all()
    assert not list(tmp_path.rglob("*.part"))


def test_killed_maker_is_followed_by_another(tmp_path):
    process = start(tmp_path, 60)
    deadline = time.time() + 60
    while not (tmp_path / "calls").exists() and time.time() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    artefact = Store(tmp_path).get("step", "name", {"seed": 1}, lambda: ({"a": np.arange(3)}, {}))
    np.testing.assert_array_equal(artefact.arrays()["a"], np.arange(3))


def test_a_disk_without_room_is_one_sentence(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, lambda file: file.write(b"old"))

    def fail(file):
        file.write(b"half of the new")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match=r"file cannot be written: No space left on device$"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", pickle.dumps({"a": 1})])
def test_what_is_no_file_of_arrays_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DamagedArtefactError, match=r"a\.npz is damaged: not a file of arrays"):
        read_arrays(tmp_path / "a.npz")
