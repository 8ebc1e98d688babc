"""Models run on batches, each batch by all of them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repsim.engine.arrays import Array, host, to_numpy
from repsim.engine.progress import Progress, reporter
from repsim.errors import ParameterError
from repsim.options import check_progress, whole_number
from repsim.tapping.batches import Inputs, Mask, batches, copied, count
from repsim.tapping.collecting import Collector, as_rows
from repsim.tapping.keras import KerasTap, is_keras
from repsim.tapping.selection import Selection
from repsim.tapping.stores import MakeStore


class FunctionTap:
    """Calls a function and hands on the activations in the mapping that it returns."""

    channels = None  # those of its arrays' library

    def __init__(self, function: Callable[[Any], Any], layers: Any, owner: str) -> None:
        self._function, self._layers, self._owner = function, layers, owner
        self._selection: Selection | None = None

    count = staticmethod(count)

    def kept(self) -> contextlib.AbstractContextManager[None]:
        """Put nothing back: what a function keeps is its own."""
        return contextlib.nullcontext()

    def __call__(self, given: Any, collector: Collector) -> None:
        """Call the function on a batch."""
        outputs = self._function(copied(given))
        if not isinstance(outputs, Mapping):
            raise ParameterError(
                f"{self._owner} returned {type(outputs).__name__}; a mapping of layer name to activations is needed, "
                'such as {"conv1": ..., "pool": ...}'
            )
        if other := [name for name in outputs if not isinstance(name, str)]:
            raise ParameterError(f"{self._owner} returned the name {other[0]!r}; names of layers are strings")
        if self._selection is None:
            # All of them by name: a function returns what it means to.
            wanted = list(outputs) if self._layers is None else self._layers
            self._selection = Selection(outputs, wanted, [], self._owner)
        collector.selection = self._selection
        for name, values in outputs.items():
            collector.take(name, values)


def _tap(model: Any, layers: Any, owner: str) -> Any:
    """Return what runs a model and hands on what its layers give."""
    if is_keras(model):
        return KerasTap(model, layers, owner)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from repsim.tapping.torch import TorchTap

        return TorchTap(model, layers, owner)
    if callable(model) and not isinstance(model, type):
        return FunctionTap(model, layers, owner)
    what = f"an array of shape {tuple(model.shape)}" if hasattr(model, "shape") else f"a {type(model).__name__}"
    what = repr(model) if isinstance(model, str | os.PathLike) else what
    raise ParameterError(
        f"{owner} is {what}; a PyTorch module, a Keras model, or a function from a batch to a mapping of layer name to "
        "activations is needed, or such a mapping, as {'layer': array}, of activations that were taken before"
    )


@dataclass(frozen=True)
class Feed:
    """What models are run on, and how what they give becomes rows; see `repsim.activations`."""

    images: Any
    pool: Any
    inputs: Inputs | None
    mask: Mask | None
    batch_size: int
    progress: Progress

    def __post_init__(self) -> None:
        whole_number("batch_size", self.batch_size, 1)
        for name in ("inputs", "mask"):
            if not ((option := getattr(self, name)) is None or callable(option)):
                raise ParameterError(f"{name} is {option!r}; a function of a batch is needed")
        check_progress(self.progress)


def take(
    models: Sequence[tuple[Any, Any, str]],
    feed: Feed,
    stores: Sequence[MakeStore],
    memory: int | None = None,
    folder: Path | None = None,
) -> list[dict[str, Any]]:
    """Return the activations of models, given with the layers wanted and their names in messages.

    Each batch is seen by all models, and a loader is gone through once. Mappings of arrays are activations already.
    Where those in memory come to take more than half of `memory`, they go to `folder`.
    """
    before = {i: _wanted(*model) for i, model in enumerate(models) if isinstance(model[0], Mapping)}
    if feed.mask and len(before) == len(models):
        raise ParameterError("mask is a function of batches, and no model is run; use repsim.pool(h, how, mask)")
    taps = {i: _tap(*model) for i, model in enumerate(models) if i not in before}
    if taps and feed.images is None:
        raise ParameterError("images is None; examples to run the models on are needed")
    collectors = {i: Collector(models[i][2], stores[i], feed.pool, run.channels) for i, run in taps.items()}
    with contextlib.ExitStack() as stack:
        for collector in collectors.values():
            stack.callback(collector.discard)
        masks = _run(list(taps.values()), list(collectors.values()), feed, memory, folder) if taps else []
        if any(before.values()) and isinstance(feed.pool, str) and len({mask.shape[1:] for mask in masks}) > 1:
            raise ParameterError(
                "batches are padded to different lengths, so that activations that were taken before cannot be pooled "
                "beside them; pool those with repsim.pool(h, how, mask) first"
            )
        mask = np.concatenate(masks) if any(before.values()) and masks else None
        taken = {
            i: {name: _rows_before(arrays[name], feed.pool, mask, f"layer {name!r} of {owner}") for name in before[i]}
            for i, (arrays, _, owner) in enumerate(models)
            if i in before
        }
        taken |= {i: collector.finish() for i, collector in collectors.items()}
    return [taken[i] for i in range(len(models))]


def _rows_before(values: Any, pool: Any, mask: Array | None, label: str) -> Any:
    """Return the rows of activations that were taken before, which may be lists."""
    return as_rows(values if hasattr(values, "shape") else to_numpy(values, label), pool, mask, None, label)


def _run(
    taps: Sequence[Any], collectors: Sequence[Collector], feed: Feed, memory: int | None, folder: Path | None
) -> list[Array]:
    """Run the models; return the masks of tokens, if batches have any."""
    given, promised = batches(feed.images, feed.batch_size)
    empty, masks = True, []
    with contextlib.ExitStack() as stack, reporter(feed.progress if promised else False, promised or 1) as tick:
        for run in taps:
            stack.enter_context(run.kept())
        for batch, first in given:
            empty = False
            chosen = feed.inputs(batch) if feed.inputs else first
            known = None if memory else promised  # room for all is made where all may stay
            tokens = feed.mask(batch) if feed.mask else _own_mask(chosen, feed.pool)
            if tokens is not None:
                masks.append(host(tokens))
            for run, collector in zip(taps, collectors, strict=True):
                rows = run.count(chosen)
                collector.begin(rows, tokens, known)
                run(chosen, collector)
                collector.end()
            if memory and folder and sum(collector.nbytes for collector in collectors) > memory // 2:
                for i, collector in enumerate(collectors):
                    collector.spill(folder / str(i))
            tick(rows or 0)
    if empty:
        raise ParameterError("images gave no batch; a generator can be gone through only once")
    return masks


def _wanted(arrays: Mapping[str, Any], layers: Any, owner: str) -> list[str]:
    """Return the names of the layers that are taken of activations that were taken before."""
    if not arrays:
        raise ParameterError(f"{owner} is empty; a mapping of layer name to activations is needed")
    if other := [name for name in arrays if not isinstance(name, str)]:
        raise ParameterError(f"{owner} has the name {other[0]!r}; names of layers are strings")
    if layers is None:
        return list(arrays)
    selection = Selection(arrays, layers, [], owner)
    if missing := selection.unanswered(arrays):
        raise ParameterError(
            f"{owner} has no layer {missing[0]!r}; activations that were taken before have whole names"
        )
    return selection.layers


def _own_mask(given: Any, how: Any) -> Any:
    """Return the mask that a tokenizer made."""
    mask_names = [name for name in given if str(name).endswith("attention_mask")] if isinstance(given, Mapping) else []
    if len(mask_names) > 1 and isinstance(how, str):
        raise ParameterError(
            f"batches have {' and '.join(mask_names)}; say with mask= which of them is of the tokens of the layers"
        )
    return given[mask_names[0]] if len(mask_names) == 1 else None
