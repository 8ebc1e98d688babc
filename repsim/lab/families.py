"""The families of networks: functions that apply layers, and the names that networks are asked for by.

A name is a family and a size, ``plain18``, ``plain10-nobn``, ``resnet32``, ``width64``, so that a new size needs no
entry here. A family is one function below :func:`family`. It gets what applies layers: :mod:`repsim.lab.networks` gives
it Keras's, and :class:`Shapes`, which needs no backend, only follows names, sizes and operations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import Any

from repsim.lab.errors import UnknownNetworkError, known

IMAGE_SIDE, IMAGE_CHANNELS = 32, 3
_LARGEST = 1 << 20  # ranges need an end


Net = Any  # what a family applies layers with: the methods of `Shapes`, or of Keras in `repsim.lab.networks`
Shape = tuple[int, ...]  # of one example
Build = Callable[[Any, Any, int, Sequence[int]], Any]


@dataclass(frozen=True)
class _Family:
    """The networks of one table: which sizes there are, and the paper's channels, where they can be scaled."""

    build: Build
    sizes: range
    channels: tuple[int, ...]


_FAMILIES: dict[str, _Family] = {}


def family(pattern: str, sizes: range, channels: tuple[int, ...] = ()) -> Callable[[Build], Build]:
    """Make networks known by names that `pattern` and `sizes` give, with the channels of the paper's table.

    The function gets what applies layers, images, the size and the channels, and returns the last activations before
    those that every network ends in: the mean over places, ``pool``, and a linear layer, ``logits``.
    """

    def register(build: Build) -> Build:
        _FAMILIES[pattern] = _Family(build, sizes, channels)
        return build

    return register


def _stack(net: Net, x: Any, rows: Sequence[tuple[Any, ...]], *, normalised: bool = True) -> Any:
    """Apply convolutions one after the other, their ReLUs called conv1, conv2, ..."""
    for number, row in enumerate(rows, start=1):
        x = net.relu(net.convolution(x, *row, normalised=normalised), f"conv{number}")
    return x


@family("tiny{}", range(10, 11), (16, 32, 64))
def tiny(net: Net, x: Any, _: int, channels: Sequence[int]) -> Any:
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
    return _stack(net, x, _tiny_rows(channels))


def _tiny_rows(channels: Sequence[int]) -> list[tuple[Any, ...]]:
    a, b, c = channels
    return [(a, 3, 1), (a, 3, 1), (b, 3, 2), (b, 3, 1), (b, 3, 1), (c, 3, 2), (c, 3, 1, "valid"), (c, 1, 1)]


@family("tiny{}-valid", range(10, 11), (16, 32, 64))
def tiny_without_borders(net: Net, x: Any, _: int, channels: Sequence[int]) -> Any:
    """Build Tiny-10 with no convolution padded: maps of 30, 28, 13, 11, 9, 4, 2 and 2."""
    return _stack(net, x, [(*row[:3], "valid") for row in _tiny_rows(channels)])


@family("nano{}", range(10, 11), (4, 8))
def nano(net: Net, x: Any, _: int, channels: Sequence[int]) -> Any:
    """Build a network of the shape of Tiny-10 with a first stride of 4, for the smoke profile."""
    narrow, wide = channels
    return _stack(net, x, [(narrow, 3, 4), (narrow,), (wide, 3, 2), *3 * [(wide,)], (wide, 3, 1, "valid"), (wide, 1)])


@family("width{}", range(1, _LARGEST))
def width(net: Net, x: Any, size: int, _: Sequence[int]) -> Any:
    """Build Width-n, the paper's Table E.3: Tiny-10 with n channels in every convolution."""
    return tiny(net, x, 10, (size, size, size))


@family("plain{}", range(10, _LARGEST, 8), (96, 192))
def plain(net: Net, x: Any, depth: int, channels: Sequence[int]) -> Any:
    """Build Plain-(8n + 2), the paper's Table E.2, for which its channels are 96 and 192.

    ======  ==============================================
    3n - 1  3x3 convolution, 96 channels
    1       3x3 convolution, 96 channels, stride 2
    3n - 1  3x3 convolution, 192 channels
    1       3x3 convolution, 192 channels, stride 2
    n - 1   3x3 convolution, 192 channels
    1       3x3 convolution, 192 channels, valid padding
    n       1x1 convolution, 192 channels
    1       global average pooling
    1       logits
    ======  ==============================================
    """
    return _stack(net, x, _plain_rows(depth, channels))


def _plain_rows(depth: int, channels: Sequence[int]) -> list[tuple[Any, ...]]:
    n = (depth - 2) // 8
    rows: list[tuple[Any, ...]] = []
    for count in channels:
        rows += (3 * n - 1) * [(count,)] + [(count, 3, 2)]
    rows += (n - 1) * [(count,)] + [(count, 3, 1, "valid")] + n * [(count, 1)]
    return rows


@family("plain{}-nobn", range(10, _LARGEST, 8), (96, 192))
def plain_without_normalisation(net: Net, x: Any, depth: int, channels: Sequence[int]) -> Any:
    """Build Plain-(8n + 2) with biases in place of batch normalisation, for the paper's Figure F.6."""
    return _stack(net, x, _plain_rows(depth, channels), normalised=False)


@family("resnet{}", range(8, _LARGEST, 6), (16, 32, 64))
def resnet(net: Net, x: Any, depth: int, channels: Sequence[int]) -> Any:
    """Build ResNet-(6m + 2) for CIFAR as in He et al. (2016), whom the paper cites without a table of its own.

    ==  =============================================================================================
    1   3x3 convolution, 16 channels
    m   blocks of two 3x3 convolutions, 16 channels
    m   blocks of two 3x3 convolutions, 32 channels, the first convolution of the first block stride 2
    m   blocks of two 3x3 convolutions, 64 channels, the first convolution of the first block stride 2
    1   global average pooling
    1   logits
    ==  =============================================================================================

    The first convolution's layer is conv1. Those of the third block, say, are block3_interior, after its first
    convolution, and block3_sum, after the addition. Counted from conv1 = 0, interior ones are odd and sums even, as in
    the paper's Figure 4.
    """
    if list(channels) != sorted(channels):
        raise UnknownNetworkError(f"resnet{depth}: shortcuts cannot drop channels, found {list(channels)}")
    blocks = (depth - 2) // 6
    x = net.relu(net.convolution(x, channels[0]), "conv1")
    for number in range(3 * blocks):
        stage, place = divmod(number, blocks)
        stride = 2 if stage and not place else 1
        before = net.shortcut(x, stride, channels[stage])
        x = net.relu(net.convolution(x, channels[stage], stride=stride), f"block{number + 1}_interior")
        x = net.relu(net.add(net.convolution(x, channels[stage]), before), f"block{number + 1}_sum")
    return x


@dataclass(frozen=True)
class Convolution:
    """One convolution, and the height and width of its maps."""

    channels: int
    size: int
    stride: int
    padding: str
    side: int


class Shapes:
    """Applies layers to shapes in place of activations: the layers of a network, their sizes, and its operations."""

    def __init__(self, build: Callable[[Net, Shape], Shape]) -> None:
        self.convolutions: list[Convolution] = []
        self._sizes: dict[str, int] = {}
        self._multiply_adds = 0
        self._pooled = build(self, (IMAGE_SIDE, IMAGE_SIDE, IMAGE_CHANNELS))[-1]

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of all represented layers, in order."""
        return (*self._sizes, "pool", "logits")

    def features(self, classes: int) -> dict[str, int]:
        """Return the number of features of each represented layer, flattened over space."""
        return {**self._sizes, "pool": self._pooled, "logits": classes}

    def multiply_adds(self, classes: int) -> int:
        """Return the multiply-adds of one image's forward pass: those of convolutions and of the linear layer."""
        return self._multiply_adds + self._pooled * classes

    def convolution(
        self, x: Shape, channels: int, size: int = 3, stride: int = 1, padding: str = "same", *, normalised: bool = True
    ) -> Shape:
        """Apply a convolution and its batch normalisation, or a bias in its place."""
        side = (x[0] - 1) // stride + 1 if padding == "same" else (x[0] - size) // stride + 1
        self.convolutions.append(Convolution(channels, size, stride, padding, side))
        self._multiply_adds += side**2 * size**2 * x[-1] * channels
        return side, side, channels

    def relu(self, x: Shape, layer: str) -> Shape:
        """Apply a ReLU, and call the activations after it `layer`: they are represented."""
        self._sizes[layer] = prod(x)
        return x

    def shortcut(self, x: Shape, stride: int, channels: int) -> Shape:
        """Subsample and fill up with channels of zeros: He et al.'s option A, which has no weights."""
        return (x[0] - 1) // stride + 1, (x[1] - 1) // stride + 1, channels

    def add(self, x: Shape, y: Shape) -> Shape:
        """Add activations of one shape."""
        return x

    def other(
        self, x: Shape, layer: str, shape: Shape, apply: Callable[[Any, Any], Any], multiply_adds: int = 0
    ) -> Shape:
        """Apply any layers of Keras, ``apply(keras, x)``, and call the activations of that `shape` after them `layer`.

        The last axis of `shape` is that of the features; `multiply_adds` too are of one example.
        """
        self._multiply_adds += multiply_adds
        return self.relu(shape, layer)


def builder(name: str, channels: Sequence[int] = ()) -> Callable[[Net, Any], Any]:
    """Return what builds a network, as in "plain18", "plain10-nobn", "width64", from what applies layers and images.

    `channels` replace the paper's, as many as the family's table has; Width-n's are in its name. UnknownNetworkError
    lists the networks that there are.
    """
    match = re.fullmatch(r"([a-z]+)([1-9][0-9]*)(-[a-z]+)?", str(name))
    named = _FAMILIES.get(f"{match[1]}{{}}{match[3] or ''}") if match else None
    if match is None or named is None or int(match[2]) not in named.sizes:
        raise UnknownNetworkError(known("network", name, _known_names()))
    if channels and len(channels) != len(named.channels):
        raise UnknownNetworkError(
            f"{name}: its table has {len(named.channels)} numbers of channels, found {list(channels)}"
        )
    if any(type(count) is not int or count < 1 for count in channels):
        raise UnknownNetworkError(f"{name}: channels must be positive integers, found {list(channels)}")
    build, size, given = named.build, int(match[2]), tuple(channels) or named.channels
    return lambda net, x: build(net, x, size, given)


def _known_names() -> list[str]:
    """Return what an error lists: each family with its first sizes."""
    names = []
    for pattern, named in _FAMILIES.items():
        first = [pattern.format(size) for size in islice(named.sizes, 3)]
        names.append(" ".join(first if len(named.sizes) == 1 else [*first, "..."]))
    return names


def describe(name: str, channels: Sequence[int] = ()) -> Shapes:
    """Return layers, sizes and operations of the network that :func:`builder` builds."""
    return Shapes(builder(name, channels))


def represented_layers(architecture: str) -> tuple[str, ...]:
    """Return all layers of a network that have a representation, in order: the last are ``pool`` and ``logits``."""
    return describe(architecture).layers


def compared_layers(architecture: str) -> tuple[str, ...]:
    """Return the layers that the paper compares: all but the logits."""
    return represented_layers(architecture)[:-1]
