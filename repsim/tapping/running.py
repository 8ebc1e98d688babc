"""Models run on batches, each batch by all of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from repsim.engine.progress import reporter
from repsim.errors import ParameterError
from repsim.options import whole_number
from repsim.tapping.batches import Inputs, Mask, batches, count
from repsim.tapping.collecting import Collector, as_rows
from repsim.tapping.functions import FunctionTap
from repsim.tapping.keras import KerasTap, is_keras
from repsim.tapping.selection import names
from repsim.tapping.stores import Store

Progress = bool | Callable[[int, int], None]


def _tap(model: Any, layers: Any, owner: str) -> Any:
    """Return what runs a model and hands on what its layers give."""
    if is_keras(model):
        return KerasTap(model, layers, owner)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from repsim.tapping.torch import TorchTap

        return TorchTap(model, layers, owner)
    if callable(model):
        return FunctionTap(model, layers, owner)
    raise ParameterError(
        f"{owner} is a {type(model).__name__}; a PyTorch module, a Keras model, or a function from a batch to a "
        "mapping of layer name to activations is needed"
    )


def take(
    models: Sequence[tuple[Any, Any, str]],
    images: Any,
    *,
    stores: Sequence[Callable[[str, Any, int | None], Store]],
    pool: Any,
    inputs: Inputs | None,
    mask: Mask | None,
    batch_size: int,
    progress: Progress,
    memory: int | None = None,
    folder: Path | None = None,
) -> list[dict[str, Any]]:
    """Return the activations of models, given with the layers wanted and their names in messages.

    Each batch is seen by all models, and a loader is gone through once. Mappings of arrays are activations already.
    Where those in memory come to take more than half of `memory`, they go to `folder`.
    """
    batch_size = whole_number("batch_size", batch_size, 1)
    for name, option in (("inputs", inputs), ("mask", mask)):
        if not (option is None or callable(option)):
            raise ParameterError(f"{name} is {option!r}; a function of a batch is needed")
    ready = [
        _chosen(model, layers, owner, pool) if isinstance(model, Mapping) else None for model, layers, owner in models
    ]
    running = [i for i, arrays in enumerate(ready) if arrays is None]
    if running and images is None:
        raise ParameterError("images is None; examples to run the models on are needed")
    taps = [_tap(*models[i]) for i in running]
    collectors = [Collector(models[i][2], stores[i], pool, run.channels) for i, run in zip(running, taps, strict=True)]
    with contextlib.ExitStack() as stack:
        for collector in collectors:
            stack.callback(collector.discard)
        if running:
            _run(taps, collectors, *batches(images, batch_size), inputs, mask, progress, memory, folder)
        for i, collector in zip(running, collectors, strict=True):
            ready[i] = collector.finish()
    return [arrays for arrays in ready if arrays is not None]


def _run(
    taps: Sequence[Any],
    collectors: Sequence[Collector],
    given: Iterable[tuple[Any, Any]],
    promised: int | None,
    inputs: Inputs | None,
    mask: Mask | None,
    progress: Progress,
    memory: int | None,
    folder: Path | None,
) -> None:
    empty = True
    with reporter(progress if promised else False, promised or 1) as tick:
        for batch, first in given:
            empty = False
            chosen = inputs(batch) if inputs else first
            rows = count(chosen)
            known = None if memory else promised  # room for all is made where all may stay
            tokens = mask(batch) if mask else _own_mask(chosen)
            for run, collector in zip(taps, collectors, strict=True):
                collector.begin(rows, tokens, known)
                run(chosen, collector)
                collector.end()
            if memory and folder and sum(collector.nbytes for collector in collectors) > memory // 2:
                for i, collector in enumerate(collectors):
                    collector.spill(folder / str(i))
            tick(rows or 0)
    if empty:
        raise ParameterError("images gave no batch; a generator can be gone through only once")


def _chosen(arrays: Mapping[str, Any], layers: Any, owner: str, how: Any) -> dict[str, Any]:
    if not arrays:
        raise ParameterError(f"{owner} is empty; a mapping of layer name to activations is needed")
    wanted = list(arrays) if layers is None else names(arrays, layers, owner)
    return {name: as_rows(arrays[name], how, None, "last", f"layer {name!r} of {owner}") for name in wanted}


def _own_mask(given: Any) -> Any:
    """Return the mask that a tokenizer made."""
    return given.get("attention_mask") if isinstance(given, Mapping) else None
