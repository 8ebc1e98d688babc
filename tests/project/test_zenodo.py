"""What Zenodo reads at a release says what the citation file says."""

import json
import runpy

import jsonschema
import pytest
import yaml

# The fields that are used here, as Zenodo documents them for a deposit; it refuses a release with others.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "description", "upload_type", "access_right", "license", "creators"],
    "properties": {
        "title": {"type": "string", "minLength": 3},
        "description": {"type": "string", "minLength": 1},
        "upload_type": {"enum": ["software"]},
        "access_right": {"enum": ["open"]},
        "license": {"type": "string", "pattern": r"^[A-Za-z0-9.-]+$"},
        "version": {"type": "string"},
        "language": {"type": "string", "pattern": "^[a-z]{3}$"},
        "creators": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "affiliation": {"type": "string", "minLength": 1},
                    "orcid": {"type": "string", "pattern": r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$"},
                },
            },
        },
        "keywords": {"type": "array", "uniqueItems": True, "items": {"type": "string", "minLength": 1}},
        "related_identifiers": {
            "type": "array",
            "uniqueItems": True,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["identifier", "relation"],
                "properties": {
                    "identifier": {"type": "string", "minLength": 1},
                    "relation": {"enum": ["isDerivedFrom"]},
                    "resource_type": {"enum": ["publication-conferencepaper", "publication-preprint"]},
                    "scheme": {"enum": ["arxiv", "doi", "url"]},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def tools(root):
    return runpy.run_path(str(root / "workflow" / "zenodo.py"))


@pytest.fixture(scope="module")
def citation(root):
    return yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))


def test_it_is_made_from_the_citation(root, tools, citation):
    text = (root / ".zenodo.json").read_text(encoding="utf-8")
    assert text == tools["deposit"](citation), "python workflow/zenodo.py > .zenodo.json"


def test_zenodo_can_read_it(root, citation):
    found = json.loads((root / ".zenodo.json").read_text(encoding="utf-8"))
    assert [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(found)] == []
    assert found["license"] == citation["license"]
    assert "arXiv:1905.00414" in [one["identifier"] for one in found["related_identifiers"]]


def test_people_are_written_as_zenodo_writes_them(tools):
    person = {"given-names": "Ada", "family-names": "Lovelace", "orcid": "https://orcid.org/0000-0002-1825-0097"}
    assert tools["creator"](person) == {"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0097"}
    assert tools["creator"]({"name": "A group", "affiliation": "A place"}) == {
        "name": "A group",
        "affiliation": "A place",
    }
