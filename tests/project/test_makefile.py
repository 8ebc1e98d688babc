"""`make help` lists every target, and the targets that the README promises exist."""

import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def run(root, *arguments):
    return subprocess.run(["make", *arguments], cwd=root, capture_output=True, text=True, check=False)


def test_help_lists_every_target(root):
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (root / "Makefile").read_text(encoding="utf-8"), re.M))
    answer = run(root, "help")
    assert answer.returncode == 0, answer.stderr
    assert set(re.findall(r"^  ([a-z-]+)  +\S", answer.stdout, re.M)) == targets
    assert {"env", "book", "test", "plan", "reproduce", "clean"} <= targets


def test_documented_targets_exist(root, texts):
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (root / "Makefile").read_text(encoding="utf-8"), re.M))
    for path, text in texts.items():
        if path.suffix in {".md", ".yml"} or path.name == "run":
            named = set(re.findall(r"(?:^|`|run: )make ([a-z][a-z-]*)", text, re.M))
            assert named <= targets, f"{path}: {sorted(named - targets)}"


@pytest.mark.parametrize("profile", ["smoke", "laptop", "paper"])
def test_reproduce_says_the_cost_before_anything_starts(root, profile):
    answer = run(root, "--dry-run", "reproduce", f"PROFILE={profile}")
    assert answer.returncode == 0, answer.stderr
    plan, work = answer.stdout.index(f"repsim-lab plan {profile}"), answer.stdout.index("snakemake")
    assert plan < work
    assert f"profile={profile}" in answer.stdout[work:]


def test_nothing_is_made_without_a_fitting_python(root, tmp_path):
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(root / name, tmp_path)
    answer = run(tmp_path, "env", "PYTHON=no-such-python")
    assert answer.returncode != 0
    assert "Python 3.11, 3.12 or 3.13 with its venv module is needed" in answer.stderr
    assert not (tmp_path / ".venv").exists()
