"""The paper's networks in Keras 3, one short builder per family.

Every builder names its layers ``conv1`` ... ``pool``, ``logits``, as :mod:`repsim.lab.layers` lists them; a
convolution's representation is taken after its ReLU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from repsim.lab.errors import UnknownNetworkError, known
from repsim.lab.layers import LAYERS


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


def _plain(units: list[tuple[int, int, int, str]], classes: int, precision: str) -> keras.Model:
    """Stack units of convolution, batch normalisation and ReLU, then global average pooling and a linear layer.

    Each unit is (channels, kernel size, stride, padding).
    """
    images = x = keras.Input((32, 32, 3), name="images")
    for number, (channels, size, stride, padding) in enumerate(units, start=1):
        x = layers.Conv2D(
            channels,
            size,
            strides=stride,
            padding=padding,
            use_bias=False,
            kernel_initializer="he_normal",
            dtype=precision,
            name=f"filter{number}",
        )(x)
        x = BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=precision, name=f"norm{number}")(x)
        x = layers.ReLU(dtype=precision, name=f"conv{number}")(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    return keras.Model(images, layers.Dense(classes, dtype="float32", name="logits")(x))


def tiny10(classes: int = 10, precision: str = "float32") -> keras.Model:
    """Build Tiny-10, the paper's Table E.1.

    It has 85,168 weights in convolutions, 640 in batch normalisation and 650 in the head.

    ====  ==============================================
    1, 2  3x3 convolution, 16 channels
    3     3x3 convolution, 32 channels, stride 2
    4, 5  3x3 convolution, 32 channels
    6     3x3 convolution, 64 channels, stride 2
    7     3x3 convolution, 64 channels, valid padding
    8     1x1 convolution, 64 channels
    9     global average pooling
    10    logits
    ====  ==============================================
    """
    narrow, middle, wide = (16, 3, 1, "same"), (32, 3, 1, "same"), (64, 3, 1, "valid")
    units = [narrow, narrow, (32, 3, 2, "same"), middle, middle, (64, 3, 2, "same"), wide, (64, 1, 1, "same")]
    return _plain(units, classes, precision)


def nano10(classes: int = 10, precision: str = "float32") -> keras.Model:
    """Build a network of the shape of Tiny-10 with 4 and 8 channels and a first stride of 4, for the smoke profile."""
    units = [(4, 3, 4, "same"), (4, 3, 1, "same"), (8, 3, 2, "same"), (8, 3, 1, "same"), (8, 3, 1, "same")]
    return _plain([*units, (8, 3, 1, "same"), (8, 3, 1, "valid"), (8, 1, 1, "same")], classes, precision)


ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {"tiny10": tiny10, "nano10": nano10}


def build(architecture: str, classes: int, precision: str = "float32") -> keras.Model:
    """Return a new network with fresh weights.

    Parameters
    ----------
    architecture
        A name in :data:`ARCHITECTURES`.
    classes
        Number of logits.
    precision
        Keras dtype policy: "float32", or "mixed_bfloat16" for bfloat16 arithmetic on float32 weights.

    Raises
    ------
    UnknownNetworkError
        If the architecture is not known; the message lists the known ones.
    """
    if architecture not in ARCHITECTURES:
        raise UnknownNetworkError(known("network", architecture, ARCHITECTURES))
    return ARCHITECTURES[architecture](classes, precision)


def representation_model(model: keras.Model, architecture: str) -> keras.Model:
    """Return a model from images to the activations of every compared layer, in order."""
    return keras.Model(model.input, [model.get_layer(name).output for name in LAYERS[architecture]])
