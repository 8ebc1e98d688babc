"""Curves over layers and widths: the lower row of Figure 3, and Figures 6 and 7."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.ticker import NullFormatter, NullLocator
from numpy.typing import NDArray

from repsim.lab.figures.maps import ticks
from repsim.lab.figures.style import Drawing, panels, style
from repsim.lab.findings.depth import plateau
from repsim.lab.findings.width import WidthCurves
from repsim.lab.wording import number

Array = NDArray[np.float64]
MARKERS = "osD^vP*X"
CURVES = {
    "c10_c10": "both CIFAR-10",
    "c100_c100": "both CIFAR-100",
    "c10_c100": "CIFAR-10 and CIFAR-100",
    "untrained_c10": "untrained and CIFAR-10",
    "untrained_c100": "untrained and CIFAR-100",
}


def probe_curves(accuracies: Mapping[str, Array]) -> Drawing:
    """Draw the accuracy (L,) of a linear classifier on each layer, by title; a star where it first is near its best."""
    said = []
    with style("whitegrid"):
        figure, axes = panels(-(-len(accuracies) // 2), 2, 1.7, sharey=True)
        first, second = sns.color_palette()[:2]
        for axis, (name, found) in zip(axes.ravel(), accuracies.items(), strict=False):
            count, share = len(found), plateau(found)
            reached = round(share * count)
            axis.plot(np.arange(1, count + 1), 100 * found, "o-", color=first, markersize=2.5, linewidth=1)
            axis.plot(
                reached, 100 * found[reached - 1], "*", color=second, markersize=9, markeredgecolor="black", mew=0.5
            )
            axis.axvline(count / 2, color="0.4", linestyle=":", linewidth=1)
            places, labels = ticks(count, pooled=True)
            axis.set(title=name)
            axis.set_xticks(places, labels)
            said.append(f"{name}, best {100 * found.max():.1f} %, near it from layer {reached} of {count} on")
        for axis in axes.ravel()[len(accuracies) :]:
            axis.set_axis_off()
        figure.supxlabel("layer", fontsize=9)
        figure.supylabel("test accuracy (%)", fontsize=9)
    return Drawing(figure, f"Accuracy of a linear classifier on each layer: {'; '.join(said)}.")


def _band(axis: Any, x: Array, mean: Array, error: Array, **how: Any) -> None:
    axis.plot(x, mean, markersize=3.5, linewidth=1.2, **how)
    axis.fill_between(x, mean - error, mean + error, color=how["color"], alpha=0.2, linewidth=0)


def width_curves(curves: WidthCurves) -> Drawing:
    """Draw similarity against width, one curve per convolution with its jackknife error: Figure 6."""
    parts = {
        "with the widest": (curves.widest, curves.widest_error),
        "with the same width": (curves.same, curves.same_error),
    }
    layers = curves.same.shape[1]
    with style("whitegrid"):
        figure, axes = panels(1, 2, 3.0, sharey=True)
        colours = sns.color_palette("viridis", layers)
        for axis, (name, (mean, error)) in zip(axes.ravel(), parts.items(), strict=True):
            for layer, (colour, marker) in enumerate(zip(colours, MARKERS, strict=False)):
                how = {"color": colour, "marker": marker, "label": f"conv{layer + 1}"}
                _band(axis, curves.widths, mean[:, layer], error[:, layer], **how)
            axis.set(title=name, xscale="log", xlabel="channels")
            axis.set_xticks(curves.widths, [f"{width:g}" for width in curves.widths])
            axis.xaxis.set_minor_locator(NullLocator())
            axis.xaxis.set_minor_formatter(NullFormatter())
        axes[0, 0].set_ylabel("CKA (linear)")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, columnspacing=1)
    ends = ", ".join(
        f"conv{layer + 1} {number(float(curves.same[0, layer]))} to {number(float(curves.same[-1, layer]))}"
        for layer in range(layers)
    )
    return Drawing(
        figure,
        f"Similarity of the convolutions of networks against their width, from {curves.widths[0]:g} to "
        f"{curves.widths[-1]:g} channels, with the widest networks and with those of the same width. With the same "
        f"width, at the smallest and the largest: {ends}.",
    )


def dataset_curves(found: Mapping[str, Mapping[str, tuple[Array, Array]]]) -> Drawing:
    """Draw the similarity of the same layer of two networks against the layer, one panel per data set: Figure 7.

    Parameters
    ----------
    found
        Title of the panel -> curve -> (L,) means and jackknife errors.
    """
    with style("whitegrid"):
        figure, axes = panels(len(found), 1, 2.3, sharex=True)
        looks = list(zip(sns.color_palette(), MARKERS, ("-", "-", "-", "--", "--"), strict=False))
        for axis, (name, curves) in zip(axes.ravel(), found.items(), strict=True):
            for (curve, (mean, error)), (colour, marker, line) in zip(curves.items(), looks, strict=False):
                how = {"color": colour, "marker": marker, "linestyle": line, "label": CURVES[curve]}
                _band(axis, np.arange(1.0, len(mean) + 1), mean, error, **how)
            axis.set(title=name, ylim=(0, 1.02), ylabel="CKA (linear)")
        axes[-1, 0].set_xlabel("layer")
        axes[-1, 0].set_xticks(*ticks(len(mean), pooled=True))
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, columnspacing=1)
    said = []
    for name, curves in found.items():
        ends = [f"{CURVES[curve]} {number(float(m[0]))} to {number(float(m[-1]))}" for curve, (m, _) in curves.items()]
        said.append(f"{name}, {', '.join(ends)}")
    return Drawing(
        figure,
        "Similarity of the same layer of two networks against the layer, from the first layer to the last, by what the "
        f"two were trained on: {'; '.join(said)}.",
    )
