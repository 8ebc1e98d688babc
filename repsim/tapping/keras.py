"""The layers of a Keras model."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from repsim.errors import ParameterError
from repsim.tapping.batches import changed, count
from repsim.tapping.collecting import Collector
from repsim.tapping.selection import Selection, repeated


class KerasTap:
    """Runs a model, functional, sequential or subclassed, in inference mode and hands on what its layers give.

    Each layer's `call` is wrapped while the model runs, so that what is taken is what the layer gives in this model,
    however often it is used there and wherever else. By default its layers are all that
    are no models, also those of nested models; of a layer made of layers, such as attention, it alone.
    """

    def __init__(self, model: Any, layers: Any, owner: str) -> None:
        import keras

        if not model.built:
            raise ParameterError(
                f"{owner} ({type(model).__name__} {model.name!r}) is not built, so its layers have no weights yet; "
                "call it on a batch, or begin it with keras.Input(shape), first"
            )
        self.channels = "first" if keras.config.image_data_format() == "channels_first" else "last"
        self._backend = keras.config.backend()
        self._model = model
        self._layers = _named(_layers_in(model))
        again = repeated(self._layers)
        default = [
            name
            for name, layer in self._layers.items()
            if not _is_model(layer) and _in_models(name, self._layers) and name not in again
        ]
        self.selection = Selection(self._layers, layers, default, owner, again)

    count = staticmethod(count)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Put back what layers keep from batch to batch, such as states; what was made to be trained stays anyway."""
        layers = [self._model, *self._layers.values()]
        variables = {id(variable): variable for layer in layers for variable in _own_state(layer)}
        before = [(variable, np.asarray(variable).copy()) for variable in variables.values()]
        try:
            yield
        finally:
            for variable, values in before:
                variable.assign(values)

    def __call__(self, given: Any, collector: Collector) -> None:
        """Run the model on a batch."""
        collector.selection = self.selection
        failures: list[Exception] = []

        def take(name: str, output: Any) -> None:
            # What is raised inside a layer, Keras words anew.
            if not failures:
                try:
                    collector.take(name, output)
                except Exception as error:
                    failures.append(error)

        with contextlib.ExitStack() as stack:
            if self._backend == "tensorflow":
                stack.enter_context(_eagerly())
            for name in self.selection.layers:
                stack.enter_context(_wrapped(self._layers[name], functools.partial(take, name)))
            self._model(self._host(given), training=False)
        for error in failures:
            raise error

    def _host(self, given: Any) -> Any:
        if isinstance(given, Mapping):
            return {name: self._host(values) for name, values in given.items()}
        if isinstance(given, tuple | list) and any(hasattr(values, "shape") for values in given):
            return changed(given, lambda _, values: self._host(values))
        if hasattr(given, "detach") and self._backend != "torch":
            return given.detach().cpu().numpy()
        return given if hasattr(given, "shape") else np.asarray(given)


def is_keras(model: Any) -> bool:
    """Whether something is a Keras model, without importing Keras."""
    roots = {base.__module__.split(".")[0] for base in type(model).__mro__}
    return "keras" in roots and _is_model(model)


def _is_model(layer: Any) -> bool:
    return hasattr(layer, "layers") and hasattr(layer, "summary")


def _layers_in(layer: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the layers inside a layer by path, those of nested models and composite layers after them."""
    inside = layer.layers if _is_model(layer) else getattr(layer, "_layers", [])
    for child in inside:
        if type(child).__name__ != "InputLayer":
            yield f"{prefix}{child.name}", child
            yield from _layers_in(child, f"{prefix}{child.name}/")


def _named(layers: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return layers by name; others of a name that is taken, as there may be in a subclassed model, by a number too."""
    named: dict[str, Any] = {}
    for path, layer in layers:
        name, number = path, 1
        while name in named and named[name] is not layer:
            number += 1
            name = f"{path} ({number})"
        named[name] = layer
    return named


def _in_models(name: str, layers: Mapping[str, Any]) -> bool:
    """Whether a layer is inside of nothing, or directly of a model rather than of a layer made of layers."""
    return "/" not in name or _is_model(layers.get(name.rpartition("/")[0]))


@contextlib.contextmanager
def _eagerly() -> Iterator[None]:
    """Run what was compiled with `tf.function` step by step, for a while: only so do layers give values."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _own_state(layer: Any) -> Iterator[Any]:
    """Yield what a layer itself keeps; Keras does not count a recurrent layer's states among the variables."""
    import keras

    yield from getattr(layer, "_non_trainable_variables", [])
    yield from (state for state in keras.tree.flatten(getattr(layer, "states", [])) if hasattr(state, "assign"))


@contextlib.contextmanager
def _wrapped(layer: Any, take: Any) -> Iterator[None]:
    """Hand on what a layer's `call` returns, for a while."""
    own = vars(layer)
    before = own.get("call")
    call = layer.call

    @functools.wraps(call)
    def tapped(*arguments: Any, **options: Any) -> Any:
        output = call(*arguments, **options)
        take(output)
        return output

    own["call"] = tapped
    try:
        yield
    finally:
        if before is None:
            del own["call"]
        else:
            own["call"] = before
