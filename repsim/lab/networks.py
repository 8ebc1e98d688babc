"""The networks that :mod:`repsim.lab.families` describes, built in Keras 3.

Every ReLU, the pooling and the logits bear the names that :mod:`repsim.lab.layers` lists: a convolution's
representation is taken after its ReLU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers

from repsim.lab.architectures import IMAGE_CHANNELS, IMAGE_SIDE, Architecture
from repsim.lab.families import describe


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
        if not training:
            return tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=gamma,
                offset=beta,
                mean=mean,
                variance=variance,
                epsilon=self.epsilon,
                is_training=False,
            )[0]
        empty = tf.zeros([0])
        outputs, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=gamma, offset=beta, mean=empty, variance=empty, epsilon=self.epsilon, is_training=True
        )
        # The kernel returns the variance over count - 1; Keras keeps that over count.
        count = tf.cast(tf.size(inputs) / tf.shape(inputs)[-1], "float32")
        batch_variance = batch_variance * (count - 1) / count
        self.moving_mean.assign(mean * self.momentum + batch_mean * (1 - self.momentum))
        self.moving_variance.assign(variance * self.momentum + batch_variance * (1 - self.momentum))
        return outputs


class _Options:
    """What a recipe decides about the layers: how weights start, which ones decay through the gradient."""

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        self.biases = recipe.get("biases", False)
        self._fan_in = recipe.get("initialisation") == "fan_in"
        self._momentum, self._epsilon = recipe.get("norm_momentum", 0.9), recipe.get("norm_epsilon", 1e-5)
        self._decayed, self._decay = recipe.get("coupled_decay", ""), recipe.get("weight_decay", 0.0)

    def filters(self, inputs: int) -> dict[str, Any]:
        """Return the options of a layer with a kernel that has so many inputs."""
        chosen: dict[str, Any] = {"kernel_regularizer": self._penalty("kernels", "all")}
        chosen["bias_regularizer"] = self._penalty("all")
        if self._fan_in:
            limit = inputs**-0.5
            chosen["kernel_initializer"] = keras.initializers.RandomUniform(-limit, limit)
            chosen["bias_initializer"] = keras.initializers.RandomUniform(-limit, limit)
        return chosen

    def norm(self) -> dict[str, Any]:
        """Return the options of a batch normalisation."""
        penalties = {f"{name}_regularizer": self._penalty("all") for name in ("gamma", "beta")}
        return {"momentum": self._momentum, "epsilon": self._epsilon, **penalties}

    def _penalty(self, *decayed: str) -> Any:
        """Return a term of the loss whose gradient is the decay times the parameter."""
        return keras.regularizers.L2(self._decay / 2) if self._decayed in decayed else None


def _convolution(x: Any, table: Architecture, number: int, precision: str, options: _Options) -> Any:
    """Apply convolution `number`, counted from 1, and its normalisation; the ReLU follows where the table wants it."""
    one = table.convolutions[number - 1]
    x = layers.Conv2D(
        one.channels,
        one.size,
        strides=one.stride,
        padding=one.padding,
        use_bias=options.biases or not table.normalised,
        dtype=precision,
        name=f"filter{number}",
        **{"kernel_initializer": "he_normal", **options.filters(one.size**2 * x.shape[-1])},
    )(x)
    if not table.normalised:
        return x
    return BatchNormalization(dtype=precision, name=f"norm{number}", **options.norm())(x)


def _stacked(x: Any, table: Architecture, precision: str, options: _Options) -> Any:
    """Apply one convolution after the other."""
    for number, one in enumerate(table.convolutions, start=1):
        x = layers.ReLU(dtype=precision, name=one.layer)(_convolution(x, table, number, precision, options))
    return x


def _residual(x: Any, table: Architecture, precision: str, options: _Options) -> Any:
    """Apply the first convolution, then the others two by two, adding what went into each pair to what comes out.

    Where a pair halves the maps and adds channels, its input is subsampled and filled up with zeros: He et al.'s option
    A, which has no weights.
    """
    first, *others = table.convolutions
    x = layers.ReLU(dtype=precision, name=first.layer)(_convolution(x, table, 1, precision, options))
    for number, (interior, total) in enumerate(zip(others[::2], others[1::2], strict=True), start=1):
        shortcut = x[:, :: interior.stride, :: interior.stride] if interior.stride > 1 else x
        if added := interior.channels - x.shape[-1]:
            shortcut = keras.ops.pad(shortcut, [(0, 0), (0, 0), (0, 0), (0, added)])
        x = _convolution(x, table, 2 * number, precision, options)
        x = layers.ReLU(dtype=precision, name=interior.layer)(x)
        x = _convolution(x, table, 2 * number + 1, precision, options)
        x = layers.Add(dtype=precision, name=f"addition{number}")([x, shortcut])
        x = layers.ReLU(dtype=precision, name=total.layer)(x)
    return x


def build(
    architecture: str,
    classes: int,
    precision: str = "float32",
    channels: Sequence[int] = (),
    recipe: Mapping[str, Any] = MappingProxyType({}),
) -> keras.Model:
    """Return a new network with fresh weights.

    Parameters
    ----------
    architecture, channels
        A name, and the channels where they are not the paper's; see :func:`repsim.lab.families.describe`.
    classes
        Number of logits.
    precision
        Keras dtype policy: "float32", or "mixed_bfloat16" for bfloat16 arithmetic on float32 weights.
    recipe
        What is recorded of a recipe; see :meth:`repsim.lab.profiles.Recipe.inputs`.

    Raises
    ------
    UnknownNetworkError
        If the architecture is not known; the message lists the known ones.
    """
    table, options = describe(architecture, channels), _Options(recipe)
    images = keras.Input((IMAGE_SIDE, IMAGE_SIDE, IMAGE_CHANNELS), name="images")
    x = (_residual if table.residual else _stacked)(images, table, precision, options)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    logits = layers.Dense(classes, dtype="float32", name="logits", **options.filters(x.shape[-1]))
    return keras.Model(images, logits(x))


def representation_model(model: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Return a model from images to the activations of some layers, in their order."""
    return keras.Model(model.input, [model.get_layer(name).output for name in layers])


def represent(model: keras.Model, images: np.ndarray) -> list[np.ndarray]:
    """Return the activations of each layer of a representation model, (examples, features), flattened over space."""
    outputs = keras.tree.flatten(model(images, training=False))  # Keras unpacks a list of one
    return [np.asarray(output).reshape(len(images), -1) for output in outputs]
