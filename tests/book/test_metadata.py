"""What the pages say for machines: schema.org's claims and reviews, and Croissant's description of the results."""

import hashlib
import json
import re
import shutil
import subprocess

import pytest
import yaml

from repsim.lab.claim_tables import label
from repsim.lab.claims import judged, load_claims, write_verdicts
from repsim.lab.downloads import PAPER, claim_reviews, croissant
from repsim.lab.repository import REPOSITORY

from .conftest import ROOT


@pytest.fixture
def published(monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(REPOSITORY / "results"))


def parsed(script):
    return {one["@id"]: one for one in json.loads(script)["@graph"]}


def test_every_claim_has_a_review_with_verdict_value_and_source(published):
    script = claim_reviews("laptop", judged("laptop"))
    assert "<" not in script.removeprefix('<script type="application/ld+json">').removesuffix("</script>")
    found = parsed(re.fullmatch(r'<script type="application/ld\+json">(.*)</script>', script)[1])
    assert found[PAPER]["@type"] == "ScholarlyArticle"
    for claim, measured, verdict in judged("laptop"):
        said, review = found[f"#{label(claim)}"], found[f"#{label(claim)}-review"]
        assert (said["@type"], said["text"]) == ("Claim", claim.statement)
        assert said.get("appearance") == (None if claim.ours else {"@id": PAPER})
        assert (review["@type"], review["itemReviewed"]) == ("ClaimReview", {"@id": f"#{label(claim)}"})
        rating = review["reviewRating"]
        assert rating["alternateName"] == verdict
        assert rating.get("ratingValue") == {"reproduced": 3, "partly": 2, "not reproduced": 1}.get(
            rating["alternateName"]
        )
        assert ("isBasedOn" in review) == (measured is not None)
        if measured:
            values = [one["value"] for one in review["isBasedOn"]["variableMeasured"]]
            assert values == [measured.values[name] for name in claim.judged if measured.values[name] is not None]
            assert review["isBasedOn"]["url"].endswith(f"/claims/{claim.id}.json")


def test_the_page_of_claims_carries_them(pages):
    (script,) = pages["book/claims"].select('script[type="application/ld+json"]')
    assert {f"#{label(claim)}" for claim in load_claims().values()} < set(parsed(script.string))


@pytest.fixture
def described(published, tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.npz").write_bytes(b"numbers")
    write_verdicts("laptop", tmp_path)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(croissant("laptop", tmp_path, citation)))
    return path


def test_croissant_names_every_file_with_its_hash(described):
    found = json.loads(described.read_text())
    files = {one["@id"]: one for one in found["distribution"]}
    assert set(files) == {"tables/a.npz", "verdicts.json"}
    assert files["tables/a.npz"]["sha256"] == hashlib.sha256(b"numbers").hexdigest()
    assert files["tables/a.npz"]["contentSize"] == "7 B"
    (claims,) = found["recordSet"]
    written = json.loads((described.parent / "verdicts.json").read_text())["claims"]
    assert {field["source"]["extract"]["jsonPath"] for field in claims["field"]} == {
        f"$.claims[*].{key}" for key in ("claim", "statement", "place", "verdict")
    }
    assert {"claim", "statement", "place", "verdict"} <= set(written[0])


@pytest.mark.skipif(
    shutil.which("mlcroissant") is None,
    reason="mlcroissant is not installed; it is in no other test: pipx install mlcroissant",
)
def test_croissant_is_valid(described):
    command = ["mlcroissant", "validate", "--jsonld", str(described)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    command = ["mlcroissant", "load", "--jsonld", str(described), "--record_set", "claims", "--num_records", "2"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "A1" in answer.stdout + answer.stderr
