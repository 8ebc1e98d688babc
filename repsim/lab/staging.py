"""Putting the sources of the book together: pages, executed notebooks, claims, data for download."""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from repsim.lab import fragments
from repsim.lab.downloads import data_anchors
from repsim.lab.errors import LabError, known
from repsim.lab.execution import (
    Figure,
    contents,
    figures_in,
    is_chapter,
    is_shown,
    is_stale,
    notebooks,
    read_notebook,
    stamp,
)
from repsim.lab.paths import REPOSITORY
from repsim.lab.profiles import load_profile
from repsim.lab.repository import is_public, repository_url
from repsim.lab.store import as_json, clear, part_path

BESIDE = ("LICENSE", "LICENSE-CONTENT", "CITATION.cff")
MARKER = re.compile(r"<!-- generated:(.*?)-->", re.DOTALL)
BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")
NO_ADDRESS = "The repository has no public address yet: OWNER stands for its owner."
NOT_A_RESULT = "Built from the smoke profile, which only shows that the chain works: no number here is a result."


class StagingError(LabError):
    """The book cannot be put together; the message names what is missing, stale or unknown."""


def stage(
    profile: str,
    executed_dir: Path,
    target: Path = Path("build/book"),
    root: Path = REPOSITORY,
    *,
    published: bool = False,
) -> Path:
    """Make the folder that Jupyter Book builds, from executed notebooks under the names of their sources.

    `target` is replaced as a whole, and only once everything is there. `published`: only notebooks of ``_toc.yml``.
    """
    load_profile(profile)
    toc = contents(published, root)
    stamps = {name: fit_to_show(executed_dir, root, name, profile) for name in notebooks(toc)}
    partial = part_path(target)
    try:
        clear(target.parent, target.name)
        partial.mkdir(parents=True)
        shutil.copytree(root / "book", partial / "book", ignore=shutil.ignore_patterns("__pycache__", ".*"))
        for name in BESIDE:
            if (root / name).exists():
                shutil.copy2(root / name, partial / name)
        (partial / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")
        _write_config(root, partial, profile)
        data = data_anchors(profile, [executed_dir / Path(name).name for name in stamps if is_chapter(name)])
        for name, stamped in stamps.items():
            _stage_notebook(executed_dir, partial, name, stamped, data)
        _fill(partial / "book", fragments.makers(profile, partial, stamps), fragments.provenance(profile, stamps))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
    except (OSError, shutil.Error) as error:
        raise StagingError(f"{target} cannot be made: {_reason(error)}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _reason(error: OSError) -> str:
    """Return what kept a folder from being made; copying many files gives a list of tuples that end in reasons."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        return str(error.args[0][0][-1])
    return error.strerror or str(error)


def fit_to_show(executed_dir: Path, root: Path, name: str, profile: str) -> dict[str, Any]:
    """Return the stamp of an executed notebook that is fit to be shown, or say how to make it."""
    source, executed = root / name, executed_dir / Path(name).name
    again = f"repsim-lab execute {name} --profile {profile} --out {executed}"
    if not source.exists():
        raise StagingError(f"{name} stands in _toc.yml, but there is no such notebook")
    if not executed.exists():
        raise StagingError(f"{executed} is missing; make it with: {again}")
    if is_stale(executed, source):
        raise StagingError(f"{executed} was not made from {name} as it is now; make it again with: {again}")
    stamped = stamp(executed)
    if stamped.get("profile") != profile:
        of = stamped.get("profile")
        raise StagingError(f"{executed} is of profile {of!r}, not {profile!r}; make it with: {again}")
    return stamped


def _write_config(root: Path, folder: Path, profile: str) -> None:
    """Write the configuration with the repository's address, if any its buttons, and a banner for what is no result."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    config.setdefault("repository", {})["url"] = repository_url(root)
    if not is_public(repository_url(root)):
        config.pop("launch_buttons", None)
        config["html"] |= dict.fromkeys(BUTTONS, False)
    if profile == "smoke":
        config.setdefault("html", {})["announcement"] = NOT_A_RESULT
    (folder / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _stage_notebook(
    executed_dir: Path, folder: Path, name: str, stamped: Mapping[str, Any], data: Mapping[str, str]
) -> None:
    """Copy an executed notebook with an anchor for each cell and its figures' files, and say where it comes from."""
    staged = folder / name
    notebook = read_notebook(executed_dir / staged.name)
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if {"parameters", "injected-parameters"} & set(tags):
            cell["metadata"]["tags"] = [*tags, "remove-cell"]
    links = "[Data of the figures](../book/data.md) · [The same with other seeds](#own-seeds)\n\n"
    text = f"---\n\n{links if is_chapter(name) else ''}{fragments.stamp_sentence(stamped)}"
    cell = {"cell_type": "markdown", "id": "provenance", "metadata": {}, "source": text}
    cells = list(_anchored(notebook["cells"], staged.stem))
    notebook["cells"] = [*(with_files(cells, folder / "book" / "figures", data) if is_chapter(name) else cells), cell]
    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.write_bytes(as_json(notebook))


def _anchored(cells: Sequence[Mapping[str, Any]], stem: str) -> Iterator[Mapping[str, Any]]:
    """Yield cells, before each code cell that is shown one with the label that pages link to."""
    for cell in cells:
        if is_shown(cell):
            source = f"({fragments.cell_label(stem, cell['id'])})="
            yield {"cell_type": "markdown", "id": f"{cell['id']}-label", "metadata": {}, "source": source}
        yield cell


def with_files(
    cells: Sequence[Mapping[str, Any]], folder: Path, data: Mapping[str, str]
) -> Iterator[Mapping[str, Any]]:
    """Yield cells, after each with figures a line of links to their files, which are written into `folder`."""
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


def _fill(book: Path, makers: Mapping[str, Callable[[], str]], provenance: str) -> None:
    """Put the generated parts where the pages ask for them, and at the end of each where its numbers come from."""
    for page in sorted(book.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for marker in MARKER.finditer(text):
            name = marker[1].strip()
            if name not in makers:
                raise StagingError(f"{page.name}: {known('generated part', name, makers)}")
            text = text.replace(marker[0], makers[name]())
        note = "" if is_public(repository_url()) or "OWNER" not in text else f"*{NO_ADDRESS}* "
        page.write_text(f"{text.rstrip()}\n\n---\n\n{note}{provenance}\n", encoding="utf-8")
