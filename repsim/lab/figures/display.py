"""Showing drawings and tables in a notebook so that they reach the book's pages with their descriptions."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
from IPython.display import Markdown, display

from repsim.lab.execution import STAMP
from repsim.lab.figures.style import SETTINGS, Drawing
from repsim.lab.store import Artefact

# What may stand in a data address between quotation marks; a hash, a percent sign and angle brackets may not.
_PLAIN = " !$'()*+,-./:;=?@[]_|~{}\n"


def svg(drawing: Drawing) -> str:
    """Return a drawing as SVG: the same drawing gives the same bytes on every day."""
    buffer = io.StringIO()
    with mpl.rc_context(SETTINGS):
        drawing.figure.savefig(buffer, format="svg", dpi=150, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def figure_html(drawing: Drawing, name: str, caption: str = "") -> str:
    """Return a drawing as a figure of a page, in one line, with its description as alternative text."""
    image, alt = svg(drawing), html.escape(drawing.alt, quote=True)
    # Letters are paths: the browser may enlarge the image on a wide screen and shrink it on a narrow one.
    size = f"display:block;margin:0 auto;width:100%;max-width:{150 * drawing.figure.get_figwidth():.0f}px;height:auto"
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    source = "data:image/svg+xml," + quote(image, safe=_PLAIN).replace("\n", "%0A")
    picture = f'<img src="{source}" alt="{alt}" style="{size}">'
    return f'<figure id="{html.escape(name)}" style="margin:0">{picture}{below}</figure>'


Columns = Mapping[str, Sequence[float]]


def show(drawing: Drawing, *, name: str, source: Artefact | Sequence[Artefact] | Columns, caption: str = "") -> None:
    """Display a drawing as an image with its description as alternative text.

    Parameters
    ----------
    drawing
        What one of this package's functions returned.
    name
        Anchor of the figure on its page.
    source
        What it was drawn from: artefacts of the results, or, where none holds it, the columns for a download.
    caption
        A line below it.
    """
    about: dict[str, Any]
    if isinstance(source, Mapping):
        about = {"data": {key: [float(value) for value in values] for key, values in source.items()}}
    else:
        artefacts = source if isinstance(source, Sequence) else [source]
        about = {"source": sorted({artefact.path.parent.name for artefact in artefacts})}
    text = figure_html(drawing, name, caption)
    display({"text/html": text, "text/plain": drawing.alt}, raw=True, metadata={STAMP: about})


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
        cells = ["–" if row.get(key) is None else html.escape(write(row[key])) for key, (_, write) in columns.items()]
        if row.get("bold"):
            cells = [f"<strong>{cell}</strong>" for cell in cells]
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    above = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    table = f'<table class="table">{above}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    plain = "\n".join(", ".join(f"{heading}: {row.get(key)}" for key, (heading, _) in columns.items()) for row in rows)
    text = f'<div style="overflow-x:auto" tabindex="0" role="region" aria-label="table">{table}</div>'
    display({"text/html": text, "text/plain": plain}, raw=True, metadata={STAMP: about} if about else {})


def say(text: str) -> None:
    """Display a sentence with numbers in it as Markdown."""
    display(Markdown(text))
