"""The recipes run as they stand on their page, on the smoke profile that they name."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import yaml

from repsim.lab.execution import stamp

from .conftest import ROOT, all_code_is_tested, code_of, run_python

PAGE = "recipes.md"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder for the networks, which two of the recipes share."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def elsewhere(made, tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(made / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(made / "cache"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


def test_all_code_on_the_page_is_run():
    assert all_code_is_tested(PAGE)
    assert {name for name, _ in code_of(PAGE)} == {"seeds", "network", "tokens", "index"}


def with_lines(text, lines):
    """Return a profile in which the last of some lines is new, where the others stand."""
    *known, new = lines.splitlines(keepends=True)
    before, after = text.split("".join(known))
    replaced, rest = after.split("\n", 1)
    assert replaced.strip().startswith("seeds:")
    return before + "".join(known) + new + rest


@pytest.mark.slow
def test_a_figure_with_other_seeds(tmp_path):
    lines, command = (code for name, code in code_of(PAGE) if name == "seeds")
    clone = tmp_path / "clone"
    for folder in ("repsim", "notebooks", "book"):
        shutil.copytree(ROOT / folder, clone / folder, ignore=shutil.ignore_patterns("__pycache__"))
    profile = clone / "repsim" / "lab" / "profiles" / "smoke.yml"
    profile.write_text(with_lines(profile.read_text(encoding="utf-8"), lines), encoding="utf-8")
    seeds = yaml.safe_load(lines)[0]["seeds"]
    words = shlex.split(command)
    assert words[0] == ".venv/bin/repsim-lab"

    environment = {**os.environ, "PYTHONPATH": str(clone), "REPSIM_CACHE": str(tmp_path / "cache")}
    environment.pop("REPSIM_RESULTS", None)
    subprocess.run([sys.executable, "-m", "repsim.lab", *words[1:]], cwd=clone, env=environment, check=True)

    records = [json.loads(path.read_text()) for path in (clone / "results/smoke/networks").glob("*.json")]
    assert sorted(record["inputs"]["seed"] for record in records) == seeds
    executed = clone / "build" / "notebooks" / "04-correspondence.ipynb"
    assert stamp(executed)["profile"] == "smoke"
    assert '<figure id=\\"figure-2\\"' in executed.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_network_of_ones_own(elsewhere):
    names = run_python(PAGE, "network")
    assert np.ptp(names["values"], axis=0).min() > 0, "the networks of the group differ"
    assert "<svg" in (elsewhere / "mine.svg").read_text()


@pytest.mark.slow
def test_tokens_of_ones_own(elsewhere, capsys):
    names = run_python(PAGE, "tokens")
    assert names["values"].shape == (6,)
    assert 0 < names["values"].min() < names["values"].max() < 1
    assert "most like sublayer" in capsys.readouterr().out


@pytest.mark.slow
def test_an_index_of_ones_own(elsewhere, capsys):
    names = run_python(PAGE, "index")
    first, second, *_ = names["every"]
    expected = names["compare"](names["prepare"](first), names["prepare"](second))
    assert names["tables"]["mine"][0, 1] == pytest.approx(expected, abs=1e-12)
    assert "cka_linear identifies" in capsys.readouterr().out
