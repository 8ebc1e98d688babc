"""Learning curves and accuracies of the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns

from repsim.lab.figures.style import Drawing, panels, style


def learning_curves(records: Sequence[Mapping[str, Any]]) -> Drawing:
    """Draw each network's training loss and accuracy against the epoch, one line per seed, dashed on test images."""
    with style("whitegrid"):
        figure, axes = panels(1, 2, 2.6, wide=True)
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
        f"Learning curves of {len(records)} networks over {len(records[0]['history']['loss'])} epochs: the training "
        f"loss ends between {min(losses):.2f} and {max(losses):.2f} nats, the training accuracy "
        f"between {100 * min(last):.1f} and {100 * max(last):.1f} %.",
    )


def scores_on_test_images(records: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs at which all networks were scored on test images, and their mean accuracy (%) then.

    Networks that were trained before scores were kept have none.
    """
    scores = [record["history"].get("test_accuracy", []) for record in records]
    scored = [place for place, found in enumerate(zip(*scores, strict=False)) if None not in found]
    return np.array(scored) + 1, 100 * np.array([np.mean([one[place] for one in scores]) for place in scored])


def accuracy(records: Sequence[Mapping[str, Any]], paper: float | None) -> Drawing:
    """Draw each network's test accuracy, their mean, and the paper's mean where there is one."""
    found = 100 * np.array([record["test_accuracy"] for record in records])
    seeds = [record["inputs"]["seed"] for record in records]
    with style("whitegrid"):
        figure, axes = panels(1, 1, 2.2)
        (axis,) = axes.ravel()
        first, second = sns.color_palette()[:2]
        axis.plot(seeds, found, "o", color=first, label="one network")
        axis.axhline(found.mean(), color=first, linewidth=1, label=f"their mean, {found.mean():.2f} %")
        if paper is not None:
            axis.axhline(paper, color=second, linestyle="--", label=f"the paper's mean, {paper} %")
        axis.set(xlabel="seed", ylabel="test accuracy (%)", xticks=seeds)
        axis.legend()
    beside = f"; the paper's mean is {paper} %" if paper is not None else ""
    return Drawing(
        figure,
        f"Test accuracy of {len(records)} networks: from {found.min():.2f} to {found.max():.2f} %, "
        f"mean {found.mean():.2f} %{beside}.",
    )
