"""Claims and their verdicts as Markdown: the README's table, the book's first table and its page of claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from repsim.lab.claims import (
    NOT_MEASURED,
    NOT_REPRODUCED,
    PARTLY,
    REPRODUCED,
    VERDICTS,
    Claim,
    Measurement,
    count,
    judge,
    load_claims,
    measurement,
)
from repsim.lab.predicates import is_number, readable

SIGNS = {REPRODUCED: "✓", PARTLY: "◐", NOT_REPRODUCED: "✗", NOT_MEASURED: "○"}
Judged = tuple[Claim, Measurement | None, str]


def number(value: Any) -> str:
    """Write a measured value to three digits or so, a missing one as a dash."""
    if isinstance(value, list):
        return ", ".join(map(number, value))
    if not is_number(value):
        return "–"
    if isinstance(value, int) or value == 0:
        return f"{value:g}"
    return f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.4g}" if abs(value) >= 1 else f"{value:.3f}"


def label(claim: Claim) -> str:
    """Return the anchor of a claim on the page of claims."""
    return f"claim-{claim.id.lower().replace('.', '-')}"


def marked(verdict: str) -> str:
    """Return a verdict with its sign."""
    return f"{SIGNS[verdict]} {verdict}"


def _unbroken(verdict: str) -> str:
    return marked(verdict).replace(" ", "\N{NO-BREAK SPACE}")


def judged(profile: str, path: Path | None = None) -> list[Judged]:
    """Return every claim, of the book or of another file, with what was measured for it and its verdict."""
    found = [(claim, measurement(profile, claim.id)) for claim in load_claims(path).values()]
    return [(claim, measured, judge(claim, measured)) for claim, measured in found]


def by_section(profile: str) -> Iterator[tuple[str, list[Judged]]]:
    """Yield the claims of each section, in the order of the file."""
    for section, group in groupby(judged(profile), key=lambda one: one[0].section):
        yield section, list(group)


def sections_table(profile: str) -> str:
    """Return the summary and a table of how many claims of each section have which verdict."""
    lines = [f"**{count(verdict for _, _, verdict in judged(profile))}** (profile `{profile}`).", ""]
    lines += ["| | " + " | ".join(VERDICTS) + " |", "| --- | " + " | ".join("---:" for _ in VERDICTS) + " |"]
    for section, group in by_section(profile):
        counts = [sum(verdict == one for _, _, verdict in group) for one in VERDICTS]
        lines.append(f"| {section} | " + " | ".join(str(number or "") for number in counts) + " |")
    return "\n".join(lines)


def first_table(profile: str) -> str:
    """Return the summary and, section by section, a table of the claims: the paper's finding, ours, the verdict."""
    parts = [f"**{count(verdict for _, _, verdict in judged(profile))}**, with the networks of profile `{profile}`."]
    for section, group in by_section(profile):
        rows = [
            f"| [{claim.id}](#{label(claim)}) | {claim.statement} | {headline(claim, found)} | {_unbroken(verdict)} |"
            for claim, found, verdict in group
        ]
        head = ["| claim | the paper | here | verdict |", "| --- | --- | --- | --- |"]
        parts.append("\n".join([f"## {section}", "", *head, *rows]))
    return "\n\n".join(parts)


def headline(claim: Claim, found: Measurement | None) -> str:
    """Return what was measured of the quantities that decide, the first with its spread over networks."""
    if found is None:
        return "–"
    errors = {getattr(claim.predicate, "error", None)}
    names = [name for name in claim.predicate.quantities() if name not in errors]
    values = [number(found.values.get(name)) for name in names]
    if found.spread is not None:
        values[0] += f" ± {number(found.spread)}"
    if len(names) == 1 and claim.paper is not None:
        return values[0]
    return ", ".join(f"{readable(name)} {value}" for name, value in zip(names, values, strict=True))


def claims_page(profile: str, link: Callable[[str], str]) -> str:
    """Return every claim in full: place, predicate, tolerance, measurement, verdict.

    Parameters
    ----------
    profile
        Whose results decide.
    link
        From the stem of a notebook to Markdown that links to its page.
    """
    parts = [f"**{count(verdict for _, _, verdict in judged(profile))}**, with the networks of profile `{profile}`."]
    for section, group in by_section(profile):
        parts.append(f"## {section}")
        parts += [_in_full(claim, found, verdict, link) for claim, found, verdict in group]
    return "\n\n".join(parts)


def claims_table(profiles: Sequence[str], links: Callable[[str, Claim], Sequence[str]]) -> str:
    """Return a table of all claims with links to what each rests on.

    Parameters
    ----------
    profiles
        Whose results decide: of the first every claim is shown, of the others those that they measured.
    links
        From a profile and a claim to Markdown links.
    """
    lines = ["| claim | verdict | the paper | here | evidence | section | profile |", "| --- " * 7 + "|"]
    for both in zip(*(judged(profile) for profile in profiles), strict=True):
        for profile, (claim, found, verdict) in zip(profiles, both, strict=True):
            if found is not None or profile == profiles[0]:
                cells = (_unbroken(verdict), claim.statement, headline(claim, found), ", ".join(links(profile, claim)))
                row = " | ".join([f"[{claim.id}](#{label(claim)})", *cells, claim.section, profile])
                lines.append(f"| {row} |")
    return "\n".join(lines)


def _in_full(claim: Claim, found: Measurement | None, verdict: str, link: Callable[[str], str]) -> str:
    paper = f", {claim.paper:g}" if claim.paper is not None else ""
    lines = [
        f"({label(claim)})=",
        f"### {claim.id}: {verdict}",
        "",
        claim.statement,
        "",
        f"- The paper: {claim.place}{paper}.",
        f"- Reproduced if: {claim.predicate.describe(claim.paper)}.",
    ]
    if claim.partly:
        lines.append(f"- Partly if: {claim.partly.describe(claim.paper)}.")
    if claim.needs:
        needs = ", ".join(f"{readable(name)} ≥ {least:g}" for name, least in claim.needs.items())
        lines.append(f"- Counts as measured only with: {needs}.")
    lines.append(f"- Why this threshold: {claim.tolerance}")
    if found is None:
        where = f"; {link(claim.notebook)} measures it" if claim.notebook else ""
        lines.append(f"- Measured: nothing yet{where}.")
    else:
        values = "; ".join(f"{readable(name)} {number(value)}" for name, value in found.values.items())
        examples = f" on {found.n:,} examples" if found.n is not None else ""
        where = f", in {link(claim.notebook)}" if claim.notebook else ""
        lines.append(f"- Measured{examples}: {values}{where}.")
    lines.append(f"- Verdict: **{marked(verdict)}**.")
    return "\n".join(lines)
