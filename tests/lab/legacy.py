"""Files of PyTorch's older format, written opcode by opcode: no pickle is imported."""

from __future__ import annotations

import struct

import numpy as np

STORAGES = {np.dtype(np.float32): b"ctorch\nFloatStorage\n", np.dtype(np.int64): b"ctorch\nLongStorage\n"}
MAGIC = b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little")


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers(values) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(array: np.ndarray, key: str, count: int | None = None, strides=None) -> bytes:
    """A tensor of a storage of `count` numbers, by default its own."""
    storage = STORAGES[array.dtype] + text(key) + text("cpu") + number(array.size if count is None else count) + b"N"
    strides = [stride // array.itemsize for stride in array.strides] if strides is None else strides
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n"
        + (b"((" + text("storage") + storage + b"tQ")
        + (number(0) + numbers(array.shape) + numbers(strides) + b"\x89")
        + b"ccollections\nOrderedDict\n)RtR"
    )


def file(state: bytes, storages: dict[str, np.ndarray], magic: bytes = MAGIC) -> bytes:
    """A whole file of a pickled state and the numbers behind it."""
    system = pickled(b"}" + text("little_endian") + b"\x88s")
    keys = pickled(b"](" + b"".join(map(text, storages)) + b"e")
    behind = b"".join(struct.pack("<q", array.size) + array.tobytes() for array in storages.values())
    return pickled(magic) + pickled(number(1001)) + system + pickled(state) + keys + behind


def saved(tensors: dict[str, np.ndarray]) -> bytes:
    """What ``torch.save`` makes of a state dict, with the versions that PyTorch adds to it."""
    arrays = {str(place): np.asarray(array, order="C") for place, array in enumerate(tensors.values())}
    entries = b"".join(text(name) + tensor(arrays[str(place)], str(place)) for place, name in enumerate(tensors))
    versions = b"}" + text("_metadata") + b"}s"
    return file(b"ccollections\nOrderedDict\n)R(" + entries + b"u" + versions + b"b", arrays)
