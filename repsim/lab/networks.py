"""The networks of :mod:`repsim.lab.families`, built in Keras 3.

Every ReLU, the pooling and the logits bear the names of the represented layers: a convolution's representation is taken
after its ReLU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers

from repsim.lab.errors import UnknownNetworkError
from repsim.lab.families import IMAGE_CHANNELS, IMAGE_SIDE, builder


@keras.saving.register_keras_serializable("repsim")
class BatchNormalization(layers.BatchNormalization):
    """Keras's batch normalisation, through TensorFlow's fused kernel where TensorFlow is the backend.

    Keras 3 composes the operation of some ten elementwise ones, which takes half of the training time of a narrow
    network on a CPU. The values are the same to rounding; other backends use Keras's own implementation.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise (n, h, w, c) activations over all but the last axis."""
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        gamma, beta, mean, variance = (
            tf.convert_to_tensor(weight) for weight in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        kernel = partial(tf.raw_ops.FusedBatchNormV3, x=inputs, scale=gamma, offset=beta, epsilon=self.epsilon)
        if not training:
            return kernel(mean=mean, variance=variance, is_training=False)[0]
        empty = tf.zeros([0])
        outputs, batch_mean, batch_variance, *_ = kernel(mean=empty, variance=empty, is_training=True)
        # The kernel returns the variance over count - 1; Keras keeps that over count.
        count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], "float32")
        batch_variance = batch_variance * (count - 1) / count
        self.moving_mean.assign(mean * self.momentum + batch_mean * (1 - self.momentum))
        self.moving_variance.assign(variance * self.momentum + batch_variance * (1 - self.momentum))
        return outputs


class _Keras:
    """Applies the layers of a family in Keras, as a recipe has them; see :class:`repsim.lab.families.Shapes`."""

    def __init__(self, recipe: Mapping[str, Any], precision: str) -> None:
        self._precision, self._biases = precision, recipe.get("biases", False)
        self._fan_in = recipe.get("initialisation") == "fan_in"
        self._momentum, self._epsilon = recipe.get("norm_momentum", 0.9), recipe.get("norm_epsilon", 1e-5)
        self._decayed, self._decay = recipe.get("coupled_decay", ""), recipe.get("weight_decay", 0.0)
        self._convolutions = self._additions = 0

    def convolution(
        self, x: Any, channels: int, size: int = 3, stride: int = 1, padding: str = "same", *, normalised: bool = True
    ) -> Any:
        self._convolutions += 1
        number, how = self._convolutions, {"strides": stride, "padding": padding, "dtype": self._precision}
        how |= {"use_bias": self._biases or not normalised, "name": f"filter{number}"}
        weights = {"kernel_initializer": "he_normal", **self.weights(size**2 * x.shape[-1])}
        x = layers.Conv2D(channels, size, **how, **weights)(x)
        if not normalised:
            return x
        penalties = {f"{name}_regularizer": self._penalty("all") for name in ("gamma", "beta")}
        norm = {"momentum": self._momentum, "epsilon": self._epsilon, "name": f"norm{number}"}
        return BatchNormalization(dtype=self._precision, **norm, **penalties)(x)

    def relu(self, x: Any, layer: str) -> Any:
        return layers.ReLU(dtype=self._precision, name=layer)(x)

    def shortcut(self, x: Any, stride: int, channels: int) -> Any:
        x = x[:, ::stride, ::stride] if stride > 1 else x
        added = channels - x.shape[-1]
        return keras.ops.pad(x, [(0, 0), (0, 0), (0, 0), (0, added)]) if added else x

    def add(self, x: Any, y: Any) -> Any:
        self._additions += 1
        return layers.Add(dtype=self._precision, name=f"addition{self._additions}")([y, x])

    def other(
        self, x: Any, layer: str, shape: tuple[int, ...], apply: Callable[[Any, Any], Any], multiply_adds: int = 0
    ) -> Any:
        x = apply(keras, x)
        if x.shape[1:] != shape:
            raise UnknownNetworkError(f"layer {layer} was said to have shape {shape}, found {x.shape[1:]}")
        return layers.Identity(dtype=self._precision, name=layer)(x)

    def ending(self, x: Any, classes: int) -> Any:
        """Apply what every network ends in."""
        pool = {4: layers.GlobalAveragePooling2D, 3: layers.GlobalAveragePooling1D, 2: layers.Identity}[len(x.shape)]
        x = pool(dtype="float32", name="pool")(x)
        return layers.Dense(classes, dtype="float32", name="logits", **self.weights(x.shape[-1]))(x)

    def weights(self, inputs: int) -> dict[str, Any]:
        """Return the options of a layer with a kernel that has so many inputs."""
        chosen: dict[str, Any] = {"kernel_regularizer": self._penalty("kernels", "all")}
        chosen["bias_regularizer"] = self._penalty("all")
        if self._fan_in:
            limit = inputs**-0.5
            chosen["kernel_initializer"] = keras.initializers.RandomUniform(-limit, limit)
            chosen["bias_initializer"] = keras.initializers.RandomUniform(-limit, limit)
        return chosen

    def _penalty(self, *decayed: str) -> Any:
        """Return a term of the loss whose gradient is the decay times the parameter."""
        return keras.regularizers.L2(self._decay / 2) if self._decayed in decayed else None


def build(
    architecture: str,
    classes: int,
    precision: str = "float32",
    channels: Sequence[int] = (),
    recipe: Mapping[str, Any] = MappingProxyType({}),
) -> keras.Model:
    """Return a new network with fresh weights; see :func:`repsim.lab.families.builder` for names and channels.

    `precision` is Keras's dtype policy: "float32", or "mixed_bfloat16" for bfloat16 arithmetic on float32 weights.
    `recipe` is what is recorded of one, :meth:`repsim.lab.profiles.Recipe.inputs`.
    """
    make, net = builder(architecture, channels), _Keras(recipe, precision)
    images = keras.Input((IMAGE_SIDE, IMAGE_SIDE, IMAGE_CHANNELS), name="images")
    return keras.Model(images, net.ending(make(net, images), classes))


def representation_model(model: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Return a model from images to the activations of some layers, in their order."""
    return keras.Model(model.input, [model.get_layer(name).output for name in layers])


def represent(model: keras.Model, images: np.ndarray) -> list[np.ndarray]:
    """Return the activations of each layer of a representation model, (examples, features), flattened over space."""
    outputs = keras.tree.flatten(model(images, training=False))  # Keras unpacks a list of one
    return [np.asarray(output).reshape(len(images), -1) for output in outputs]
