"""Figure 8: how one network's Gram matrix acts on another's eigenvectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from numpy.typing import NDArray

from repsim.lab.figures.style import Drawing, panels, style
from repsim.lab.findings.subspace import THRESHOLD, median_cosines, shared_dimension

Array = NDArray[np.float64]


def shared_subspace(arrays: Mapping[str, Array], layers: Sequence[str], pair: int = 0) -> Drawing:
    """Draw, one column per layer, scaling and cosine for one pair of networks, and the median cosine of all pairs."""
    network = int(arrays["pairs"][pair][0])
    with style("whitegrid"):
        figure, axes = panels(2, len(layers), 1.75, sharex="col", sharey="row")
        orange, purple = sns.color_palette()[1], sns.color_palette()[4]
        for (scales, turns), layer in zip(axes.T, layers, strict=True):
            values = np.asarray(arrays[f"eigenvalues_{layer}"][network], np.float64)
            scaling, cosine = arrays[f"scaling_{layer}"][pair], arrays[f"cosine_{layer}"][pair]
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
    counts = ", ".join(f"{layer} {shared_dimension(median_cosines(arrays, layer))[0]}" for layer in layers)
    return Drawing(
        figure,
        "For each layer, how strongly the Gram matrices of two networks scale the eigenvectors of the first, and the "
        f"cosine by which the second turns them. Eigenvectors before the median cosine falls below {THRESHOLD}: "
        f"{counts}.",
    )
