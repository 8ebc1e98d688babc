"""Tensors of PyTorch's older format: what is read, and that nothing is run."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest

from repsim.lab.errors import DataError
from repsim.lab.tensors import read_tensors

from . import legacy

TENSORS = {
    "weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "bias": np.array([-1.5, np.pi], np.float32),
    "count": np.array(12345678901, np.int64),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.pt"


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_tensors(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_names_numbers_and_shapes(path):
    path.write_bytes(legacy.saved(TENSORS))
    read = read_tensors(path)
    assert list(read) == list(TENSORS)
    for name, array in TENSORS.items():
        assert (read[name].shape, read[name].dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.torch
def test_files_that_pytorch_writes(path):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(array) for name, array in TENSORS.items()}
    layer = torch.nn.BatchNorm2d(4)
    torch.save({**tensors, **layer.state_dict()}, path, _use_new_zipfile_serialization=False)
    read = read_tensors(path)
    assert set(read) == {*TENSORS, *layer.state_dict()}
    for name, value in torch.load(path, weights_only=True).items():
        np.testing.assert_array_equal(read[name], value.numpy())


def test_nothing_is_run(path, tmp_path):
    """A file whose unpickling would write another file, in each way that an opcode can call a function."""
    victim = tmp_path / "victim"
    command = legacy.text(f"open({str(victim)!r}, 'w').close()")
    for attack in (
        b"cbuiltins\neval\n(" + command + b"tR",  # REDUCE
        b"(" + command + b"ibuiltins\neval\n",  # INST
        b"(cbuiltins\neval\n" + command + b"o",  # OBJ
        b"cbuiltins\neval\n(" + command + b"t\x81",  # NEWOBJ
    ):
        assert "opcode" in (said := refused(path, legacy.file(attack, {}))) or "eval" in said
        assert not victim.exists()
    assert "builtins" in sys.modules


def test_a_state_that_would_change_our_own_functions_is_dropped(path):
    state = b"ctorch._utils\n_rebuild_tensor_v2\n}" + legacy.text("__defaults__") + b")sb"
    assert "AttributeError" not in refused(path, legacy.file(state, {}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a file of tensors"),
        (b"PK\x03\x04 the newer format", "not a file of tensors"),
        (legacy.file(b"}", {}, magic=b"K\x07"), "found 7"),
        (legacy.saved(TENSORS)[:-3], "ends within storage"),
        (legacy.saved(TENSORS) + b"x", "bytes follow"),
        (legacy.file(b"}" + legacy.text("epoch") + legacy.number(3) + b"s", {}), "'epoch' is no tensor"),
        (legacy.file(b"}" + legacy.number(3) + legacy.number(3) + b"s", {}), "keys that are no names"),
        (legacy.file(b"ctorch\nload\n)R", {}), "torch load"),
    ],
)
def test_what_is_refused(path, content, message):
    assert message in refused(path, content)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 5}, "shape (2, 3, 4)"),
        ({"strides": (1, 2, 6)}, "expected strides (12, 4, 1), found (1, 2, 6)"),
        ({"strides": (0, 0, 0)}, "expected strides"),
    ],
)
def test_tensors_that_are_no_part_of_their_numbers(path, options, message):
    array = TENSORS["weight"]
    state = b"}" + legacy.text("weight") + legacy.tensor(array, "0", **options) + b"s"
    numbers = array.ravel()[: options.get("count")]
    assert message in refused(path, legacy.file(state, {"0": numbers}))


def test_storage_of_another_kind(path):
    state = b"}" + legacy.text("weight") + legacy.tensor(TENSORS["bias"], "0") + b"s"
    content = legacy.file(state.replace(b"FloatStorage", b"ByteStorage"), {"0": TENSORS["bias"]})
    assert "torch ByteStorage" in refused(path, content)


def test_a_tuple_that_doubles_is_no_bomb(path):
    doubling = b"(t" + b"q\x00h\x00\x86" * 200  # each time a pair of what there is: 2**200 leaves
    refused(path, legacy.file(doubling, {}))
    refused(path, legacy.file(b"}" + doubling + b"Ns", {}))
    refused(path, legacy.file(b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00" + doubling + b")tR", {}))


def test_any_changed_byte_is_read_or_refused(path):
    content, rng = legacy.saved(TENSORS), np.random.default_rng(0)
    for _ in range(400):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        path.write_bytes(changed[: rng.integers(1, len(content) + 1)] if rng.random() < 0.3 else changed)
        with contextlib.suppress(DataError):
            assert all(isinstance(array, np.ndarray) for array in read_tensors(path).values())


def test_a_file_that_is_not_there():
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_tensors(Path("nowhere.pt"))
