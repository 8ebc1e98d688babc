"""Families: names, layers, and counts, against numbers worked out by hand from the paper's tables."""

from __future__ import annotations

import pytest

from repsim.lab.errors import UnknownNetworkError
from repsim.lab.families import compared_layers, describe, represented_layers


@pytest.mark.parametrize("name", ["tiny10", "nano10", "plain10", "plain10-nobn", "width64"])
def test_ten_layers_have_the_papers_names(name):
    assert represented_layers(name) == (*(f"conv{number}" for number in range(1, 9)), "pool", "logits")


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_plain_networks_compare_8n_convolutions_and_the_pool(n):
    layers = compared_layers(f"plain{8 * n + 2}")
    assert layers == (*(f"conv{number}" for number in range(1, 8 * n + 1)), "pool")


@pytest.mark.parametrize("blocks", [2, 5, 10])
def test_residual_layers_alternate_as_in_figure_4(blocks):
    name = f"resnet{6 * blocks + 2}"
    layers = represented_layers(name)
    assert len(layers) == 6 * blocks + 3  # the convolutions, one of which comes before the blocks, pool and logits
    in_blocks = range(1, 6 * blocks + 1)
    assert [layers[i] for i in in_blocks if i % 2] == [layer for layer in layers if layer.endswith("_interior")]
    assert [layers[i] for i in in_blocks if i % 2 == 0] == [layer for layer in layers if layer.endswith("_sum")]
    assert layers[0] == "conv1"
    assert layers[1:3] == ("block1_interior", "block1_sum")
    assert layers[-3:] == (f"block{3 * blocks}_sum", "pool", "logits")


def test_plain_networks_have_no_blocks():
    assert not any(layer.endswith("_sum") for layer in represented_layers("plain18"))


@pytest.mark.parametrize(
    ("name", "channels", "features"),
    [
        ("tiny10", (), [16384, 16384, 8192, 8192, 8192, 4096, 2304, 2304, 64, 10]),
        ("plain10", (), [98304, 98304, 24576, 49152, 49152, 12288, 6912, 6912, 192, 10]),
        ("plain10", (16, 32), [16384, 16384, 4096, 8192, 8192, 2048, 1152, 1152, 32, 10]),
        ("width4", (), [4096, 4096, 1024, 1024, 1024, 256, 144, 144, 4, 10]),
        ("resnet8", (), [16384] * 3 + [8192] * 2 + [4096] * 2 + [64, 10]),
    ],
)
def test_features_are_those_of_the_tables(name, channels, features):
    assert list(describe(name, channels).features(10).values()) == features


def test_multiply_adds_by_hand():
    # Per convolution of Tiny-10: side² x 9 x channels in x channels out; the eighth is 1x1; then the linear layer.
    convolutions = [
        32**2 * 9 * 3 * 16,
        32**2 * 9 * 16 * 16,
        16**2 * 9 * 16 * 32,
        *2 * [16**2 * 9 * 32 * 32],
        8**2 * 9 * 32 * 64,
        6**2 * 9 * 64 * 64,
        6**2 * 64 * 64,
    ]
    assert describe("tiny10").multiply_adds(10) == sum(convolutions) + 64 * 10 == 11_354_752
    # He et al. (2016) shapes: in each stage all but the first convolution cost the same, 32² x 9 x 16² = 2,359,296.
    assert describe("resnet32").multiply_adds(10) == 442_368 + 28 * 2_359_296 + 2 * 1_179_648 + 640


def test_tiny_without_borders_has_its_maps():
    assert [one.side for one in describe("tiny10-valid").convolutions] == [30, 28, 13, 11, 9, 4, 2, 2]


@pytest.mark.parametrize(
    "name",
    [
        "vgg", "", "10", "plain", "plain0", "plain-10", "plain11", "plain010", "plain10-bn", "plain18.0", "tiny18",
        "tiny10-nobn", "resnet15", "resnet2", "width0", "width-4", "width4.5", "widthx", "Width4", "width4 ", None, 10,
    ],
)  # fmt: skip
def test_unknown_networks_list_the_known_ones(name):
    with pytest.raises(UnknownNetworkError) as error:
        describe(name)
    said = str(error.value)
    assert said.startswith(f"unknown network {name!r}; known are: ")
    assert {
        *("nano10", "plain10 plain18 plain26 ...", "plain10-nobn plain18-nobn plain26-nobn ..."),
        *("resnet8 resnet14 resnet20 ...", "tiny10", "tiny10-valid", "width1 width2 width3 ..."),
    } <= set(said.partition("known are: ")[2].split(", "))


@pytest.mark.parametrize(
    ("name", "channels", "message"),
    [
        ("plain10", (16,), r"plain10: its table has 2 numbers of channels, found \[16\]"),
        ("resnet14", (16, 32), r"resnet14: its table has 3"),
        ("width8", (8,), r"width8: its table has 0"),
        ("plain10", (0, 32), r"plain10: channels must be positive integers, found \[0, 32\]"),
        ("plain10", (16, 32.0), "positive integers"),
        ("plain10", (True, 32), "positive integers"),
        ("plain10", ("16", 32), "positive integers"),
        ("resnet14", (32, 16, 64), r"resnet14: shortcuts cannot drop channels, found \[32, 16, 64\]"),
    ],
)
def test_channels_that_do_not_fit(name, channels, message):
    with pytest.raises(UnknownNetworkError, match=message):
        describe(name, channels)
