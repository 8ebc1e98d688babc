"""Figures 1 and 8: the leading principal components of layers in several networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from numpy.typing import NDArray
from scipy.stats import rankdata

from repsim.lab.figures.style import Drawing, panels, style
from repsim.lab.findings.components import (
    THRESHOLD,
    best_rotation,
    centred,
    explained,
    median_cosines,
    shared_dimension,
)
from repsim.lab.findings.tables import Array
from repsim.lab.wording import NO_BREAK

# Corners of the colour code: blue to orange along the first component, dark to light along the second.
_CORNERS = np.array([[[0.0, 0.16, 0.42], [0.55, 0.20, 0.0]], [[0.55, 0.80, 1.0], [1.0, 0.85, 0.40]]])


def colour_code(scores: Any) -> NDArray[np.float64]:
    """Return (n, 3) colours that say where each example lies along the first two components."""
    ranks = (np.apply_along_axis(rankdata, 0, np.asarray(scores)) - 0.5) / len(scores)
    across, up = ranks[:, :1], ranks[:, 1:]
    low = (1 - across) * _CORNERS[0, 0] + across * _CORNERS[0, 1]
    high = (1 - across) * _CORNERS[1, 0] + across * _CORNERS[1, 1]
    return np.asarray((1 - up) * low + up * high)


def principal_components(scores: Any) -> Drawing:
    """Draw the scores (2, n, 2) of two networks, both in the colours of the first, the second turned to fit it."""
    first = centred(scores[0])
    second = centred(scores[1]) @ best_rotation(scores[0], scores[1])
    colours = colour_code(first)
    with style("ticks"):
        figure, axes = panels(1, 2, 2.6)
        for axis, values, name in zip(axes[0], (first, second), ("Net A", "Net B"), strict=True):
            axis.scatter(*values.T, c=colours, s=3, linewidths=0, rasterized=True)
            axis.set(xlabel=f"{name}, component 1", ylabel=f"{name}, component 2", xticks=[], yticks=[])
        figure.suptitle("coloured by Net A's components", fontsize=9)
    share = 100 * explained(scores[0], scores[1])[0]
    return Drawing(
        figure,
        f"Two scatter plots of {len(first):,} images along the first two principal components of one layer, in Net A "
        "and Net B, both coloured by the place in Net A. The components of Net B explain "
        f"{share:.0f}{NO_BREAK}% of the variance of those of Net A, so the colours keep their places "
        "to that extent.",
    )


def shared_subspace(arrays: Mapping[str, Array], layers: Sequence[str]) -> Drawing:
    """Draw, one column per layer, scaling and cosine for a pair of networks, and the median cosine of all pairs."""
    network = int(arrays["pairs"][0][0])
    with style("whitegrid"):
        figure, axes = panels(2, len(layers), 1.75, sharex="col", sharey="row")
        orange, purple = sns.color_palette()[1], sns.color_palette()[4]
        for (scales, turns), layer in zip(axes.T, layers, strict=True):
            values = np.asarray(arrays[f"eigenvalues_{layer}"][network], np.float64)
            scaling, cosine = arrays[f"scaling_{layer}"][0], arrays[f"cosine_{layer}"][0]
            number = np.arange(1, len(values) + 1)
            scales.plot(number, scaling, ".", color=purple, markersize=2, rasterized=True)
            scales.plot(number, values, color=orange, linewidth=1.5)
            scales.set(xscale="log", yscale="log", title=layer)
            turns.plot(number, cosine, ".", color=purple, markersize=2, rasterized=True)
            turns.plot(number, median_cosines(arrays, layer), color="black", linewidth=1)
            turns.axhline(THRESHOLD, color="0.4", linestyle=":", linewidth=1)
            turns.set(xscale="log", ylim=(-0.05, 1.05))
        axes[0, 0].set_ylabel("scaling")
        axes[1, 0].set_ylabel("cosine of rotation")
        handles = [*reversed(axes[0, 0].lines), *axes[1, 0].lines[:2]]
        labels = ["scaled by A", "scaled by B", "turned by B", "median turn"]
        figure.legend(
            handles, labels, loc="outside upper center", ncols=4, columnspacing=1, handlelength=1.2, markerscale=3
        )
        figure.supxlabel("eigenvector of A's Gram matrix", fontsize=9)
    shared = {layer: shared_dimension(median_cosines(arrays, layer)) for layer in layers}
    counts = ", ".join(f"{layer} {'' if fell else 'at least '}{count:,}" for layer, (count, fell) in shared.items())
    return Drawing(
        figure,
        "For each layer, how strongly the Gram matrices of two networks scale the eigenvectors of the first, and the "
        f"cosine by which the second turns them. Eigenvectors before the median cosine falls below {THRESHOLD}: "
        f"{counts}.",
    )
