"""Verdicts: the head of every page, and pictures of them for the first page and the page of claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns

from repsim.lab import claims
from repsim.lab.claim_tables import NARROWER, OURS, SIGNS, headline, inner, kind, link, linked, marked
from repsim.lab.claims import (
    NOT_DETERMINED,
    NOT_JUDGED,
    NOT_MEASURED,
    NOT_REPRODUCED,
    PARTLY,
    REPORTED,
    REPRODUCED,
    decisive,
    near,
)
from repsim.lab.families import compared_layers
from repsim.lab.figures.display import say, show_claims
from repsim.lab.figures.indexes import identification
from repsim.lab.figures.style import Drawing, panels, style
from repsim.lab.findings.correspondence import TABLE_2
from repsim.lab.measurements.common import GROUP
from repsim.lab.wording import distance, listed, measured_sentence, signed

SPREADS = ("standard_error", "deviation")
LOOKS = {REPRODUCED: ("o", 0), PARTLY: ("s", 1), NOT_REPRODUCED: ("X", 3)}  # marker, colour of the palette
FARTHEST = 1.0  # of the threshold: what is farther is drawn there
NEAR = 0.1


Measured = Mapping[str, Mapping[str, Any]]  # claim -> values


def _held(profile: str, measured: Measured, notebook: str = "") -> dict[str, dict[str, Any]]:
    """Return what the file of each claim would hold."""
    held = {}
    for name, quantities in measured.items():
        values = {quantity: value for quantity, value in quantities.items() if quantity != "examples"}
        spread = next((values[quantity] for quantity in SPREADS if quantity in values), None)
        held[name] = claims.contents(
            profile, name, values, n=quantities.get("examples"), spread=spread, notebook=notebook
        )
    return held


def _judged(held: Mapping[str, Mapping[str, Any]]) -> list[tuple[claims.Claim, claims.Measurement, str]]:
    """Return each claim with what was measured for it, and the verdict that follows."""
    rows = []
    for name, about in held.items():
        claim = claims.find_claim(name)
        measurement = claims.Measurement(name, *(about[key] for key in ("values", "n", "spread", "notebook")))
        rows.append((claim, measurement, claims.judge(claim, measurement)))
    return rows


def answer(profile: str, measured: Measured, *leading: str) -> None:
    """Show the verdict of a page: how many of its claims hold, what was found for the leading ones, which fail.

    Parameters
    ----------
    profile, measured
        As for :func:`conclude`.
    *leading
        The claims that the page is about first of all.
    """
    judged = _judged(_held(profile, measured))
    counted = [(claim, verdict) for claim, _, verdict in judged if verdict != REPORTED]
    tally = Counter(kind(claim, profile) for claim, _ in counted)
    reported = len(judged) - len(counted)
    more = f" {reported} more {'is' if reported == 1 else 'are'} reported, without a threshold." if reported else ""
    lines = [f"**{_counted(Counter(verdict for _, verdict in counted))}**{_apart(tally)}{more}", ""]
    for claim, measurement, verdict in judged:
        if claim.id in leading:
            lines.append(f"- {SIGNS[verdict]} {claim.statement} Here: {_close(claim, measurement, verdict)}")
    for claim, measurement, verdict in judged:
        if claim.id not in leading and verdict in (PARTLY, NOT_REPRODUCED):
            close = ", near" if near(claim, measurement) else ""
            said = f"{claim.statement.removesuffix('.')} ({link(claim)})."
            lines.append(f"- {SIGNS[verdict]} {verdict.capitalize()}{close}: {said}")
    if unclear := [
        link(claim) for claim, _, verdict in judged if verdict == NOT_DETERMINED and claim.id not in leading
    ]:
        lines.append(f"- {SIGNS[NOT_DETERMINED]} Not determined, for want of examples: {', '.join(unclear)}.")
    if waiting := [link(claims.find_claim(name)) for name in leading if name not in measured]:
        lines.append(f"- {SIGNS[NOT_MEASURED]} Not measured yet: {', '.join(waiting)}.")
    say("\n".join(lines))


def _counted(counts: Counter[str]) -> str:
    """Say how many claims have which verdict."""
    total, held = counts.total(), counts[REPRODUCED]
    if not total:
        return "No claim of this page is judged yet."
    if total == 1:
        (verdict,) = counts
        return f"The claim is {verdict}."
    if held == total:
        return f"All {total} claims are reproduced."
    others = [
        f"{counts[verdict]} {'in part' if verdict == PARTLY else verdict}"
        for verdict in claims.VERDICTS[1:]
        if counts[verdict]
    ]
    phrases = [f"{held or 'none'} {'is' if held <= 1 else 'are'} reproduced", *others]
    return f"Of {total} claims {listed(phrases)}."


def _apart(tally: Counter[str]) -> str:
    """Say how many claims are counted apart: those on narrower networks, and ours."""
    words = {NARROWER: "measured on networks narrower than the paper’s", OURS: "ours, not the paper’s"}
    for apart, said in words.items():
        if tally and tally[apart] == tally.total():
            return f" All are {said}." if tally[apart] > 1 else f" {said.capitalize()}."
    counts = [(tally[apart], said) for apart, said in words.items() if tally[apart]]
    phrases = [f"{count} {'is' if count == 1 else 'are'} {said}" for count, said in counts]
    return f" Of these, {' and '.join(phrases)}." if phrases else ""


def _close(claim: claims.Claim, measurement: claims.Measurement, verdict: str) -> str:
    """Return what was measured, as it stands within a sentence, with the claim's link and whether it is near."""
    close = ", near its threshold" if verdict in LOOKS and near(claim, measurement) else ""
    return f"{inner(measured_sentence(claim, measurement))} ({link(claim)}{close})."


def explain(profile: str, measured: Measured) -> None:
    """Show of each claim that fails, or is near its threshold, by how much and what is known of the reason."""
    lines, judged = [], _judged(_held(profile, measured))
    for claim, measurement, verdict in judged:
        if verdict in (PARTLY, NOT_REPRODUCED) or (verdict == REPRODUCED and near(claim, measurement)):
            why = f" {linked(claim.why, profile)}" if claim.why else ""
            lines.append(f"- {link(claim)} {distance(claim, measurement)}.{why}")
    unjudged = all(verdict in (NOT_JUDGED, NOT_MEASURED) for _, _, verdict in judged)
    none = "is judged yet" if unjudged else "fails, and none is near its threshold"
    say("\n".join(lines) or f"No claim of this page {none}.")


def conclude(profile: str, notebook: str, measured: Measured) -> None:
    """Show the verdicts that follow from the values of each claim, which `repsim-lab judge` takes from the notebook.

    Parameters
    ----------
    profile, notebook
        What measured them.
    measured
        Claim -> values. "examples" among them is the number of examples, "standard_error" or "deviation" the
        spread over networks.
    """
    held = _held(profile, measured, notebook)
    if not held:
        say("Its claims cannot be judged yet.")
        return
    rows = [
        {
            "claim": link(claim),
            "verdict": marked(verdict),
            "here": headline(claim, measurement),
            "statement": claim.statement,
        }
        for claim, measurement, verdict in _judged(held)
    ]
    columns = {"claim": "claim", "verdict": "verdict", "here": "here", "statement": "the claim"}
    show_claims(rows, columns, about={"claims": held})


def identified(judged: Sequence[claims.Judged]) -> Drawing:
    """Draw the accuracies of Table 2 as its claims have them."""
    indexes = {claim: index for index, claim, _ in TABLE_2}
    rows = [
        {
            **{"accuracy": None, "standard_error": np.nan, **(measurement.values if measurement else {})},
            **{"index": indexes[claim.id], "paper": claim.paper, "undetermined": verdict == NOT_DETERMINED},
        }
        for claim, measurement, verdict in judged
        if claim.id in indexes
    ]
    return identification(rows, len(compared_layers(GROUP)))


def margins(judged: Sequence[claims.Judged]) -> Drawing:
    """Draw how far each claim is from its threshold, as a share of it, the one that fails most at the bottom.

    Claims about an order, and those whose value is the best there can be, have no threshold to be near to.
    """
    rows = []
    for claim, measurement, verdict in judged:
        if measurement is None or verdict not in LOOKS or measurement.values.get("lower_bound"):
            continue
        margin = decisive(claim, measurement)
        if margin is not None and np.isfinite(margin.relative):
            rows.append((claim.id, margin.relative, verdict, margin.holds))
    rows.sort(key=lambda row: row[1])
    with style("whitegrid"):
        figure, axes = panels(1, 1, 0.9 + 0.15 * len(rows))
        (axis,) = axes.ravel()
        axis.axvspan(-NEAR, NEAR, color="0.9")
        axis.axvline(0, color="0.3", linewidth=1)
        palette = sns.color_palette()
        for verdict, (marker, colour) in LOOKS.items():
            places = [(relative, y) for y, (_, relative, outcome, _) in enumerate(rows) if outcome == verdict]
            x, y = np.reshape(places, (-1, 2)).T
            axis.plot(np.clip(x, -FARTHEST, FARTHEST), y, marker, color=palette[colour], markersize=5, label=verdict)
        axis.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=7)
        ticks = np.linspace(-FARTHEST, FARTHEST, 5)
        axis.set_xticks(ticks, [signed(f"{tick:g}") for tick in ticks])
        axis.set(ylim=(-0.8, len(rows) - 0.2), xlabel="distance as a share of the threshold: fails | holds")
        figure.legend(loc="outside lower center", ncols=3)
    near = [f"{name} {signed(f'{relative:z.3f}')}" for name, relative, _, _ in rows if abs(relative) <= NEAR]
    fails = sum(not holds for *_, holds in rows)
    return Drawing(
        figure,
        f"The distance of {len(rows)} claims to their thresholds, as a share of these: {len(rows) - fails} hold, "
        f"{fails} fail. Within a tenth, the grey band: {', '.join(near) or 'none'}. What is farther from its threshold "
        "than this is from zero is drawn at the edge.",
    )
