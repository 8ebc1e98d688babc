"""Putting the book together: what is refused, and what the folder holds."""

import errno
import json
import re
import shutil

import numpy as np
import pytest
import yaml

from repsim.lab.errors import DamagedArtefactError, LabError, ProfileError
from repsim.lab.execution import contents, is_chapter, notebooks
from repsim.lab.repository import DEFAULT_REPOSITORY, commit, commit_in_words, is_public, repository_url
from repsim.lab.staging import NO_ADDRESS, stage
from repsim.lab.store import MADE_AGAIN_BY, Store, record_path

from .conftest import ROOT, notebook, pages_of
from .made_up import tables

FIRST = "01-train-networks.ipynb"
AWAY = {MADE_AGAIN_BY: "make it"}


@pytest.fixture
def results(tmp_path, monkeypatch):
    folder = tmp_path / "results"
    monkeypatch.setenv("REPSIM_RESULTS", str(folder))
    return folder


@pytest.fixture
def copies(executed, tmp_path):
    return shutil.copytree(executed, tmp_path / "executed")


def artefact(results):
    return tables(Store(results / "smoke"))


def test_staged(repository, executed, results, tmp_path):
    made = artefact(results)
    target = stage("smoke", executed, tmp_path / "build" / "book", root=repository)
    for page in pages_of(ROOT):
        assert list(target.glob(f"{page}.*")), page
    config = yaml.safe_load((target / "_config.yml").read_text())
    assert config["repository"]["url"] == repository_url()
    assert "no number here is a result" in config["html"]["announcement"]
    assert "<!-- generated" not in "".join(path.read_text() for path in (target / "book").glob("*.md"))
    folder = target / "results" / "smoke"
    assert (folder / "tables" / made.path.name).read_bytes() == made.path.read_bytes()
    assert made.sha256 in (folder / "SHA256SUMS.txt").read_text()
    assert len(json.loads((folder / "verdicts.json").read_text())["claims"]) >= 40
    assert [path.name for path in target.parent.iterdir()] == ["book"]


def test_parameters_are_hidden_and_the_source_is_named(repository, executed, results, tmp_path):
    target = stage("smoke", executed, tmp_path / "book", root=repository)
    cells = json.loads((target / "notebooks" / FIRST).read_text())["cells"]
    hidden = [cell for cell in cells if "remove-cell" in cell["metadata"].get("tags", [])]
    assert len(hidden) == 2
    rule, links, provenance = cells[-1]["source"].split("\n\n")
    assert rule == "---"
    assert links == "[Data of the figures](../book/data.md) · [The same with other seeds](#own-seeds)"
    assert provenance.startswith(f"*Profile `smoke`, {commit_in_words(commit())}, executed on 20")


def test_repository_comes_from_one_place(repository, tmp_path):
    assert repository_url(tmp_path) == DEFAULT_REPOSITORY
    text = '[project.urls]\nRepository = "https://github.com/someone/else/"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    assert repository_url(tmp_path) == "https://github.com/someone/else"


@pytest.mark.parametrize("address", ["https://github.com/OWNER/any", "https://github.com/a-lab/cka-again"])
def test_no_button_leads_nowhere(repository, executed, results, tmp_path, monkeypatch, address):
    monkeypatch.setattr("repsim.lab.staging.repository_url", lambda *_: address)
    target = stage("smoke", executed, tmp_path / "book", root=repository)
    config = yaml.safe_load((target / "_config.yml").read_text())
    assert ("launch_buttons" in config) == is_public(address)
    assert {config["html"][name] for name in config["html"] if name.endswith("_button")} == {is_public(address)}
    assert (NO_ADDRESS in (target / "book" / "tutorial.md").read_text()) != is_public(address)


def test_a_missing_executed_notebook_is_named(repository, copies, results, tmp_path):
    (copies / FIRST).unlink()
    with pytest.raises(LabError, match=rf"{FIRST} is missing; make it with: repsim-lab execute notebooks/{FIRST}"):
        stage("smoke", copies, tmp_path / "book", root=repository)


def test_a_stale_executed_notebook_is_named(repository, copies, results, tmp_path):
    target = stage("smoke", copies, tmp_path / "book", root=repository)
    before = (target / "notebooks" / FIRST).read_bytes()
    changed = shutil.copytree(repository, tmp_path / "repository")
    notebook(changed / "notebooks" / FIRST, "print('changed')")
    with pytest.raises(LabError, match=f"{FIRST} was not made from .* as it is now"):
        stage("smoke", copies, target, root=changed)
    assert (target / "notebooks" / FIRST).read_bytes() == before


def test_notebooks_of_another_profile_are_refused(repository, copies, results, tmp_path):
    with pytest.raises(LabError, match="is of profile 'smoke', not 'laptop'"):
        stage("laptop", copies, tmp_path / "book", root=repository)
    with pytest.raises(ProfileError, match="known are"):
        stage("nowhere", copies, tmp_path / "book", root=repository)


def test_few_parts_are_generated():
    """What can be a notebook is one; see repsim.lab.staging for why these cannot."""
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md"))
    assert len(re.findall("<!-- generated:", pages)) <= 9


def test_an_unknown_generated_part_is_named(repository, executed, results, tmp_path):
    changed = shutil.copytree(repository, tmp_path / "repository")
    with (changed / "book" / "cite.md").open("a") as page:
        page.write("\n<!-- generated: nothing-known -->\n")
    with pytest.raises(LabError, match="cite.md: unknown generated part 'nothing-known'; known are: claims"):
        stage("smoke", executed, tmp_path / "book", root=changed)
    assert not (tmp_path / "book").exists()


def test_a_damaged_artefact_is_not_offered(repository, executed, results, tmp_path):
    made = artefact(results)
    made.path.write_bytes(made.path.read_bytes()[:-1])
    with pytest.raises(DamagedArtefactError, match=made.path.name):
        stage("smoke", executed, tmp_path / "book", root=repository)


def test_of_what_is_not_committed_the_record_is_offered(repository, executed, results, tmp_path):
    made = Store(results / "smoke").get("networks", "large", {"seed": 1}, lambda: ({"a": np.zeros(9)}, AWAY))
    for name in ("with-its-file", "without"):
        target = stage("smoke", executed, tmp_path / name, root=repository)
        page = (target / "book" / "data.md").read_text()
        record = f"[record](../results/smoke/networks/{record_path(made.path).name})"
        assert f"| `{made.path.name}`, {record}; not offered: `make it` makes it | 1 KiB | `{made.sha256}` |" in page
        assert not list(target.rglob(made.path.name))
        assert list(target.rglob(record_path(made.path).name))
        made.path.unlink(missing_ok=True)


def test_every_figure_has_its_data(repository, executed, results, copies, tmp_path):
    made = artefact(results)
    path = copies / "04-correspondence.ipynb"
    content = json.loads(path.read_text())
    outputs = content["cells"][-2]["outputs"]
    drawn, computed = outputs[0], json.loads(json.dumps(outputs[0]))
    figures = {"name": "figure-2", "source": ["tables"]}, {"name": "made-here", "data": {"x": [1, 2], "y": [0.5, 0.1]}}
    for output, figure in zip((drawn, computed), figures, strict=True):
        output["metadata"] = {"repsim": {"figure": {"caption": "Maps & more.", **figure}}}
    outputs.append(computed)
    path.write_text(json.dumps(content))
    target = stage("smoke", copies, tmp_path / "book", root=repository)
    page = (target / "book" / "data.md").read_text()
    assert "| Maps & more. | [](../notebooks/04-correspondence.ipynb) | [Figure 2" in page
    assert "(#data-tables) |" in page
    assert "\n(data-tables)=\n## Figure 2" in page
    assert made.path.name in page
    assert (target / "results/smoke/computed/made-here.csv").read_text() == "x,y\n1.0,0.5\n2.0,0.1\n"
    assert "computed/made-here.csv" in (target / "results/smoke/SHA256SUMS.txt").read_text()
    others = [name for name in notebooks(contents(published=True, root=repository)) if is_chapter(name)]
    assert page.count("| none |") == len(others) - 1, "the stand-ins of the other chapters"


@pytest.mark.parametrize("name", ["shutil.copytree", "os.replace"])
def test_no_room_for_the_book_is_one_sentence_and_leaves_the_old_one(repository, executed, results, tmp_path, name):
    artefact(results)
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "old.md").write_text("old")

    def full(*_, **__):
        error = OSError(errno.ENOSPC, "No space left on device")
        raise shutil.Error([("a", "b", str(error))]) if name == "shutil.copytree" else error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name, full)
        with pytest.raises(LabError, match=r"book cannot be made: .*No space left on device$"):
            stage("smoke", executed, tmp_path / "book", root=repository)
    assert name == "os.replace" or (tmp_path / "book" / "old.md").exists()
    assert not list(tmp_path.glob(".*.part"))
