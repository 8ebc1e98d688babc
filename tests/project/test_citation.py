"""CITATION.cff is valid and says what the project says."""

import datetime
import json
import re

import jsonschema
import pytest
import yaml
from pybtex.database import parse_string


@pytest.fixture(scope="module")
def citation(root):
    return yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def version(root):
    text = (root / "repsim" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"', text, re.M)[1]


def test_valid_citation_file_format(root, citation):
    schema = json.loads((root / "tests" / "project" / "data" / "cff-1.2.0.schema.json").read_text(encoding="utf-8"))
    plain = json.loads(json.dumps(citation, default=datetime.date.isoformat))
    validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
    assert [error.message for error in validator.iter_errors(plain)] == []


def test_agrees_with_the_package(citation, version, project):
    assert str(citation["version"]) == version
    assert citation["license"] == project["project"]["license"]
    assert citation["repository-code"] == project["project"]["urls"]["Repository"]
    assert [author["name"] for author in citation["authors"]] == [a["name"] for a in project["project"]["authors"]]


def test_the_books_bibtex_says_the_same(root, citation):
    page = (root / "book" / "cite.md").read_text(encoding="utf-8")
    entries = parse_string("\n".join(re.findall(r"^```bibtex\n(.*?)^```$", page, re.M | re.S)), "bibtex").entries
    ours, paper = entries["repsim_revisited"], entries["kornblith2019similarity"]
    assert [str(person) for person in ours.persons["author"]] == [f"{{{one['name']}}}" for one in citation["authors"]]
    assert ours.fields["title"] == citation["title"]
    assert ours.fields["version"] == str(citation["version"])
    assert ours.fields["url"] == citation["repository-code"]
    if "date-released" in citation:
        assert ours.fields["year"] == str(citation["date-released"])[:4]
    (cited,) = [entry for entry in citation["references"] if entry["type"] == "conference-paper"]
    assert paper.fields["title"] == cited["title"]
    assert [person.last_names for person in paper.persons["author"]] == [
        [one["family-names"]] for one in cited["authors"]
    ]
    assert paper.fields["pages"] == f"{cited['start']}--{cited['end']}"


def test_names_the_paper(citation):
    (paper,) = [entry for entry in citation["references"] if entry["type"] == "conference-paper"]
    assert paper["title"] == "Similarity of Neural Network Representations Revisited"
    assert [author["family-names"] for author in paper["authors"]] == ["Kornblith", "Norouzi", "Lee", "Hinton"]
    assert (paper["year"], paper["volume"], paper["start"], paper["end"]) == (2019, 97, 3519, 3529)
    assert paper["identifiers"][0]["value"] == "arXiv:1905.00414"


def test_changelog_has_the_version(root, version):
    headings = re.findall(r"^## \[([^\]]+)\]", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert headings[0] == "Unreleased"
    assert headings[1] == version
