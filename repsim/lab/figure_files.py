"""The figures that executed notebooks show, and their files beside the pages."""

from __future__ import annotations

import base64
import csv
import html
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from repsim.lab.execution import STAMP, read_notebook

FIGURE = re.compile(r'<figure id="([^"]+)".*?(?:<figcaption>(.*?)</figcaption>)?</figure>', re.DOTALL)
DRAWING = re.compile(r'<img src="data:image/svg\+xml,([^"]*)"')


@dataclass(frozen=True)
class Figure:
    """A figure in an executed notebook.

    `svg` is its drawing and `pdf` the same for print, in base 64; empty where there is none. It has either the `data`
    that it was drawn from, by columns, or as its `source` the folders of the results.
    """

    name: str
    caption: str
    svg: str
    pdf: str
    data: Mapping[str, Any] | None
    source: Sequence[str]

    @property
    def can_name_files(self) -> bool:
        """Whether files may bear its name; a notebook from elsewhere may not choose their folder."""
        return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.name))

    def table(self) -> bytes:
        """Return the data that came with the figure as CSV."""
        assert self.data is not None
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.data, *zip(*self.data.values(), strict=True)])
        return text.getvalue().encode()


def figures_in(cell: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield the figures among the outputs of a cell, in order."""
    for output in cell.get("outputs", []):
        bundle = output.get("data", {})
        if shown := FIGURE.search("".join(bundle.get("text/html", ""))):
            about = output.get("metadata", {}).get(STAMP, {})
            drawing = DRAWING.search(shown[0])
            yield Figure(
                name=html.unescape(shown[1]),
                caption=html.unescape(re.sub(r"</?strong>", "", shown[2] or shown[1])),
                svg=unquote(drawing[1]) if drawing else "",
                pdf="".join(bundle.get("application/pdf", "")),
                data=about.get("data"),
                source=about.get("source", ()),
            )


def figures_of(executed: Path) -> Iterator[Figure]:
    """Yield the figures of an executed notebook, in order."""
    for cell in read_notebook(executed)["cells"]:
        yield from figures_in(cell)


def with_files(
    cells: Sequence[Mapping[str, Any]], folder: Path, data: Mapping[str, str]
) -> Iterator[Mapping[str, Any]]:
    """Yield the cells of an executed notebook, after each with figures a line of links to their files.

    Parameters
    ----------
    cells
        In order.
    folder
        ``figures`` within the folder of the book's pages, where the files are written.
    data
        Name of a figure -> anchor of the data that it was drawn from.
    """
    for cell in cells:
        yield cell
        lines = [_files(figure, folder, data) for figure in figures_in(cell) if figure.svg and figure.can_name_files]
        if lines:
            source = "\n\n".join(f":::{{container}} figure-files\n{line}\n:::" for line in lines)
            yield {"cell_type": "markdown", "id": f"{cell['id']}-files", "metadata": {}, "source": source}


def _files(figure: Figure, folder: Path, data: Mapping[str, str]) -> str:
    """Write the files of a figure, and return the line that leads to them."""
    name, links = figure.name, []
    folder.mkdir(parents=True, exist_ok=True)
    for suffix, content in (("svg", figure.svg.encode()), ("pdf", base64.b64decode(figure.pdf))):
        if content:
            (folder / f"{name}.{suffix}").write_bytes(content)
            links.append(f"[{suffix.upper()}](../book/{folder.name}/{name}.{suffix})")
    where = f"#{data[name]}" if name in data else "../book/data.md"
    return " · ".join([*links, f"[Data]({where})"])
