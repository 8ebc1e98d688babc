"""Tensors from a file of PyTorch's older format (``torch.save`` before version 1.6), without PyTorch or unpickling.

Such a file holds five pickles (a magic number, the format's version, what the machine was, the saved object, the
names of the storages) and then the storages' bytes. Unpickling runs what a pickle says. Here its opcodes are only
listed, by the standard library's :func:`pickletools.genops`, which imports and calls nothing, and read by a machine of
a stack and a memo that knows the opcodes of plain values. The three names that a file of tensors needs stand for cases
of this module and are never looked up; any other name or opcode is refused. So a file can at most describe an array.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from pathlib import Path
from reprlib import Repr
from typing import IO, Any, NamedTuple

import numpy as np

from repsim.lab.errors import DataError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
LARGEST = 1 << 30
_BOUNDED = Repr()  # whatever a file nests
_BOUNDED.maxlevel = 2
brief = _BOUNDED.repr
_DICT, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_STORAGES: dict[str, np.dtype[Any]] = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
_NEW: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_NEW |= {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False}


class _Name(str):
    """A name that a pickle would import."""


class _Storage(NamedTuple):
    """Numbers that stand at the end of the file under a key."""

    key: str
    kind: np.dtype[Any]
    size: int


class _Tensor(NamedTuple):
    """A contiguous part of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Return the float32 and int64 tensors of a saved dict of names and contiguous tensors, as a ``state_dict`` is.

    Raises
    ------
    DataError
        If the file is missing, damaged, or holds anything else; the message names the file and what is wrong.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has {path.stat().st_size:,} bytes, and no more than {LARGEST:,} are read")
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # whatever opcodes, indices and shapes that anyone may have written make of this module
        raise DataError(f"{path} is not a file of tensors in PyTorch's older format: {error}") from None


def _read(file: IO[bytes]) -> dict[str, np.ndarray]:
    if (magic := _pickled(file)) != MAGIC:
        raise ValueError(f"expected the number {MAGIC:#x} at its beginning, found {brief(magic)}")
    if (protocol := _pickled(file)) != PROTOCOL:
        raise ValueError(f"expected version {PROTOCOL} of the format, found {brief(protocol)}")
    if _pickled(file)["little_endian"] is not True:
        raise ValueError("expected numbers with the lowest byte first")
    state, keys = _pickled(file), _pickled(file)
    tensors = {name: tensor for name, tensor in state.items() if isinstance(tensor, _Tensor)}
    if odd := sorted(state.keys() - tensors.keys()):
        raise ValueError(f"its entry {brief(odd[0])} is no tensor")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    numbers = {}
    for key in keys:
        _, kind, size = storages[key]
        if (count := int.from_bytes(file.read(8), "little")) != size:
            raise ValueError(f"storage {brief(key)}: expected {size} numbers, found {count}")
        content = file.read(count * kind.itemsize)
        if len(content) != count * kind.itemsize:
            raise ValueError(f"it ends within storage {brief(key)}")
        numbers[key] = np.frombuffer(content, kind)
    if file.read(1):
        raise ValueError("bytes follow the last storage")
    arrays = {}
    for name, (storage, start, shape) in tensors.items():
        stop, held = start + math.prod(shape), numbers[storage.key]
        if stop > len(held):
            raise ValueError(f"{name}: shape {shape} at {start} is not within {len(held)} numbers")
        arrays[name] = held[start:stop].reshape(shape)
    return arrays


def _pickled(file: IO[bytes]) -> Any:
    """Return what the next pickle of a file describes."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    marks: list[int] = []

    def popped(place: int) -> list[Any]:
        values = stack[place:]
        del stack[place:]
        return values

    value: Any
    for opcode, value, _ in pickletools.genops(file):
        match opcode.name:
            case "PROTO":
                pass
            case "BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1":
                stack.append(value)
            case name if name in _NEW:
                stack.append(_NEW[name]())
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(popped(marks.pop())))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                stack.append(tuple(popped(-int(name[-1]))))
            case "APPENDS":
                entries = popped(marks.pop())
                stack[-1].extend(entries)
            case "SETITEM" | "SETITEMS" as name:
                entries = popped(-2 if name == "SETITEM" else marks.pop())
                if not all(isinstance(key, str) for key in entries[::2]):
                    raise ValueError("a dict has keys that are no names")
                stack[-1].update(zip(entries[::2], entries[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[value] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[value])
            case "GLOBAL":
                stack.append(_Name(value))
            case "BINPERSID":
                stack.append(_storage(*stack.pop()))
            case "REDUCE":
                name, arguments = popped(-2)
                stack.append(_call(name, *arguments))
            case "BUILD":
                stack.pop()  # a state dict's own attributes: versions of its modules
            case "STOP":
                return stack.pop()
            case other:
                raise ValueError(f"its opcode {other} is not one that tensors need")
    raise ValueError("it ends within a pickle")


def _call(name: Any, *arguments: Any) -> Any:
    """Return what stands for the result of the two calls that a file of tensors describes; nothing is called."""
    if name == _DICT and not arguments:
        return {}
    if name != _TENSOR:
        raise ValueError(f"it calls {brief(name)}, which no tensor needs")
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, _Storage) or not all(type(side) is int and side >= 0 for side in (offset, *shape)):
        raise ValueError(f"a tensor has the shape {brief(shape)} at {brief(offset)} of {brief(storage)}")
    plain = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    if strides != plain:
        raise ValueError(f"a tensor of shape {brief(shape)}: expected strides {brief(plain)}, found {brief(strides)}")
    return _Tensor(storage, offset, shape)


def _storage(typename: Any, storage: Any, key: Any, _: Any, count: Any, view: Any = None) -> _Storage:
    known = isinstance(storage, _Name) and storage in _STORAGES  # not all can be hashed, or soon
    if typename != "storage" or not known or view is not None or not isinstance(key, str):
        raise ValueError(f"its storage {brief(key)} is of {brief(storage)}; expected {' or '.join(_STORAGES)}")
    return _Storage(key, _STORAGES[storage], count)
