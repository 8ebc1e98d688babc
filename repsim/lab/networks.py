"""The networks of :mod:`repsim.lab.families`, built in Keras 3.

Every ReLU, the pooling and the logits bear the names of the represented layers: a convolution's representation is taken
after its ReLU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import layers

from repsim.lab.errors import UnknownNetworkError
from repsim.lab.families import IMAGE_CHANNELS, IMAGE_SIDE, Convolution, describe


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


def _convolution(x: Any, row: Convolution, number: int, precision: str, recipe: Mapping[str, Any]) -> Any:
    """Apply a convolution and its batch normalisation, as a recipe has them."""
    how = {"strides": row.stride, "padding": row.padding, "dtype": precision, "name": f"filter{number}"}
    how["use_bias"] = recipe.get("biases", False) or not row.normalised
    weights = {"kernel_initializer": "he_normal", **_weights(recipe, row.size**2 * x.shape[-1])}
    x = layers.Conv2D(row.channels, row.size, **how, **weights)(x)
    if not row.normalised:
        return x
    penalties = {f"{name}_regularizer": _penalty(recipe, "all") for name in ("gamma", "beta")}
    moments = {"momentum": recipe.get("norm_momentum", 0.9), "epsilon": recipe.get("norm_epsilon", 1e-5)}
    return BatchNormalization(dtype=precision, name=f"norm{number}", **moments, **penalties)(x)


def _shortcut(before: Any, after: Any) -> Any:
    """Subsample activations and fill them up with channels of zeros, to the shape of others."""
    stride, added = -(-before.shape[1] // after.shape[1]), after.shape[-1] - before.shape[-1]
    x = before[:, ::stride, ::stride] if stride > 1 else before
    return keras.ops.pad(x, [(0, 0), (0, 0), (0, 0), (0, added)]) if added else x


def _weights(recipe: Mapping[str, Any], inputs: int) -> dict[str, Any]:
    """Return the options of a layer with a kernel that has so many inputs."""
    chosen = {"kernel_regularizer": _penalty(recipe, "kernels", "all"), "bias_regularizer": _penalty(recipe, "all")}
    if recipe.get("initialisation") == "fan_in":
        limit = inputs**-0.5
        chosen["kernel_initializer"] = keras.initializers.RandomUniform(-limit, limit)
        chosen["bias_initializer"] = keras.initializers.RandomUniform(-limit, limit)
    return chosen


def _penalty(recipe: Mapping[str, Any], *decayed: str) -> Any:
    """Return a term of the loss whose gradient is the decay times the parameter."""
    return keras.regularizers.L2(recipe["weight_decay"] / 2) if recipe.get("coupled_decay") in decayed else None


def build(
    architecture: str,
    classes: int,
    precision: str = "float32",
    channels: Sequence[int] = (),
    recipe: Mapping[str, Any] = MappingProxyType({}),
) -> keras.Model:
    """Return a new network with fresh weights; see :func:`repsim.lab.families.describe` for names and channels.

    `precision` is Keras's dtype policy: "float32", or "mixed_bfloat16" for bfloat16 arithmetic on float32 weights.
    `recipe` is what is recorded of one, :meth:`repsim.lab.profiles.Recipe.inputs`.
    """
    made = [keras.Input((IMAGE_SIDE, IMAGE_SIDE, IMAGE_CHANNELS), name="images")]
    convolutions, additions = count(1), count(1)
    for row in describe(architecture, channels).rows:
        x = made[-1]
        if isinstance(row, Convolution):
            x = _convolution(x, row, next(convolutions), precision, recipe)
            if row.adds:
                x = layers.Add(dtype=precision, name=f"addition{next(additions)}")([_shortcut(made[-2], x), x])
            x = layers.ReLU(dtype=precision, name=row.layer)(x)
        else:
            x = row.apply(keras, x)
            if x.shape[1:] != row.shape:
                raise UnknownNetworkError(f"layer {row.layer} was said to have shape {row.shape}, found {x.shape[1:]}")
            x = layers.Identity(dtype=precision, name=row.layer)(x)
        made.append(x)
    pool = {4: layers.GlobalAveragePooling2D, 3: layers.GlobalAveragePooling1D, 2: layers.Identity}[len(x.shape)]
    x = pool(dtype="float32", name="pool")(x)
    logits = layers.Dense(classes, dtype="float32", name="logits", **_weights(recipe, x.shape[-1]))(x)
    return keras.Model(made[0], logits)


def representation_model(model: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Return a model from images to the activations of some layers, in their order."""
    return keras.Model(model.input, [model.get_layer(name).output for name in layers])


def represent(model: keras.Model, images: np.ndarray) -> list[np.ndarray]:
    """Return the activations of each layer of a representation model, (examples, features), flattened over space."""
    outputs = keras.tree.flatten(model(images, training=False))  # Keras unpacks a list of one
    return [np.asarray(output).reshape(len(images), -1) for output in outputs]
