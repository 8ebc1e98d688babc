"""Figures F.1 and F.2: the sublayers of Transformers, where they are tapped, and which resemble which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.patches import FancyBboxPatch

from repsim.lab.figures.style import HEAT, Drawing, panels, title
from repsim.lab.findings.tables import Array, mean_map
from repsim.lab.findings.transformers import FIGURE_F1, TAP_TITLES, TAPS, checkerboard
from repsim.lab.wording import Words, signed


def sublayer() -> Drawing:
    """Draw one sublayer of the encoder with its four taps: Figure F.2."""
    boxes = ["layer normalisation", "channel-wise scale", "self-attention or feed-forward", "+"]
    with panels(1, 1, 3.4, theme="white") as (figure, ((axis,),)):
        axis.text(0, 5.1, "next sublayer", ha="center", fontsize=8)
        axis.text(0, 0.0, "previous sublayer", ha="center", fontsize=8)
        for place, (text, tap) in enumerate(zip(boxes, TAPS, strict=True), 1):
            axis.annotate("", (0, place - 0.2), (0, place - 0.7), arrowprops={"arrowstyle": "->", "color": "0.3"})
            half = 0.15 if text == "+" else 1.3
            box = FancyBboxPatch((-half, place - 0.15), 2 * half, 0.3, boxstyle="round,pad=0.05", fc="0.94", ec="0.3")
            axis.add_patch(box)
            axis.text(0, place, text, ha="center", va="center", fontsize=8)
            axis.plot([0, 1.9], [place + 0.28] * 2, ":", color=f"C{place - 1}")
            axis.plot(0, place + 0.28, "o", color=f"C{place - 1}", markersize=4)
            axis.text(1.95, place + 0.28, TAP_TITLES[tap], va="center", fontsize=8, color=f"C{place - 1}")
        axis.annotate("", (0, 4.95), (0, 4.2), arrowprops={"arrowstyle": "->", "color": "0.3"})
        axis.plot([0, -1.7, -1.7], [0.4, 0.4, 4], color="0.3", linewidth=1)
        axis.annotate("", (-0.22, 4), (-1.7, 4), arrowprops={"arrowstyle": "->", "color": "0.3"})
        axis.set(xlim=(-2.2, 3.2), ylim=(-0.2, 5.4))
        axis.set_axis_off()
    return Drawing(
        figure,
        "One sublayer of the encoder, from below: the previous sublayer's output goes through layer normalisation, "
        "channel-wise scale, and self-attention or feed-forward, and is added to itself. Each of the four "
        f"steps is a tap: {', '.join(TAP_TITLES.values())}.",
    )


def sublayer_maps(tables: Mapping[str, Array]) -> Drawing:
    """Draw the mean map of each index (rows) at each tap (columns), as Figure F.1 does."""
    with panels(len(FIGURE_F1), len(TAPS), 0.7, theme="ticks") as (figure, axes):
        for row, index in zip(axes, FIGURE_F1, strict=True):
            for axis, tap in zip(row, TAPS, strict=True):
                similarities = mean_map(tables[f"{tap}/{index}"])
                sns.heatmap(similarities, ax=axis, cmap=HEAT, cbar=False)
                axis.invert_yaxis()
                ends = f"{similarities.min():.2f}\nto {similarities.max():.2f}"
                axis.text(1.03, 0.5, ends, transform=axis.transAxes, fontsize=7, va="center", linespacing=1.3)
                ticks = np.arange(3, len(similarities) + 1, 3)
                axis.set_xticks(ticks - 0.5, ticks, fontsize=7)
                axis.set_yticks(ticks - 0.5, ticks, fontsize=7, rotation=0)
                axis.tick_params(length=1.5, pad=1, labelbottom=row[0] is axes[-1, 0], labelleft=axis is row[0])
            row[0].set_ylabel(title(index).replace(" ", "\n"), fontsize=7)
        for axis, tap in zip(axes[0], TAPS, strict=True):
            axis.set_title(TAP_TITLES[tap], fontsize=8)
        figure.supxlabel("sublayer", fontsize=8)
    boards = {index: [checkerboard(mean_map(tables[f"{tap}/{index}"])) for tap in TAPS] for index in FIGURE_F1}
    shares = "; ".join(f"{title(index)} {', '.join(f'{share:.2f}' for share in row)}" for index, row in boards.items())
    return Drawing(
        figure,
        "Heat maps of the mean similarity between the sublayers of differently initialised Transformers, a row per "
        f"index and a column per tap ({', '.join(TAP_TITLES.values())}). The share of cells that stand out as on a "
        f"checkerboard: {shares}.",
    )


def losses_and_scores(records: Sequence[Mapping[str, Any]], scores: Mapping[int, Sequence[float]]) -> Drawing:
    """Draw each network's losses against the epoch, and by epoch the BLEU of those that are followed."""
    with panels(1, 2, 2.2) as (figure, axes):
        losses, bleu = axes[0]
        for history in (record["history"] for record in records):
            epochs = np.arange(1, len(history["loss"]) + 1)
            losses.plot(epochs, history["loss"], color="C0", linewidth=0.8)
            losses.plot(epochs, history["held_out_loss"], color="C1", linewidth=0.8)
        losses.legend(losses.lines[:2], ["training, smoothed", "held out"], fontsize=6)
        losses.set(xlabel="epoch", ylabel="loss (nats a token)")
        for epoch, values in scores.items():
            bleu.plot([epoch] * len(values), values, "o", color="C1", markersize=4)
        bleu.set(xlabel="epoch", ylabel="BLEU", ylim=(0, None))
    said = ", ".join(f"{np.mean(values):.1f} after {epoch}" for epoch, values in scores.items())
    last = np.mean([record["history"]["held_out_loss"][-1] for record in records])
    return Drawing(
        figure,
        f"Losses of {len(records)} networks against the epoch, {last:.2f} nats on held-out tokens at the end, and mean "
        f"BLEU: {said} epochs.",
    )


SHOWN = {"accuracy": "sublayers identified (%)", "checkerboard": "share of a checkerboard"}


def sublayers_with_training(rows: Sequence[Mapping[str, Any]], value: str = "accuracy") -> Drawing:
    """Draw identification at each tap, or how much of a checkerboard there is, against the epochs of training."""
    epochs = sorted({row["epoch"] for row in rows})
    indexes = list(dict.fromkeys(row["index"] for row in rows))
    with panels(2, 2, 1.9, sharex=True, sharey=True) as (figure, axes):
        for axis, tap in zip(axes.ravel(), TAPS, strict=True):
            for index in indexes:
                values = [row[value] for row in rows if row["tap"] == tap and row["index"] == index]
                axis.plot(range(len(epochs)), values, "o-", markersize=3, linewidth=1, label=title(index))
            axis.set(title=TAP_TITLES[tap], ylim=(-3, 103) if value == "accuracy" else (-0.03, 1.03))
            axis.set_xticks(range(len(epochs)), [str(epoch) for epoch in epochs])
        axes[0, 0].legend(fontsize=5)
        figure.supxlabel("epochs of training", fontsize=8)
        figure.supylabel(SHOWN[value], fontsize=8)
    return Drawing(
        figure,
        f"{SHOWN[value][0].upper() + SHOWN[value][1:]} at each of the four taps after "
        f"{', '.join(map(str, epochs))} epochs, by {len(indexes)} indexes.",
    )


def best_matches(rows: Sequence[Mapping[str, Any]], sublayers: int) -> Drawing:
    """Draw by index and tap how far from its place, and how much too late, a sublayer finds its best match."""
    indexes = list(dict.fromkeys(row["index"] for row in rows))
    with panels(1, len(TAPS), 1.1 + 0.17 * len(indexes), sharex=True, sharey=True) as (figure, axes):
        for axis, tap in zip(axes[0], TAPS, strict=True):
            here = [row for row in rows if row["tap"] == tap]
            places = [indexes.index(row["index"]) for row in here]
            distance = {"color": "C0", "markersize": 6, "mfc": "none", "label": "mean distance"}
            axis.plot([row["apart"] for row in here], places, "o", **distance)
            axis.plot([row["late"] for row in here], places, ".", color="C1", label="mean shift to later ones")
            chance = (sublayers**2 - 1) / (3 * sublayers)
            axis.axvline(chance, color="0.4", linestyle=":", label="distance of two drawn by chance")
            axis.set_title(TAP_TITLES[tap], fontsize=8)
        axes[0, 0].set_yticks(range(len(indexes)), [title(index) for index in indexes])
        axes[0, 0].invert_yaxis()
        figure.supxlabel("sublayers from the right one, all matches", fontsize=8)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=7)
    phrases = []
    for tap in TAPS:
        here = [row for row in rows if row["tap"] == tap]
        apart, latest = [row["apart"] for row in here], max(here, key=lambda row: row["late"])
        phrases.append(
            f"{TAP_TITLES[tap]} {min(apart):.1f} to {max(apart):.1f} sublayers, the latest by {title(latest['index'])},"
            f" {signed(format(latest['late'], '+.1f'))}"
        )
    return Drawing(figure, f"How far best matches are from their places on average: {'; '.join(phrases)}.")


def powers_of_scales(rows: Sequence[Mapping[str, float]]) -> Drawing:
    """Draw what linear CKA identifies against the power of the learned scales."""
    with panels(1, 1, 2.2) as (figure, ((axis,),)):
        powers, shares = ([row[name] for row in rows] for name in ("power", "accuracy"))
        axis.errorbar(powers, shares, yerr=[row["standard_error"] for row in rows], fmt="o-", markersize=4)
        axis.set(xlabel="power of the learned scales (0: Layer Norm, 1: Scale)", ylabel="sublayers identified (%)")
    said = ", ".join(f"{share:.1f} % at {power:g}" for power, share in zip(powers, shares, strict=True))
    return Drawing(figure, f"Sublayers that linear CKA identifies, by the power of the learned scales: {said}.")


def cell(value: Mapping[str, Any]) -> str:
    """Write a cell of Table F.1: our percentage, its jackknife error if there is one, and the paper's in brackets."""
    return Words().vformat("{accuracy:.1f}{standard_error:±.1f} ({paper})", (), value)
