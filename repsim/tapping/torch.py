"""The layers of a PyTorch module."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from repsim.engine.arrays import is_array, to_numpy
from repsim.errors import ParameterError
from repsim.notices import warn
from repsim.tapping.batches import count
from repsim.tapping.collecting import Collector
from repsim.tapping.selection import Selection


class TorchTap:
    """Runs a module in evaluation mode, without gradients, and hands on what its layers give.

    Its mode, and that of each of its modules, is as before after each batch. By default its layers are all modules that
    have none inside.
    """

    channels = "first"

    def __init__(self, model: torch.nn.Module, layers: Any, owner: str) -> None:
        model = getattr(model, "_orig_mod", model)  # what torch.compile compiles
        if isinstance(model, torch.jit.ScriptModule):
            raise ParameterError(
                f"{owner} is scripted or traced, so that its layers cannot be looked at; take the module it was made of"
            )
        self._model, self._modules = model, modules_of(model)
        if any(torch.nn.parameter.is_lazy(p) for p in model.parameters()):
            raise ParameterError(f"{owner} has lazy modules that have seen no batch yet; run it on one first")
        leaves = [name for name, module in model.named_modules() if _is_leaf(name, module)]
        self.selection = Selection(self._modules, layers, [name or _own(model) for name in leaves], owner)
        if training := [name for name, module in model.named_modules() if module.training]:
            where = f" in {training[0]!r}" if training[0] else ""
            message = (
                f"{owner} is in training mode{where}; its activations are taken in evaluation mode (no dropout, batch "
                "normalisation by its running statistics) and its mode is put back. Call .eval() to say so yourself"
            )
            warn(UserWarning(message))

    def count(self, given: Any) -> int | None:
        """Return the number of examples in a batch; a list is one argument, of examples."""
        return len(given) if isinstance(given, list) else count(given)

    def __call__(self, given: Any, collector: Collector) -> None:
        """Run the module on a batch."""
        collector.selection = self.selection
        given = self._placed(given)
        with torch.no_grad(), self._tapped(collector):
            if isinstance(given, Mapping):
                self._call_by_name(given)
            elif isinstance(given, tuple):
                self._model(*given)
            else:
                self._model(given)

    def _call_by_name(self, given: Mapping[str, Any]) -> None:
        accepted = inspect.signature(self._model.forward).parameters.values()
        names = {parameter.name for parameter in accepted}
        unknown = [name for name in given if name not in names]
        if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted):
            raise ParameterError(
                f"{self.selection.owner} takes no {unknown[0]!r}, which the batch has; say with inputs= what it takes "
                f"of {', '.join(given)}"
            )
        self._model(**given)

    @contextlib.contextmanager
    def _tapped(self, collector: Collector) -> Any:
        modes = [(module, module.training) for module in self._model.modules()]
        hooks = []
        try:
            for name in self.selection.layers:

                def hook(module: Any, inputs: Any, output: Any, name: str = name) -> None:
                    collector.take(name, output)

                hooks.append(self._modules[name].register_forward_hook(hook))
            self._model.eval()
            yield
        finally:
            for handle in hooks:
                handle.remove()
            for module, training in modes:
                if module.training != training:
                    module.train(training)  # which may do more than set the mode
            for module, training in modes:
                module.training = training

    def _placed(self, given: Any) -> Any:
        """Copy inputs, which a module may change in place, to where the module is and into its precision."""
        if isinstance(given, Mapping):
            return {name: self._placed(_tensor(name, values)) for name, values in given.items()}
        if isinstance(given, tuple | list):
            placed = [self._placed(values) for values in given]
            return tuple(placed) if isinstance(given, tuple) else placed
        if not isinstance(given, torch.Tensor):
            if not (is_array(given) or hasattr(given, "__array__")):
                return given
            given = torch.from_numpy(np.array(to_numpy(given, "images")))
        own = next((p for p in self._model.parameters() if p.is_floating_point()), given)
        return given.detach().to(own.device, own.dtype if given.is_floating_point() else None, copy=True)


def _tensor(name: str, values: Any) -> Any:
    """Return lists of numbers, as tokenizers make them, as a tensor; anything else as it is."""
    first = values
    while isinstance(first, list) and first:
        first = first[0]
    if not (isinstance(values, list) and isinstance(first, int | float)):
        return values
    try:
        return torch.tensor(values)
    except ValueError:
        raise ParameterError(
            f"{name!r} of a batch holds lists of different lengths; pad them to one, as a tokenizer does with "
            "padding=True"
        ) from None


def modules_of(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Return all modules inside a module by name, each under all of its names; a module without any is its own."""
    modules = dict(model.named_modules(remove_duplicate=False))
    del modules[""]
    return modules or {_own(model): model}


def _is_leaf(name: str, module: torch.nn.Module) -> bool:
    """Whether a module has none inside; those that make weights from others, as of a weight norm, do not count."""
    inside = {child for child, _ in module.named_children()} - {"parametrizations"}
    return not inside and "parametrizations" not in name.split(".")


def _own(model: torch.nn.Module) -> str:
    return type(model).__name__
