"""Figure 1: the first two principal components of one layer in two networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from repsim.lab.figures.style import Drawing, panels, style
from repsim.lab.findings.components import best_rotation, centred, explained

# Corners of the colour code: blue to orange along the first component, dark to light along the second.
_CORNERS = np.array([[[0.0, 0.16, 0.42], [0.55, 0.20, 0.0]], [[0.55, 0.80, 1.0], [1.0, 0.85, 0.40]]])


def colour_code(scores: Any) -> NDArray[np.float64]:
    """Return (n, 3) colours that say where each example lies along the first two components."""
    ranks = (np.apply_along_axis(rankdata, 0, np.asarray(scores)) - 0.5) / len(scores)
    across, up = ranks[:, :1], ranks[:, 1:]
    low = (1 - across) * _CORNERS[0, 0] + across * _CORNERS[0, 1]
    high = (1 - across) * _CORNERS[1, 0] + across * _CORNERS[1, 1]
    return np.asarray((1 - up) * low + up * high)


def principal_components(scores: Any, names: tuple[str, str] = ("Net A", "Net B")) -> Drawing:
    """Draw the scores (2, n, 2) of two networks, both in the colours of the first, the second turned to fit it."""
    first = centred(scores[0])
    second = centred(scores[1]) @ best_rotation(scores[0], scores[1])
    colours = colour_code(first)
    with style("ticks"):
        figure, axes = panels(1, 2, 2.6)
        for axis, values, name in zip(axes[0], (first, second), names, strict=True):
            axis.scatter(*values.T, c=colours, s=3, linewidths=0, rasterized=True)
            axis.set(xlabel=f"{name}, component 1", ylabel=f"{name}, component 2", xticks=[], yticks=[])
        figure.suptitle(f"coloured by {names[0]}'s components", fontsize=9)
    return Drawing(
        figure,
        f"Two scatter plots of {len(first):,} images along the first two principal components of one layer, in "
        f"{names[0]} and {names[1]}, both coloured by the place in {names[0]}. The components of {names[1]} explain "
        f"{explained(scores[0], scores[1])[0]:.0%} of the variance of those of {names[0]}, so the "
        "colours keep their places to that extent.",
    )
