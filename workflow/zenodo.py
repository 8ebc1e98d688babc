"""Print .zenodo.json, what Zenodo reads at a release, from CITATION.cff: ``python workflow/zenodo.py > .zenodo.json``.

Zenodo reads CITATION.cff too, but neither its references nor that this is open.
"""

import json
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def deposit(citation: dict) -> str:
    """Return the text of .zenodo.json for the content of a citation file."""
    (paper,) = [reference for reference in citation["references"] if reference["type"] == "conference-paper"]
    related = [{"identifier": paper["url"], "scheme": "url", "resource_type": "publication-conferencepaper"}]
    for identifier in paper["identifiers"]:
        if identifier["value"].startswith("arXiv:"):
            related.append(
                {"identifier": identifier["value"], "scheme": "arxiv", "resource_type": "publication-preprint"}
            )
    metadata = {
        "title": citation["title"],
        "description": citation["abstract"],
        "upload_type": "software",
        "access_right": "open",
        "license": citation["license"],
        "version": str(citation["version"]),
        "language": "eng",
        "creators": [creator(author) for author in citation["authors"]],
        "keywords": citation["keywords"],
        "related_identifiers": [{**identifier, "relation": "isDerivedFrom"} for identifier in related],
    }
    return json.dumps(metadata, indent=2, ensure_ascii=False) + "\n"


def creator(author: dict) -> dict:
    """Return an author as Zenodo writes one: family name first, the ORCID without its address."""
    person = {"name": author.get("name") or f"{author['family-names']}, {author['given-names']}"}
    for key in ("affiliation", "orcid"):
        if key in author:
            person[key] = author[key].removeprefix("https://orcid.org/")
    return person


if __name__ == "__main__":
    print(deposit(yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))), end="")
