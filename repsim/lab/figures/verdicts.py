"""Verdicts: the head of every page, pictures for the first page and that of claims, and the three questions of CKA."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repsim.lab import claims
from repsim.lab.claim_tables import NARROWER, OURS, SIGNS, counted_as, headline, inner, link, linked, marked
from repsim.lab.claims import (
    NOT_DETERMINED,
    NOT_JUDGED,
    NOT_MEASURED,
    NOT_REPRODUCED,
    PARTLY,
    REPORTED,
    REPRODUCED,
    decisive,
    find_claim,
    near,
)
from repsim.lab.families import compared_layers
from repsim.lab.figures.display import say, show_claims
from repsim.lab.figures.indexes import identification
from repsim.lab.figures.style import Drawing, panels
from repsim.lab.findings import RAN_IN
from repsim.lab.findings.correspondence import TABLE_2
from repsim.lab.measurements.common import GROUP
from repsim.lab.wording import DASH, NO_BREAK, distance, listed, measured_sentence, signed

SPREADS = ("standard_error", "deviation")
LOOKS = {REPRODUCED: ("o", "C0"), PARTLY: ("s", "C1"), NOT_REPRODUCED: ("X", "C3")}  # marker, colour
FARTHEST = 1.0  # of the threshold: what is farther is drawn there
NEAR = 0.1


Measured = Mapping[str, Mapping[str, Any]]
# claim -> values. "examples" among them is their number, "standard_error" or "deviation" the spread over networks.


Row = tuple[claims.Claim, claims.Measurement, str]


def _judged(profile: str, measured: Measured, notebook: str = "") -> list[Row]:
    """Return each claim with what was measured for it, as its file would hold it, and the verdict that follows."""
    rows = []
    for name, quantities in measured.items():
        values = {quantity: value for quantity, value in quantities.items() if quantity != "examples"}
        spread = next((values[quantity] for quantity in SPREADS if quantity in values), None)
        held = claims.recorded(profile, name, values, n=quantities.get("examples"), spread=spread, notebook=notebook)
        claim, measurement = find_claim(name), claims.Measurement(**held)
        rows.append((claim, measurement, claims.judge(claim, measurement)))
    return rows


def answer(profile: str, measured: Measured, *leading: str) -> None:
    """Show the verdict of a page: how many of its claims hold, what was found for the leading ones, which fail."""
    judged = _judged(profile, measured)
    counted = [(claim, verdict) for claim, _, verdict in judged if verdict != REPORTED]
    tally = Counter(counted_as(claim, profile) for claim, _ in counted)
    reported = len(judged) - len(counted)
    more = f" {reported} more {'is' if reported == 1 else 'are'} reported, without a threshold." if reported else ""
    lines = [f"**{_counted(Counter(verdict for _, verdict in counted))}**{_apart(tally)}{more}", ""]
    for claim, measurement, verdict in judged:
        if claim.id in leading:
            word = "" if verdict == REPRODUCED else f"{verdict.capitalize()}: "
            lines.append(f"- {SIGNS[verdict]} {word}{claim.statement} Here: {_close(claim, measurement, verdict)}")
    others = [row for row in judged if row[0].id not in leading]
    for claim, measurement, verdict in others:
        if verdict in (PARTLY, NOT_REPRODUCED):
            close = ", near" if near(claim, measurement) else ""
            said = f"{claim.statement.removesuffix('.')} ({link(claim)})."
            lines.append(f"- {SIGNS[verdict]} {verdict.capitalize()}{close}: {said}")
    if unclear := [link(claim) for claim, _, verdict in others if verdict == NOT_DETERMINED]:
        lines.append(f"- {SIGNS[NOT_DETERMINED]} Not determined, for want of examples: {', '.join(unclear)}.")
    if waiting := [link(find_claim(name)) for name in leading if name not in measured]:
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
    lines, judged = [], _judged(profile, measured)
    for claim, measurement, verdict in judged:
        if verdict in (PARTLY, NOT_REPRODUCED) or (verdict == REPRODUCED and near(claim, measurement)):
            why = f" {linked(claim.why, profile)}" if claim.why else ""
            lines.append(f"- {link(claim)} {distance(claim, measurement)}.{why}")
    unjudged = all(verdict in (NOT_JUDGED, NOT_MEASURED) for _, _, verdict in judged)
    none = "is judged yet" if unjudged else "fails, and none is near its threshold"
    say("\n".join(lines) or f"No claim of this page {none}.")


def conclude(profile: str, notebook: str, measured: Measured) -> None:
    """Show the verdicts that follow from the values of each claim, which `repsim-lab judge` takes from the notebook."""
    judged = _judged(profile, measured, notebook)
    if not judged:
        say("Its claims cannot be judged yet.")
        return
    rows = [[link(claim), marked(verdict), headline(claim, m), claim.statement] for claim, m, verdict in judged]
    about = {claim.id: vars(measurement) for claim, measurement, _ in judged}
    cells = {name: RAN_IN[name] for name in about if name in RAN_IN}
    show_claims(["claim", "verdict", "here", "the claim"], rows, {"claims": about, "cells": cells})


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
    with panels(1, 1, 0.9 + 0.15 * len(rows)) as (figure, ((axis,),)):
        axis.axvspan(-NEAR, NEAR, color="0.9")
        axis.axvline(0, color="0.3", linewidth=1)
        for verdict, (marker, colour) in LOOKS.items():
            places = [(relative, y) for y, (_, relative, outcome, _) in enumerate(rows) if outcome == verdict]
            x, y = np.reshape(places, (-1, 2)).T
            axis.plot(np.clip(x, -FARTHEST, FARTHEST), y, marker, color=colour, markersize=5, label=verdict)
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


# The three questions asked of every claim about CKA, in a picture and in a table.
Answers = Mapping[str, Mapping[str, Any]]
WORDS = {1: "yes", 0: "no", None: DASH}


def answered(answers: Answers) -> Drawing:
    """Draw, one row per claim, at which numbers of examples it holds, with debiased CKA, and above all shuffles."""
    counts = sorted({n for answer in answers.values() for n in answer["tried_n"]})
    columns = [*(f"n = {n:,}" for n in counts), "debiased", "above shuffled"]
    cells = {claim: _cells(answer, counts) for claim, answer in answers.items()}
    half = -(-len(cells) // 2)
    with panels(1, 2, 0.9 + 0.19 * half, wide=True, theme="ticks") as (figure, axes):
        looks = {
            1: {"marker": "o", "color": "C0", "markeredgewidth": 0, "label": "holds"},
            0: {"marker": "X", "color": "C1", "markeredgewidth": 0, "label": "does not"},
            None: {"marker": "_", "color": "0.6", "markeredgewidth": 1, "label": "not measured or not determined"},
        }
        for axis, start in zip(axes.ravel(), (0, half), strict=True):
            shown = dict(list(cells.items())[start : start + half])
            for outcome, look in looks.items():
                places = [
                    (x, y) for y, row in enumerate(shown.values()) for x, cell in enumerate(row) if cell == outcome
                ]
                axis.plot(*np.reshape(places, (-1, 2)).T, linestyle="none", markersize=5.5, **look)
            axis.axvline(len(counts) - 0.5, color="0.8", linewidth=1)
            axis.set_xticks(range(len(columns)), columns, rotation=30, ha="left")
            axis.set_yticks(range(len(shown)), list(shown))
            axis.set(xlim=(-0.6, len(columns) - 0.4), ylim=(half - 0.4, -0.6))
            axis.xaxis.tick_top()
            axis.tick_params(length=0)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    said = [
        f"{column} {sum(row[x] == 1 for row in cells.values())} of {sum(row[x] is not None for row in cells.values())}"
        for x, column in enumerate(columns)
    ]
    return Drawing(
        figure,
        f"Which of {len(answers)} claims hold at each number of examples, with debiased CKA, and rest on similarities "
        f"that all exceed the 99.9th percentile of shuffled examples, of those for which it was measured: "
        f"{', '.join(said)}.",
    )


def _cells(answer: Mapping[str, Any], counts: list[int]) -> list[int | None]:
    at = dict(zip(answer["tried_n"], answer["holds_at"], strict=True))
    return [*(at.get(n) for n in counts), answer["holds_debiased"], answer["exceeds_shuffles"]]


def answers_sentence(answers: Answers) -> str:
    """Say how many of the claims that hold as in the paper survive each question, and which do not."""
    holding = {claim: answer for claim, answer in answers.items() if answer["holds_at"][-1] == 1}
    if not holding:
        return f"None of {len(answers)} claims holds with biased CKA on the most examples."
    questions = {
        "hold with debiased CKA": lambda answer: answer["holds_debiased"],
        "rest on similarities that all exceed the 99.9th percentile of shuffled examples": lambda answer: answer[
            "exceeds_shuffles"
        ],
        "hold on the fewest examples already, and on all more": lambda answer: (
            int(answer["smallest_n"] == answer["tried_n"][0]) if len(answer["tried_n"]) > 1 else None
        ),
    }
    lines = []
    for question, ask in questions.items():
        outcomes = {claim: ask(answer) for claim, answer in holding.items()}
        failing = [claim for claim, outcome in outcomes.items() if outcome == 0]
        known = sum(outcome is not None for outcome in outcomes.values())
        names = [link(find_claim(claim)) for claim in failing]
        but = f" (all but {', '.join(names)})" if failing else ""
        lines.append(f"- **{known - len(failing)} of {known}** {question}{but}")
    first = f"Of {len(answers)} claims {len(holding)} hold with biased CKA on the most examples. Of those"
    return "\n".join([f"{first}, where it was measured,", "", *lines])


def show_answers(answers: Answers, shuffled: Sequence[Mapping[str, Any]]) -> None:
    """Show for some claims whether they survive debiasing and shuffles, and from how many examples on they hold.

    `answers` are of :mod:`repsim.lab.findings.robustness`, `shuffled` the records of the shuffles they were given.
    """
    rows = []
    for claim, answer in answers.items():
        above, least = answer["share_above_shuffles"], answer["smallest_n"]
        said = [WORDS[answer["holds_at"][-1]], WORDS[answer["holds_debiased"]]]
        said.append(DASH if above is None else f"{100 * above:.1f}{NO_BREAK}%")
        said.append(f"{least:,}{' (nothing else tried)' * (len(answer['tried_n']) == 1)}" if least else DASH)
        rows.append([link(find_claim(claim)), *said])
    heads = ["claim", "holds", "holds with debiased CKA", "similarities above shuffled examples"]
    show_claims([*heads, "holds from so many examples on"], rows)
    say(f"{_tried(answers)} {_shuffled(shuffled)}")


def _tried(answers: Answers) -> str:
    """Say on how many examples each claim was tried."""
    tried: dict[tuple[int, ...], list[str]] = {}
    for claim, answer in answers.items():
        tried.setdefault(tuple(answer["tried_n"]), []).append(claim)
    most = max(tried, key=lambda counts: len(tried[counts]))
    others = [
        f"; {', '.join(link(find_claim(claim)) for claim in claims)} with {', '.join(f'{n:,}' for n in counts)}"
        for counts, claims in tried.items()
        if counts != most
    ]
    return f"Tried with {', '.join(f'{n:,}' for n in most)} examples{''.join(others)}."


def _shuffled(records: Sequence[Mapping[str, Any]]) -> str:
    """Say how many examples of how many networks were shuffled how often."""
    most = max(len(side["seeds"]) for record in records for side in (*record["rows"], *record["columns"]))
    return (
        "Above shuffled examples is what exceeds the 99.9th percentile of "
        f"{records[0]['permutations']:,} shuffles of {records[0]['examples']:,} examples, of "
        f"{'one network' if most == 1 else f'at most {most} networks'} of each kind."
    )
