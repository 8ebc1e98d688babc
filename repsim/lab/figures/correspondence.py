"""Figure 2, Figure F.3 and Table 2: which layers of other networks a layer resembles most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from numpy.typing import NDArray

import repsim
from repsim.lab.figures.style import HEAT, Drawing, panels, short, style, title
from repsim.lab.findings.correspondence import mean_map

Array = NDArray[np.float64]


def similarity_maps(
    tables: Mapping[str, Array], layers: Sequence[str], saturated: Mapping[str, Sequence[str]]
) -> Drawing:
    """Draw the mean map of each index, two in a row; a dot marks each column's best match.

    As in the paper, the layer across is compared with, or predicted from, the layer up. Layers that are as wide
    as there are examples are marked with a star.
    """
    with style("ticks"):
        figure, axes = panels(max(1, -(-len(tables) // 2)), 2, 2.05)
        for axis, (index, table) in zip(axes.ravel(), tables.items(), strict=False):
            similarities = mean_map(table)
            labels = [
                label + ("*" if layer in saturated.get(index, ()) else "")
                for label, layer in zip(short(layers), layers, strict=True)
            ]
            sns.heatmap(
                similarities.T,
                ax=axis,
                cmap=HEAT,
                square=True,
                xticklabels=labels,
                yticklabels=labels,
                cbar_kws={"shrink": 0.75, "pad": 0.03},
            )
            axis.invert_yaxis()
            axis.tick_params(rotation=0, length=2)
            best = repsim.best_match(similarities)
            axis.plot(np.arange(len(best)) + 0.5, best + 0.5, "o", color="black", markersize=4, mfc="white", mew=0.8)
            axis.set(title=title(index))
        for axis in axes.ravel()[len(tables) :]:
            axis.set_axis_off()
        figure.supxlabel("layer", fontsize=9)
        figure.supylabel("layer", fontsize=9)
    rows = {index: repsim.diagonal_matches(mean_map(table)) for index, table in tables.items()}
    counts = ", ".join(f"{title(index)} {count:g}" for index, count in rows.items())
    return Drawing(
        figure,
        f"Heat maps of the mean similarity between the {len(layers)} layers of differently initialised networks, one "
        f"per index. Layers whose best match is the same layer, of {len(layers)}: {counts}.",
    )


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


def identification(rows: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw Table 2: our accuracies with jackknife errors beside the paper's."""
    names = [title(row["index"]) for row in rows]
    places = np.arange(len(rows))
    with style("whitegrid"):
        figure, axes = panels(1, 1, 3.4)
        (axis,) = axes.ravel()
        first, second = sns.color_palette()[:2]
        ours, errors = ([row[key] for row in rows] for key in ("accuracy", "standard_error"))
        axis.errorbar(ours, places - 0.12, xerr=errors, fmt="o", color=first, markersize=5, label="ours")
        axis.plot(
            [row["paper"] for row in rows], places + 0.12, "D", color=second, markersize=5, mfc="none", label="paper"
        )
        axis.set(yticks=places, yticklabels=names, xlim=(-3, 103), xlabel="layers identified (%)")
        axis.invert_yaxis()
        axis.legend()
    found = ", ".join(
        f"{name} {row['accuracy']:.1f} (paper {row['paper']})" for name, row in zip(names, rows, strict=True)
    )
    return Drawing(figure, f"Percentage of layers identified by each index: {found}.")
