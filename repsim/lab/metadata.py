"""What the pages say for machines: claims and their reviews for schema.org, and the results as a Croissant data set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from repsim.lab.claim_tables import DECIDED, label
from repsim.lab.claims import Judged, load_claims, measurement_path
from repsim.lab.paths import results_root
from repsim.lab.repository import BRANCH, is_public, repository_url
from repsim.lab.store import digest
from repsim.lab.wording import measured_sentence

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
