"""Verdicts: the end of every page, and pictures of them for the first page and the page of claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns

from repsim.lab import claims
from repsim.lab.claim_tables import Judged, headline, marked
from repsim.lab.claims import NOT_DETERMINED, NOT_REPRODUCED, PARTLY, REPRODUCED, decisive
from repsim.lab.figures.display import show_table
from repsim.lab.figures.style import Drawing, panels, style
from repsim.lab.wording import signed

SPREADS = ("standard_error", "deviation")
LOOKS = {REPRODUCED: ("o", 0), PARTLY: ("s", 1), NOT_REPRODUCED: ("X", 3)}  # marker, colour of the palette
FARTHEST = 1.0  # of the threshold: what is farther is drawn there
NEAR = 0.1


def conclude(profile: str, notebook: str, measured: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the verdicts that follow from the values of each claim, which `repsim-lab judge` takes from the notebook.

    Parameters
    ----------
    profile, notebook
        What measured them.
    measured
        Claim -> values. "examples" among them is the number of examples, "standard_error" or "deviation" the
        spread over networks.
    """
    rows, held = [], {}
    for name, found in measured.items():
        values = {quantity: value for quantity, value in found.items() if quantity != "examples"}
        spread = next((values[quantity] for quantity in SPREADS if quantity in values), None)
        held[name] = claims.contents(profile, name, values, n=found.get("examples"), spread=spread, notebook=notebook)
        claim = claims.find_claim(name)
        measurement = claims.Measurement(name, *(held[name][key] for key in ("values", "n", "spread", "notebook")))
        verdict = marked(claims.judge(claim, measurement))
        here = headline(claim, measurement)
        rows.append({"claim": name, "statement": claim.statement, "here": here, "verdict": verdict})
    columns = {"claim": "claim", "verdict": "verdict", "here": "here", "statement": "the paper says"}
    show_table(rows, {key: (heading, str) for key, heading in columns.items()}, about={"claims": held})


def identified(judged: Sequence[Judged]) -> Drawing:
    """Draw the accuracies of Table 2 with their errors beside the paper's; hollow what determines no verdict."""
    names = [claim.statement.split(" identifies ")[0] for claim, _, _ in judged]
    said = []
    with style("whitegrid"):
        figure, axes = panels(1, 1, 3.4)
        (axis,) = axes.ravel()
        ours, papers = sns.color_palette()[:2]
        for place, (claim, measured, verdict) in enumerate(judged):
            axis.plot(claim.paper, place + 0.14, "D", color=papers, markersize=5, label="paper")
            if measured is None:
                continue
            known = verdict != NOT_DETERMINED
            values = measured.values
            axis.errorbar(
                values["accuracy"], place - 0.14, xerr=values.get("standard_error"), fmt="o", color=ours, markersize=5,
                mfc=ours if known else "white", label="here" if known else "here, not determined",
            )  # fmt: skip
            said.append(
                f"{names[place]} {values['accuracy']:.1f} (paper {claim.paper}{'' if known else '; not determined'})"
            )
        axis.set(yticks=range(len(names)), yticklabels=names, xlim=(-3, 103), xlabel="layers identified (%)")
        axis.axvline(100 / 9, color="0.4", linestyle=":", linewidth=1, label="chance")
        axis.invert_yaxis()
        handles, labels = axis.get_legend_handles_labels()
        figure.legend(*zip(*dict(zip(labels, zip(handles, labels, strict=True), strict=True)).values(), strict=True),
                      loc="outside lower center", ncols=4)  # fmt: skip
    return Drawing(figure, f"Percentage of layers identified by each index: {', '.join(said)}.")


def margins(judged: Sequence[Judged]) -> Drawing:
    """Draw how far each claim is from its threshold, as a share of it, the one that fails most at the bottom.

    Claims about an order, and those whose value is the best there can be, have no threshold to be near to.
    """
    rows = []
    for claim, measured, verdict in judged:
        margin = decisive(claim, measured) if measured and verdict in LOOKS else None
        if margin is not None and np.isfinite(margin.relative):
            rows.append((claim.id, margin.relative, verdict))
    rows.sort(key=lambda row: row[1])
    with style("whitegrid"):
        figure, axes = panels(1, 1, 0.9 + 0.15 * len(rows))
        (axis,) = axes.ravel()
        axis.axvspan(-NEAR, NEAR, color="0.9")
        axis.axvline(0, color="0.3", linewidth=1)
        palette = sns.color_palette()
        for verdict, (marker, colour) in LOOKS.items():
            places = [(relative, y) for y, (_, relative, one) in enumerate(rows) if one == verdict]
            x, y = np.reshape(places, (-1, 2)).T
            axis.plot(np.clip(x, -FARTHEST, FARTHEST), y, marker, color=palette[colour], markersize=5, label=verdict)
        axis.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=7)
        ticks = np.linspace(-FARTHEST, FARTHEST, 5)
        axis.set_xticks(ticks, [signed(f"{tick:g}") for tick in ticks])
        axis.set(ylim=(-0.8, len(rows) - 0.2), xlabel="distance as a share of the threshold: fails | holds")
        figure.legend(loc="outside lower center", ncols=3)
    near = [f"{name} {signed(f'{relative:.3f}')}" for name, relative, _ in rows if abs(relative) <= NEAR]
    fails = sum(relative < 0 for _, relative, _ in rows)
    return Drawing(
        figure,
        f"The distance of {len(rows)} claims to their thresholds, as a share of these: {len(rows) - fails} hold, "
        f"{fails} fail. Within a tenth, the grey band: {', '.join(near) or 'none'}. What is farther from its threshold "
        "than this is from zero is drawn at the edge.",
    )
