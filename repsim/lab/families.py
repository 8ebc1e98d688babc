"""The paper's networks as tables, one function per family, and the names that they are asked for by.

A name is a family and a size, ``plain18``, ``plain10-nobn``, ``resnet32``, ``width64``, so that a new size needs no
entry here. No backend is needed either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from repsim.lab.architectures import Architecture, Convolution
from repsim.lab.errors import UnknownNetworkError, known


def _stack(rows: Sequence[tuple[Any, ...]], *, normalised: bool = True) -> Architecture:
    """Return a network without shortcuts, of layers conv1, conv2, ...; a row is a Convolution without its name."""
    return Architecture(
        tuple(Convolution(f"conv{number}", *row) for number, row in enumerate(rows, start=1)), normalised=normalised
    )


def tiny(_: int, channels: Sequence[int]) -> Architecture:
    """Describe Tiny-10, the paper's Table E.1.

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
    narrow, middle, wide = channels
    rows = [(narrow,), (narrow,), (middle, 3, 2), (middle,), (middle,), (wide, 3, 2), (wide, 3, 1, "valid"), (wide, 1)]
    return _stack(rows)


def tiny_without_borders(depth: int, channels: Sequence[int]) -> Architecture:
    """Describe Tiny-10 with no convolution padded: maps of 30, 28, 13, 11, 9, 4, 2 and 2."""
    padded = tiny(depth, channels)
    return Architecture(tuple(replace(one, padding="valid") for one in padded.convolutions))


def nano(_: int, channels: Sequence[int]) -> Architecture:
    """Describe a network of the shape of Tiny-10 with a first stride of 4, for the smoke profile."""
    narrow, wide = channels
    return _stack([(narrow, 3, 4), (narrow,), (wide, 3, 2), *3 * [(wide,)], (wide, 3, 1, "valid"), (wide, 1)])


def width(size: int, _: Sequence[int]) -> Architecture:
    """Describe Width-n, the paper's Table E.3: Tiny-10 with n channels in every convolution.

    =======  ==============================================
    1, 2     3x3 convolution, n channels
    3        3x3 convolution, n channels, stride 2
    4, 5     3x3 convolution, n channels
    6        3x3 convolution, n channels, stride 2
    7        3x3 convolution, n channels, valid padding
    8        1x1 convolution, n channels
    9        global average pooling
    10       logits
    =======  ==============================================
    """
    return tiny(10, (size, size, size))


def plain(depth: int, channels: Sequence[int], *, normalised: bool = True) -> Architecture:
    """Describe Plain-(8n + 2), the paper's Table E.2, for which its channels are 96 and 192.

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
    rows += (n - 1) * [(count,)] + [(count, 3, 1, "valid")] + n * [(count, 1)]
    return _stack(rows, normalised=normalised)


def plain_without_normalisation(depth: int, channels: Sequence[int]) -> Architecture:
    """Describe Plain-(8n + 2) with biases in place of batch normalisation, for the paper's Figure F.6."""
    return plain(depth, channels, normalised=False)


def resnet(depth: int, channels: Sequence[int]) -> Architecture:
    """Describe ResNet-(6m + 2) for CIFAR as in He et al. (2016), whom the paper cites without a table of its own.

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
    found = [Convolution("conv1", channels[0])]
    for number in range(3 * blocks):
        stage, place = divmod(number, blocks)
        stride = 2 if stage and not place else 1
        found.append(Convolution(f"block{number + 1}_interior", channels[stage], stride=stride))
        found.append(Convolution(f"block{number + 1}_sum", channels[stage]))
    return Architecture(tuple(found), residual=True)


@dataclass(frozen=True)
class _Family:
    """The networks of one table: which sizes there are, and the paper's channels, where they can be scaled."""

    describe: Callable[[int, Sequence[int]], Architecture]
    sizes: range
    channels: tuple[int, ...] = ()


_LARGEST = 1 << 20  # ranges need an end
_FAMILIES = {
    "tiny{}": _Family(tiny, range(10, 11), (16, 32, 64)),
    "tiny{}-valid": _Family(tiny_without_borders, range(10, 11), (16, 32, 64)),
    "nano{}": _Family(nano, range(10, 11), (4, 8)),
    "plain{}": _Family(plain, range(10, _LARGEST, 8), (96, 192)),
    "plain{}-nobn": _Family(plain_without_normalisation, range(10, _LARGEST, 8), (96, 192)),
    "resnet{}": _Family(resnet, range(8, _LARGEST, 6), (16, 32, 64)),
    "width{}": _Family(width, range(1, _LARGEST)),
}


def _known_names() -> list[str]:
    """Return what an error lists: each family with its first sizes."""
    names = []
    for pattern, family in _FAMILIES.items():
        first = [pattern.format(size) for size in islice(family.sizes, 3)]
        names.append(" ".join(first if len(family.sizes) == 1 else [*first, "..."]))
    return names


def describe(name: str, channels: Sequence[int] = ()) -> Architecture:
    """Return the network called `name`.

    Parameters
    ----------
    name
        Family and size, as in "plain18", "plain10-nobn", "resnet32", "width64", "tiny10".
    channels
        Channels in place of the paper's, as many as the family's table has: two for plain networks, three for
        residual ones and Tiny-10, none for Width-n, whose name says them.

    Raises
    ------
    UnknownNetworkError
        If there is no such network; the message lists those that there are.
    """
    found = re.fullmatch(r"([a-z]+)([1-9][0-9]*)(-[a-z]+)?", str(name))
    family = _FAMILIES.get(f"{found[1]}{{}}{found[3] or ''}") if found else None
    if found is None or family is None or int(found[2]) not in family.sizes:
        raise UnknownNetworkError(known("network", name, _known_names()))
    if channels and len(channels) != len(family.channels):
        raise UnknownNetworkError(
            f"{name}: its table has {len(family.channels)} numbers of channels, found {list(channels)}"
        )
    if any(type(count) is not int or count < 1 for count in channels):
        raise UnknownNetworkError(f"{name}: channels must be positive integers, found {list(channels)}")
    return family.describe(int(found[2]), tuple(channels) or family.channels)
