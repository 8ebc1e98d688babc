"""A Transformer that translates, as tensor2tensor's ``transformer_base`` (version 3) builds it, with the paper's taps.

Pre-norm: a sublayer adds to its input what attention or feed-forward makes of the normalised input. One embedding
serves source, target and softmax. Left out is the one vector by which tensor2tensor tells its encoder the target
language: there is one target language, and that vector is the same for all tokens.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from repsim.lab.transformers.settings import Network

TAPS = ("norm", "scale", "sublayer", "residual")
PADDING = 0  # the token that fills up sentences; its embedding is 0
EPSILON = 1e-6


def positions(length: int, width: int) -> np.ndarray:
    """Return the positional signal, (length, width) float32: all sines, then all cosines.

    Wavelengths rise geometrically from 2 pi to 10,000 times that.
    """
    scales = 10_000.0 ** -(np.arange(width // 2) / max(width // 2 - 1, 1))
    angles = np.arange(length)[:, None] * scales
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


class Standardise(keras.layers.Layer):
    """Layer normalisation without scale and bias, which Keras's layer does not show."""

    def call(self, x: Any) -> Any:
        """Return each token with mean 0 and variance 1 over its units."""
        x = x - ops.mean(x, axis=-1, keepdims=True)
        return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + EPSILON)


class Scale(keras.layers.Layer):
    """The scale and the bias of a layer normalisation, one of each per unit."""

    def build(self, shape: Any) -> None:
        """Make the weights."""
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(shape[-1],), initializer="zeros", name="beta")

    def call(self, x: Any) -> Any:
        """Return x scaled and shifted."""
        return x * self.gamma + self.beta


class Positions(keras.layers.Layer):
    """Scales embedded tokens by the root of the width, with 0 for padding, and adds the positional signal."""

    def __init__(self, signal: np.ndarray, **options: Any) -> None:
        super().__init__(**options)
        self.signal = signal

    def call(self, embedded: Any, tokens: Any) -> Any:
        """Return what the first sublayer reads."""
        there = ops.cast(ops.not_equal(tokens, PADDING), self.compute_dtype)[..., None]
        signal = ops.convert_to_tensor(self.signal)[: ops.shape(tokens)[1]]
        return embedded * there * self.signal.shape[1] ** 0.5 + signal

    def compute_output_shape(self, embedded_shape: Any, tokens_shape: Any) -> Any:
        """Return the shape of what is embedded."""
        return embedded_shape


def build(shape: Network, vocabulary: int) -> keras.Model:
    """Return a network with new weights.

    It takes source tokens (n, s), their ends included, and target tokens (n, t) shifted right by one, whose first is
    padding; it returns logits (n, t, vocabulary). Sublayers of the encoder are called ``encoder_1`` and so on,
    attention at odd numbers and feed-forward at even ones; see :func:`tapped`.
    """
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    tokens = keras.layers.ReversibleEmbedding(
        vocabulary,
        shape.width,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=shape.width**-0.5),
        name="tokens",
    )
    signal = positions(shape.positions, shape.width)
    mask = ops.not_equal(source, PADDING)[:, None, :]

    def embedded(of: Any, name: str) -> Any:
        placed = Positions(signal, name=f"{name}_positions")(tokens(of), of)
        return keras.layers.Dropout(shape.dropout, name=f"{name}_dropout")(placed)

    def normalised(x: Any, name: str) -> Any:
        return Scale(name=f"{name}_scale")(Standardise(name=f"{name}_norm")(x))

    def added(x: Any, made: Any, name: str) -> Any:
        dropped = keras.layers.Dropout(shape.dropout, name=f"{name}_dropout")(made)
        return keras.layers.Add(name=f"{name}_residual")([x, dropped])

    def attention(x: Any, name: str, memory: Any = None, **masks: Any) -> Any:
        query = normalised(x, name)
        layer = keras.layers.MultiHeadAttention(
            shape.heads,
            shape.width // shape.heads,
            dropout=shape.dropout,
            use_bias=False,
            kernel_initializer=_uniform(shape.width),
            name=f"{name}_sublayer",
        )
        return added(x, layer(query, query if memory is None else memory, **masks), name)

    def feed_forward(x: Any, name: str) -> Any:
        inside = keras.layers.Dense(shape.hidden, "relu", name=f"{name}_hidden")(normalised(x, name))
        inside = keras.layers.Dropout(shape.dropout, name=f"{name}_hidden_dropout")(inside)
        return added(x, keras.layers.Dense(shape.width, name=f"{name}_sublayer")(inside), name)

    x = embedded(source, "encoder")
    for layer in range(shape.encoder_layers):
        x = attention(x, f"encoder_{2 * layer + 1}", attention_mask=mask)
        x = feed_forward(x, f"encoder_{2 * layer + 2}")
    memory = normalised(x, "encoder_final")
    x = embedded(target, "decoder")
    for layer in range(shape.decoder_layers):
        x = attention(x, f"decoder_{3 * layer + 1}", use_causal_mask=True)
        x = attention(x, f"decoder_{3 * layer + 2}", memory, attention_mask=mask)
        x = feed_forward(x, f"decoder_{3 * layer + 3}")
    logits = tokens(normalised(x, "decoder_final"), reverse=True)
    return keras.Model([source, target], logits, name="transformer")


def _uniform(width: int) -> keras.initializers.Initializer:
    """Return Glorot's initialiser for a square matrix, which Keras would reckon otherwise for one cut into heads."""
    limit = (3 / width) ** 0.5
    return keras.initializers.RandomUniform(-limit, limit)


def tapped(model: keras.Model, taps: tuple[str, ...] = TAPS) -> keras.Model:
    """Return the encoder of a network: source tokens (n, s) to its taps, each (n, s, width), in order of depth.

    ``norm`` is the normalised input of a sublayer before scale and bias, ``scale`` after them, ``sublayer`` what
    attention or feed-forward makes of it, ``residual`` its sum with the input. The encoder's last normalisation is
    none of its sublayers'.
    """
    depth = sum(layer.name.startswith("encoder_") and layer.name.endswith("_residual") for layer in model.layers)
    names = [f"encoder_{number}_{tap}" for number in range(1, depth + 1) for tap in taps]
    return keras.Model(model.inputs[0], {name: model.get_layer(name).output for name in names})
