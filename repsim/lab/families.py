"""The families of networks: functions that return tables of layers, and the names that networks are asked for by.

A name is a family and a size, ``plain18``, ``plain10-nobn``, ``resnet32``, ``width64``, so that a new size needs no
entry here. A family is one function below :func:`family` that returns the rows of the network's table.
:mod:`repsim.lab.networks` builds them in Keras; :class:`Shapes`, which needs no backend, follows sizes and operations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import prod
from typing import Any, TypeVar

from repsim.lab.errors import UnknownNetworkError, known

IMAGE_SIDE, IMAGE_CHANNELS = 32, 3
_LARGEST = 1 << 20  # ranges need an end


@dataclass(frozen=True)
class Convolution:
    """A convolution, batch normalisation, or a bias in its place, and a ReLU, after which activations are a `layer`.

    Where it `adds`, what the row before read is added before the ReLU: subsampled (by 1 or 2) and filled up with
    channels of zeros, He et al.'s option A, which has no weights. `side`, the height and width of the maps, follows
    from the rows.
    """

    channels: int
    size: int = 3
    stride: int = 1
    padding: str = "same"
    side: int = 0
    layer: str = field(default="", compare=False, kw_only=True)
    adds: bool = field(default=False, compare=False, kw_only=True)
    normalised: bool = field(default=True, compare=False, kw_only=True)


@dataclass(frozen=True)
class Other:
    """Any layers of Keras, ``apply(keras, x)``, after which activations of that `shape` are a `layer`.

    The last axis of `shape` is that of the features; it and `multiply_adds` are of one example.
    """

    layer: str
    shape: tuple[int, ...]
    apply: Callable[[Any, Any], Any]
    multiply_adds: int = 0

    @property
    def channels(self) -> int:
        """The number of features at each place."""
        return self.shape[-1]


Row = Convolution | Other
Rows = Callable[[int, Sequence[int]], Sequence[Row]]  # of a size and channels
Registered = TypeVar("Registered", bound=Rows)


@dataclass(frozen=True)
class _Family:
    """The networks of one table: which sizes there are, and the paper's channels, where they can be scaled."""

    rows: Rows
    sizes: range
    channels: tuple[int, ...]


_FAMILIES: dict[str, _Family] = {}


def family(pattern: str, sizes: range, channels: tuple[int, ...] = ()) -> Callable[[Registered], Registered]:
    """Make networks known by names that `pattern` and `sizes` give, with the channels of the paper's table.

    The function gets the size and the channels, and returns the rows before those that every network ends in: the mean
    over places, ``pool``, and a linear layer, ``logits``.
    """

    def register(rows: Registered) -> Registered:
        _FAMILIES[pattern] = _Family(rows, sizes, channels)
        return rows

    return register


def _stack(*rows: tuple[Any, ...]) -> list[Convolution]:
    """Return convolutions one after the other, their layers called conv1, conv2, ..."""
    return [Convolution(*row, layer=f"conv{number}") for number, row in enumerate(rows, start=1)]


@family("tiny{}", range(10, 11), (16, 32, 64))
def tiny(_: int, channels: Sequence[int]) -> list[Convolution]:
    """Return Tiny-10, the paper's Table E.1.

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
    a, b, c = channels
    return _stack((a, 3, 1), (a, 3, 1), (b, 3, 2), (b, 3, 1), (b, 3, 1), (c, 3, 2), (c, 3, 1, "valid"), (c, 1, 1))


@family("tiny{}-valid", range(10, 11), (16, 32, 64))
def tiny_without_borders(_: int, channels: Sequence[int]) -> list[Convolution]:
    """Return Tiny-10 with no convolution padded: maps of 30, 28, 13, 11, 9, 4, 2 and 2."""
    return [replace(row, padding="valid") for row in tiny(10, channels)]


@family("nano{}", range(10, 11), (4, 8))
def nano(_: int, channels: Sequence[int]) -> list[Convolution]:
    """Return a network of the shape of Tiny-10 with a first stride of 4, for the smoke profile."""
    narrow, wide = channels
    return _stack((narrow, 3, 4), (narrow,), (wide, 3, 2), *3 * [(wide,)], (wide, 3, 1, "valid"), (wide, 1))


@family("width{}", range(1, _LARGEST))
def width(size: int, _: Sequence[int]) -> list[Convolution]:
    """Return Width-n, the paper's Table E.3: Tiny-10 with n channels in every convolution."""
    return tiny(10, (size, size, size))


@family("plain{}", range(10, _LARGEST, 8), (96, 192))
def plain(depth: int, channels: Sequence[int]) -> list[Convolution]:
    """Return Plain-(8n + 2), the paper's Table E.2, for which its channels are 96 and 192.

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
    n = (depth - 2) // 8
    rows: list[tuple[Any, ...]] = []
    for count in channels:
        rows += (3 * n - 1) * [(count,)] + [(count, 3, 2)]
    return _stack(*rows, *(n - 1) * [(count,)], (count, 3, 1, "valid"), *n * [(count, 1)])


@family("plain{}-nobn", range(10, _LARGEST, 8), (96, 192))
def plain_without_normalisation(depth: int, channels: Sequence[int]) -> list[Convolution]:
    """Return Plain-(8n + 2) with biases in place of batch normalisation, for the paper's Figure F.6."""
    return [replace(row, normalised=False) for row in plain(depth, channels)]


@family("resnet{}", range(8, _LARGEST, 6), (16, 32, 64))
def resnet(depth: int, channels: Sequence[int]) -> list[Convolution]:
    """Return ResNet-(6m + 2) for CIFAR as in He et al. (2016), whom the paper cites without a table of its own.

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
    rows = [Convolution(channels[0], layer="conv1")]
    for number in range(3 * blocks):
        stage, place = divmod(number, blocks)
        stride = 2 if stage and not place else 1
        rows.append(Convolution(channels[stage], stride=stride, layer=f"block{number + 1}_interior"))
        rows.append(Convolution(channels[stage], layer=f"block{number + 1}_sum", adds=True))
    return rows


class Shapes:
    """The rows of a network's table, the layers that they are, their sizes, and the network's operations."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows: list[Row] = []
        self._sizes: dict[str, int] = {}
        self._multiply_adds = 0
        shape: tuple[int, ...] = IMAGE_SIDE, IMAGE_SIDE, IMAGE_CHANNELS
        for row in rows:
            if isinstance(row, Convolution):
                places = shape[0] if row.padding == "same" else shape[0] - row.size + 1
                side = (places - 1) // row.stride + 1
                self._multiply_adds += side**2 * row.size**2 * shape[-1] * row.channels
                shape, row = (side, side, row.channels), replace(row, side=side)
            else:
                self._multiply_adds += row.multiply_adds
                shape = row.shape
            self.rows.append(row)
            self._sizes[row.layer] = prod(shape)
        self._pooled = shape[-1]

    @property
    def convolutions(self) -> list[Convolution]:
        """The convolutions, in order."""
        return [row for row in self.rows if isinstance(row, Convolution)]

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


def describe(name: str, channels: Sequence[int] = ()) -> Shapes:
    """Return layers, sizes and operations of a network, as in "plain18", "plain10-nobn", "width64".

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
    return Shapes(named.rows(int(match[2]), tuple(channels) or named.channels))


def _known_names() -> list[str]:
    """Return what an error lists: each family with its first sizes."""
    names = []
    for pattern, named in _FAMILIES.items():
        first = [pattern.format(size) for size in islice(named.sizes, 3)]
        names.append(" ".join(first if len(named.sizes) == 1 else [*first, "..."]))
    return names


def represented_layers(architecture: str) -> tuple[str, ...]:
    """Return all layers of a network that have a representation, in order: the last are ``pool`` and ``logits``."""
    return describe(architecture).layers


def compared_layers(architecture: str) -> tuple[str, ...]:
    """Return the layers that the paper compares: all but the logits."""
    return represented_layers(architecture)[:-1]
