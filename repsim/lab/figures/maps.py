"""Heat maps of the similarity of layers: Figures 3 to 5 and F.4 to F.8."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import repsim
from repsim.lab.figures.style import HEAT, WIDTH, Drawing, network, style, title
from repsim.lab.findings.architectures import RESIDUAL, TINY, match_path
from repsim.lab.findings.depth import SIMILAR, similar_to_last
from repsim.lab.findings.residual import block_places
from repsim.lab.wording import number

Array = NDArray[np.float64]
MOST_TICKS = 8
POOL = "P"


@dataclass(frozen=True)
class Panel:
    """One map and what is written around it.

    Attributes
    ----------
    title
        Above it.
    values
        (rows, columns) similarities.
    said
        What the description says of it.
    up, across
        Which networks' layers the rows and the columns are, where panels differ in that.
    pooled
        Whether the last layer is the pooling layer.
    path
        Whether a circle marks the best match of each row.
    """

    title: str
    values: Array
    said: str
    up: str = ""
    across: str = ""
    pooled: bool = True
    path: bool = False


def ticks(count: int, pooled: bool) -> tuple[list[int], list[str]]:
    """Return which of `count` layers, numbered from 1, have a label, and the labels: P for the pooling layer."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, count) if count <= step * MOST_TICKS)
    places = list(range(step, count + 1, step))
    if not pooled:
        return places, [str(place) for place in places]
    places = [place for place in places if count - place >= count / 12]  # the last may stand too close to the P
    return [*places, count], [*map(str, places), POOL]


def _map(axis: Axes, panel: Panel, low: float, high: float) -> Any:
    rows, columns = (ticks(count, panel.pooled) for count in panel.values.shape)
    aspect: Literal["equal", "auto"] = "equal" if panel.values.shape[0] == panel.values.shape[1] else "auto"
    how: dict[str, Any] = {"cmap": HEAT, "vmin": low, "vmax": high, "origin": "lower", "interpolation": "nearest"}
    image = axis.imshow(panel.values, aspect=aspect, **how)
    axis.set_yticks(np.array(rows[0]) - 1, rows[1])
    axis.set_xticks(np.array(columns[0]) - 1, columns[1])
    axis.tick_params(length=2)
    axis.set(title=panel.title, xlabel=panel.across, ylabel=panel.up)
    if panel.path and np.isfinite(panel.values).all():
        best = repsim.best_match(panel.values)
        axis.plot(best, np.arange(len(best)), "o", color="black", markersize=4, mfc="white", mew=0.8)
    return image


def _limits(values: Sequence[Array]) -> tuple[float, float]:
    """Return the ends of a colour scale, whole tenths up to 1."""
    found = np.concatenate([np.ravel(one) for one in values])
    found = found[np.isfinite(found)]
    if not found.size:
        return 0.0, 1.0
    low = math.floor(10 * found.min()) / 10
    return low, max(min(math.ceil(10 * found.max()) / 10, 1.0), low + 0.1)


def heat_maps(
    drawn: Sequence[Panel], columns: int, what: str, height: float, *, own_scales: bool = False, large: bool = False
) -> Drawing:
    """Draw maps, `columns` in a row of `height` inches, on one colour scale unless each is to have its own.

    `what` begins the description. With `large` the first map has a row of its own, as large as the page allows.
    """
    shared = _limits([panel.values for panel in drawn])
    spots: list[tuple[int, int]] = [(0, 0)] * large
    spots += [divmod(place, columns) for place in range(columns * large, columns * large + len(drawn) - large)]
    heights = [columns if large and row == 0 else 1 for row in range(spots[-1][0] + 1)]
    with style("ticks"):
        figure = Figure(figsize=(WIDTH, sum(heights) * height), layout="constrained")
        grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
        for panel, (row, column) in zip(drawn, spots, strict=True):
            axis = figure.add_subplot(grid[row, :] if heights[row] > 1 else grid[row, column])
            image = _map(axis, panel, *(_limits([panel.values]) if own_scales else shared))
            if own_scales:
                figure.colorbar(image, ax=axis, shrink=0.8, pad=0.03)
            if not panel.up:
                axis.set_ylabel("" if column else "layer")
                axis.set_xlabel("" if (row + 1, column) in spots else "layer")
        if not own_scales:
            figure.colorbar(image, ax=figure.axes, location="bottom", shrink=0.6, aspect=30, label=title("cka_linear"))
    return Drawing(figure, f"{what}: {'; '.join(panel.said for panel in drawn)}.")


def within_maps(tables: Mapping[str, Array]) -> Drawing:
    """Draw the similarities of the layers within single networks, (L, L) each, by title: Figures 3 and F.5."""
    drawn = [
        Panel(name, table, f"{name}, {similar_to_last(table[None]):.0%} of {len(table) - 1}")
        for name, table in tables.items()
    ]
    what = (
        "Heat maps of the similarity of the layers within one network, with the share of the other layers whose "
        f"similarity with the last convolution is at least {SIMILAR}"
    )
    return heat_maps(drawn, min(2, len(drawn)), what, 2.4)


def residual_maps(table: Array, layers: Sequence[str]) -> Drawing:
    """Draw the similarities of the layers of a residual network, (L, L), and of its two kinds of layers: Figure 4."""
    sums, interior = (np.concatenate(places) for places in block_places(layers))
    drawn = [Panel("all layers", table, f"all {len(table)}, {number(float(table.mean()))}")]
    for name, places in (("after additions", sums), ("inside blocks", interior)):
        part = table[np.ix_(places, places)]
        drawn.append(Panel(name, part, f"the {len(part)} {name}, {number(float(part.mean()))}", pooled=False))
    return heat_maps(
        drawn, 2, "Heat maps of the similarity of the layers within a residual network, mean in each", 2.1, large=True
    )


def layer_maps(tables: Mapping[str, Array], *, path: bool = False) -> Drawing:
    """Draw (L, L) similarities of the same layers in other networks, by title: Figures F.4, F.6 and F.7.

    With `path` a circle marks each row's best match.
    """
    drawn = [
        Panel(name, table, f"{name}, {number(float(np.diagonal(table).mean()))}".replace("\n", " "), path=path)
        for name, table in tables.items()
    ]
    what = f"Heat maps of the mean similarity of {len(drawn[0].values)} layers, mean over same layers in each"
    return heat_maps(drawn, len(drawn), what, 2.5 if len(drawn) > 2 else 2.9)


def architecture_maps(tables: Mapping[tuple[str, str], Array]) -> Drawing:
    """Draw the mean similarities (L1, L2) of the layers of two groups, by their names: Figure 5."""
    drawn = []
    for (shallow, deep), table in tables.items():
        up, across = network(shallow), network(deep)
        drawn.append(Panel("", table, f"{up} in {across}, {_order(table)}", up, across, path=True))
    what = (
        "Heat maps of the mean similarity of the layers of networks of two architectures, circles at the best match of "
        "each layer of the shallower one, with Kendall's tau of their order"
    )
    return heat_maps(drawn, 2, what, 2.2)


def index_maps(tables: Mapping[str, Array]) -> Drawing:
    """Draw the mean similarities (layers of Tiny-10, layers of ResNet-14) by each index: Figure F.8."""
    up, across = network(TINY), network(RESIDUAL)
    drawn = [
        Panel(title(index), table, f"{title(index)}, {_order(table)}", up, across, path=True)
        for index, table in tables.items()
    ]
    what = (
        f"Heat maps of the mean similarity of the layers of {up} and {across}, one per index, circles at the best "
        f"match of each layer of {up}, with Kendall's tau of their order"
    )
    return heat_maps(drawn, 2, what, 1.8, own_scales=True)


def _order(table: Array) -> str:
    return number(match_path(table)["tau"])
