"""What describes a convolutional network: the convolutions in order, from which layers, shapes and cost follow.

:mod:`repsim.lab.families` describes the paper's networks and :mod:`repsim.lab.networks` builds them in Keras. No
backend is needed here.
"""

from __future__ import annotations

from dataclasses import dataclass

IMAGE_SIDE, IMAGE_CHANNELS = 32, 3


@dataclass(frozen=True)
class Convolution:
    """One convolution; `layer` is the name of what is represented: the activations after the ReLU that follows."""

    layer: str
    channels: int
    size: int = 3
    stride: int = 1
    padding: str = "same"


@dataclass(frozen=True)
class Architecture:
    """Convolutions in order, then global average pooling and a linear layer.

    In a residual network the convolutions after the first belong together two by two, and the input of each pair is
    added to its output before the last ReLU.
    """

    convolutions: tuple[Convolution, ...]
    residual: bool = False
    normalised: bool = True

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of all represented layers, in order."""
        return (*(one.layer for one in self.convolutions), "pool", "logits")

    @property
    def sides(self) -> tuple[int, ...]:
        """Height, which is the width too, of each convolution's output."""
        side, found = IMAGE_SIDE, []
        for one in self.convolutions:
            side = (side - 1) // one.stride + 1 if one.padding == "same" else (side - one.size) // one.stride + 1
            found.append(side)
        return tuple(found)

    def features(self, classes: int) -> dict[str, int]:
        """Return the number of features of each represented layer, flattened over space."""
        maps = [side**2 * one.channels for side, one in zip(self.sides, self.convolutions, strict=True)]
        return dict(zip(self.layers, [*maps, self.convolutions[-1].channels, classes], strict=True))

    def multiply_adds(self, classes: int) -> int:
        """Return the multiply-adds of one image's forward pass: those of convolutions and of the linear layer."""
        channels, total = IMAGE_CHANNELS, 0
        for side, one in zip(self.sides, self.convolutions, strict=True):
            total += side**2 * one.size**2 * channels * one.channels
            channels = one.channels
        return total + channels * classes
