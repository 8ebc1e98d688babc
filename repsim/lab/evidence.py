"""Where each claim's evidence is: the figure, the notebook's cell, the data, the line of code that measures it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import repsim
from repsim.lab.claims import Claim
from repsim.lab.execution import read_notebook
from repsim.lab.findings import Measuring, measuring
from repsim.lab.paths import REPOSITORY
from repsim.lab.repository import BRANCH, MODIFIED, UNKNOWN, commit, is_public

Function = Callable[..., Any]
FIGURE = re.compile(r'<figure id="([^"]+)"')


def code_link(function: Function, repository: str, text: str) -> str:
    """Return Markdown that leads to a function's first line in the repository, at the commit where that is known.

    Where the repository has no address yet, it says where the line stands.
    """
    at = commit()
    reference = BRANCH if at == UNKNOWN or at.endswith(MODIFIED) else at
    path = Path(inspect.getfile(function)).resolve().relative_to(REPOSITORY).as_posix()
    lines, start = inspect.getsourcelines(function)
    line = start + next(place for place, line in enumerate(lines) if line.startswith("def "))
    if not is_public(repository):
        return f"{text} in `{path.removeprefix('repsim/lab/')}`, line {line}"
    return f"[{text}]({repository}/blob/{reference}/{path}#L{line})"


def cell_label(stem: str, cell: str) -> str:
    """Return the anchor of a code cell of a notebook's page."""
    return f"code-{cell}-of-{stem}"


class Evidence:
    """What the executed notebooks show of each claim.

    Parameters
    ----------
    pages
        Executed notebooks by their stems.
    repository
        Address of the repository.
    data
        Name of a figure -> anchor of its data.
    """

    def __init__(self, pages: Mapping[str, Path], repository: str, data: Mapping[str, str]) -> None:
        self.cells = {stem: list(_code_cells(path)) for stem, path in pages.items()}
        self.repository, self.data = repository, data

    def links(self, claim: Claim) -> list[str]:
        """Return Markdown that links to what there is: figure, cell, data, code, and the package's functions."""
        cells = self.cells.get(claim.notebook, [])
        declared = measuring(claim.id)
        cell = _cell_of(claim, cells, declared)
        figure = _figure_of(claim, cells, cell)
        links = []
        if figure:
            links.append(f"[figure](#{cell_label(claim.notebook, figure[1])})")
        if cell:
            links.append(f"[cell](#{cell_label(claim.notebook, cell)})")
        if figure and figure[0] in self.data:
            links.append(f"[data](#{self.data[figure[0]]})")
        if declared:
            links.append(code_link(declared.function, self.repository, "code"))
            links += map(self._computing, declared.by)
        return links

    def _computing(self, function: Function) -> str:
        """Return a link to a function that computes: of the public ones to their page, of others to the code."""
        name = function.__name__
        if getattr(repsim, name, None) is function:
            return f"{{py:func}}`~repsim.{name}`"
        return code_link(function, self.repository, f"`{name}`")


Cell = tuple[str, str, str]  # identifier, source, what it shows


def _code_cells(path: Path) -> Iterator[Cell]:
    for cell in read_notebook(path)["cells"]:
        if cell["cell_type"] == "code" and "remove-cell" not in cell["metadata"].get("tags", []):
            data = [output.get("data", {}) for output in cell.get("outputs", [])]
            shown = "".join(
                "".join(bundle.get(mime_type, "")) for bundle in data for mime_type in ("text/html", "text/markdown")
            )
            yield cell["id"], "".join(cell["source"]), shown


def _cell_of(claim: Claim, cells: Sequence[Cell], declared: Measuring | None) -> str | None:
    """Return the cell that calls what measures a claim, else that which shows the verdict."""
    calling = [
        identifier
        for identifier, source, _ in cells
        if declared and re.search(rf"\bfindings\.{declared.function.__name__}\(", source)
    ]
    verdict = f"(#claim-{claim.id.lower().replace('.', '-')})"
    return next(iter([*calling, *(identifier for identifier, _, shown in cells if verdict in shown)]), None)


def _figure_of(claim: Claim, cells: Sequence[Cell], cell: str | None) -> tuple[str, str] | None:
    """Return the figure that shows a claim and its cell: that called as its section, else that of the claim's cell."""
    figures = [(name, identifier) for identifier, _, shown in cells for name in FIGURE.findall(shown)]
    section = claim.section.split(",")[0].lower().replace(" ", "-").replace(".", "")
    named = [figure for figure in figures if figure[0] == section]
    return next(iter([*named, *(figure for figure in figures if figure[1] == cell)]), None)
