"""The networks as tables and curves: layers, parameters, recipes, learning curves, accuracies, what recipes decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import seaborn as sns

from repsim.lab.data import classes_of
from repsim.lab.families import Convolution, Shapes, describe
from repsim.lab.figures.style import Drawing, network, panels, recipe_of
from repsim.lab.findings.training import accuracies
from repsim.lab.profiles import Networks
from repsim.lab.wording import Words, listed

Records = Mapping[str, Sequence[Mapping[str, Any]]]
BACKENDS = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}


def layer_rows(architecture: str) -> list[dict[str, Any]]:
    """Return the rows of a table of layers, as tables E.1 to E.3 of the paper have them: equal convolutions are one."""
    shape, classes = describe(architecture), classes_of("cifar10")
    rows, number = [], 1

    def add(count: int, what: str, maps: str, features: int) -> None:
        nonlocal number
        layers = f"{number}" if count == 1 else f"{number} to {number + count - 1}"
        rows.append({"layers": layers, "what": what, "maps": maps, "features": features})
        number += count

    for row, same in groupby(shape.rows):
        if isinstance(row, Convolution):
            stride = f", stride {row.stride}" if row.stride > 1 else ""
            border = ", no border" if row.padding == "valid" and row.size > 1 else ""
            what = f"{row.size} × {row.size} convolution{stride}{border}"
            maps = f"{row.channels} of {row.side} × {row.side}"
            add(len(list(same)), what, maps, row.channels * row.side**2)
        else:
            add(1, row.layer, " × ".join(map(str, row.shape)), math.prod(row.shape))
    last = shape.rows[-1].channels
    add(1, "mean over places", f"{last} numbers", last)
    add(1, "logits", f"{classes} numbers", classes)
    return rows


def papers_parameters(shape: Shapes, classes: int) -> int:
    """Return how many parameters of convolutions are trained: kernels, scales and shifts or biases, and the head."""
    before, total = 3, 0
    for row in shape.convolutions:
        total += row.size**2 * before * row.channels + (2 if row.normalised else 1) * row.channels
        before = row.channels
    return total + (before + 1) * classes


def network_rows(groups: Sequence[Any], records: Records, paper: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return for each group of trained networks its size and accuracy (%), beside the paper's where it gives them."""
    rows = []
    for group in groups:
        if not (members := records.get(group.name)):
            continue
        here, theirs = describe(group.architecture, group.channels), describe(group.architecture)
        # The paper has tables of convolutions, and does not give the width of residual networks.
        known = theirs.rows == theirs.convolutions and not group.architecture.startswith("resnet")
        moving = 2 * sum(row.channels for row in here.convolutions if row.normalised)  # averages, which are not trained
        scores = accuracies(members)
        spread = "" if scores["deviation"] is None else f" ± {scores['deviation']:.2f}"
        rows.append(
            {
                "network": network(group.name),
                "networks": len(members),
                "channels": channels(here),
                "papers_channels": channels(theirs) if known else None,
                "parameters": members[0]["parameters"] - moving,
                "papers_parameters": papers_parameters(theirs, classes_of(group.dataset)) if known else None,
                "accuracy": f"{scores['accuracy']:.2f}{spread}",
                "paper": paper.get(group.name),
            }
        )
    return rows


def training_facts(members: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what a table says of the training of a group's networks, given their records, by its columns."""
    # Records of processors have not always said so.
    devices = [f"{record.get('device', 'CPU')}, {BACKENDS[record['backend']]}" for record in members]
    minutes = f"{np.mean([record['seconds'] for record in members]) / 60:.1f}"
    return {
        "on": "; ".join(dict.fromkeys(devices)),
        "minutes": minutes + " (the last run of some)" * any(record.get("resumed") for record in members),
    }


def channels(shape: Shapes) -> str:
    """Return the numbers of channels of a network, as in "16, 32"."""
    return ", ".join(str(channels) for channels in sorted({row.channels for row in shape.rows}))


def curves(records: Records) -> Drawing:
    """Draw accuracies against the epoch, means over a group's networks: of training batches, and dashed of test images.

    Those of one family share a panel. Networks not scored while they were trained have points at the end only.
    """
    families: dict[str, list[str]] = {}
    for group in records:
        families.setdefault(group.split("-")[0].rstrip("0123456789"), []).append(group)
    with panels(len(families), 1, 2.1, sharex=True) as (figure, axes):
        for axis, groups in zip(axes.ravel(), families.values(), strict=True):
            for group, colour in zip(groups, sns.color_palette(n_colors=len(groups)), strict=True):
                training = 100 * np.mean([record["history"]["accuracy"] for record in records[group]], axis=0)
                epochs = np.arange(1, len(training) + 1)
                axis.plot(epochs, training, color=colour, linewidth=1, label=network(group))
                axis.plot(*scores_on_test_images(records[group]), "--", color=colour, linewidth=1)
                test = [100 * record["test_accuracy"] for record in records[group]]
                axis.plot(np.full(len(test), epochs[-1]), test, "o", color=colour, markersize=4, mec="black", mew=0.4)
            axis.set(ylabel="accuracy (%)", ylim=(15, 101))
            axis.legend(loc="lower right", fontsize=7)
        axis.set(xlabel="epoch")
    ends = [
        f"{network(group)} {100 * np.mean([record['test_accuracy'] for record in members]):.1f} %"
        for group, members in records.items()
    ]
    return Drawing(
        figure,
        "Accuracy on training batches against the epoch, a line for each kind of network, a panel for each family; "
        "dashed on test images, where that was measured meanwhile. Points at the end of a line are the accuracies of "
        f"its networks on test images, on average {', '.join(ends)}.",
    )


def learning_curves(records: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw each network's training loss and accuracy against the epoch, one line per seed, dashed on test images."""
    with panels(1, 2, 2.6, wide=True) as (figure, axes):
        colours = sns.color_palette("viridis", len(records))
        for record, colour in zip(records, colours, strict=True):
            history = record["history"]
            epochs = np.arange(1, len(history["loss"]) + 1)
            axes[0, 0].plot(epochs, history["loss"], color=colour, linewidth=0.8)
            label = f"seed {record['inputs']['seed']}"
            axes[0, 1].plot(epochs, 100 * np.array(history["accuracy"]), color=colour, linewidth=0.8, label=label)
            axes[0, 1].plot(*scores_on_test_images([record]), "--", color=colour, linewidth=0.8)
        axes[0, 0].set(ylabel="training loss (nats)", xlabel="epoch", ylim=(0, None))
        axes[0, 1].set(ylabel="accuracy (%)", xlabel="epoch")
        axes[0, 1].legend(ncols=2, loc="lower right", fontsize=6)
    losses, last = ([record["history"][key][-1] for record in records] for key in ("loss", "accuracy"))
    return Drawing(
        figure,
        f"Learning curves of {len(records)} networks over {len(records[0]['history']['loss'])} epochs: on training "
        f"batches the loss ends between {min(losses):.2f} and {max(losses):.2f} nats, the accuracy between "
        f"{100 * min(last):.1f} and {100 * max(last):.1f} %.",
    )


def scores_on_test_images(records: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs at which all networks were scored on test images, and their mean accuracy (%) then.

    Networks that were trained before scores were kept have none.
    """
    scores = [record["history"].get("test_accuracy", []) for record in records]
    scored = [place for place, at_epoch in enumerate(zip(*scores, strict=False)) if None not in at_epoch]
    return np.array(scored) + 1, 100 * np.array([np.mean([history[place] for history in scores]) for place in scored])


def accuracy(records: Sequence[Mapping[str, Any]], paper: float | None) -> Drawing:
    """Draw each network's test accuracy, their mean, and the paper's mean where there is one."""
    test = 100 * np.array([record["test_accuracy"] for record in records])
    seeds = [record["inputs"]["seed"] for record in records]
    with panels(1, 1, 2.2) as (figure, ((axis,),)):
        axis.plot(seeds, test, "o", color="C0", label="one network")
        axis.axhline(test.mean(), color="C0", linewidth=1, label=f"their mean, {test.mean():.2f} %")
        if paper is not None:
            axis.axhline(paper, color="C1", linestyle="--", label=f"the paper's mean, {paper} %")
        axis.set(xlabel="seed", ylabel="test accuracy (%)", xticks=seeds)
        axis.legend()
    beside = f"; the paper's mean is {paper} %" if paper is not None else ""
    return Drawing(
        figure,
        f"Test accuracy of {len(records)} networks: from {test.min():.2f} to {test.max():.2f} %, "
        f"mean {test.mean():.2f} %{beside}.",
    )


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
    """Draw what :func:`repsim.lab.findings.training.group_values` says of each recipe, in a row of panels.

    Bars are deviations of accuracies and jackknife errors of the others.
    """
    names, places = list(rows), np.arange(len(rows))
    with panels(1, 4, 1.1 + 0.2 * len(rows), sharey=True) as (figure, axes):
        for axis, (value, error, label) in zip(axes.ravel(), PANELS, strict=False):
            values = [row[value] for row in rows.values()]
            errors = [row[error] or 0.0 for row in rows.values()]
            axis.errorbar(values, places, xerr=errors, fmt="o", color="C0", markersize=4)
            axis.set(xlabel=label)
        shares = axes.ravel()[-1]
        for place, row in zip(places, rows.values(), strict=True):
            shares.plot(row["first_shares"], np.full(len(row["first_shares"]), place), "o", color="C1", markersize=3)
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


def rule_sentence(rows: Mapping[str, Mapping[str, Any]], epochs: Mapping[str, int]) -> str:
    """Say how far the rule for the ten networks is carried out, of :func:`repsim.lab.findings.recipe_rule`'s rows."""
    sentences = []
    for group, row in rows.items():
        template = "**{accuracy:.1f}{deviation:±.1f} %** ({networks:#network})"
        if row["missing"]:
            template += (
                ", {missing:#network} still to be trained, which would have to reach {low:.1f} to {high:.1f} % for a "
                "mean within one point of the paper’s"
            )
        else:
            template += ", {off:.1f} points from the paper’s"
        if row["taken"] is not None:
            template += f", so that the rule {'takes' if row['taken'] else 'does not take'} this recipe"
        sentences.append(f"{recipe_of(group)} for {epochs[group]} epochs: {Words().vformat(template, (), row)}.")
    return " ".join(sentences)


def beside(theirs: Mapping[str, Any], ours: Mapping[str, Any] | None) -> str:
    """Say how many convolutions are identified of the networks of others and of ours, and by how much that differs."""
    shares = [(theirs["convolutions"], theirs["convolutions_error"], "their convolutions")]
    if ours:
        shares.append((ours["accuracy"], ours["standard_error"], "ours on as many test images"))
    text = " and ".join(f"**{Words().format('{x:.1f}{e:±.1f}', x=x, e=e)} %** of {whose}" for x, e, whose in shares)
    if ours and (error := math.hypot(*(e or 0 for _, e, _ in shares))):
        text += f", a difference of {abs(shares[0][0] - shares[1][0]) / error:.1f} standard errors"
    return text
