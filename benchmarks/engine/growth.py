"""The figure of ``costs.ipynb``: how time and memory of the engine grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.engine.costs import AXES
from benchmarks.engine.rounding import derived
from benchmarks.results import Result
from repsim.lab.figures.display import figure_html
from repsim.lab.figures.style import Drawing, panels, title

QUANTITIES = {"seconds": "seconds", "mib": "MiB"}


def figure(result: Result) -> str:
    """Return the curves that the exponents are fitted to, as a figure of a page."""
    drawing = draw(derived(result, "growth"))
    return figure_html(drawing, "growth", "Time and memory of a call; lines are the fitted power laws.")


def draw(curves: Mapping[str, Mapping[str, Any]]) -> Drawing:
    """Draw time and memory against each of the three sizes, with the fitted power laws.

    Parameters
    ----------
    curves
        Index -> size -> points and fits.
    """
    shown = [what for what in AXES if any(what in of for of in curves.values())]
    said = []
    with panels(len(shown), 2, 1.7) as (figure, axes):
        for row, what in zip(axes, shown, strict=True):
            for axis, (quantity, unit) in zip(row, QUANTITIES.items(), strict=True):
                for (index, of), colour, marker in zip(curves.items(), sns.color_palette(), "osD^v", strict=False):
                    curve = of.get(what)
                    if curve:
                        _curve(axis, curve, quantity, colour, marker, title(index))
                        fit = curve[f"{quantity}_fit"]
                        if fit:
                            said.append(f"{title(index)}: {unit} with {what} to the power {fit['exponent']:.2f}")
                _scale(axis, [x for of in curves.values() for x in of.get(what, {"x": []})["x"]], what, unit)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return Drawing(
        figure,
        "Logarithmic plots of the time and the memory of a call against the number of representations, of examples and "
        f"of features. {'; '.join(said) or 'No power law was fitted'}.",
    )


def _scale(axis: Any, x: list[int], label: str, unit: str) -> None:
    """Make both axes logarithmic, with the ends of the measured range below and 1, 2, 5 of each power beside."""
    drawn = np.concatenate([line.get_ydata() for line in axis.lines])
    if drawn.size:
        # Wide enough for one of the ticks, where all that was measured is equal but for rounding.
        room = max((drawn.max() / drawn.min()) ** 0.05, 1.6)
        axis.set_ylim(drawn.min() / room, drawn.max() * room)
    axis.set(xscale="log", yscale="log", xlabel=label, ylabel=unit)
    ends = sorted({min(x), max(x)})
    axis.set_xticks(ends, [f"{end:,}" for end in ends])
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    for coordinate in (axis.xaxis, axis.yaxis):
        coordinate.set_minor_formatter(NullFormatter())


def _curve(axis: Any, curve: Mapping[str, Any], quantity: str, colour: Any, marker: str, label: str) -> None:
    x, y = (np.array(curve[key], dtype=np.float64) for key in ("x", quantity))
    kept = y > 0  # nothing else has a place on a logarithmic axis
    axis.plot(x[kept], y[kept], marker, color=colour, markersize=3, label=label)
    fit = curve[f"{quantity}_fit"]
    if fit:
        ends = np.array([x.min(), x.max()])
        axis.plot(ends, fit["factor"] * ends ** fit["exponent"], "-", color=colour, linewidth=1)
