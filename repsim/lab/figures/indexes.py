"""The indexes: what they identify, where they fail, what CKA sees of points; and components, Figures 1 and 8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from numpy.typing import NDArray
from scipy.stats import rankdata

import repsim
from repsim.lab.figures.style import HEAT, Drawing, panels, short, title
from repsim.lab.findings.components import (
    FAR_BELOW,
    THRESHOLD,
    best_rotation,
    centred,
    explained,
    median_cosines,
    shared_dimension,
)
from repsim.lab.findings.tables import Array
from repsim.lab.findings.theory import MEANINGFUL, contrast
from repsim.lab.wording import NO_BREAK, signed


def ridge_path(rows: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw how well layers are identified along the path of canonical ridge from CCA over regression to CKA."""
    places, turn = np.arange(len(rows)), len(rows) // 2
    named = {0: "CCA", turn: "regression", len(rows) - 1: "CKA"}
    accuracy, errors = (np.array([row[key] for row in rows]) for key in ("accuracy", "standard_error"))
    with panels(1, 1, 2.6) as (figure, ((axis,),)):
        axis.errorbar(places, accuracy, yerr=errors, fmt="o-", markersize=4, linewidth=1)
        axis.axvline(turn, color="0.4", linestyle=":", linewidth=1)
        strengths = [row["kappa_x" if i <= turn else "kappa_y"] for i, row in enumerate(rows)]
        axis.set_xticks(places, [named.get(i, signed(f"{strength:g}")) for i, strength in enumerate(strengths)])
        axis.tick_params(axis="x", rotation=60)
        axis.set(ylim=(-3, 103), ylabel="layers identified (%)")
        axis.set_xlabel("regularisation of the one side, then also of the other", fontsize=8)
    said = ", ".join(f"{name} {accuracy[i]:.1f}" for i, name in named.items())
    return Drawing(figure, f"Percentage of layers identified along canonical ridge, in {len(rows)} steps: {said}.")


def identification(rows: Sequence[Mapping[str, Any]], layers: int) -> Drawing:
    """Draw Table 2: our accuracies with jackknife errors beside the paper's, and chance among so many layers.

    Accuracies of indexes to which the examples leave no room are hollow; None are those that were not measured.
    """
    names = [title(row["index"]) for row in rows]
    with panels(1, 1, 3.4) as (figure, ((axis,),)):
        for label, fill, hollow in (("here", "C0", False), ("here, not determined", "white", True)):
            points = [
                (place - 0.12, row["accuracy"], row["standard_error"])
                for place, row in enumerate(rows)
                if row["accuracy"] is not None and bool(row["undetermined"]) == hollow
            ]
            places, ours, errors = np.reshape(points, (-1, 3)).T
            axis.errorbar(ours, places, xerr=errors, fmt="o", color="C0", markersize=5, mfc=fill, label=label)
        axis.plot(
            [row["paper"] for row in rows], np.arange(len(rows)) + 0.12, "D", color="C1", markersize=5, label="paper"
        )
        axis.axvline(100 / layers, color="0.4", linestyle=":", linewidth=1, label="chance")
        axis.set(yticks=range(len(rows)), yticklabels=names, xlim=(-3, 103), xlabel="layers identified (%)")
        axis.invert_yaxis()
        figure.legend(loc="outside upper center", ncols=4, columnspacing=1)
    said = ", ".join(
        f"{name} {row['accuracy']:.1f} (paper {row['paper']}{'; not determined' if row['undetermined'] else ''})"
        for name, row in zip(names, rows, strict=True)
        if row["accuracy"] is not None
    )
    return Drawing(figure, f"Percentage of layers identified by each index: {said}.")


def _label_lowest(axes: NDArray[np.object_], count: int, label: str) -> None:
    """Label the lowest of the `count` axes of each column, and take the others away."""
    for number, axis in enumerate(axes.ravel()):
        if number >= count:
            axis.set_axis_off()
        elif number + axes.shape[1] >= count:
            axis.tick_params(labelbottom=True)
            axis.set_xlabel(label)


def random_widths(arrays: Mapping[str, Array], indexes: Sequence[str]) -> Drawing:
    """Draw each index of related and of unrelated random data against features per example."""
    ratio = arrays["ratio"]
    with panels(-(-len(indexes) // 4), 4, 1.7, sharex=True, sharey=True) as (figure, axes):
        for axis, index in zip(axes.ravel(), indexes, strict=False):
            axis.plot(ratio, arrays[f"related_{index}"], "o-", color="C0", markersize=3, linewidth=1)
            axis.plot(ratio, arrays[f"unrelated_{index}"], "s--", color="C1", markersize=3, linewidth=1)
            axis.axvline(1, color="0.4", linestyle=":", linewidth=1)
            axis.set(title=title(index), xscale="log", ylim=(-0.1, 1.1))
        handles = axes[0, 0].lines[:2]
        figure.legend(handles, ["related", "unrelated"], loc="outside upper center", ncols=2)
        _label_lowest(axes, len(indexes), "features per example")
    last = {index: arrays[f"related_{index}"][-1] - arrays[f"unrelated_{index}"][-1] for index in indexes}
    blind = [title(index) for index, gap in last.items() if gap < MEANINGFUL]
    seeing = [title(index) for index, gap in last.items() if gap >= MEANINGFUL]
    return Drawing(
        figure,
        f"Indexes of related and of unrelated random data against features per example, from {ratio[0]:g} to "
        f"{ratio[-1]:g}. At the widest the two curves have met for {', '.join(blind) or 'none'}, and lie apart for "
        f"{', '.join(seeing) or 'none'}.",
    )


def layers_and_examples(arrays: Mapping[str, Array], layers: Sequence[str], indexes: Sequence[str]) -> Drawing:
    """Draw, per index, by how much each layer tells a second network from shuffled examples, against their number."""
    examples = [f"{count:,}" for count in np.asarray(arrays["examples"]).tolist()]
    with panels(-(-len(indexes) // 4), 4, 2.0, sharex=True, sharey=True, theme="ticks") as (figure, axes):
        for axis, index in zip(axes.ravel(), indexes, strict=False):
            gap = contrast(arrays, index)
            image = axis.imshow(gap, cmap=HEAT, vmin=0, vmax=1, aspect="auto")
            rows, columns = np.nonzero(gap < MEANINGFUL)
            axis.plot(columns, rows, "x", color="white", markersize=4, markeredgewidth=1)
            axis.set(title=title(index))
            axis.set_xticks(range(len(examples)), examples, rotation=90)
            axis.set_yticks(range(len(layers)), short(layers))
        figure.colorbar(
            image, ax=axes, location="bottom", label="same layer minus shuffled examples", shrink=0.8, aspect=40
        )
        _label_lowest(axes, len(indexes), "examples")
        figure.supylabel("layer", fontsize=9)
    shares = ", ".join(
        f"{title(index)} {100 * np.mean(contrast(arrays, index) < MEANINGFUL):.0f}{NO_BREAK}%" for index in indexes
    )
    return Drawing(
        figure,
        f"Heat maps of layer against number of examples, one per index: by how much two networks' same layer scores "
        f"above shuffled examples. Crosses mark cells where it is less than {MEANINGFUL}; their share is: {shares}.",
    )


Points = NDArray[np.float64]


def clouds(points: Mapping[str, Points], groups: Sequence[int]) -> Drawing:
    """Draw representations with two features, (n, 2), each beside its centred Gram matrix, and its CKA with the first.

    `groups` (n,) gives each example its colour and its place in the matrix.
    """
    order = np.argsort(groups, kind="stable")
    first, said = next(iter(points.values())), []
    with panels(len(points), 2, 1.75, theme="ticks") as (figure, axes):
        for (left, right), (name, x) in zip(axes, points.items(), strict=True):
            similarity = repsim.cka(first, x)
            left.scatter(*(x - x.mean(0)).T, c=[f"C{group}" for group in groups], s=14)
            left.set(aspect="equal", adjustable="datalim", xticks=[], yticks=[], title=name)
            gram = repsim.centre_gram(repsim.gram_linear(x))[np.ix_(order, order)]
            limit = np.abs(gram).max()
            right.imshow(gram, cmap=HEAT, vmin=-limit, vmax=limit)
            right.set(xticks=[], yticks=[], title=f"CKA with the first: {signed(f'{similarity:.2f}')}")
            said.append(f"{name}, {similarity:.2f}")
    return Drawing(
        figure,
        f"{len(points)} clouds of {len(first)} points in {len(set(groups))} groups, each beside the matrix of the "
        f"points' similarities to each other. CKA with the first: {'; '.join(said)}. Where the matrix looks the same "
        "but for its scale, CKA is 1.",
    )


# Corners of the colour code: blue to orange along the first component, dark to light along the second.
_CORNERS = np.array([[[0.0, 0.16, 0.42], [0.55, 0.20, 0.0]], [[0.55, 0.80, 1.0], [1.0, 0.85, 0.40]]])


def colour_code(scores: Any) -> NDArray[np.float64]:
    """Return (n, 3) colours that say where each example lies along the first two components."""
    ranks = (np.apply_along_axis(rankdata, 0, np.asarray(scores)) - 0.5) / len(scores)
    across, up = np.stack([1 - ranks, ranks], axis=-1).swapaxes(0, 1)  # shares of the near and the far corners
    return np.asarray(np.einsum("ni,nj,ijc->nc", up, across, _CORNERS))


def principal_components(scores: Any) -> Drawing:
    """Draw the scores (2, n, 2) of two networks, both in the colours of the first, the second turned to fit it."""
    first = centred(scores[0])
    second = centred(scores[1]) @ best_rotation(scores[0], scores[1])
    colours = colour_code(first)
    with panels(1, 2, 2.6, theme="ticks") as (figure, axes):
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
    with panels(2, len(layers), 1.75, sharex="col", sharey="row") as (figure, axes):
        for (scales, turns), layer in zip(axes.T, layers, strict=True):
            values = np.asarray(arrays[f"eigenvalues_{layer}"][network], np.float64)
            scaling, cosine = arrays[f"scaling_{layer}"][0], arrays[f"cosine_{layer}"][0]
            number = np.arange(1, len(values) + 1)
            scales.plot(number, scaling, ".", color="C4", markersize=2, rasterized=True)
            scales.plot(number, values, color="C1", linewidth=1.5)
            scales.set(xscale="log", yscale="log", title=layer)
            turns.plot(number, cosine, ".", color="C4", markersize=2, rasterized=True)
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
    return Drawing(
        figure,
        "For each layer, how strongly the Gram matrices of two networks scale the eigenvectors of the first, and the "
        f"cosine by which the second turns them. Eigenvectors before the median cosine falls below {THRESHOLD}: "
        f"{_shared_dimensions(arrays, layers)}.",
    )


def _shared_dimensions(arrays: Mapping[str, Array], layers: Sequence[str]) -> str:
    shared = {layer: shared_dimension(median_cosines(arrays, layer)) for layer in layers}
    return ", ".join(f"{layer} {'' if fell else 'at least '}{count:,}" for layer, (count, fell) in shared.items())


def whole_spectra(arrays: Mapping[str, Array], layers: Sequence[str]) -> Drawing:
    """Draw the median cosine of each layer against the eigenvectors before, as a share of its features."""
    with panels(1, 1, 2.6) as (figure, ((axis,),)):
        for layer, features, colour in zip(
            layers, arrays["features"], sns.color_palette("viridis", len(layers)), strict=True
        ):
            cosines = median_cosines(arrays, layer)
            axis.plot(np.arange(len(cosines)) / features, cosines, color=colour, linewidth=1, label=layer)
        axis.axhline(THRESHOLD, color="0.4", linestyle=":", linewidth=1)
        axis.axvline(FAR_BELOW, color="0.4", linestyle="--", linewidth=1)
        axis.set(
            xlabel="place of the eigenvector, as a share of the features", ylabel="median cosine", ylim=(-0.02, 1.02)
        )
        axis.set_xscale("symlog", linthresh=0.01)
        axis.set(xlim=(0, 1), xticks=[0, 0.01, 0.1, 1], xticklabels=["0", "1 %", "10 %", "100 %"])
        axis.legend(fontsize=6, ncols=2, loc="lower left")
    counts = _shared_dimensions(arrays, layers)
    return Drawing(figure, f"Median cosines over whole spectra fall below {THRESHOLD} after: {counts} eigenvectors.")


def turned_within(within: Array, cosines: Array) -> Drawing:
    """Draw, by eigenvector of the pooling layer, how much of it another network's first ten span, and its cosine."""
    lengths = np.median(within, axis=0)
    numbers = np.arange(1, len(lengths) + 1)
    with panels(1, 1, 2.2) as (figure, ((axis,),)):
        axis.plot(numbers, lengths, "o-", markersize=4, linewidth=1, label="share in the span of the other’s first ten")
        axis.plot(numbers, cosines[: len(numbers)], "s--", markersize=4, linewidth=1, label="cosine")
        axis.set(xlabel="eigenvector of the pooling layer", ylabel="median over pairs", ylim=(-0.02, 1.05))
        axis.legend()
    said, turned = (", ".join(f"{value:.2f}" for value in values) for values in (lengths, cosines[: len(numbers)]))
    return Drawing(figure, f"Shares in the span of another network’s leading ten: {said}; cosines: {turned}.")
