"""Which layers of a network are represented and compared, by their names; no backend is needed."""

from __future__ import annotations

from typing import Literal

from repsim.lab.families import describe


def represented_layers(architecture: str) -> tuple[str, ...]:
    """Return all layers of a network that have a representation, in order: the last are ``pool`` and ``logits``."""
    return describe(architecture).layers


def compared_layers(architecture: str) -> tuple[str, ...]:
    """Return the layers that the paper compares: all but the logits."""
    return represented_layers(architecture)[:-1]


def block_layers(architecture: str, part: Literal["interior", "sum"]) -> tuple[str, ...]:
    """Return the layer inside each block of a residual network, or that after each addition; none in other networks."""
    return tuple(layer for layer in represented_layers(architecture) if layer.endswith(f"_{part}"))
