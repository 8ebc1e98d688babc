"""The notebooks beside the benchmarks: each runs on the committed results, and says what is missing without them."""

import json
import re

import pytest

from repsim.lab.repository import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "benchmarks").glob("*/*.ipynb"))


def shown(notebook, monkeypatch):
    """Run the code of a notebook in this process, and return what its cells show as Markdown."""
    found = []
    monkeypatch.setattr("benchmarks.results.display", lambda text: found.append(text.data))
    names = {}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            if source.startswith("Markdown("):
                found.append(eval(source, names).data)
            else:
                exec(source, names)
    return found


def test_there_is_one_for_each_benchmark_with_a_page():
    assert [path.parent.name for path in NOTEBOOKS] == ["cluster", "engine", "faults", "peers"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_part_shows_something_of_the_committed_results(notebook, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(REPOSITORY / "results"))
    for text in shown(notebook, monkeypatch):
        assert text.strip()
        assert "Not measured here" not in text
        for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
            lines = block.replace("\\|", "").splitlines()
            assert len(lines) > 2
            assert len({line.count("|") for line in lines}) == 1


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_without_results_it_says_how_to_measure(notebook, monkeypatch, tmp_path):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path))
    said = shown(notebook, monkeypatch)
    without = [text for text in said if not text.startswith("*Not ")]
    assert len(without) == (2 if notebook.stem == "cluster" else 0), "what jobs ask for is known beforehand"
