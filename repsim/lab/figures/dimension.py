"""Where each index stops meaning anything, on random data and in a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from numpy.typing import NDArray

from repsim.lab.figures.style import HEAT, Drawing, panels, short, style, title
from repsim.lab.findings.dimension import MEANINGFUL, contrast

Array = NDArray[np.float64]


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
    shares = ", ".join(f"{title(index)} {np.mean(contrast(arrays, index) < MEANINGFUL):.0%}" for index in indexes)
    return Drawing(
        figure,
        f"Heat maps of layer against number of examples, one per index: by how much two networks' same layer scores "
        f"above shuffled examples. Crosses mark cells where it is less than {MEANINGFUL}; their share is: {shares}.",
    )
