"""Putting the sources of the book together: pages with their generated parts, executed notebooks, data for download."""

from __future__ import annotations

import inspect
import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

import repsim
from repsim.lab.claim_tables import claims_page, claims_table, first_page, label, overview
from repsim.lab.claims import Claim, judged, measurement_path
from repsim.lab.downloads import claim_reviews, data_anchors, data_page, shown_profiles
from repsim.lab.errors import LabError, known
from repsim.lab.execution import (
    contents,
    figures_in,
    is_chapter,
    is_shown,
    is_stale,
    kept,
    notebooks,
    read_notebook,
    stamp,
)
from repsim.lab.explorer import explorer, network_facts
from repsim.lab.findings import measuring
from repsim.lab.planning import gigabytes
from repsim.lab.profiles import NAMES, load_profile
from repsim.lab.repository import (
    BRANCH,
    MODIFIED,
    REPOSITORY,
    UNKNOWN,
    commit,
    commit_in_words,
    is_public,
    repository_url,
)
from repsim.lab.store import as_json, clear, machine, part_path
from repsim.lab.wording import table

Function = Callable[..., Any]
Stamp = Mapping[str, Any]


def makers(
    profile: str, folder: Path, stamps: Mapping[str, Stamp], data: Mapping[str, str]
) -> dict[str, Callable[[], str]]:
    """Return for each generated part the function that writes it.

    What can be a notebook is one. These cannot. The verdicts and their evidence (first-page, claims-table, claims),
    files beside the pages (data, explorer) and the times (status) are known only once all notebooks are executed. What
    profiles cost (cost) and which indexes there are (table-1) stand within pages of text.
    """
    chapters = {Path(name).stem: folder / name for name in stamps if is_chapter(name)}
    address = repository_url()
    return {
        "first-page": lambda: first_page(profile),
        "claims": lambda: claims_page(profile, partial(link_to_notebook, chapters), partial(link_to_commit, address)),
        "explorer": lambda: explorer(profile, folder / "book" / "_static"),
        "claims-table": lambda: (
            f"{overview(profile)}\n\n{claim_reviews(profile, judged(profile))}\n\n:::{{container}} claims-table\n"
            f"{claims_table(shown_profiles(profile), Evidence(chapters, address, data).links)}\n:::"
        ),
        "data": lambda: data_page(profile, folder, list(chapters)),
        "status": lambda: status(stamps),
        "cost": cost,
        "table-1": table_1,
    }


def link_to_notebook(chapters: Collection[str], stem: str) -> str:
    """Return a link to the page of a notebook, or the name of its source where the book does not contain it."""
    return f"[](../notebooks/{stem}.ipynb)" if stem in chapters else f"`notebooks/{stem}.ipynb`"


def link_to_commit(address: str, at: str) -> str:
    """Return a link to a commit, or its name where the repository has no address yet."""
    name = f"commit {at[:7]}"
    return f"[{name}]({address}/commit/{at})" if is_public(address) else name


def duration(seconds: float) -> str:
    """Write seconds in the unit that suits them."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def _where(computer: Mapping[str, Any]) -> str:
    cores = computer.get("processors", "?")
    return f"{computer.get('system', 'an unknown system')}, {cores} processor core{'' if cores == 1 else 's'}"


def stamp_sentence(stamp: Stamp) -> str:
    """Say where an executed notebook comes from."""
    versions = stamp["machine"].get("versions", {})
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"*Profile `{stamp['profile']}`, {commit_in_words(stamp['commit'])}, executed on {stamp['date'][:10]} in "
        f"{duration(stamp['seconds'])} with at most {stamp['peak_memory_mib']:,} MiB of memory, on "
        f"{_where(stamp['machine'])}, Python {stamp['machine'].get('python', '?')}: {packages}.*"
    )


def provenance(profile: str, stamps: Mapping[str, Stamp]) -> str:
    """Say where the numbers of a page come from that is not a notebook."""
    total = sum(stamp["seconds"] for stamp in stamps.values())
    return (
        f"*Profile `{profile}`, {commit_in_words(commit())}, put together on {datetime.now(UTC):%Y-%m-%d} on "
        f"{_where(machine())}; executing the {len(stamps)} notebooks took {duration(total)}.*"
    )


def status(stamps: Mapping[str, Stamp]) -> str:
    """Return a table of the executed notebooks, whose titles the book fills in: when, how long, how much memory."""
    rows = [
        [
            f"[](../{name})",
            f"{stamp['date'][:16].replace('T', ' ')} UTC",
            duration(stamp["seconds"]),
            f"{stamp['peak_memory_mib']:,} MiB",
            commit_in_words(stamp["commit"]).removeprefix("commit "),
        ]
        for name, stamp in stamps.items()
    ]
    return table(["notebook", "executed", "took", "memory", "commit"], rows)


def cost() -> str:
    """Return a table of what each profile costs."""
    rows = [
        [
            f"`{name}`",
            f"{len(group.seeds)} × {network_facts(group)['title']}"
            + (f", {group.recipe.epochs} epoch{'s' * (group.recipe.epochs > 1)}" if group.recipe.epochs else ""),
            duration(60 * group.minutes),
            f"{size:.3g} GB" if (size := gigabytes(profile, group)) >= 0.01 else "under 0.01 GB",
        ]
        for name, profile in ((name, load_profile(name)) for name in NAMES)
        for group in profile.networks
    ]
    return table(["profile", "networks", "one takes", "its representations on as many images as the test has"], rows)


def table_1() -> str:
    """Return the registry of indexes as a table: what each is, and what leaves it unchanged."""
    rows = [
        [
            index.title,
            f"{{py:func}}`{index.name} <repsim.{index.function.__name__}>`" if index.function else f"`{index.name}`",
            f"${index.formula}$".replace(r"\|", r"\Vert "),
            index.invertible_linear,
            *("yes" if unchanged else "no" for unchanged in (index.orthogonal, index.isotropic_scaling)),
        ]
        for index in repsim.INDEXES.values()
    ]
    return table(["index", "name here", "formula", "invertible linear maps", "rotations", "one factor"], rows)


def code_link(function: Function, repository: str, text: str) -> str:
    """Return Markdown that leads to a function's first line, or, without an address of the repository, says where."""
    at = commit()
    reference = BRANCH if at == UNKNOWN or at.endswith(MODIFIED) else at
    path = Path(inspect.getfile(inspect.unwrap(function))).resolve().relative_to(REPOSITORY).as_posix()
    lines, start = inspect.getsourcelines(function)
    line = start + next(place for place, line in enumerate(lines) if line.startswith("def "))
    if not is_public(repository):
        return f"{text} in `{path}`, line {line}"
    return f"[{text}]({repository}/blob/{reference}/{path}#L{line})"


def cell_label(stem: str, cell: str) -> str:
    """Return the anchor of a code cell of a notebook's page."""
    return f"code-{cell}-of-{stem}"


class Evidence:
    """What the executed notebooks, by their stems, show of each claim; `data` has the anchor of each figure's data."""

    def __init__(self, pages: Mapping[str, Path], repository: str, data: Mapping[str, str]) -> None:
        self.cells = {stem: list(filter(is_shown, read_notebook(path)["cells"])) for stem, path in pages.items()}
        self.measured = {
            claim: cell for path in pages.values() for held in kept(path, "cells") for claim, cell in held.items()
        }
        self.repository, self.data = repository, data

    def links(self, profile: str, claim: Claim) -> list[str]:
        """Return links to what there is: a profile's values, figure, reason, cell, data, code, the package's functions.

        The cell is that which ran what measures the claim, else that which shows the verdict; the figure is that
        which the claim names, "none" for none, else that called as its section.
        """
        cells, declared = self.cells.get(claim.notebook, []), measuring(claim.id)
        ran = [cell["id"] for cell in cells if cell.get("execution_count") == self.measured.get(claim.id, 0)]
        showing = [cell["id"] for cell in cells if f"(#{label(claim)})" in str(cell.get("outputs"))]
        cell = next(iter([*ran, *showing]), None)
        section = claim.section.split(",")[0].lower().replace(" ", "-").replace(".", "")
        figures = {figure.name: cell["id"] for cell in cells for figure in figures_in(cell)}
        figure = claim.figure or section
        anchors = {"figure": figures.get(figure), "why": figures.get(claim.why_figure or ""), "cell": cell}
        values = measurement_path(profile, claim.id)
        links = [f"[values](../results/{profile}/claims/{values.name})"] if values.exists() else []
        links += [f"[{what}](#{cell_label(claim.notebook, name)})" for what, name in anchors.items() if name]
        if figure in figures and figure in self.data:
            links.append(f"[data](#{self.data[figure]})")
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


BESIDE = ("LICENSE", "LICENSE-CONTENT", "CITATION.cff")
MARKER = re.compile(r"<!-- generated:(.*?)-->", re.DOTALL)
BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")
NO_ADDRESS = "The repository has no public address yet: OWNER stands for its owner."
NOT_A_RESULT = "Built from the smoke profile, which only shows that the chain works: no number here is a result."


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
        _fill(partial / "book", makers(profile, partial, stamps, data), provenance(profile, stamps))
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
    except OSError as error:
        several = isinstance(error, shutil.Error) and isinstance(error.args[0], list)  # copied, each with its reason
        raise LabError(
            f"{target} cannot be made: {error.args[0][0][-1] if several else error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def fit_to_show(executed_dir: Path, root: Path, name: str, profile: str) -> dict[str, Any]:
    """Return the stamp of an executed notebook that is fit to be shown, or say how to make it."""
    source, executed = root / name, executed_dir / Path(name).name
    again = f"repsim-lab execute {name} --profile {profile} --out {executed}"
    if not source.exists():
        raise LabError(f"{name} stands in _toc.yml, but there is no such notebook")
    if not executed.exists():
        raise LabError(f"{executed} is missing; make it with: {again}")
    if is_stale(executed, source):
        raise LabError(f"{executed} was not made from {name} as it is now; make it again with: {again}")
    stamped = stamp(executed)
    if stamped.get("profile") != profile:
        of = stamped.get("profile")
        raise LabError(f"{executed} is of profile {of!r}, not {profile!r}; make it with: {again}")
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
    staged, chapter, cells = folder / name, is_chapter(name), []
    notebook = read_notebook(executed_dir / staged.name)
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if {"parameters", "injected-parameters"} & set(tags):
            cell["metadata"]["tags"] = [*tags, "remove-cell"]
        if is_shown(cell):
            cells.append(_markdown(f"{cell['id']}-label", f"({cell_label(staged.stem, cell['id'])})="))
        cells.append(cell)
        if chapter and (links := figure_files(cell, folder / "book" / "figures", data)):
            cells.append(_markdown(f"{cell['id']}-files", links))
    more = "[Data of the figures](../book/data.md) · [The same with other seeds](#own-seeds)\n\n" if chapter else ""
    cells.append(_markdown("provenance", f"---\n\n{more}{stamp_sentence(stamped)}"))
    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.write_bytes(as_json({**notebook, "cells": cells}))


def _markdown(name: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def figure_files(cell: Mapping[str, Any], folder: Path, data: Mapping[str, str]) -> str:
    """Write the files of each figure of a cell into `folder`, and return the lines that lead to them."""
    lines = []
    for figure in figures_in(cell):
        name, files, links = figure.name, figure.files, []
        for suffix in (suffix for suffix in ("svg", "pdf") if suffix in files):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.{suffix}").write_bytes(files[suffix])
            links.append(f"[{suffix.upper()}](../book/{folder.name}/{name}.{suffix})")
        if links:
            links.append(f"[Data]({f'#{data[name]}' if name in data else '../book/data.md'})")
            lines.append(f":::{{container}} figure-files\n{' · '.join(links)}\n:::")
    return "\n\n".join(lines)


def _fill(book: Path, makers: Mapping[str, Callable[[], str]], provenance: str) -> None:
    """Put the generated parts where the pages ask for them, and at the end of each where its numbers come from."""
    for page in sorted(book.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for marker in MARKER.finditer(text):
            name = marker[1].strip()
            if name not in makers:
                raise LabError(f"{page.name}: {known('generated part', name, makers)}")
            text = text.replace(marker[0], makers[name]())
        note = "" if is_public(repository_url()) or "OWNER" not in text else f"*{NO_ADDRESS}* "
        page.write_text(f"{text.rstrip()}\n\n---\n\n{note}{provenance}\n", encoding="utf-8")
