"""What CONTRIBUTING says of additions: the files that each touches are there, and no more than were promised."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml

MOST = {"figure": 6, "index": 1, "claim": 2, "network family": 2, "data set": 2}
CLAIM = """
  - id: Z9
    section: Figure F.7
    statement: A new finding.
    place: nowhere
    predicate: {kind: at_least, of: share, value: 0.5}
    tolerance: half of it
    notebook: 13-within-class
"""
JUDGED = """
from repsim.lab import claims
values = {"share": 0.75}
claims.record("smoke", "Z9", values, notebook="13-within-class")
print(claims.verdict("smoke", "Z9"))
"""


@pytest.fixture(scope="module")
def tables(root):
    """Kind of addition -> the files that its table names."""
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Adding\n")[1].split("\n## ")[0]
    sections = re.split(r"^### An? ", text, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE) for part in sections}


@pytest.mark.parametrize("kind", MOST)
def test_an_addition_touches_few_files_and_they_are_there(root, tables, kind):
    assert set(tables) == set(MOST)
    assert 0 < len(tables[kind]) <= MOST[kind]
    assert [name for name in tables[kind] if not (root / name).exists()] == []


def test_an_added_claim_is_judged(root, tmp_path):
    shutil.copytree(root / "repsim", tmp_path / "repsim", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "book").mkdir()
    text = (root / "book" / "claims.yml").read_text(encoding="utf-8").rstrip() + "\n" + CLAIM
    assert yaml.safe_load(text)["claims"][-1]["id"] == "Z9"
    (tmp_path / "book" / "claims.yml").write_text(text, encoding="utf-8")
    environment = {"PYTHONPATH": str(tmp_path), "REPSIM_RESULTS": str(tmp_path / "results")}
    command = [sys.executable, "-c", JUDGED]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "reproduced\n", done.stderr
