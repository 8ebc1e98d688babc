"""Networks: the weights, shapes and cost of the tables, shortcuts, and normalisation equal to Keras's own."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from repsim.lab import families
from repsim.lab.backend import configure
from repsim.lab.errors import UnknownNetworkError
from repsim.lab.explorer import network_facts
from repsim.lab.families import describe, represented_layers
from repsim.lab.figures.networks import layer_rows, network_rows
from repsim.lab.networks import BatchNormalization, build, representation_model
from repsim.lab.profiles import load_profile

configure(1)


def weights_by_kind(model):
    """How many trained numbers a network has in convolutions, their biases included, in normalisation, in the head."""
    counts = dict.fromkeys(("filter", "norm", "logits"), 0)
    for layer in model.layers:
        for kind in counts:
            if layer.name.startswith(kind):
                counts[kind] += sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)
    assert sum(counts.values()) == sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return counts


def plain_weights(n, a, b):
    """Table E.2: the weights of 8n convolutions, the first of a and the others of b channels."""
    return 27 * a + 9 * (3 * n - 1) * a**2 + 9 * a * b + 9 * (4 * n - 1) * b**2 + n * b**2


def resnet_weights(m):
    """He et al. (2016): 6m + 1 convolutions with 16, 32 and 64 channels, shortcuts without weights."""
    first, second, third = (2 * m * 9 * channels**2 for channels in (16, 32, 64))
    return 9 * 3 * 16 + first + second - 9 * 32 * 16 + third - 9 * 64 * 32


NETWORKS = [
    # name, channels, classes, weights of convolutions, of normalisation, of the head
    ("tiny10", (), 10, 85168, 640, 650),
    ("plain10", (), 10, 1_366_560, 2 * (3 * 96 + 5 * 192), 1930),
    ("plain10", (), 100, 1_366_560, 2 * (3 * 96 + 5 * 192), 19300),
    ("plain10-nobn", (), 10, 1_366_560 + 3 * 96 + 5 * 192, 0, 1930),
    ("plain18", (), 10, plain_weights(2, 96, 192), 4 * (3 * 96 + 5 * 192), 1930),
    ("plain34", (), 10, plain_weights(4, 96, 192), 8 * (3 * 96 + 5 * 192), 1930),
    ("plain66", (), 10, plain_weights(8, 96, 192), 16 * (3 * 96 + 5 * 192), 1930),
    ("plain10", (16, 32), 100, plain_weights(1, 16, 32), 2 * (3 * 16 + 5 * 32), 3300),
    ("plain66", (16, 32), 10, plain_weights(8, 16, 32), 16 * (3 * 16 + 5 * 32), 330),
    ("plain10-nobn", (16, 32), 10, plain_weights(1, 16, 32) + 3 * 16 + 5 * 32, 0, 330),
    ("resnet14", (), 10, resnet_weights(2), 2 * (5 * 16 + 4 * 32 + 4 * 64), 650),
    ("resnet32", (), 10, resnet_weights(5), 2 * (11 * 16 + 10 * 32 + 10 * 64), 650),
    ("resnet62", (), 10, resnet_weights(10), 2 * (21 * 16 + 20 * 32 + 20 * 64), 650),
    ("width4", (), 10, 27 * 4 + 55 * 4**2, 2 * 8 * 4, 50),
    ("width256", (), 10, 27 * 256 + 55 * 256**2, 2 * 8 * 256, 2570),
]


@pytest.mark.parametrize(("name", "channels", "classes", "filters", "norms", "head"), NETWORKS)
def test_networks_are_the_papers(name, channels, classes, filters, norms, head):
    model = build(name, classes, channels=channels)
    assert weights_by_kind(model) == {"filter": filters, "norm": norms, "logits": head}
    table = describe(name, channels)
    outputs = representation_model(model, represented_layers(name)).outputs
    assert [int(np.prod(output.shape[1:])) for output in outputs] == list(table.features(classes).values())
    assert table.multiply_adds(classes) == sum(
        int(np.prod(layer.output.shape[1:-1])) * int(np.prod(layer.kernel.shape))
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
    )


def test_residual_networks_have_the_sizes_that_others_report():
    # The well-known counts of the CIFAR ResNets with option A.
    for name, count in {"resnet20": 269_722, "resnet32": 464_154}.items():
        assert sum(weights_by_kind(build(name, 10)).values()) == count


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("name", "channels"),
    [("plain18", (4, 8)), ("plain10-nobn", (4, 8)), ("resnet14", (4, 4, 8)), ("width3", ())],
)
def test_networks_compute(name, channels, precision):
    keras.utils.set_random_seed(0)  # by chance three channels are all 0
    model = representation_model(build(name, 7, precision, channels), represented_layers(name))
    outputs = model.predict_on_batch(np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32))
    assert outputs[-1].shape == (2, 7)
    assert all(np.isfinite(output).all() for output in outputs)
    assert all((output >= 0).all() and (output > 0).any() for output in outputs[:-1])


def test_a_block_whose_convolutions_are_zero_passes_its_input_on():
    model = build("resnet14", 10, channels=(2, 3, 5))
    for layer in model.layers:
        if layer.name.startswith("filter") and layer.name != "filter1":
            layer.kernel.assign(np.zeros(layer.kernel.shape))
    names = ("conv1", *(layer for layer in represented_layers("resnet14") if layer.endswith("_sum")))
    found = keras.Model(model.input, [model.get_layer(name).output for name in names]).predict_on_batch(
        np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    )
    start = found[0]
    assert start.any()
    for stage, (step, channels) in enumerate([(1, 2), (2, 3), (4, 5)]):
        expected = np.zeros((2, 32 // step, 32 // step, channels), np.float32)
        expected[..., :2] = start[:, ::step, ::step]
        for block in (1, 2):
            np.testing.assert_array_equal(found[2 * stage + block], expected)


def test_a_sum_is_the_relu_of_what_was_added():
    model = build("resnet8", 10, channels=(2, 2, 2))
    names = ("conv1", "norm3", "block1_sum")
    start, inside, total = keras.Model(model.input, [model.get_layer(n).output for n in names]).predict_on_batch(
        np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    )
    assert (inside < 0).any()
    np.testing.assert_array_equal(total, np.maximum(start + inside, 0))


def test_convolutions_are_compared_after_the_relu():
    model = representation_model(build("tiny10", 10), represented_layers("tiny10"))
    outputs = model.predict_on_batch(np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32))
    assert all((output >= 0).all() and (output == 0).any() for output in outputs[:8])
    np.testing.assert_allclose(outputs[8], outputs[7].mean((1, 2)), rtol=1e-5)


def test_unknown_network_lists_the_known_ones():
    with pytest.raises(UnknownNetworkError, match="'vgg'; known are: nano10, plain10 plain18"):
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


def test_a_family_may_have_any_layers_of_keras():
    """A small Vision Transformer, in the one function that a family is."""
    before = dict(families._FAMILIES)

    def block(keras, x):
        x = keras.layers.Add()([x, keras.layers.MultiHeadAttention(2, 4)(x, x)])
        return keras.layers.LayerNormalization()(x)

    @families.family("attention{}", range(1, 9), (8,))
    def attention(depth, channels):
        (width,) = channels
        patches = families.Other(
            "patches",
            (16, width),
            lambda keras, x: keras.layers.Reshape((16, width))(keras.layers.Conv2D(width, 8, 8)(x)),
            multiply_adds=width * 8 * 8 * 3 * 16,
        )
        return [patches, *(families.Other(f"block{number}", (16, width), block) for number in range(1, depth + 1))]

    try:
        assert represented_layers("attention2") == ("patches", "block1", "block2", "pool", "logits")
        described = families.describe("attention2")
        model = representation_model(build("attention2", 7), represented_layers("attention2"))
        outputs = model.predict_on_batch(np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32))
        assert [output[0].size for output in outputs] == list(described.features(7).values())
        assert described.multiply_adds(7) == 8 * 192 * 16 + 8 * 7
        np.testing.assert_allclose(outputs[3], outputs[2].mean(axis=1), atol=1e-5)

        group = replace(load_profile("smoke").group("tiny10"), architecture="attention2")
        assert ": 3 layers of 8 channels, pooling, logits; " in network_facts(group)["facts"]
        assert [(row["layers"], row["features"]) for row in layer_rows("attention2")] == [
            *(("1", 128), ("2", 128), ("3", 128)),
            *(("4", 8), ("5", 10)),
        ]
        record = {"test_accuracy": 0.9, "parameters": model.count_params()}
        (row,) = network_rows([group], {group.name: [record]}, {})
        assert (row["channels"], row["parameters"], row["papers_parameters"]) == ("8", model.count_params(), None)
    finally:
        families._FAMILIES.clear()
        families._FAMILIES.update(before)
