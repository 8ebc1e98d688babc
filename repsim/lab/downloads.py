"""The page with each figure's data for download, as Markdown, and the files beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from repsim.lab.claims import write_verdicts
from repsim.lab.execution import Figure, figures_of
from repsim.lab.metadata import croissant
from repsim.lab.paths import results_root
from repsim.lab.profiles import NAMES
from repsim.lab.store import MADE_AGAIN_BY, as_json, digest, read_artefact, record_path, unseal, write_atomically
from repsim.lab.wording import table

LARGEST_DOWNLOAD = 10 << 20
HEADINGS = {
    "networks": "The networks: weights and learning curves",
    "tables": "Figure 2, Table 2 and Figure F.3: similarity tables",
    "dimension": "The dimension failure: indexes against the number of examples",
    "components": "Figure 1: principal components",
    "ridge": "Table 2, extended: canonical ridge from CCA to CKA",
    "subspace": "Figure 8: the shared subspace",
    "within": "Figures 3, 4 and F.5: similarities within networks",
    "probes": "Figure 3: accuracies of linear classifiers",
    "between": "Figures 5, 6, 7, F.4, F.6 and F.8: similarities between networks",
    "within-class": "Figure F.7: similarities within classes",
    "chance": "Similarities of shuffled examples, over all shuffles",
    "null": "Similarities of shuffled examples",
    "ranks": "Components that SVCCA keeps, Figures F.3 and F.8",
    "published": "Networks of others: similarities on test images",
    "recipes": "What the recipe decides: similarities among the networks of each recipe",
    "transformers": "Figure F.1 and Table F.1: similarities of sublayers of Transformers",
}
COMPUTED = "computed"  # folder of the downloads for what a notebook computes itself


def data_page(profile: str, book: Path, notebooks: Sequence[str]) -> str:
    """Copy what the figures are drawn from beside the pages, and return tables of it with its hashes."""
    copies = book / "results" / profile
    sections: dict[str, str] = {}
    for folder in sorted(path.name for path in (results_root() / profile).glob("*") if path.is_dir()):
        if rows := list(_copies(profile, folder, copies)):
            heading = HEADINGS.get(folder, folder)
            heads = ["| file | size | SHA-256 |", "| --- | ---: | --- |"]
            sections[folder] = "\n".join([f"(data-{folder})=", f"## {heading}", "", *heads, *rows])
    for shown in shown_profiles(profile):
        for path in _claim_files(shown):  # which the page of claims links to
            _copy(path, book / "results" / shown / "claims")
    figures = [
        _figure_row(profile, stem, figure, copies, sections)
        for stem in notebooks
        for figure in figures_of(book / "notebooks" / f"{stem}.ipynb")
    ]
    write_verdicts(profile, copies)
    citation = yaml.safe_load((book / "CITATION.cff").read_text(encoding="utf-8"))
    (copies / "croissant.json").write_bytes(as_json(croissant(profile, copies, citation)))
    files = sorted(path for path in (book / "results").rglob("*") if path.is_file())
    sums = [f"{digest(path)}  {os.path.relpath(path, copies)}" for path in files]
    (copies / "SHA256SUMS.txt").write_text("\n".join(sums) + "\n", encoding="utf-8")
    above = (
        f"- [verdicts.json](../results/{profile}/verdicts.json): every claim with what was measured and its verdict\n"
        f"- [SHA256SUMS.txt](../results/{profile}/SHA256SUMS.txt): the hashes of all files here, as `sha256sum` writes "
        f"them\n- [croissant.json](../results/{profile}/croissant.json): the same for machines, in the vocabulary of "
        f"[Croissant](https://mlcommons.org/croissant/); its paths are those in `results/{profile}`\n"
        "- [claims.yml](claims.yml): the claims and their predicates"
    )
    by_figure = [table(["figure", "page", "data"], figures)] if figures else []
    return "\n\n".join([above, *by_figure, *sections.values()])


def shown_profiles(profile: str) -> list[str]:
    """Return the profiles whose verdicts a book shows: its own, and the others for which claims were measured.

    The smoke profile's numbers mean nothing and stand beside no other's.
    """
    others = [name for name in NAMES if name not in (profile, "smoke")]
    return [profile, *(name for name in others if profile != "smoke" and any(_claim_files(name)))]


def _claim_files(profile: str) -> list[Path]:
    return sorted((results_root() / profile / "claims").glob("*.json"))


def _copy(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, folder)


def downloadable(profile: str, folder: str) -> list[Path]:
    """Return the artefacts of a folder of the results that are small enough to be offered."""
    artefacts = sorted((results_root() / profile / folder).glob("*.npz"))
    return [
        path
        for path in artefacts
        if path.stat().st_size <= LARGEST_DOWNLOAD
        and record_path(path).exists()
        and MADE_AGAIN_BY not in unseal(record_path(path))
    ]


def data_anchors(profile: str, notebooks: Iterable[Path]) -> dict[str, str]:
    """Return for each figure of executed notebooks the anchor of the data that it is drawn from, if that is offered."""
    figures = [figure for notebook in notebooks for figure in figures_of(notebook)]
    return {
        figure.name: f"data-{folder}" for figure in figures for folder in figure.source if downloadable(profile, folder)
    }


def _copies(profile: str, folder: str, copies: Path) -> Iterator[str]:
    """Copy the artefacts of one folder with their records (of one not committed only that); yield a row for each."""

    def link(name: str, path: Path) -> str:
        _copy(path, copies / folder)
        return f"[{name}](../results/{profile}/{folder}/{path.name})"

    records = sorted((results_root() / profile / folder).glob("*.json"))
    not_committed = [path.with_suffix(".npz") for path in records if MADE_AGAIN_BY in unseal(path)]
    for artefact in map(read_artefact, [*downloadable(profile, folder), *not_committed]):
        path, size = artefact.path, f"{max(artefact.record['bytes'] / 1024, 1):,.0f} KiB"
        first = f"`{path.name}`" if artefact.made_again_by else link(path.name, path)
        what = f"{first}, {link('record', record_path(path))}"
        if artefact.made_again_by:
            what += f"; not offered: `{artefact.made_again_by}` makes it"
        yield f"| {what} | {size} | `{artefact.sha256}` |"


def _figure_row(profile: str, stem: str, figure: Figure, copies: Path, sections: Mapping[str, str]) -> list[str]:
    """Return where a figure's data is, writing a file of what came with it."""
    name = figure.name
    if figure.data is not None:
        path = copies / COMPUTED / f"{name}.csv"
        write_atomically(path, lambda file: file.write(figure.table()))
        where = f"[{path.name}](../results/{profile}/{COMPUTED}/{path.name}), computed by the notebook"
    else:
        there = [f"[{HEADINGS.get(folder, folder)}](#data-{folder})" for folder in figure.source if folder in sections]
        where = ", ".join(there) or "none"
    return [figure.caption, f"[](../notebooks/{stem}.ipynb)", where]
