"""Comparison of the layers of two models on the same images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repsim.engine.arrays import Array, Float64, to_numpy
from repsim.errors import DimensionError, ParameterError
from repsim.indexes import Index, get_index
from repsim.options import whole_number
from repsim.pairwise import pairwise


@dataclass(frozen=True)
class Comparison:
    """Similarities of the layers of two models.

    Attributes
    ----------
    values : ndarray
        (La, Lb): entry i, j is the index of layer i of the first model and layer j of the second.
    layers_a, layers_b : tuple of str
        Names of the layers.
    index : str
        Name of the index.
    """

    values: Float64
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    index: str


def compare(
    model_a: Any,
    model_b: Any,
    images: Any,
    *,
    index: str | Index = "cka_linear",
    layers: Sequence[str] | None = None,
    layers_b: Sequence[str] | None = None,
    batch_size: int = 256,
    progress: bool | Callable[[int, int], None] = False,
) -> Comparison:
    """Compare every layer of one model with every layer of another.

    Parameters
    ----------
    model_a, model_b : Keras model or callable
        A Keras model whose layers are connected (functional, or built sequential); or any function from a batch of
        images to a mapping of layer name to activations. Activations are (batch, p) or (batch, h, w, c).
        The same model may be given twice.
    images : array_like
        (n, ...), whatever the models take, in the order both shall see.
    index : str or Index
        Similarity index; see `repsim.get_index`.
    layers : sequence of str, optional
        Names of the layers to compare, of both models; by default all of a Keras model whose output is (batch, p) or
        (batch, h, w, c), and all that a function returns.
    layers_b : sequence of str, optional
        Names for the second model where they differ.
    batch_size : int
        Images in a batch. The values do not depend on it.
    progress : bool or callable
        As for `repsim.pairwise`.

    Returns
    -------
    Comparison
        Values and the layers' names. The activations of all chosen layers are held in memory meanwhile.

    Raises
    ------
    ParameterError
        If a layer does not exist (the message lists those that do), `batch_size` is no positive whole number, or a
        Keras model has not been built.
    RepresentationError
        If the activations of a layer are not a representation; the message names the layer's place.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).standard_normal((20, 4, 4, 3))
    >>> model = lambda batch: {"pixels": batch, "mean": batch.mean(axis=(1, 2))}
    >>> compare(model, model, images).values.diagonal().round(12)
    array([1., 1.])
    """
    chosen = get_index(index)
    of_a = activations(model_a, images, layers=layers, batch_size=batch_size)
    if model_b is model_a and layers_b is None:
        of_b = of_a
    else:
        names = layers if layers_b is None else layers_b
        of_b = activations(model_b, images, layers=names, batch_size=batch_size)
    values = pairwise(list(of_a.values()), list(of_b.values()), index=chosen, progress=progress)
    return Comparison(values, tuple(of_a), tuple(of_b), chosen.name)


def activations(
    model: Any, images: Any, *, layers: Sequence[str] | None = None, batch_size: int = 256
) -> dict[str, Array]:
    """Activations of a model's layers.

    Parameters
    ----------
    model, images, layers, batch_size
        As for `compare`.

    Returns
    -------
    dict of str to ndarray
        (n, ...) for each layer, in the model's order, or in that of `layers`.

    Raises
    ------
    ParameterError
        As for `compare`.

    Examples
    --------
    >>> import numpy as np
    >>> activations(lambda batch: {"sum": batch.sum(axis=1, keepdims=True)}, np.eye(3), batch_size=2)["sum"].shape
    (3, 1)
    """
    batch_size = whole_number("batch_size", batch_size, 1)
    n = int(images.shape[0]) if hasattr(images, "shape") else len(images)
    if n == 0:
        raise ParameterError("images is empty")
    function = _keras_function(model, layers) if _is_keras(model) else model
    if not callable(function):
        raise ParameterError(f"{type(model).__name__} is neither a Keras model nor a function of a batch of images")
    parts: dict[str, list[Array]] = {}
    for start in range(0, n, batch_size):
        outputs = function(images[start : start + batch_size])
        if not isinstance(outputs, Mapping):
            raise ParameterError(
                f"the model returned {type(outputs).__name__}; a mapping of layer name to activations is needed, "
                'such as {"conv1": ..., "pool": ...}'
            )
        for name in _chosen(outputs, layers):
            parts.setdefault(name, []).append(_detached(outputs[name], name))
    return {name: np.concatenate(batches) for name, batches in parts.items()}


def _chosen(outputs: Mapping[str, Any], layers: Sequence[str] | None) -> Sequence[str]:
    if layers is None:
        return list(outputs)
    for name in layers:
        if name not in outputs:
            raise ParameterError(f"there is no layer {name!r}; the model has {', '.join(map(str, outputs))}")
    return layers


def _detached(values: Any, name: str) -> Array:
    """Copy one layer's activations out of whatever array type the model uses."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    array = to_numpy(values, name)
    if array.ndim not in (2, 4):
        raise DimensionError(
            f"layer {name!r} has activations of shape {array.shape}; (batch, features) or "
            "(batch, height, width, channels) is needed"
        )
    return np.array(array)


def _is_keras(model: Any) -> bool:
    roots = {base.__module__.split(".")[0] for base in type(model).__mro__}
    return bool(roots & {"keras", "tf_keras"}) and hasattr(model, "layers") and hasattr(model, "inputs")


def _keras_function(model: Any, layers: Sequence[str] | None) -> Callable[[Any], Mapping[str, Any]]:
    """Build one function that gives all chosen layers' outputs, in inference mode."""
    import keras

    outputs: dict[str, Any] = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        output = getattr(layer, "output", None)
        if layers is not None and layer.name not in layers:
            continue
        if output is not None and len(getattr(output, "shape", ())) in (2, 4):
            outputs[layer.name] = output
    known = [layer.name for layer in model.layers]
    missing = [name for name in (layers or ()) if name not in outputs]
    if missing or not outputs:
        raise ParameterError(
            f"no layer {missing[0] if missing else ''!r} with an output of 2 or 4 dimensions; the model has "
            f"{', '.join(known)}"
        )
    inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
    tapped = keras.Model(inputs, outputs)
    return lambda batch: tapped(np.asarray(batch), training=False)
