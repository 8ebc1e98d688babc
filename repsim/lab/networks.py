"""The networks that :mod:`repsim.lab.families` describes, built in Keras 3.

Every ReLU, the pooling and the logits bear the names that :mod:`repsim.lab.layers` lists: a convolution's
representation is taken after its ReLU.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def _convolution(x: Any, table: Architecture, number: int, precision: str) -> Any:
    """Apply convolution `number`, counted from 1, and its normalisation; the ReLU follows where the table wants it."""
    one = table.convolutions[number - 1]
    x = layers.Conv2D(
        one.channels,
        one.size,
        strides=one.stride,
        padding=one.padding,
        use_bias=not table.normalised,
        kernel_initializer="he_normal",
        dtype=precision,
        name=f"filter{number}",
    )(x)
    if not table.normalised:
        return x
    return BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=precision, name=f"norm{number}")(x)


def _stacked(x: Any, table: Architecture, precision: str) -> Any:
    """Apply one convolution after the other."""
    for number, one in enumerate(table.convolutions, start=1):
        x = layers.ReLU(dtype=precision, name=one.layer)(_convolution(x, table, number, precision))
    return x


def _residual(x: Any, table: Architecture, precision: str) -> Any:
    """Apply the first convolution, then the others two by two, adding what went into each pair to what comes out.

    Where a pair halves the maps and adds channels, its input is subsampled and filled up with zeros: He et al.'s option
    A, which has no weights.
    """
    first, *others = table.convolutions
    x = layers.ReLU(dtype=precision, name=first.layer)(_convolution(x, table, 1, precision))
    for number, (interior, total) in enumerate(zip(others[::2], others[1::2], strict=True), start=1):
        shortcut = x[:, :: interior.stride, :: interior.stride] if interior.stride > 1 else x
        if added := interior.channels - x.shape[-1]:
            shortcut = keras.ops.pad(shortcut, [(0, 0), (0, 0), (0, 0), (0, added)])
        x = _convolution(x, table, 2 * number, precision)
        x = layers.ReLU(dtype=precision, name=interior.layer)(x)
        x = _convolution(x, table, 2 * number + 1, precision)
        x = layers.Add(dtype=precision, name=f"addition{number}")([x, shortcut])
        x = layers.ReLU(dtype=precision, name=total.layer)(x)
    return x


def build(architecture: str, classes: int, precision: str = "float32", channels: Sequence[int] = ()) -> keras.Model:
    """Return a new network with fresh weights.

    Parameters
    ----------
    architecture, channels
        A name, and the channels where they are not the paper's; see :func:`repsim.lab.families.describe`.
    classes
        Number of logits.
    precision
        Keras dtype policy: "float32", or "mixed_bfloat16" for bfloat16 arithmetic on float32 weights.

    Raises
    ------
    UnknownNetworkError
        If the architecture is not known; the message lists the known ones.
    """
    table = describe(architecture, channels)
    images = keras.Input((IMAGE_SIDE, IMAGE_SIDE, IMAGE_CHANNELS), name="images")
    x = (_residual if table.residual else _stacked)(images, table, precision)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x))


def representation_model(model: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Return a model from images to the activations of some layers, in their order."""
    return keras.Model(model.input, [model.get_layer(name).output for name in layers])


def represent(model: keras.Model, images: np.ndarray) -> list[np.ndarray]:
    """Return the activations of each layer of a representation model, (examples, features), flattened over space."""
    outputs = keras.tree.flatten(model(images, training=False))  # Keras unpacks a list of one
    return [np.asarray(output).reshape(len(images), -1) for output in outputs]
