"""Showing drawings and tables in a notebook so that they reach the book's pages with their descriptions."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
from IPython.display import Markdown, display

from repsim.lab.execution import STAMP
from repsim.lab.figures.style import SETTINGS, Drawing
from repsim.lab.predicates import is_number
from repsim.lab.store import Artefact
from repsim.lab.wording import DASH, NO_BREAK, signed, table

# What may stand in a data address between quotation marks; a hash, a percent sign and angle brackets may not.
_PLAIN = " !$'()*+,-./:;=?@[]_|~{}\n"


def svg(drawing: Drawing) -> str:
    """Return a drawing as SVG: the same drawing gives the same bytes on every day."""
    buffer = io.StringIO()
    with mpl.rc_context(SETTINGS):
        drawing.figure.savefig(buffer, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def pdf(drawing: Drawing) -> bytes:
    """Return a drawing as PDF, the same bytes on every day."""
    buffer = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        undated = {"CreationDate": None, "Creator": None, "Producer": None}
        drawing.figure.savefig(buffer, format="pdf", dpi=150, metadata=undated)
    return buffer.getvalue()


def numbered(name: str) -> str:
    """Return which figure of the paper has the anchor, ``figure-f3`` for Figure F.3; others are ours."""
    found = re.fullmatch(r"(figure|table)-([a-z]?)(\d+)", name)
    if not found:
        return "Ours, not in the paper."
    kind, appendix, place = found.groups()
    return f"{kind.capitalize()} {f'{appendix.upper()}.' if appendix else ''}{place} of the paper."


def figure_html(drawing: Drawing, name: str, caption: str = "", number: str = "") -> str:
    """Return a drawing as a figure of a page, in one line, with its description as alternative text."""
    image, alt = svg(drawing), html.escape(drawing.alt, quote=True)
    # Letters are paths: the browser may enlarge the image on a wide screen and shrink it on a narrow one.
    size = f"display:block;margin:0 auto;width:100%;max-width:{150 * drawing.figure.get_figwidth():.0f}px;height:auto"
    bold = f"<strong>{html.escape(number)}</strong> " if number else ""
    below = f"<figcaption>{bold}{html.escape(caption)}</figcaption>" if caption else ""
    source = "data:image/svg+xml," + quote(image, safe=_PLAIN).replace("\n", "%0A")
    picture = f'<img src="{source}" alt="{alt}" style="{size}">'
    return f'<figure id="{html.escape(name)}" style="margin:0">{picture}{below}</figure>'


Columns = Mapping[str, Sequence[float]]


def show(drawing: Drawing, *, name: str, source: Artefact | Sequence[Artefact] | Columns, caption: str) -> None:
    """Display a drawing as an image with its description as alternative text, and keep it as PDF for a download.

    Parameters
    ----------
    drawing
        What one of this package's functions returned.
    name
        Anchor of the figure on its page, such as ``figure-f3`` for the paper's Figure F.3: its number follows from it.
    source
        What it was drawn from: artefacts of the results, or, where none holds it, the columns for a download.
    caption
        What it shows, below it, after its number and before how it differs from the paper's.
    """
    about: dict[str, Any]
    if isinstance(source, Mapping):
        about = {"data": {key: [float(value) for value in values] for key, values in source.items()}}
    else:
        artefacts = source if isinstance(source, Sequence) else [source]
        about = {"source": sorted({artefact.path.parent.name for artefact in artefacts})}
    text = figure_html(drawing, name, f"{caption} {drawing.note}".strip(), numbered(name))
    printed = base64.b64encode(pdf(drawing)).decode()
    kinds = {"text/html": text, "application/pdf": printed, "text/plain": drawing.alt}
    display(kinds, raw=True, metadata={STAMP: about})


def show_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, tuple[str, Callable[[Any], str]]],
    *,
    caption: str = "",
    about: Mapping[str, Any] | None = None,
) -> None:
    """Display rows as a table that can be scrolled sideways on a narrow screen.

    Parameters
    ----------
    rows
        Mappings; a row whose "bold" is true is set in bold.
    columns
        Key in the rows -> heading, and how to write a value. None is written as a dash.
    caption
        A line above it.
    about
        What the executed notebook keeps beside it, for a later step of the chain.
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
    display({"text/html": text, "text/plain": plain}, raw=True, metadata={STAMP: about} if about else {})


def _cell(value: Any, write: Callable[[Any], str]) -> str:
    if value is None:
        return DASH
    return re.sub(r"(?<=\d)%", f"{NO_BREAK}%", signed(write(value))) if is_number(value) else write(value)


def show_claims(
    rows: Sequence[Mapping[str, str]], columns: Mapping[str, str], about: Mapping[str, Any] | None = None
) -> None:
    """Display rows as a table whose cells may hold links to claims.

    Parameters
    ----------
    rows
        Cells of Markdown.
    columns
        Key in the rows -> heading.
    about
        What the executed notebook keeps beside it, for a later step of the chain.
    """
    text = table(list(columns.values()), [[row[key] for key in columns] for row in rows])
    display({"text/markdown": text, "text/plain": text}, raw=True, metadata={STAMP: about} if about else {})


def say(text: str) -> None:
    """Display a sentence with numbers in it as Markdown."""
    display(Markdown(text))
