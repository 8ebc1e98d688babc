"""Table 2 and its extension: how many layers each index identifies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns

from repsim.lab.figures.style import Drawing, panels, style, title


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

    Accuracies of indexes to which the examples leave no room are hollow.
    """
    names = [title(row["index"]) for row in rows]
    places = np.arange(len(rows))
    with style("whitegrid"):
        figure, axes = panels(1, 1, 3.4)
        (axis,) = axes.ravel()
        first, second = sns.color_palette()[:2]
        for known, label in ((True, "here"), (False, "here, not determined")):
            some = [place for place, row in enumerate(rows) if (not row["undetermined"]) == known]
            ours, errors = ([rows[place][key] for place in some] for key in ("accuracy", "standard_error"))
            how = {"fmt": "o", "color": first, "markersize": 5, "mfc": first if known else "white", "label": label}
            axis.errorbar(ours, np.array(some) - 0.12, xerr=errors, **how)
        axis.plot(
            [row["paper"] for row in rows], places + 0.12, "D", color=second, markersize=5, mfc="none", label="paper"
        )
        axis.axvline(100 / layers, color="0.4", linestyle=":", linewidth=1, label="chance")
        axis.set(yticks=places, yticklabels=names, xlim=(-3, 103), xlabel="layers identified (%)")
        axis.invert_yaxis()
        figure.legend(loc="outside upper center", ncols=4, columnspacing=1)
    found = ", ".join(
        f"{name} {row['accuracy']:.1f} (paper {row['paper']})" for name, row in zip(names, rows, strict=True)
    )
    return Drawing(figure, f"Percentage of layers identified by each index: {found}.")
