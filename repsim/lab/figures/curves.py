"""Curves over layers and widths: Figures 3, 6 and 7."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns

from repsim.lab.figures.maps import WITHIN, ByGroup, Panel, colour_bar, colours, draw_map, square, ticks
from repsim.lab.figures.style import Drawing, panels
from repsim.lab.findings.across_networks import WidthCurves
from repsim.lab.findings.tables import Array
from repsim.lab.findings.within_networks import SIMILAR, plateau, similar_to_last
from repsim.lab.wording import NO_BREAK, number

MARKERS = "osD^vP*X"
CURVES = {
    "c10_c10": "both CIFAR-10",
    "c100_c100": "both CIFAR-100",
    "c10_c100": "CIFAR-10 and CIFAR-100",
    "untrained_c10": "untrained and CIFAR-10",
    "untrained_c100": "untrained and CIFAR-100",
}


def depth_figure(
    tables: Mapping[str, Array],
    accuracies: Mapping[str, Array],
    features: Mapping[str, Sequence[int]],
    chance: ByGroup | None = None,
) -> Drawing:
    """Draw Figure 3: the maps of networks of four depths, and below each what linear classifiers reach on its layers.

    By title, (L, L) similarities within one network, (L,) accuracies, where a star marks where these are first near
    their best, and the number of features of each layer; `chance` as for :func:`repsim.lab.figures.maps.colour_bar`.
    """
    said = []
    ends, note = colours(list(tables.values()), "3")
    with panels(2, max(3, len(tables)), 2.0, theme="ticks") as (figure, axes):
        for (upper, lower), (name, table) in zip(axes.T, tables.items(), strict=False):
            image = draw_map(upper, Panel(name, table, "", stages=square(features[name])), *ends)
            accuracy = accuracies[name]
            count, share = len(accuracy), plateau(accuracy)
            reached = round(share * count)
            lower.plot(np.arange(1, count + 1), accuracy, "o-", color="C0", markersize=2.5, linewidth=1)
            lower.plot(reached, accuracy[reached - 1], "*", color="C1", markersize=9, markeredgecolor="black", mew=0.5)
            lower.axvline(count / 2, color="0.4", linestyle=":", linewidth=1)
            lower.axhline(0.1, color="0.4", linestyle="--", linewidth=0.8)
            lower.set(ylim=(0, 1), xlabel="layer")
            lower.set_xticks(*ticks(count, pooled=True))
            alike = f"{100 * similar_to_last(table[None]):.0f}{NO_BREAK}% of {len(table) - 1}"
            best = f"best classifier {100 * accuracy.max():.1f} %, near it from layer {reached} of {count} on"
            said.append(f"{name}, {alike}; {best}")
        for axis in axes[:, len(tables) :].ravel():
            axis.set_axis_off()
        axes[0, 0].set_ylabel("layer")
        axes[1, 0].set_ylabel("accuracy")
        note += colour_bar(figure, image, axes[0], chance, shrink=0.85, aspect=18)
    what = f"{WITHIN}; below, the accuracy of a linear classifier on each layer"
    return Drawing(figure, f"{what}: {'; '.join(said)}.", note)


def _band(axis: Any, x: Array, mean: Array, error: Array, **how: Any) -> None:
    axis.plot(x, mean, markersize=3.5, linewidth=1.2, **how)
    axis.fill_between(x, mean - error, mean + error, color=how["color"], alpha=0.2, linewidth=0)


def width_curves(curves: WidthCurves, chance: Array) -> Drawing:
    """Draw similarity against width, one curve per convolution with its jackknife error: Figure 6.

    `chance` (W,) is what shuffled examples give, of the layer where that is most.
    """
    similarities = {
        "Similarity with the widest": (curves.widest, curves.widest_error),
        "Similarity with the same width": (curves.same, curves.same_error),
    }
    layers = curves.same.shape[1]
    with panels(1, 2, 3.2, sharey=True, wide=True) as (figure, axes):
        shades = sns.color_palette("viridis", layers)
        for axis, (name, (mean, error)) in zip(axes.ravel(), similarities.items(), strict=True):
            axis.plot(curves.widths, chance, ":", color="0.4", linewidth=1, label="shuffled")
            for layer, (colour, marker) in enumerate(zip(shades, MARKERS, strict=False)):
                how = {"color": colour, "marker": marker, "label": f"conv{layer + 1}"}
                _band(axis, curves.widths, mean[:, layer], error[:, layer], **how)
            axis.set(title=name, xscale="log", xlabel="channels")
            axis.set_xticks(curves.widths, [f"{width:g}" for width in curves.widths])
            axis.minorticks_off()
        axes[0, 0].set_ylabel("CKA (linear)")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5, columnspacing=1)
    ends = ", ".join(
        f"conv{layer + 1} {number(float(curves.same[0, layer]))} to {number(float(curves.same[-1, layer]))}"
        for layer in range(layers)
    )
    return Drawing(
        figure,
        f"Similarity of the convolutions of networks against their width, from {curves.widths[0]:g} to "
        f"{curves.widths[-1]:g} channels, with the widest networks and with those of the same width. With the same "
        f"width, at the smallest and the largest: {ends}. Shuffled examples give at most "
        f"{number(float(np.max(chance)))}.",
    )


def like_the_last(tables: Mapping[str, Mapping[str, Array]]) -> Drawing:
    """Draw of (L, L) similarities within networks, by depth and state, each layer's with the last before pooling."""
    said = []
    with panels(1, len(tables), 2.4, wide=True, sharey=True) as (figure, axes):
        for axis, (depth, states) in zip(axes[0], tables.items(), strict=True):
            for (state, table), look in zip(states.items(), ("-", "--"), strict=True):
                axis.plot(np.arange(1, len(table)), table[-2, :-1], look, linewidth=1.2, label=state)
                said.append(f"{depth}, {state} {100 * similar_to_last(table[None]):.0f}{NO_BREAK}%")
            axis.axhline(SIMILAR, color="0.4", linestyle=":", linewidth=1)
            axis.set(title=depth, xlabel="layer", ylim=(0, 1.02))
        axes[0, 0].set_ylabel("CKA with the last before pooling")
        axes[0, 0].legend()
    alike = f"Share of layers with a CKA of at least {SIMILAR} to the last before the pooling layer"
    return Drawing(figure, f"{alike}: {'; '.join(said)}.")


def similarity_with_distance(panels_of: Mapping[str, Sequence[Mapping[str, Any]]], names: Mapping[str, str]) -> Drawing:
    """Draw mean similarities against how many blocks layers are "apart", some columns of rows by what they are called.

    Of :func:`repsim.lab.findings.within_networks.by_distance`, or a panel for each group of ``grid_by_distance``.
    """
    said = []
    with panels(1, len(panels_of), 2.4, sharey=True) as (figure, axes):
        for axis, (group, rows) in zip(axes[0], panels_of.items(), strict=True):
            apart = [row["apart"] for row in rows]
            for (pairs, name), look in zip(names.items(), ("o-", "s--", "^:"), strict=False):
                axis.plot(apart, [row[pairs] for row in rows], look, markersize=4, linewidth=1, label=name)
                said.append(f"{group} {name}, {number(rows[0][pairs])} to {number(rows[-1][pairs])}".strip())
            axis.set(title=group, xlabel="blocks apart")
        axes[0, 0].set_ylabel("CKA (linear)")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(names), fontsize=7)
    return Drawing(
        figure,
        f"Mean similarity of two layers against how many blocks they are apart, from {apart[0]} to {apart[-1]}: "
        f"{'; '.join(said)}.",
    )


def normalisation_by_layer(rows: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw what :func:`repsim.lab.findings.across_networks.normalisation_layers` returns; bars are standard errors."""
    names = {"with": "both with normalisation", "without": "both without", "mixed": "one of each"}
    places = np.arange(1, len(rows) + 1)
    with panels(1, 1, 2.4) as (figure, ((axis,),)):
        for (pairs, name), look in zip(names.items(), ("o-", "s--", "^:"), strict=True):
            errors = [row["error"] for row in rows] if pairs == "mixed" else None
            values = [row[pairs] for row in rows]
            axis.errorbar(places, values, yerr=errors, fmt=look, markersize=4, linewidth=1, label=name)
        axis.set_xticks(*ticks(len(rows), pooled=True))
        axis.set(xlabel="layer", ylabel="CKA (linear)")
        axis.legend()
    lowest = min(rows[:-1], key=lambda row: row["mixed"])
    return Drawing(
        figure,
        "Similarity of the same layer of two networks, by layer: both with batch normalisation, both without, one of "
        f"each, the last of which is lowest among the convolutions in {lowest['layer']}, {lowest['mixed']:.3f}.",
    )


def untrained_widths(similarities: Mapping[str, Array]) -> Drawing:
    """Draw (L,) similarities of the same layers of two untrained networks, a line for each kind, by its channels."""
    with panels(1, 1, 2.6) as (figure, ((axis,),)):
        for (name, values), marker in zip(similarities.items(), MARKERS, strict=False):
            axis.plot(np.arange(1, len(values) + 1), values, f"{marker}-", markersize=4, linewidth=1, label=name)
            axis.set_xticks(*ticks(len(values), pooled=True))
        axis.set(xlabel="layer", ylabel="CKA (linear)", ylim=(0, 1.02))
        axis.legend(title="channels")
    said = [
        f"{name} channels, {number(float(values[0]))} to {number(float(values[-1]))}, mean {values.mean():.3f}"
        for name, values in similarities.items()
    ]
    return Drawing(
        figure,
        "Similarity of the same layer of two untrained networks against the layer, from the first layer to the last: "
        f"{'; '.join(said)}.",
    )


def identification_with_depth(
    layers: Mapping[str, int], identified: Sequence[float], errors: Sequence[float]
) -> Drawing:
    """Draw, against how many layers kinds of networks have, the percentage identified and by how far others miss."""
    with panels(1, 2, 2.8, wide=True) as (figure, axes):
        families, labels = [name.partition("-")[0] for name in layers], ("layers identified (%)", "mean error (layers)")
        for axis, values, label in zip(axes.ravel(), (identified, errors), labels, strict=True):
            sns.scatterplot(x=list(layers.values()), y=list(values), hue=families, style=families, ax=axis, s=50)
            for name, family, count, value in zip(layers, families, layers.values(), values, strict=True):
                side = 1 if family == families[0] else -1  # networks of two families may have about as many layers
                where = {"xytext": (6 * side, 0), "ha": "left" if side > 0 else "right", "va": "center"}
                axis.annotate(name, (count, value), textcoords="offset points", fontsize=8, **where)
            axis.legend_.remove()
            axis.set(xlabel="layers", ylabel=label)
            axis.set(xlim=(0, 1.3 * max(layers.values())), ylim=(-0.05 * max(values), 1.1 * max(values)))
    said = [
        f"{name}, {share:.1f} % and {number(error)}"
        for name, share, error in zip(layers, identified, errors, strict=True)
    ]
    return Drawing(
        figure,
        "The percentage of layers that linear CKA identifies in other networks of the same kind, and by how many "
        f"layers it is wrong on average, against the number of layers: {'; '.join(said)}.",
    )


def dataset_curves(
    similarities: Mapping[str, Mapping[str, tuple[Array, Array]]], chance: Mapping[str, Array]
) -> Drawing:
    """Draw the similarity of the same layer of two networks against the layer, one panel per data set: Figure 7.

    By title of the panel, `similarities` are for each curve (L,) means and jackknife errors, and `chance` (L,) what
    shuffled examples give, of the kind of pairs where that is most.
    """
    with panels(1, len(similarities), 3.4, sharey=True, wide=True) as (figure, axes):
        looks = list(zip(sns.color_palette(), MARKERS, ("-", "-", "-", "--", "--"), strict=False))
        for axis, (name, curves) in zip(axes.ravel(), similarities.items(), strict=True):
            for (curve, (mean, error)), (colour, marker, line) in zip(curves.items(), looks, strict=False):
                how = {"color": colour, "marker": marker, "linestyle": line, "label": CURVES[curve]}
                _band(axis, np.arange(1.0, len(mean) + 1), mean, error, **how)
            axis.plot(np.arange(1.0, len(mean) + 1), chance[name], ":", color="0.4", linewidth=1, label="shuffled")
            axis.set(title=name, ylim=(0, 1.02), xlabel="layer")
            axis.set_xticks(*ticks(len(mean), pooled=True))
        axes[0, 0].set_ylabel("CKA (linear)")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, columnspacing=1)
    said = []
    for name, curves in similarities.items():
        ends = [f"{CURVES[curve]} {number(float(m[0]))} to {number(float(m[-1]))}" for curve, (m, _) in curves.items()]
        said.append(f"{name}, {', '.join(ends)}, shuffled examples at most {number(float(np.max(chance[name])))}")
    return Drawing(
        figure,
        "Similarity of the same layer of two networks against the layer, from the first layer to the last, by what the "
        f"two were trained on: {'; '.join(said)}.",
    )
