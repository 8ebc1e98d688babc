"""What is done with a layer's output at the moment the layer gives it."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repsim.blocks import Blocks
from repsim.engine.arrays import check_dense, to_numpy
from repsim.errors import DimensionError, DTypeError, ParameterError, ShapeMismatchError
from repsim.pool import check_pool, pool
from repsim.tapping.batches import copied, holds_numbers
from repsim.tapping.selection import Selection
from repsim.tapping.stores import InFile, InMemory, MakeStore, Store, check_folders

_NOT_REAL = re.compile("bool|complex|qu?int")  # precisions of layers that nobody means who names none


class Collector:
    """Takes the outputs of a model's layers, batch after batch, and keeps their rows.

    Rows are copied as a layer gives them: what the model does to the array afterwards, such as a ReLU in place, does
    not reach them. Messages call the model `owner`; `pooling` and `channels` are as `repsim.pool` takes them.
    """

    selection: Selection  # set by what runs the model, before it does

    def __init__(self, owner: str, store: MakeStore, pooling: Any, channels: str | None) -> None:
        self.owner = owner
        self._store, self._pooling, self._channels = store, check_pool(pooling), channels
        self._stores: dict[str, Store] = {}
        self._first, self._left_out = True, set[str]()

    def begin(self, rows: int | None, mask: Any, promised: int | None) -> None:
        """Prepare for a batch of so many inputs, whose tokens are those in the mask; so many inputs are to come."""
        self._rows, self._mask, self._promised = rows, mask, promised
        self._calls: dict[str, int] = {}
        self._given: set[str] = set()

    def take(self, layer: str, output: Any, states: int | None = None) -> None:
        """Keep what a layer gave, if it was asked for; in which part of a tuple its `states` are, if it has any."""
        self._calls[layer] = call = self._calls.get(layer, 0) + 1
        if call > 1 and (first := self.selection.repeated.get(layer)):
            raise ParameterError(
                f"layer {layer!r} of {self.owner} is called several times, as {first!r} too, and which call is whose "
                f"cannot be told; ask for {first!r}, which has all of them in their order: {first!r}, '{first}#2'"
            )
        name = layer if call == 1 else f"{layer}#{call}"
        arrays = list(_arrays(name, output))
        if len(arrays) == 1:
            arrays = [(name, arrays[0][1])]
        for place, values in arrays:
            if self.selection.position(place) is None:
                continue
            if place in self._given:
                raise ParameterError(
                    f"{self.owner} gave two outputs that are called {place!r}, of which one would be lost; give each "
                    "its own name"
                )
            self._given.add(place)
            if place not in self._left_out:
                self._keep(place, values, place.startswith(f"{name}[{states}]"))

    def end(self) -> None:
        """Check that the batch gave what the first one did."""
        if self._first:
            self._first = False
            for request in [] if self.selection.by_default else self.selection.unanswered(self._stores):
                raise ParameterError(self._why_nothing(request))
            if not self._stores:
                raise ParameterError(
                    f"no layer of {self.owner} gave an array with a row for each of {self._rows} inputs; name layers, "
                    "or say with inputs= what the model takes"
                )
            check_folders(self._stores.values())
        elif missing := sorted(set(self._stores) - self._given):
            raise ShapeMismatchError(
                f"layer {missing[0]!r} of {self.owner} gave rows for some batches only; choose layers that every "
                "example goes through"
            )

    def spill(self, folder: Path) -> None:
        """Move the rows from memory into files of a folder, where the others follow."""
        folder.mkdir()
        for name, held in self._stores.items():
            rows = held.finish()
            self._stores[name] = moved = InFile(name, rows, folder)
            moved.append(rows)
            held.discard()

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return sum(store.nbytes for store in self._stores.values() if isinstance(store, InMemory))

    def finish(self) -> dict[str, Any]:
        """Return the rows of each layer, in the order in which layers were asked for."""
        ordered = sorted(self._stores, key=lambda name: self.selection.position(name) or 0)
        return {name: self._stores.pop(name).finish() for name in ordered}

    def discard(self) -> None:
        """Let go of everything."""
        while self._stores:
            self._stores.popitem()[1].discard()

    def _keep(self, name: str, values: Any, states: bool) -> None:
        rows = self._as_rows(name, values, states)
        if rows is None:
            self._left_out.add(name)
            if name in self._stores:
                self._stores.pop(name).discard()
            return
        if name not in self._stores:
            if not self._first:
                raise ShapeMismatchError(
                    f"layer {name!r} of {self.owner} gave nothing for the first batch; choose layers that every "
                    "example goes through"
                )
            with self._naming(name):
                self._stores[name] = self._store(name, rows, None if self._pooling == "tokens" else self._promised)
        store = self._stores[name]
        if tuple(rows.shape[1:]) != store.shape:
            raise ShapeMismatchError(
                f"layer {name!r} of {self.owner} has rows of shape {store.shape} in one batch and "
                f"{tuple(rows.shape[1:])} in another; choose pool='mean', 'first', 'last' or 'tokens', or pad all "
                "batches to one length"
            )
        with self._naming(name):
            store.append(rows)

    @contextlib.contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Say whose rows cannot be kept."""
        try:
            yield
        except DTypeError as error:
            raise DTypeError(f"layer {name!r} of {self.owner}: {error}") from None
        except MemoryError as error:
            raise MemoryError(
                f"the rows of layer {name!r} of {self.owner} do not fit into memory; write them to a folder (to=, or "
                "memory= of compare), make fewer of them with pool=, or take fewer layers"
            ) from error

    def _as_rows(self, name: str, values: Any, states: bool) -> Any:
        """Return one row for each input, or None for a layer that nobody named and that has none to give.

        States have a row for each layer inside, of which there may be as many as inputs.
        """
        function = callable(self._pooling)
        by_default = self.selection.by_default
        label = f"layer {name!r} of {self.owner}"
        if not hasattr(values, "dtype"):
            values = to_numpy(values, label)
        if by_default and (states or _NOT_REAL.search(str(values.dtype)) or self._of_an_example(values)):
            return None
        try:
            check_dense(values, label)
            if not function and (states or not self._counted(values)):
                raise ShapeMismatchError(
                    f"{label} gave {_length(values)} row(s){' of states' if states else ''} for {self._rows} input(s); "
                    "an array with one row for each input is needed (a function as pool= can make it one; "
                    "pool='tokens' says that rows are tokens)"
                )
        except (DTypeError, ShapeMismatchError):
            if by_default:  # such as positions, of which there may have been as many as inputs
                return None
            raise
        try:
            pooled = as_rows(values, self._pooling, self._mask, self._channels, label)
        except DimensionError:
            if by_default and self._first and self._pooling is not None:
                return None  # such as the convolution that makes patches, where tokens are pooled
            raise
        if not hasattr(pooled, "shape"):
            raise ParameterError(f"pool returned a {type(pooled).__name__} of {label}; an array is needed")
        if function and not self._counted(pooled):
            raise ShapeMismatchError(
                f"pool returned {_length(pooled)} row(s) of {label} for {self._rows} input(s); one for each is needed"
            )
        return pooled

    def _of_an_example(self, values: Any) -> bool:
        """Whether rows are examples where tokens are wanted, as behind a pooling layer."""
        return self._pooling == "tokens" and len(values.shape) == 2 and _length(values) == self._rows

    def _counted(self, values: Any) -> bool:
        tokens = self._pooling == "tokens" and len(values.shape) == 2
        return self._rows is None or tokens or _length(values) == self._rows

    def _why_nothing(self, request: str) -> str:
        layer = next(
            (name for name in self._calls if request == name or request.startswith((f"{name}#", f"{name}["))), None
        )
        if layer is None:
            return f"layer {request!r} of {self.owner} was not called when the model ran; choose one that is"
        calls = self._calls[layer]
        return (
            f"layer {request!r} of {self.owner} gave no array; {layer!r} was called {calls} time(s), "
            "and its outputs are named as in 'name', 'name#2' and 'name[0]'"
        )


def as_rows(values: Any, how: Any, mask: Any, channels: str | None, name: str) -> Any:
    """Return activations that an index takes: pooled, or as they are if they are rows already."""
    read_only = isinstance(values, np.ndarray) and not values.flags.writeable
    if callable(how) and not isinstance(values, Blocks) and not read_only:
        values = copied(values)
    if how is not None:
        return pool(values, how, mask, channels=channels, name=name)
    shape = tuple(np.shape(values))
    if len(shape) == 3:
        raise DimensionError(
            f"{name} has activations of shape {shape}; pool= says how tokens become rows: 'mean', 'first' or 'last' "
            "for one row an example, 'tokens' for one a token, 'flatten' for all of an example's tokens in one row, or "
            "a function"
        )
    if len(shape) not in (2, 4):
        raise DimensionError(
            f"{name} has activations of shape {shape}; (examples, features) or (examples, height, width, channels) is "
            "needed, which pool='flatten' or a function as pool= can make of them"
        )
    return values


def _length(values: Any) -> int:
    return int(values.shape[0]) if len(values.shape) else 0


def _arrays(name: str, output: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays in what a layer gave, those inside others with the names of their places."""
    if getattr(output, "is_nested", False):  # what PyTorch's encoder makes of padded batches
        yield name, output.to_padded_tensor(0.0)
    elif hasattr(output, "shape") and hasattr(output, "dtype"):
        yield name, output
    elif isinstance(output, Mapping):
        for key, values in output.items():
            yield from _arrays(f"{name}[{key}]", values)
    elif dataclasses.is_dataclass(output):
        yield from _arrays(name, {field.name: getattr(output, field.name) for field in dataclasses.fields(output)})
    elif hasattr(output, "__array__") or (holds_numbers(output) and isinstance(output[0], list)):
        yield name, output  # numbers in one list are no array, such as an image's sides
    elif isinstance(output, tuple | list):
        for i, values in enumerate(output):
            yield from _arrays(f"{name}[{i}]", values)
