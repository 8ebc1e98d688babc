"""The three questions asked of every claim about CKA, in a picture and in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns

from repsim.lab.claim_tables import link
from repsim.lab.claims import find_claim
from repsim.lab.figures.display import say, show_claims
from repsim.lab.figures.style import Drawing, panels, style
from repsim.lab.wording import DASH

Answers = Mapping[str, Mapping[str, Any]]
WORDS = {1: "yes", 0: "no", None: DASH}


def answered(answers: Answers) -> Drawing:
    """Draw, one row per claim, at which numbers of examples it holds, with debiased CKA, and above all shuffles."""
    counts = sorted({n for answer in answers.values() for n in answer["tried_n"]})
    columns = [*(f"n = {n:,}" for n in counts), "debiased", "above shuffled"]
    cells = {claim: _cells(answer, counts) for claim, answer in answers.items()}
    half = -(-len(cells) // 2)
    with style("ticks"):
        figure, axes = panels(1, 2, 0.9 + 0.19 * half, wide=True)
        first, second = sns.color_palette()[:2]
        looks = {
            1: {"marker": "o", "color": first, "markeredgewidth": 0, "label": "holds"},
            0: {"marker": "X", "color": second, "markeredgewidth": 0, "label": "does not"},
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
        "hold with debiased CKA": {claim: answer["holds_debiased"] for claim, answer in holding.items()},
        "rest on similarities that all exceed the 99.9th percentile of shuffled examples": {
            claim: answer["exceeds_shuffles"] for claim, answer in holding.items()
        },
        "hold on the fewest examples already, and on all more": {
            claim: int(answer["smallest_n"] == answer["tried_n"][0]) if len(answer["tried_n"]) > 1 else None
            for claim, answer in holding.items()
        },
    }
    lines = []
    for question, outcomes in questions.items():
        failing = [claim for claim, outcome in outcomes.items() if outcome == 0]
        known = sum(outcome is not None for outcome in outcomes.values())
        names = [link(find_claim(claim)) for claim in failing]
        but = f" (all but {', '.join(names)})" if failing else ""
        lines.append(f"- **{known - len(failing)} of {known}** {question}{but}")
    first = f"Of {len(answers)} claims {len(holding)} hold with biased CKA on the most examples. Of those"
    return "\n".join([f"{first}, where it was measured,", "", *lines])


def show_answers(answers: Answers, shuffled: Sequence[Mapping[str, Any]]) -> None:
    """Show for some claims whether they survive debiasing and shuffles, and from how many examples on they hold.

    Parameters
    ----------
    answers
        What the functions of :mod:`repsim.lab.findings.robustness` return.
    shuffled
        The records of the shuffles that they were given.
    """
    rows = []
    for claim, answer in answers.items():
        above, least = answer["share_above_shuffles"], answer["smallest_n"]
        rows.append(
            {
                "claim": link(find_claim(claim)),
                "biased": WORDS[answer["holds_at"][-1]],
                "debiased": WORDS[answer["holds_debiased"]],
                "above": DASH if above is None else f"{100 * above:.1f}\N{NO-BREAK SPACE}%",
                "least": f"{least:,}{' (nothing else tried)' * (len(answer['tried_n']) == 1)}" if least else DASH,
            }
        )
    columns = {
        "claim": "claim",
        "biased": "holds",
        "debiased": "holds with debiased CKA",
        "above": "similarities above shuffled examples",
        "least": "holds from so many examples on",
    }
    show_claims(rows, columns)
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
