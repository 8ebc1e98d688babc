"""What the recipe decides: how networks of one architecture differ by how they were trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns

from repsim.lab.figures.style import Drawing, panels, style
from repsim.lab.profiles import Networks
from repsim.lab.wording import Words, listed

PANELS = (
    ("accuracy", "deviation", "test accuracy (%)"),
    ("identified", "error", "layers identified (%)"),
    ("neighbours", "neighbours_error", "CKA of layers 1 and 2"),
)

ROW = {
    "networks": "{networks:d}",
    "accuracy": "{accuracy:.1f}{deviation:±.1f}",
    "identified": "{identified:.1f}{error:±.1f}",
    "convolutions": "{convolutions:.1f}{convolutions_error:±.1f}",
    "neighbours": "{neighbours:.3f}{neighbours_error:±.3f}",
}


def recipe_facts(group: Networks) -> dict[str, str]:
    """Return what a table says of the recipe of a group, by its columns."""
    recipe = group.recipe
    steps = ", ".join(f"{step:.2g}" for step in recipe.steps)
    warm_up = Words().format(" after {x:#epoch} of warm-up", x=recipe.warmup_epochs) if recipe.warmup_epochs else ""
    look_ahead = ", Nesterov" if recipe.nesterov else ""
    decayed = {"": "kernels, decoupled", "kernels": "kernels, in the gradient", "all": "all, in the gradient"}
    return {
        "epochs": str(recipe.epochs),
        "optimiser": "Adam" if recipe.optimizer == "adam" else f"SGD, momentum {recipe.momentum:g}{look_ahead}",
        "rate": f"{recipe.peak_rate:g}, "
        + (f"divided by 10 at {steps} of the epochs" if steps else f"cosine{warm_up}"),
        "decay": f"{recipe.weight_decay:g}, {decayed[recipe.coupled_decay]}" if recipe.weight_decay else "none",
        "images": ", ".join(
            words
            for words, said in (
                (f"shifts of {recipe.shift} ({recipe.border})", recipe.shift > 0),
                ("flips", recipe.flip),
                ("in [0, 1]", recipe.scaling == "unit"),
            )
            if said
        )
        or "as they are",
        "layers": {"he_normal": "He", "fan_in": "uniform by fan-in"}[recipe.initialisation]
        + ", biases" * recipe.biases
        + ", no padding" * group.architecture.endswith("-valid"),
    }


def recipe_curves(rows: Mapping[str, Mapping[str, Any]]) -> Drawing:
    """Draw what :func:`repsim.lab.findings.among.group_values` says of each recipe, in a row of panels.

    Parameters
    ----------
    rows
        By what each is called. Bars are deviations of accuracies and jackknife errors of the others.
    """
    names, places = list(rows), np.arange(len(rows))
    with style("whitegrid"):
        figure, axes = panels(1, 4, 1.2 + 0.22 * len(rows), sharey=True)
        first, second = sns.color_palette()[:2]
        for axis, (value, error, label) in zip(axes.ravel(), PANELS, strict=False):
            values = [row[value] for row in rows.values()]
            errors = [row[error] or 0.0 for row in rows.values()]
            axis.errorbar(values, places, xerr=errors, fmt="o", color=first, markersize=4)
            axis.set(xlabel=label)
        shares = axes.ravel()[-1]
        for place, row in zip(places, rows.values(), strict=True):
            shares.plot(row["first_shares"], np.full(len(row["first_shares"]), place), "o", color=second, markersize=3)
        shares.set(xlabel="first eigenvalue's share")
        axes[0, 0].set(yticks=places, yticklabels=names)
        axes[0, 0].invert_yaxis()
    said = "; ".join(
        f"{name}: accuracy {row['accuracy']:.1f} %, identified {row['identified']:.1f} %, CKA of layer 1 with layer 2 "
        f"{row['neighbours']:.2f}, shares {min(row['first_shares']):.2f} to {max(row['first_shares']):.2f}"
        for name, row in rows.items()
    )
    return Drawing(figure, f"Networks of {len(rows)} kinds. {said}.")


def recipe_row(values: Mapping[str, Any], confused: Mapping[tuple[str, str], int]) -> dict[str, str]:
    """Return what a table says of the networks of a recipe, numbers with their spread where there is one."""
    written = {name: Words().vformat(template, (), values) for name, template in ROW.items()}
    return {**written, "confused": confusions(confused)}


def confusions(counted: Mapping[tuple[str, str], int], most: int = 4) -> str:
    """Return which layers are taken for which others, the most frequent first."""
    ordered = sorted(counted.items(), key=lambda entry: -entry[1])
    frequent = [f"{layer} taken for {other} ({count})" for (layer, other), count in ordered[:most]]
    more = sum(count for _, count in ordered[most:])
    return ", ".join([*frequent, *([f"others ({more})"] if more else [])]) or "none"


def identified_sentence(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Say how many convolutions are identified among the networks of each recipe."""
    phrases = [f"**{row['convolutions']:.1f} %** of {name} ({row['networks']} networks)" for name, row in rows.items()]
    return f"Of the convolutions, the pooling layer left out of the choice, linear CKA identifies {listed(phrases)}."


def beside(theirs: Mapping[str, Any], ours: Mapping[str, Any] | None) -> str:
    """Say how many convolutions are identified of the networks of others and of ours, and by how much that differs."""
    shares = [(theirs["convolutions"], theirs["convolutions_error"], "their convolutions")]
    if ours:
        shares.append((ours["accuracy"], ours["standard_error"], "ours on as many test images"))
    text = " and ".join(f"**{Words().format('{x:.1f}{e:±.1f}', x=x, e=e)} %** of {whose}" for x, e, whose in shares)
    if ours and (error := math.hypot(*(e or 0 for _, e, _ in shares))):
        text += f", a difference of {abs(shares[0][0] - shares[1][0]) / error:.1f} standard errors"
    return text


def borders_sentence(confused: Mapping[str, tuple[int, int]]) -> str:
    """Say how often the last convolution of networks without borders is taken for the pooling layer.

    Parameters
    ----------
    confused
        By what each kind of networks is called: in how many of how many ordered pairs of networks.
    """
    counts = " and ".join(f"{count} of {pairs} ordered pairs of {name}" for name, (count, pairs) in confused.items())
    return (
        "Without padding the last convolution has only 2 × 2 positions left, whose mean the pooling layer is. "
        f"Linear CKA takes the one for the other in {counts}, which is no mistake about early layers."
    )


def difference_sentence(what: str, row: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Say what two recipes that differ in one thing make of it, given what :func:`recipe_row` returns of them."""
    return (
        f"{what}: {row['accuracy']} % accuracy against {other['accuracy']} %, {row['convolutions']} % of the "
        f"convolutions identified against {other['convolutions']} %, and a CKA of layers 1 and 2 of "
        f"{row['neighbours']} against {other['neighbours']}."
    )


def missing_sentence(missing: Sequence[str], measured: int) -> str:
    """Say which recipes are left out because fewer than two of their networks are trained."""
    if not missing:
        return f"All {measured} recipes are measured."
    subject = "One recipe is" if measured == 1 else f"{measured} recipes are"
    names = ", ".join(missing)
    return f"{subject} measured. Left out, for want of two trained networks: {names}."
