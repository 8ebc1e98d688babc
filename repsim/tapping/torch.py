"""The layers of a PyTorch module."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from repsim.engine.arrays import Array, is_array, to_numpy
from repsim.errors import ParameterError
from repsim.notices import warn
from repsim.tapping.batches import changed, count, holds_numbers
from repsim.tapping.collecting import Collector
from repsim.tapping.selection import Selection, repeated


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
        if any(torch.nn.parameter.is_lazy(p) for p in (*model.parameters(), *model.buffers())):
            raise ParameterError(f"{owner} has lazy modules that have seen no batch yet; run it on one first")
        leaves = [name for name, module in model.named_modules() if _is_leaf(name, module)]
        default = [name or _own(model) for name in leaves]
        self.selection = Selection(self._modules, layers, default, owner, repeated(self._modules))
        self._precisions = _precisions(model)
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

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Put back what modules have beside parameters: buffers, and attributes, such as the length of one in use.

        What they add to lists and dicts of their own stays there.
        """
        modules = list(self._model.modules())
        attributes = [dict(vars(module)) for module in modules]
        named = {module: set(module._buffers) for module in modules}
        buffers = [
            (module, name, buffer, buffer.detach().clone())
            for module in modules
            for name, buffer in module._buffers.items()
            if buffer is not None and buffer.layout == torch.strided
        ]
        try:
            yield
        finally:
            for module, before in zip(modules, attributes, strict=True):
                for added in vars(module).keys() - before.keys():
                    delattr(module, added)
                vars(module).update(before)
            for module, names in named.items():
                for added in module._buffers.keys() - names:
                    del module._buffers[added]
            for module, name, buffer, values in buffers:
                module._buffers[name] = buffer
                if not torch.equal(buffer, values):  # one that did not change, a graph may need as it is
                    buffer.data.copy_(values)

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
                    collector.take(name, output, 1 if isinstance(module, torch.nn.RNNBase) else None)

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
            return changed(given, lambda name, values: self._placed(_tensor(name, values)))
        if isinstance(given, tuple | list):
            return changed(given, lambda _, values: self._placed(values))
        if not isinstance(given, torch.Tensor):
            if not (is_array(given) or hasattr(given, "__array__")):
                return given
            given = _from_numpy(to_numpy(given, "images"))
        device = next(self._model.parameters(), given).device
        fits = not given.is_floating_point() or not self._precisions or given.dtype in self._precisions
        return given.detach().to(device, None if fits else self._precisions[0], copy=True)


def _tensor(name: str, values: Any) -> Any:
    """Return lists of numbers, as tokenizers make them, as a tensor; anything else as it is."""
    if not holds_numbers(values):
        return values
    try:
        return torch.tensor(values)
    except ValueError:
        raise ParameterError(
            f"{name!r} of a batch holds lists of different lengths; pad them to one, as a tokenizer does with "
            "padding=True"
        ) from None


def _from_numpy(array: Array) -> Any:
    """Return an array as a tensor, in the precision next to its own where PyTorch has none from NumPy."""
    near: Any = np.float64 if array.dtype.itemsize > 8 else array.dtype.newbyteorder("=")
    return torch.from_numpy(np.array(array, np.float32 if array.dtype.name == "bfloat16" else near))


def _precisions(model: torch.nn.Module) -> list[torch.dtype]:
    """Return the precisions that a module may take inputs in, first the one that others are brought to.

    They are those of its first parameter and of its matrices. Other vectors, as of a norm, and single numbers, as a
    temperature, may be of another than its inputs.
    """
    floating = [p for p in model.parameters() if p.is_floating_point() and p.ndim]
    return list(dict.fromkeys(p.dtype for i, p in enumerate(floating) if i == 0 or p.ndim > 1))


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
