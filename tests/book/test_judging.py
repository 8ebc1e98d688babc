"""Judging: what the executed notebooks measured for the claims becomes results, and verdicts."""

import json

import pytest

from repsim.lab import claims
from repsim.lab.claim_tables import summary
from repsim.lab.execution import execute
from repsim.lab.predicates import ClaimError

from .conftest import notebook

MEASURED = """
from repsim.lab import figures
figures.conclude(profile, "04-correspondence", {"S8": {"accuracy": ACCURACY, "standard_error": 0.5, "examples": 400}})
"""


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """A folder with an executed notebook that measured a claim."""
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    source = notebook(tmp_path / "04-correspondence.ipynb", MEASURED.replace("ACCURACY", "99.0"))
    return execute(source, "smoke", tmp_path / "executed" / source.name).parent


def test_drawing_writes_nothing_and_judging_all(executed):
    assert not executed.with_name("results").exists()
    claims.take("smoke", executed)
    assert "narrower here: 1 reproduced, " in summary("smoke")
    path = claims.measurement_path("smoke", "S8")
    found = claims.measurement("smoke", "S8")
    assert (found.values, found.n, found.spread) == ({"accuracy": 99.0, "standard_error": 0.5}, 400, 0.5)
    assert found.notebook == "04-correspondence"
    held = json.loads((executed / "verdicts.json").read_text(encoding="utf-8"))
    (verdict,) = [one["verdict"] for one in held["claims"] if one["claim"] == "S8"]
    assert verdict == "reproduced"
    before = path.stat().st_mtime_ns
    claims.take("smoke", executed)
    assert path.stat().st_mtime_ns == before, "the same is left alone"


def test_what_a_notebook_no_longer_measures_goes(executed):
    for claim, by in {"S9": "04-correspondence", "F1": "03-principal-components"}.items():
        claims.record("smoke", claim, dict.fromkeys(claims.find_claim(claim).judged, 0.5), notebook=by)
    claims.take("smoke", executed)
    assert {path.stem for path in claims.measurement_path("smoke", "S8").parent.iterdir()} == {"S8", "F1"}


def test_a_notebook_cannot_measure_a_claim_that_there_is_not(executed):
    (path,) = executed.glob("*.ipynb")
    path.write_text(path.read_text(encoding="utf-8").replace('"claim": "S8"', '"claim": "S999"'), encoding="utf-8")
    with pytest.raises(ClaimError, match="S999"):
        claims.take("smoke", executed)


def test_only_notebooks_of_the_profile_are_judged(executed, tmp_path):
    for folder, profile, said in (
        (executed, "laptop", "was executed on profile 'smoke', not 'laptop'"),
        (tmp_path / "none", "smoke", "holds no executed notebook"),
    ):
        with pytest.raises(ClaimError, match=said):
            claims.take(profile, folder)
    assert not executed.with_name("results").exists()
    assert not (tmp_path / "none").exists()
