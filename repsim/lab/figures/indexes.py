"""The indexes: what they identify, where they stop meaning anything, and what CKA sees of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from numpy.typing import NDArray

import repsim
from repsim.lab.figures.style import HEAT, Drawing, panels, short, style, title
from repsim.lab.findings.tables import Array
from repsim.lab.findings.theory import MEANINGFUL, contrast
from repsim.lab.wording import NO_BREAK, signed


def ridge_path(rows: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw how well layers are identified along the path of canonical ridge from CCA over regression to CKA."""
    places, turn = np.arange(len(rows)), len(rows) // 2
    named = {0: "CCA", turn: "regression", len(rows) - 1: "CKA"}
    accuracy, errors = (np.array([row[key] for row in rows]) for key in ("accuracy", "standard_error"))
    with style("whitegrid"):
        figure, axes = panels(1, 1, 2.6)
        (axis,) = axes.ravel()
        axis.errorbar(places, accuracy, yerr=errors, fmt="o-", color=sns.color_palette()[0], markersize=4, linewidth=1)
        axis.axvline(turn, color="0.4", linestyle=":", linewidth=1)
        strengths = [row["kappa_x" if i <= turn else "kappa_y"] for i, row in enumerate(rows)]
        axis.set_xticks(places, [named.get(i, f"{strength:g}") for i, strength in enumerate(strengths)])
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
    with style("whitegrid"):
        figure, axes = panels(1, 1, 3.4)
        (axis,) = axes.ravel()
        first, second = sns.color_palette()[:2]
        for label, fill, hollow in (("here", first, False), ("here, not determined", "white", True)):
            points = [
                (place - 0.12, row["accuracy"], row["standard_error"])
                for place, row in enumerate(rows)
                if row["accuracy"] is not None and bool(row["undetermined"]) == hollow
            ]
            places, ours, errors = np.reshape(points, (-1, 3)).T
            axis.errorbar(ours, places, xerr=errors, fmt="o", color=first, markersize=5, mfc=fill, label=label)
        axis.plot(
            [row["paper"] for row in rows], np.arange(len(rows)) + 0.12, "D", color=second, markersize=5, label="paper"
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
    with style("whitegrid"):
        figure, axes = panels(-(-len(indexes) // 4), 4, 1.7, sharex=True, sharey=True)
        related, unrelated = sns.color_palette()[:2]
        for axis, index in zip(axes.ravel(), indexes, strict=False):
            axis.plot(ratio, arrays[f"related_{index}"], "o-", color=related, markersize=3, linewidth=1)
            axis.plot(ratio, arrays[f"unrelated_{index}"], "s--", color=unrelated, markersize=3, linewidth=1)
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
    with style("ticks"):
        figure, axes = panels(-(-len(indexes) // 4), 4, 2.0, sharex=True, sharey=True)
        for axis, index in zip(axes.ravel(), indexes, strict=False):
            gap = contrast(arrays, index)
            image = axis.imshow(gap, cmap=HEAT, vmin=0, vmax=1, aspect="auto")
            rows, columns = np.nonzero(gap < MEANINGFUL)
            axis.plot(columns, rows, "x", color="white", markersize=4, markeredgewidth=1)
            axis.set(
                title=title(index),
                xticks=range(len(examples)),
                yticks=range(len(layers)),
                yticklabels=short(layers),
            )
            axis.set_xticklabels(examples, rotation=90)
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
    """Draw representations with two features, each beside its centred Gram matrix, and its CKA with the first.

    Parameters
    ----------
    points
        What each is called -> (n, 2), of the same examples in the same order.
    groups
        (n,), the group of each example, which gives its colour and its place in the matrix.
    """
    order = np.argsort(groups, kind="stable")
    first, said = next(iter(points.values())), []
    with style():
        figure, axes = panels(len(points), 2, 1.75)
        colours = np.array(sns.color_palette())[np.asarray(groups)]
        for (left, right), (name, x) in zip(axes, points.items(), strict=True):
            similarity = repsim.cka(first, x)
            left.scatter(*(x - x.mean(0)).T, c=colours, s=14)
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
