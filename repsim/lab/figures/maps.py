"""Heat maps of the similarity of layers: Figures 2 to 5 and F.3 to F.8."""

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
from repsim.lab.figures.style import HEAT, Drawing, network, panels, stage_ends, title
from repsim.lab.findings.architectures import RESIDUAL, TINY, match_path
from repsim.lab.findings.tables import Array, mean_map
from repsim.lab.findings.within_networks import SIMILAR, block_places, similar_to_last
from repsim.lab.wording import NO_BREAK, listed, number

Range = tuple[float, float]
ByGroup = Mapping[str, Array]
MOST_TICKS = 6
POOL = "P"
# What the paper's colour bars are labelled from and to.
PAPER: dict[str, Range] = {
    "3": (0.1, 1.0),
    "4": (0.2, 1.0),
    "5": (0.2, 0.9),
    "F.4": (0.2, 1.0),
    "F.5": (0.2, 1.0),
    "F.6": (0.2, 0.9),
    "F.7": (0.1, 0.9),
}
WITHIN = (
    "Heat maps of the similarity of the layers within one network, with the share of the other layers whose "
    f"similarity with the last convolution is at least {SIMILAR}"
)
OWN_COLOURS = (
    "Each panel has its own range of colours, as in the paper, so that colours cannot be compared between panels."
)


@dataclass(frozen=True)
class Panel:
    """One map, (rows, columns) similarities, and what is written around it."""

    title: str
    values: Array
    said: str  # of it in the description
    up: str = ""  # which networks' layers the rows are, where panels differ in that
    across: str = ""
    pooled: bool = True  # the last layer is the pooling layer
    path: Literal["", "rows", "columns"] = ""  # whether a circle marks the best match of each row, or of each column
    blind: NDArray[np.bool_] | None = None  # where examples leave no room: crossed out, and no match marked beside them
    stages: tuple[Sequence[int], Sequence[int]] = ((), ())  # after how many rows and columns maps change: thin lines


def ticks(count: int, pooled: bool) -> tuple[list[int], list[str]]:
    """Return which of `count` layers, numbered from 1, have a label, and the labels: P for the pooling layer."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, count) if count <= step * MOST_TICKS)
    places = list(range(step, count + 1, step))
    if not pooled:
        return places, [str(place) for place in places]
    places = [place for place in places if count - place >= count / 8]  # the last may stand too close to the P
    return [*places, count], [*map(str, places), POOL]


def matches(panel: Panel) -> list[tuple[int, int]]:
    """Return row and column of each best match that is determined: of no tie, and nowhere beside a blind pair."""
    turned = panel.path == "columns"
    values, blind = panel.values, np.zeros(panel.values.shape, bool) if panel.blind is None else panel.blind
    if turned:
        values, blind = values.T, blind.T
    if not (panel.path and np.isfinite(values).all()):
        return []
    alone = (values == values.max(axis=1, keepdims=True)).sum(axis=1) == 1
    best = repsim.best_match(values)
    places = [(row, int(best[row])) for row in np.flatnonzero(alone & ~blind.any(axis=1)).tolist()]
    return [place[::-1] for place in places] if turned else places


def draw_map(axis: Axes, panel: Panel, low: float, high: float) -> Any:
    """Draw one map and return its image."""
    up, across = panel.values.shape
    how: dict[str, Any] = {"cmap": HEAT, "vmin": low, "vmax": high, "origin": "lower", "interpolation": "nearest"}
    image = axis.imshow(panel.values, aspect="equal" if up == across else "auto", **how)
    sides = ((axis.set_yticks, axis.axhline, up), (axis.set_xticks, axis.axvline, across))
    for (label, line, count), stages in zip(sides, panel.stages, strict=True):
        places, labels = ticks(count, panel.pooled)
        label(np.array(places) - 1, labels)
        for place in stages:
            line(place - 0.5, color="white", linewidth=0.6, alpha=0.8)
    axis.tick_params(length=2)
    axis.set(title=panel.title, xlabel=panel.across, ylabel=panel.up)
    if panel.blind is not None:
        bright = np.asarray(image.norm(panel.values), np.float64) > 0.5
        for where, colour in ((panel.blind & bright, "black"), (panel.blind & ~bright, "white")):
            y, x = np.nonzero(where)
            axis.plot(x, y, "x", color=colour, markersize=3, markeredgewidth=0.6)
    y, x = np.reshape(matches(panel), (-1, 2)).T
    axis.plot(x, y, "o", color="black", markersize=4, mfc="white", mew=0.8)
    return image


def limits(values: Sequence[Array]) -> Range:
    """Return the ends of a colour scale, whole tenths up to 1."""
    similarities = np.concatenate([array[np.isfinite(array)] for array in values])
    if not similarities.size:
        return 0.0, 1.0
    low = math.floor(10 * similarities.min()) / 10
    return low, max(min(math.ceil(10 * similarities.max()) / 10, 1.0), low + 0.1)


def colours(values: Sequence[Array], figure: str) -> tuple[Range, str]:
    """Return the ends of a colour scale, the paper's where nothing lies outside them, and what to say of it."""
    measured, paper = limits(values), PAPER[figure]
    ends = min(measured[0], paper[0]), max(measured[1], paper[1])
    if ends == paper:
        return ends, "Colours as in the paper."
    return ends, f"Colours run from {ends[0]:.1f} to {ends[1]:.1f}; the paper’s are labelled {paper[0]} to {paper[1]}."


def colour_bar(figure: Figure, image: Any, axes: Sequence[Axes], chance: ByGroup | None = None, **how: Any) -> str:
    """Draw the scale of linear CKA beside maps, a line at the most that chance gives; return what to say of that.

    `chance` is of :func:`repsim.lab.measurements.chances_within`: that of two layers is between those of each.
    """
    bar = figure.colorbar(image, ax=list(axes), pad=0.01, label=title("cka_linear"), **how)
    if not chance:
        return ""
    most = max(float(values.max()) for values in chance.values())
    shown = most >= image.norm.vmin
    if shown:
        bar.ax.axhline(most, color="white", linewidth=1.5)
    where = "the line on the scale" if shown else "less than the colours show"
    return f" Shuffled examples of {listed([*map(network, chance)])} give {number(most)} on average at most, {where}."


def heat_maps(
    drawn: Sequence[Panel], columns: int, what: str, height: float, paper: str = "", chance: ByGroup | None = None
) -> Drawing:
    """Draw maps, `columns` in a row of `height` inches, on the colour scale of the `paper`'s figure or each on its own.

    `what` begins the description; `chance` is what shuffled examples give; see :func:`colour_bar`.
    """
    ends, note = colours([panel.values for panel in drawn], paper) if paper else ((0.0, 1.0), OWN_COLOURS)
    rows = -(-len(drawn) // columns)
    with panels(rows, columns, height, theme="ticks") as (figure, axes):
        for place, (panel, axis) in enumerate(zip(drawn, axes.ravel(), strict=False)):
            image = draw_map(axis, panel, *(ends if paper else limits([panel.values])))
            if not paper:
                figure.colorbar(image, ax=axis, shrink=0.8, pad=0.03, aspect=15)
            if not panel.up:
                axis.set_ylabel("" if place % columns else "layer")
                axis.set_xlabel("layer" if place + columns >= len(drawn) else "")
        for axis in axes.ravel()[len(drawn) :]:
            axis.set_axis_off()
        if paper:
            note += colour_bar(figure, image, figure.axes, chance, shrink=0.8, aspect=20)
    return Drawing(figure, f"{what}: {'; '.join(panel.said for panel in drawn)}.", note)


def similarity_maps(tables: Mapping[str, Array], blind: Mapping[str, NDArray[np.bool_]]) -> Drawing:
    """Draw the mean map of each index: Figures 2 and F.3; a circle marks each column's best match.

    As in the paper, the layer across is compared with, or predicted from, the layer up. By index, `tables` are
    (m, m, L, L) and `blind` (L, L), true where the examples leave no room, for those of which that can be said.
    """
    drawn = []
    for index, table in tables.items():
        values, crossed = mean_map(table), blind.get(index)
        said = f"{title(index)} {repsim.diagonal_matches(values):g} of {len(values)}"
        if crossed is not None and crossed.any():
            said = f"{title(index)} not determined in {crossed.sum()} of {crossed.size} pairs"
        across = None if crossed is None else crossed.T
        drawn.append(Panel(title(index), values.T, said, path="columns", blind=across))
    what = (
        "Heat maps of the mean similarity of the layers of differently initialised networks, one per index, with the "
        "number of layers whose best match is the same layer"
    )
    return heat_maps(drawn, 4 if len(drawn) > 6 else 3, what, 2.1)


def within_maps(tables: Mapping[str, Array], features: Mapping[str, Sequence[int]]) -> Drawing:
    """Draw the similarities of the layers within single networks, (L, L) each, by title: Figure F.5."""
    drawn = []
    for name, table in tables.items():
        said = f"{name}, {100 * similar_to_last(table[None]):.0f}{NO_BREAK}% of {len(table) - 1}"
        drawn.append(Panel(name, table, said, stages=square(features[name])))
    return heat_maps(drawn, len(drawn), WITHIN, 2.8, "F.5")


def square(features: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the stages of a map of the layers of one network."""
    ends = stage_ends(features)
    return ends, ends


def residual_maps(
    table: Array, layers: Sequence[str], features: Sequence[int], chance: ByGroup | None = None
) -> Drawing:
    """Draw the similarities of the layers of a residual network, (L, L), and of its two kinds of layers: Figure 4."""
    sums, interior = (np.concatenate(places) for places in block_places(layers))
    mean = number(float(table.mean()))
    drawn = [Panel("all layers", table, f"all {len(table)}, {mean}", stages=square(features))]
    for name, places in (("after additions", sums), ("inside blocks", interior)):
        submatrix, own = table[np.ix_(places, places)], [features[place] for place in places]
        said = f"the {len(submatrix)} {name}, {number(float(submatrix.mean()))}"
        drawn.append(Panel(name, submatrix, said, pooled=False, stages=square(own)))
    what = "Heat maps of the similarity of the layers within a residual network, mean in each"
    return heat_maps(drawn, 3, what, 2.8, "4", chance)


def layer_maps(
    tables: Mapping[str, Array], features: Sequence[int], paper: str, *, path: Literal["", "rows"] = ""
) -> Drawing:
    """Draw (L, L) similarities of the same layers in other networks, by title: Figures F.4, F.6 and F.7.

    `paper` says which of these; with `path` a circle marks each row's best match.
    """
    drawn = []
    for name, table in tables.items():
        said = f"{name}, {number(float(np.diagonal(table).mean()))}".replace("\n", " ")
        drawn.append(Panel(name, table, said, path=path, stages=square(features)))
    what = f"Heat maps of the mean similarity of {len(drawn[0].values)} layers, mean over same layers in each"
    return heat_maps(drawn, len(drawn), what, 2.8 if len(drawn) > 2 else 2.4, paper)


def architecture_maps(
    tables: Mapping[tuple[str, str], Array], features: Mapping[str, Sequence[int]], chance: ByGroup | None = None
) -> Drawing:
    """Draw the mean similarities (L1, L2) of the layers of two groups, by their names: Figure 5."""
    drawn = []
    for (shallow, deep), table in tables.items():
        up, across = network(shallow), network(deep)
        ends = stage_ends(features[shallow]), stage_ends(features[deep])
        drawn.append(Panel("", table, f"{up} in {across}, {_order(table)}", up, across, path="rows", stages=ends))
    what = (
        "Heat maps of the mean similarity of the layers of networks of two architectures, circles at the best match of "
        "each layer of the shallower one, with Kendall's tau of their order"
    )
    return heat_maps(drawn, len(drawn), what, 2.2, "5", chance)


def index_maps(tables: Mapping[str, Array], blind: Mapping[str, NDArray[np.bool_]]) -> Drawing:
    """Draw the mean similarities (layers of Tiny-10, layers of ResNet-14) by each index: Figure F.8.

    `blind` is, by index, (layers of Tiny-10, layers of ResNet-14), as for :func:`similarity_maps`.
    """
    up, across = network(TINY), network(RESIDUAL)
    drawn = []
    for index, table in tables.items():
        crossed = blind.get(index)
        order = "not determined" if crossed is not None and crossed.any() else _order(table)
        drawn.append(Panel(title(index), table, f"{title(index)}, {order}", up, across, path="rows", blind=crossed))
    what = (
        f"Heat maps of the mean similarity of the layers of {up} and {across}, one per index, circles at the best "
        f"match of each layer of {up}, with Kendall's tau of their order"
    )
    return heat_maps(drawn, 4, what, 2.0)


def _order(table: Array) -> str:
    return number(match_path(table)["tau"])
