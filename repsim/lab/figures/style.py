"""One look for all figures: letters that can be read on a telephone, colours for colour-blind readers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

import repsim

WIDTH = 4.6  # inches; on a telephone 390 pixels wide the letters are then about 9 pixels high
WIDE = 7.6  # of figures with more than two panels in a row, as the paper has them; on a telephone they scroll
HEAT = "cividis"
SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "repsim-revisited",
    "svg.fonttype": "path",
    "figure.constrained_layout.use": True,
    "axes.prop_cycle": cycler(color=sns.color_palette("colorblind")),  # "C0" and so on where a figure is drawn
}


@dataclass(frozen=True)
class Drawing:
    """A figure, the sentence that stands for it where it cannot be seen, and how it differs from the paper's."""

    figure: Figure
    alt: str
    note: str = ""


@contextmanager
def panels(
    rows: int, columns: int, height: float, *, theme: str = "whitegrid", wide: bool = False, **options: Any
) -> Iterator[tuple[Figure, np.ndarray]]:
    """Open a figure with `rows` of `columns` axes, each row `height` inches high, wide from three columns on.

    What the block draws has the book's look; Matplotlib's own settings stay as they were.
    """
    with sns.axes_style(theme), mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDE if wide or columns > 2 else WIDTH, rows * height), layout="constrained")
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)


def title(index: str) -> str:
    """Return what figures and tables call an index."""
    return repsim.get_index(index).title


FAMILIES = {"resnet": "ResNet"}  # others begin with a capital
VARIANTS = {"untrained": ", untrained", "nobn": " without batch normalisation", "cifar100": " on CIFAR-100"}


def architecture(name: str) -> tuple[str, str]:
    """Return what an architecture such as "plain10-nobn" is called, without its variant, and the variant."""
    base, _, variant = name.partition("-")
    family = base.rstrip("0123456789")
    return f"{FAMILIES.get(family, family.capitalize())}-{base.removeprefix(family)}", variant


def recipe_of(group: str) -> str:
    """Return the recipe that a group such as "recipe-r1" or "tiny10-r1" is named after, "" for others."""
    named = re.fullmatch(r"(?:recipe|tiny10)-(r\d+)", group)
    return named[1].upper() if named else ""


def network(group: str) -> str:
    """Return what figures and texts call the networks of a group such as "plain10-untrained"."""
    if named := recipe_of(group):
        return f"Tiny-10 by recipe {named}" + ("" if group.startswith("recipe-") else ", longer")
    named, variant = architecture(group)
    variant, _, widest = variant.partition("-")
    channels = f", up to {widest} channels" if widest else ""
    return named + (VARIANTS.get(variant, f", {variant}") if variant else "") + channels


def short(layers: Any) -> list[str]:
    """Return tick labels for layer names: numbers for convolutions, P for the pooling layer."""
    return [name.removeprefix("conv") if name.startswith("conv") else name[0].upper() for name in layers]


def stage_ends(features: Sequence[int]) -> list[int]:
    """Return after how many layers the size of the maps or their number changes, from each layer's features."""
    return [place for place in range(1, len(features)) if features[place] != features[place - 1]]
