"""The files of each figure beside the pages: its drawing as SVG and PDF, and a line below it that leads to them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

FIGURE = re.compile(r'<figure id="([A-Za-z0-9][\w.-]*)".*?<img src="data:image/svg\+xml,([^"]*)"', re.DOTALL)


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
        lines = [_files(output["data"], folder, data) for output in cell.get("outputs", []) if "data" in output]
        if shown := [line for line in lines if line]:
            source = "\n\n".join(f":::{{container}} figure-files\n{line}\n:::" for line in shown)
            yield {"cell_type": "markdown", "id": f"{cell['id']}-files", "metadata": {}, "source": source}


def _files(kinds: Mapping[str, Any], folder: Path, data: Mapping[str, str]) -> str:
    """Write the files of an output that is a figure, and return the line that leads to them, else nothing."""
    found = FIGURE.search("".join(kinds.get("text/html", "")))
    if not found:
        return ""
    name, image = found.groups()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.svg").write_text(unquote(image), encoding="utf-8")
    links = [f"[SVG](../book/{folder.name}/{name}.svg)"]
    if printed := "".join(kinds.get("application/pdf", "")):
        (folder / f"{name}.pdf").write_bytes(base64.b64decode(printed))
        links.append(f"[PDF](../book/{folder.name}/{name}.pdf)")
    where = f"#{data[name]}" if name in data else "../book/data.md"
    return " · ".join([*links, f"[Data]({where})"])
