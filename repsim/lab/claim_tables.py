"""Claims and their verdicts as Markdown: the README's summary, the book's first page and its page of claims."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from repsim.lab.claims import (
    NOT_DETERMINED,
    NOT_MEASURED,
    NOT_REPRODUCED,
    PARTLY,
    REPRODUCED,
    VERDICTS,
    Claim,
    Judged,
    Measurement,
    judged,
    load_claims,
    measurement_path,
    near,
    undetermined,
)
from repsim.lab.findings import measuring
from repsim.lab.predicates import ClaimError, Predicate, Reported
from repsim.lab.profiles import load_profile
from repsim.lab.repository import first_commits
from repsim.lab.store import write_atomically
from repsim.lab.wording import DASH, NO_BREAK, distance, measured_sentence, robustness, signed, table, unbroken

BEGIN, END = "<!-- claims:begin -->", "<!-- claims:end -->"  # in the README
SIGNS = dict(zip(VERDICTS, "✓◐✗?◌○·", strict=True))
DECIDED = (REPRODUCED, PARTLY, NOT_REPRODUCED)
PAPER_SIZE, NARROWER, MATHEMATICS, OURS = KINDS = ("paper’s size", "narrower here", "mathematics", "ours")
COLUMNS = ("at the paper’s size", "narrower networks", "mathe\N{SOFT HYPHEN}matics", "ours")  # of the scorecard
CAPTION = (
    "Table 2: in the paper and here CKA identifies most layers, linear HSIC few. Hollow: the images here are too few "
    "for a verdict."
)
NAME = r"\b[A-Z]{1,2}\.?\d+[a-z]*\b"
AGAIN = "n"  # ends the name of a claim that asks the same with as many images as the paper
IDENTIFIED = tuple(f"S{place}" for place in range(1, 12))  # the columns of Table 2


def counted_as(claim: Claim, profile: str) -> str:
    """Return what a claim counts as: of the paper's size where all networks that it is about are as the paper's."""
    if claim.ours:
        return OURS
    declared = measuring(claim.id)
    if declared and not declared.networks:
        return MATHEMATICS
    return PAPER_SIZE if declared and _of_papers_size(profile).issuperset(declared.networks) else NARROWER


@cache
def _of_papers_size(profile: str) -> set[str]:
    """Return the groups whose networks are as wide and as deep as the paper's of that name."""
    read = load_profile(profile)
    groups, transformers = read.networks, read.transformers
    own = {"transformers"} if transformers and transformers.paper_size else set()
    return own | {group.name for group in groups if not group.channels and group.name.startswith(group.architecture)}


def label(claim: Claim) -> str:
    """Return the anchor of a claim on the page of claims."""
    return f"claim-{claim.id.lower().replace('.', '-')}"


def link(claim: Claim) -> str:
    """Return Markdown that leads from a claim's name to its entry."""
    return f"[{claim.id}](#{label(claim)})"


def marked(verdict: str) -> str:
    """Return a verdict with its sign."""
    return f"{SIGNS[verdict]} {verdict}"


def _unbroken(verdict: str) -> str:
    return marked(verdict).replace(" ", NO_BREAK)


def counts(profile: str) -> dict[str, Counter[str]]:
    """Return for each of `KINDS` how many claims have which verdict."""
    verdicts: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    for claim, _, verdict in judged(profile):
        verdicts[counted_as(claim, profile)][verdict] += 1
    return verdicts


def summary(profile: str) -> str:
    """Return the verdicts of a profile in one line, that of the experiments at the paper's size first."""
    clauses = []
    for name, count in counts(profile).items():
        shown = [f"{count[verdict]} {verdict}" for verdict in VERDICTS if count[verdict]]
        clauses.append(f"{name}: {', '.join(shown) or 'none'}")
    return f"{'; '.join(clauses)} (profile {profile})"


def leading_count(profile: str) -> str:
    """Return the count that leads, in a sentence."""
    lead, known = counts(profile)[PAPER_SIZE], load_claims()
    repeats = Counter(
        verdict
        for claim, _, verdict in judged(profile)
        if claim.id.endswith(AGAIN) and claim.id[: -len(AGAIN)] in known
    )
    partly = f", {lead[PARTLY]} in part" if lead[PARTLY] else ""
    again = repeats[REPRODUCED], repeats[NOT_MEASURED]
    more = (
        f" {again[0]} of the reproduced and {again[1]} of the unmeasured repeat others on as many images as the paper."
    )
    return (
        f"Of **{sum(lead[verdict] for verdict in DECIDED)}** experiments at the paper’s size that determine a verdict, "
        f"**{lead[REPRODUCED]}** reproduce what the paper says{partly}, and {lead[NOT_REPRODUCED]} do not. "
        f"For {lead[NOT_DETERMINED]} more the images are too few for a verdict, and {lead[NOT_MEASURED]} are not "
        f"measured yet.{more if any(again) else ''}"
    )


def scorecard(profile: str) -> str:
    """Return a table of how many claims of each kind have which verdict, narrow enough for a telephone."""
    columns = counts(profile).values()
    lines = [f"| | {' | '.join(COLUMNS)} |", f"| --- |{' ---: |' * len(COLUMNS)}"]
    for verdict in VERDICTS:
        row = [str(column[verdict] or "") for column in columns]
        lines.append(f"| {marked(verdict)} | {' | '.join(row)} |")
    return "\n".join(lines)


def first_page(profile: str) -> str:
    """Return the generated part of the first page: the answer, a picture, the scorecard, what failed, what is near."""
    from repsim.lab.figures.display import figure_html
    from repsim.lab.figures.verdicts import identified

    every = judged(profile)
    answers: dict[str, list[Judged]] = {}
    for entry in every:
        if entry.claim.answers:
            answers.setdefault(entry.claim.answers, []).append(entry)
    for claims in answers.values():
        claims.sort(key=lambda entry: entry.verdict not in DECIDED)
    says = [f"- **{text}** {' '.join(map(_answer, claims))}" for text, claims in answers.items()]
    failed = [entry for entry in every if entry.verdict in DECIDED[1:]]
    close = [claim for claim, measured, verdict in every if measured and verdict in DECIDED and near(claim, measured)]
    blocks = [leading_count(profile), "\n".join(says)]
    if any(claim.id in IDENTIFIED for claim, measured, _ in every if measured):
        blocks.append(figure_html(identified(every), "layers-identified", CAPTION))
    blocks += ["## The score", scorecard(profile)]
    if failed:
        blocks += ["## What failed, and why", "\n".join(_failure(entry, profile) for entry in failed)]
    if close:
        blocks.append(f"Near their thresholds, on either side of them: {', '.join(map(link, close))}.")
    return unbroken("\n\n".join(blocks))


def linked(text: str, profile: str) -> str:
    """Return a text whose names of claims are links; those that a profile has not measured are said to be so."""
    known = load_claims()

    def to_entry(match: re.Match[str]) -> str:
        name = match[0]
        missing = name in known and not measurement_path(profile, name).exists()
        return f"{link(known[name]) if name in known else name}{' (not measured yet)' * missing}"

    return re.sub(NAME, to_entry, text)


def _answer(entry: Judged) -> str:
    """Return a claim of the first page, its verdict first, and for an experiment what was measured."""
    claim, measured, verdict = entry
    here = ""
    if measured and (declared := measuring(claim.id)) and declared.networks:
        close = f" ({distance(claim, measured)})" if near(claim, measured) else ""
        doubt = f" ({why})" if (why := undetermined(measured.values)) else close
        here = f" Here {inner(measured_sentence(claim, measured))}{doubt}."
    return f"{_unbroken(verdict)} ({link(claim)}): {claim.statement}{here}"


def inner(sentence: str) -> str:
    """Return a sentence as it stands within another."""
    start = sentence[0] if sentence[1].isupper() else sentence[0].lower()  # of an abbreviation
    return start + sentence[1:].removesuffix(".")


def _failure(entry: Judged, profile: str) -> str:
    claim, measured, verdict = entry
    why = f" {linked(re.split('(?<=[.]) (?=[A-Z])', claim.why)[0], profile)}" if claim.why else ""
    where = f" [More](../notebooks/{claim.notebook}.ipynb)."
    apart = {NARROWER: " (narrower here)", OURS: " (a claim of ours)"}.get(counted_as(claim, profile), "")
    said = f"{claim.statement} Here: {headline(claim, measured)}"
    return f"- {link(claim)} {_unbroken(verdict)}{apart}: {said}{why}{where}"


def headline(claim: Claim, measured: Measurement | None) -> str:
    """Return what was measured, in words, and how far it is from the threshold."""
    if measured is None:
        return DASH
    how = distance(claim, measured)
    said = measured_sentence(claim, measured)
    return f"{said.removesuffix('.')} ({how})." if how else said


def overview(profile: str) -> str:
    """Return the score and a picture of all experiments by the distance to their thresholds."""
    from repsim.lab.figures.display import figure_html
    from repsim.lab.figures.verdicts import margins

    drawing = margins([entry for entry in judged(profile) if counted_as(entry.claim, profile) != MATHEMATICS])
    caption = (
        "Experiments by the distance to their thresholds, as a share of these; grey: within a tenth. Not drawn are "
        "claims about an order, and those whose distance has no number."
    )
    return "\n\n".join([leading_count(profile), scorecard(profile), figure_html(drawing, "margins", caption)])


def claims_page(profile: str, notebook_link: Callable[[str], str], commit_link: Callable[[str], str]) -> str:
    """Return every claim in full; of a notebook's stem and of a commit there are functions that write the link."""
    at = first_commits("book/claims.yml", r"  - id: (\S+)")
    commits = {name: f", in {commit_link(commit)}" for name, commit in at.items()}
    blocks = []
    for section, group in groupby(judged(profile), key=lambda entry: entry.claim.section):
        blocks.append(f"## {section}")
        blocks += [_in_full(profile, entry, notebook_link, commits.get(entry.claim.id, "")) for entry in group]
    return unbroken("\n\n".join(blocks))


def claims_table(profiles: Sequence[str], links: Callable[[str, Claim], Iterable[str]]) -> str:
    """Return a table of all claims, of the profiles after the first those that were measured, with their `links`."""
    names = ("claim", "verdict", "what is claimed", "here", "evidence", "section", "counted as", "profile")
    rows = []
    for both in zip(*(judged(profile) for profile in profiles), strict=True):
        for profile, (claim, measured, verdict) in zip(profiles, both, strict=True):
            if measured is not None or profile == profiles[0]:
                said = [claim.statement, headline(claim, measured), ", ".join(links(profile, claim)) or DASH]
                about = [claim.section, counted_as(claim, profile), profile]
                rows.append([link(claim), _unbroken(verdict), *said, *about])
    return table(names, rows)


def _in_full(profile: str, entry: Judged, notebook_link: Callable[[str], str], commit: str) -> str:
    claim, measured, verdict = entry
    names = load_claims().names
    paper = f"; its value: {claim.paper:g}" if claim.paper is not None else ""
    where = f", in {notebook_link(claim.notebook)}" if claim.notebook else ""
    lines = [f"({label(claim)})=", f"### {claim.id}: {verdict}", "", claim.statement, ""]
    lines.append(f"- The paper: {claim.place}{paper}. Counted as: {counted_as(claim, profile)}.")
    asked = rule(claim.predicate, claim)
    lines.append(f"- {asked}." if isinstance(claim.predicate, Reported) else f"- Reproduced if: {asked}.")
    if claim.partly:
        lines.append(f"- Partly if: {rule(claim.partly, claim)}.")
    if claim.needs:
        least = {names[name]: f" ≥ {value:,.0f}" if value > 1 else "" for name, value in claim.needs.items()}
        needs = ", ".join(map("".join, least.items()))
        lines.append(f"- Judged only with: {needs}.")
    lines.append(f"- On the threshold: {linked(claim.tolerance, profile)} Fixed on {claim.fixed:%-d %B %Y}{commit}.")
    if measured is None:
        by = f"; {notebook_link(claim.notebook)} measures it" if claim.notebook else ""
        lines.append(f"- Measured: nothing yet{by}.")
    else:
        lines.append(f"- Measured{where}: {headline(claim, measured)}")
        if asked := robustness(measured.values):
            lines.append(f"- {asked}")
    again = f"{claim.id}{AGAIN}"
    if verdict == NOT_DETERMINED and again in load_claims():
        said = f"Withdrawn, for want of images; {again} asks the same with as many as the paper has."
        lines.append(f"- {linked(said, profile)}")
    lines.append(f"- Verdict: **{marked(verdict)}**.{f' {linked(claim.why, profile)}' if claim.why else ''}")
    return "\n".join(lines)


def rule(predicate: Predicate, claim: Claim) -> str:
    """Return a rule in words, its numbers as a reader meets them."""
    text = predicate.describe(load_claims().names, claim.paper)
    return re.sub(r"(?<![\w.])-?\d[\d.]*(?:e[-+]\d+)?", lambda match: signed(match[0]), text)


def write_readme(path: Path, profile: str) -> None:
    """Write the count of verdicts between the two markers of a Markdown file, which has to hold them once each."""
    parts = re.split(f"({BEGIN}|{END})", path.read_text(encoding="utf-8"))
    if parts[1::2] != [BEGIN, END]:
        raise ClaimError(f"{path}: expected the line {BEGIN} and below it {END}, once each")
    parts[2] = f"\n{leading_count(profile)}\n\n{scorecard(profile)}\n"
    write_atomically(path, lambda file: file.write("".join(parts).encode()))
