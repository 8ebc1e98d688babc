"""Which notebooks run and are in the book.

A notebook joins the published book once its results are committed, by a line in ``_toc.yml``. Any other run makes its
results itself, so all notebooks run, and its book contains them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from repsim.lab.paths import REPOSITORY


def contents(published: bool, root: Path = REPOSITORY) -> dict[str, Any]:
    """Return the table of contents of the book.

    Parameters
    ----------
    published
        Whether only the notebooks that ``_toc.yml`` lists are in it. If not, the others follow at the end of its first
        part, that of the figures.
    root
        The repository.
    """
    toc: dict[str, Any] = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    if not published:
        listed = set(toc_files(toc))
        there = sorted(f"notebooks/{path.stem}" for path in (root / "notebooks").glob("[0-9]*.ipynb"))
        toc["parts"][0]["chapters"] += [{"file": name} for name in there if name not in listed]
    return toc


def notebooks(toc: Mapping[str, Any]) -> list[str]:
    """Return the notebooks in a table of contents, in its order, by their paths in the repository.

    What is beside the pages of text, in ``book``, is text or a notebook.
    """
    names = [f"{name}.ipynb" for name in toc_files(toc)]
    return [name for name in names if not name.startswith("book/") or (REPOSITORY / name).exists()]


def is_chapter(notebook: str) -> bool:
    """Return whether a notebook is about a figure of the paper, and not one of those beside the benchmarks."""
    return notebook.startswith("notebooks/")


def toc_files(toc: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pages of a table of contents, the first page first."""
    if "root" in toc:
        yield str(toc["root"])
    if "file" in toc:
        yield str(toc["file"])
    for key in ("parts", "chapters", "sections"):
        for entry in toc.get(key, []):
            yield from toc_files(entry)
