"""Where each claim's evidence is: the figure, the notebook's cell, the data, the line of code that measures it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import repsim
from repsim.lab import findings
from repsim.lab.claims import Claim, load_claims
from repsim.lab.commits import MODIFIED, UNKNOWN, commit
from repsim.lab.execution import read_notebook
from repsim.lab.paths import REPOSITORY

Function = Callable[..., Any]
NAME = r"[A-Z](?:\.?\d+)+[a-z]?"
MEASURES = re.compile(rf"Measure claims? ({NAME})(?:( to | and )({NAME}))?\b")
FIGURE = re.compile(r'<figure id="([^"]+)"')


@cache
def measuring_functions() -> dict[str, Function]:
    """Return the function that measures each claim: the one of the findings whose docstring says so.

    "Measure claim T1", "Measure claims F.4a and F.4b", "Measure claims S1 to S14"; a range is one of ``claims.yml``.
    """
    names = list(load_claims())
    found: dict[str, Function] = {}
    for module in pkgutil.iter_modules(findings.__path__):
        contents = importlib.import_module(f"{findings.__name__}.{module.name}")
        for _, function in inspect.getmembers(contents, inspect.isfunction):
            if said := MEASURES.match(function.__doc__ or ""):
                first, joined, last = said.groups()
                between = names[names.index(first) : names.index(last) + 1] if joined == " to " else [first, last]
                found |= dict.fromkeys([name for name in between if name], function)
    return found


def public_functions(claim: str) -> list[str]:
    """Return the functions of the package's public face that measure a claim.

    First that of the index which a table of the findings, such as ``TABLE_2``, names beside the claim; then those which
    the function that measures it calls, itself or through others.
    """
    waiting, seen = [measuring_functions()[claim]], set()
    indexes: dict[str, None] = {}
    called: dict[str, None] = {}
    while waiting:
        function = waiting.pop(0)
        if function in seen:
            continue
        seen.add(function)
        source = inspect.getsource(function)
        called |= dict.fromkeys(re.findall(r"\brepsim\.(\w+)\(", source))
        for name in re.findall(r"\b\w+\b", source):
            for one in _beside(claim, function.__globals__.get(name)):
                if isinstance(one, str) and one in repsim.INDEXES:
                    indexes[repsim.get_index(one).function.__name__] = None
                elif inspect.isfunction(one) and one.__module__.startswith(findings.__name__):
                    waiting.append(one)
    return [name for name in {**indexes, **called} if inspect.isfunction(getattr(repsim, name, None))]


def _beside(claim: str, value: Any) -> Sequence[Any]:
    """Return what a function, or a table of claims, holds for one claim."""
    if isinstance(value, Mapping):
        return [value[claim]] if claim in value else []
    if isinstance(value, tuple):
        return [one for row in value if isinstance(row, tuple) and claim in row for one in row]
    return [value]


def code_link(function: Function, repository: str, branch: str) -> str:
    """Return the address of a function's first line in the repository, at the commit where that is known."""
    at = commit()
    reference = branch if at == UNKNOWN or at.endswith(MODIFIED) else at
    path = Path(inspect.getfile(function)).resolve().relative_to(REPOSITORY)
    return f"{repository}/blob/{reference}/{path.as_posix()}#L{inspect.getsourcelines(function)[1]}"


def cell_label(stem: str, cell: str) -> str:
    """Return the anchor of a code cell of a notebook's page."""
    return f"code-{cell}-of-{stem}"


class Evidence:
    """What the executed notebooks show of each claim.

    Parameters
    ----------
    pages
        Executed notebooks by their stems.
    repository, branch
        Address of the repository, and the branch that is linked to where no commit is known.
    data
        Name of a figure -> anchor of its data.
    """

    def __init__(self, pages: Mapping[str, Path], repository: str, branch: str, data: Mapping[str, str]) -> None:
        self.cells = {stem: list(_code_cells(path)) for stem, path in pages.items()}
        self.repository, self.branch, self.data = repository, branch, data

    def links(self, claim: Claim) -> list[str]:
        """Return Markdown that links to what there is: figure, cell, data, code, and the package's functions."""
        cells = self.cells.get(claim.notebook, [])
        function = measuring_functions().get(claim.id)
        figure, cell = _figure_of(claim, cells, function), _cell_of(claim, cells, function)
        found = []
        if figure:
            found.append(f"[figure](#{cell_label(claim.notebook, figure[1])})")
        if cell:
            found.append(f"[cell](#{cell_label(claim.notebook, cell)})")
        if figure and figure[0] in self.data:
            found.append(f"[data](#{self.data[figure[0]]})")
        if function:
            found.append(f"[code]({code_link(function, self.repository, self.branch)})")
            found += [f"{{py:func}}`~repsim.{name}`" for name in public_functions(claim.id)]
        return found


Cell = tuple[str, str, str]  # identifier, source, what it shows


def _code_cells(path: Path) -> Iterator[Cell]:
    for cell in read_notebook(path)["cells"]:
        if cell["cell_type"] == "code" and "remove-cell" not in cell["metadata"].get("tags", []):
            shown = "".join("".join(one.get("data", {}).get("text/html", "")) for one in cell.get("outputs", []))
            yield cell["id"], "".join(cell["source"]), shown


def _cell_of(claim: Claim, cells: Sequence[Cell], function: Function | None) -> str | None:
    """Return the cell that calls what measures a claim, else that which shows the verdict."""
    if function:
        for identifier, source, _ in cells:
            if re.search(rf"\bfindings\.{function.__name__}\(", source):
                return identifier
    return next((one for one, _, shown in cells if f"<td>{claim.id}</td>" in shown), None)


def _figure_of(claim: Claim, cells: Sequence[Cell], function: Function | None) -> tuple[str, str] | None:
    """Return the figure that shows a claim and its cell: that called as its section, else that of the cell itself."""
    figures = [(name, identifier) for identifier, _, shown in cells for name in FIGURE.findall(shown)]
    section = claim.section.split(",")[0].lower().replace(" ", "-").replace(".", "")
    here = _cell_of(claim, cells, function)
    return next((one for one in figures if one[0] == section), next((one for one in figures if one[1] == here), None))
