"""Networks: the paper's shapes and parameter counts, and normalisation equal to Keras's own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from repsim.lab.backend import configure
from repsim.lab.errors import UnknownNetworkError
from repsim.lab.layers import LAYERS
from repsim.lab.networks import BatchNormalization, build, representation_model

configure(1)


def test_tiny10_is_the_papers():
    model = build("tiny10", 10)
    counts = dict.fromkeys(("filter", "norm", "logits"), 0)
    for layer in model.layers:
        for kind in counts:
            if layer.name.startswith(kind):
                counts[kind] += sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)
    assert counts == {"filter": 85168, "norm": 640, "logits": 650}


def test_tiny10_representations_have_the_papers_sizes():
    model = representation_model(build("tiny10", 10), "tiny10")
    sizes = [int(np.prod(output.shape[1:])) for output in model.outputs]
    assert sizes == [16384, 16384, 8192, 8192, 8192, 4096, 2304, 2304, 64, 10]
    assert LAYERS["tiny10"][-2:] == ("pool", "logits")


def test_convolutions_are_compared_after_the_relu():
    model = representation_model(build("tiny10", 10), "tiny10")
    outputs = model.predict_on_batch(np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32))
    assert all((output >= 0).all() and (output == 0).any() for output in outputs[:8])
    np.testing.assert_allclose(outputs[8], outputs[7].mean((1, 2)), rtol=1e-5)


def test_unknown_network_lists_the_known_ones():
    with pytest.raises(UnknownNetworkError, match="'vgg'; known are: nano10, tiny10"):
        build("vgg", 10)


def test_fused_normalisation_equals_keras():
    ours, theirs = (
        BatchNormalization(momentum=0.9, epsilon=1e-5),
        keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
    )
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = (rng.normal(size=(8, 5, 6, 7)) * rng.uniform(0.1, 10, 7) + rng.normal(size=7)).astype(np.float32)
        np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), atol=2e-5)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours(x, training=False), theirs(x, training=False), atol=2e-5)
