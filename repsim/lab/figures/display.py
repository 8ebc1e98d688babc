"""What a notebook shows so that it reaches the book's pages: drawings with their descriptions, tables, sentences."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
from IPython.display import Markdown, display

from repsim.lab.data import title_of
from repsim.lab.execution import STAMP
from repsim.lab.figures.style import SETTINGS, WIDTH, Drawing, network
from repsim.lab.findings.theory import BOTH, claimed_invariances
from repsim.lab.findings.training import cost
from repsim.lab.predicates import is_number
from repsim.lab.store import Artefact
from repsim.lab.wording import DASH, NO_BREAK, Words, listed, signed, table, unbroken

# What may stand in a data address between quotation marks; a hash, a percent sign and angle brackets may not.
_PLAIN = " !$'()*+,-./:;=?@[]_|~{}\n"


def svg(drawing: Drawing) -> str:
    """Return a drawing as SVG: the same drawing gives the same bytes on every day."""
    return _saved(drawing, "svg", "Date", "Creator").decode()


def pdf(drawing: Drawing) -> bytes:
    """Return a drawing as PDF, the same bytes on every day."""
    return _saved(drawing, "pdf", "CreationDate", "Creator", "Producer")


def _saved(drawing: Drawing, file_format: str, *left_out: str) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        drawing.figure.savefig(buffer, format=file_format, dpi=150, metadata=dict.fromkeys(left_out))
    return buffer.getvalue()


def numbered(name: str) -> str:
    """Return which figure of the paper has the anchor, ``figure-f3`` for Figure F.3; others are ours."""
    match = re.fullmatch(r"(figure|table)-([a-z]?)(\d+)", name)
    if not match:
        return "Ours, not in the paper."
    label, appendix, place = match.groups()
    return f"{label.capitalize()} {f'{appendix.upper()}.' if appendix else ''}{place} of the paper."


def figure_html(drawing: Drawing, name: str, caption: str, number: str = "", image: str = "") -> str:
    """Return a drawing, or its `image` as SVG, as a figure of a page, with its description as alternative text."""
    image, alt = image or svg(drawing), html.escape(drawing.alt, quote=True)
    # Letters are paths: the browser may enlarge the image on a wide screen and shrink it on a narrow one.
    size = f"display:block;margin:0 auto;width:100%;max-width:{150 * drawing.figure.get_figwidth():.0f}px;height:auto"
    bold = f"<strong>{html.escape(number)}</strong> " if number else ""
    below = f"<figcaption>{bold}{html.escape(unbroken(caption))}</figcaption>"
    source = "data:image/svg+xml," + quote(image, safe=_PLAIN).replace("\n", "%0A")
    picture = f'<img src="{source}" alt="{alt}" style="{size}">'
    # A wide one scrolls where it would be too small.
    wide = ' class="wide" tabindex="0"' if drawing.figure.get_figwidth() > WIDTH else ""
    return f'<figure id="{html.escape(name)}"{wide} style="margin:0">{picture}{below}</figure>'


Columns = Mapping[str, Sequence[float]]


def show(drawing: Drawing, *, name: str, source: Artefact | Sequence[Artefact] | Columns, caption: str) -> None:
    """Display a drawing as an image with its description as alternative text, and keep it as PDF for a download.

    Its number follows from its name, the anchor on its page: ``figure-f3``. `source` is what it was drawn from:
    artefacts of the results, or, where none holds it, the columns for a download.
    """
    image, number, text = svg(drawing), numbered(name), f"{caption} {drawing.note}".strip()
    figure: dict[str, Any] = {"name": name, "caption": f"{number} {unbroken(text)}"}
    if isinstance(source, Mapping):
        figure["data"] = {key: [float(value) for value in values] for key, values in source.items()}
    else:
        artefacts = source if isinstance(source, Sequence) else [source]
        figure["source"] = sorted({artefact.path.parent.name for artefact in artefacts})
    bundle = {
        "text/html": figure_html(drawing, name, text, number, image),
        "image/svg+xml": image,
        "application/pdf": base64.b64encode(pdf(drawing)).decode(),
        "text/plain": drawing.alt,
    }
    _display(bundle, {"figure": figure})


def show_table(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, Callable[[Any], str]]], *, caption: str = ""
) -> None:
    """Display rows as a table that can be scrolled sideways on a narrow screen; one whose "bold" is true in bold.

    `columns` has for a key in the rows the heading, and how to write a value. None is written as a dash.
    """
    head = "".join(f'<th scope="col">{html.escape(heading)}</th>' for heading, _ in columns.values())
    body = []
    for row in rows:
        cells = [html.escape(_cell(row.get(key), write)) for key, (_, write) in columns.items()]
        if row.get("bold"):
            cells = [f"<strong>{cell}</strong>" for cell in cells]
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    whole = f'<table class="table">{above}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    plain = "\n".join(", ".join(f"{heading}: {row.get(key)}" for key, (heading, _) in columns.items()) for row in rows)
    text = f'<div style="overflow-x:auto" tabindex="0" role="region" aria-label="table">{whole}</div>'
    _display({"text/html": text, "text/plain": plain})


def _cell(value: Any, write: Callable[[Any], str]) -> str:
    if value is None:
        return DASH
    return re.sub(r"(?<=\d)%", f"{NO_BREAK}%", signed(write(value))) if is_number(value) else write(value)


def show_claims(heads: Sequence[str], rows: Sequence[Sequence[str]], about: Mapping[str, Any] | None = None) -> None:
    """Display a table whose cells are Markdown; the executed notebook keeps `about` beside it for a later step."""
    text = table(heads, rows)
    _display({"text/markdown": text, "text/plain": text}, about)


def _display(bundle: dict[str, str], about: Mapping[str, Any] | None = None) -> None:
    display(bundle, raw=True, metadata={STAMP: about} if about else {})


def say(text: str) -> None:
    """Display a sentence with numbers in it as Markdown."""
    display(Markdown(unbroken(text)))


def duration(hours: float) -> str:
    """Write hours in the unit that suits them."""
    if hours >= 1:
        return f"{hours:.1f} hours"
    return f"{60 * hours:.0f} minutes" if hours >= 1 / 30 else f"{max(1, 3600 * hours):.0f} s"


def cost_sentence(profile: str, records: Sequence[Mapping[str, Any]], what: str) -> str:
    """Return Markdown that says what `records` (of one kind of artefact, called `what`) cost, and on which machines."""
    costs = cost(records)
    machine = costs["machine"]
    versions = machine.get("versions", {})
    named = ", ".join(
        f"{name} {versions[name]}" for name in ("numpy", "keras", "tensorflow", "jax") if name in versions
    )
    system, cores, python = (machine.get(key, "?") for key in ("system", "processors", "python"))
    named = f"Python {python}, {named}" if named else "versions differ, and each record has its own"
    cores = f"{cores} processor core{'s' * (cores != 1)}"
    before = ""
    if broken := costs["resumed"]:
        were, each = ("was", "it") if broken == 1 else ("were", "each")
        before = f" ({broken} of {len(records)} runs {were} interrupted: only the last part of {each} is counted)"
    runs = {f"with {name}": count for name, count in costs["elsewhere"].items()}
    if here := len(records) - sum(runs.values()):
        runs[f"with {cores}"] = here
    where = listed([f"{count} {device}" for device, count in runs.items()] if len(runs) > 1 else list(runs))
    sentence = (
        f"{what[0].upper() + what[1:]} took **{duration(costs['hours'])}**{before} and at most "
        f"{costs['mebibytes'] / 1024:.1f} GiB of "
        f"memory on {system}, {where} ({named}); the last was finished on {costs['last'][:10]}."
    )
    if profile == "smoke":
        sentence += "\n\n**This is the smoke profile: it only shows that the chain works. Its numbers mean nothing.**"
    return sentence


def p_value(p: float) -> str:
    """Write a p-value for a table; NaN, of too few networks or an index with itself, as a dash."""
    return Words().format("{p:p}", p=p).removeprefix("= ")


def sample(*records: Mapping[str, Any]) -> str:
    """Say which networks and how many examples some records of measurements of groups are about."""
    counts = {
        side["group"]: len(side["seeds"])
        for record in records
        for side in (*record.get("rows", [record]), *record.get("columns", []))
    }
    named = listed([f"{count}{NO_BREAK}×{NO_BREAK}{network(group)}" for group, count in counts.items()])
    first = records[0]
    examples = np.max(first["examples"])
    images = {"train": "training", "test": "test"}[first.get("split", "test")]
    return f"{named}; {examples:,} {images} images of {title_of(first['dataset'])}"


def unchanged_by(index: str) -> str:
    """Say which transformations of the features leave an index unchanged, as Table 1 claims."""
    names = {"invertible": "invertible maps", "orthogonal": "rotations", "scaling": "a common factor"}
    names["same subspace"] = "invertible maps that keep the subspace"
    transformations = [
        names[transformation] + ("" if arguments == BOTH else " of the predicting side")
        for transformation, arguments in claimed_invariances(index).items()
        if arguments
    ]
    return ", ".join(transformations) or "nothing"
