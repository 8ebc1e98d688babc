"""The data of the book: the page with each figure's, for download, and what machines read.

Of claims there are reviews in the vocabulary of schema.org, of the results a description as a Croissant data set.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from repsim.lab.claim_tables import DECIDED, label
from repsim.lab.claims import Judged, load_claims, measurement_path, write_verdicts
from repsim.lab.execution import Figure, figures_of
from repsim.lab.profiles import NAMES
from repsim.lab.repository import BRANCH, is_public, repository_url, results_root
from repsim.lab.store import MADE_AGAIN_BY, as_json, digest, read_artefact, record_path, unseal, write_atomically
from repsim.lab.wording import measured_sentence, table

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
        write_atomically(path, lambda file: file.write(figure.files["csv"]))
        where = f"[{path.name}](../results/{profile}/{COMPUTED}/{path.name}), computed by the notebook"
    else:
        there = [f"[{HEADINGS.get(folder, folder)}](#data-{folder})" for folder in figure.source if folder in sections]
        where = ", ".join(there) or "none"
    return [figure.caption, f"[](../notebooks/{stem}.ipynb)", where]


PAPER = "https://proceedings.mlr.press/v97/kornblith19a.html"
CROISSANT = "http://mlcommons.org/croissant/1.0"
# The context that Croissant's specification asks for, in the order in which it stands there.
_ITS_OWN = """citeAs column extract field fileObject fileProperty fileSet format includes isLiveDataset jsonPath key md5
parentField path recordSet references regex repeated replace separator source subField transform"""
CONTEXT = dict(
    sorted(
        {
            **{name: f"cr:{name}" for name in _ITS_OWN.split()},
            "@language": "en",
            "@vocab": "https://schema.org/",
            "conformsTo": "dct:conformsTo",
            "cr": "http://mlcommons.org/croissant/",
            "data": {"@id": "cr:data", "@type": "@json"},
            "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
            "dct": "http://purl.org/dc/terms/",
            "examples": {"@id": "cr:examples", "@type": "@json"},
            "rai": "http://mlcommons.org/croissant/RAI/",
            "sc": "https://schema.org/",
        }.items()
    )
)
FORMATS = {".npz": "application/zip", ".json": "application/json", ".csv": "text/csv"}


def claim_reviews(profile: str, judged: Iterable[Judged]) -> str:
    """Return a script with every claim and its review in the vocabulary of schema.org, for a page of HTML.

    A rating says how far a claim was reproduced: 3, in part 2, not 1; a verdict of another kind has a name only.
    """
    paper = {"@type": "ScholarlyArticle", "@id": PAPER, "url": PAPER}
    publisher = {"@type": "Organization", "name": "The repsim-revisited contributors"}
    graph: list[dict[str, Any]] = []
    for claim, measurement, verdict in judged:
        here = f"#{label(claim)}"
        rating: dict[str, Any] = {"@type": "Rating", "alternateName": verdict}
        if verdict in DECIDED:
            rating |= {"ratingValue": len(DECIDED) - DECIDED.index(verdict), "bestRating": 3, "worstRating": 1}
        review: dict[str, Any] = {
            "@type": "ClaimReview",
            "@id": f"{here}-review",
            "url": here,
            "author": publisher,
            "claimReviewed": claim.statement,
            "itemReviewed": {"@id": here},
            "reviewRating": rating,
        }
        if measurement is not None:
            names = load_claims().names
            measured = [
                {"@type": "PropertyValue", "name": names[name], "value": measurement.values[name]}
                for name in claim.judged
                if measurement.values.get(name) is not None
            ]
            review["reviewBody"] = measured_sentence(claim, measurement)
            review["isBasedOn"] = {
                "@type": "Dataset",
                "name": f"What was measured for claim {claim.id}",
                "url": f"../results/{profile}/claims/{measurement_path(profile, claim.id).name}",
                "variableMeasured": measured,
            }
        said: dict[str, Any] = {"@type": "Claim", "@id": here, "name": claim.id, "text": claim.statement}
        if not claim.ours:
            said["appearance"] = {"@id": PAPER}
        graph += [said, review]
    text = json.dumps({"@context": "https://schema.org", "@graph": [paper, *graph]}, ensure_ascii=False)
    return f'<script type="application/ld+json">{text.replace("<", chr(92) + "u003c")}</script>'


def croissant(profile: str, folder: Path, citation: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description, as Croissant has it, of the results offered in a folder with its ``verdicts.json``."""
    address = repository_url()
    committed = f"{address}/raw/{BRANCH}/results/{profile}" if is_public(address) else ""

    def described(name: str, path: Path) -> dict[str, Any]:
        there = committed and (results_root() / profile / name).exists()
        return {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": f"{committed}/{name}" if there else name,
            "contentSize": f"{path.stat().st_size} B",
            "encodingFormat": FORMATS[path.suffix],
            "sha256": digest(path),
        }

    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.suffix in FORMATS}
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CROISSANT,
        "name": f"repsim-revisited-{profile}",
        "description": f"{citation['abstract']} Results of the profile {profile}: networks, tables and claims.",
        "license": "https://spdx.org/licenses/CC-BY-4.0",
        "url": address if is_public(address) else PAPER,
        "version": str(citation["version"]),
        "datePublished": str(citation.get("date-released", date.today())),
        "creator": {"@type": "sc:Organization", "name": "The repsim-revisited contributors"},
        "citeAs": citation["title"],
        "distribution": [described(*entry) for entry in files.items()],
        "recordSet": [VERDICTS],
    }


FIELDS = {
    "claim": "Short name of the claim",
    "statement": "What the paper says",
    "place": "Where the paper says it",
    "verdict": "What follows from what was measured",
}
VERDICTS = {  # the record set of all claims, which their file holds as a list
    "@type": "cr:RecordSet",
    "@id": "claims",
    "name": "claims",
    "description": "Every claim with its verdict",
    "key": {"@id": "claims/claim"},
    "field": [
        {
            "@type": "cr:Field",
            "@id": f"claims/{name}",
            "name": f"claims/{name}",
            "description": what,
            "dataType": "sc:Text",
            "source": {"fileObject": {"@id": "verdicts.json"}, "extract": {"jsonPath": f"$.claims[*].{name}"}},
        }
        for name, what in FIELDS.items()
    ],
}
