"""Which notebooks run and are in the book: the listed ones where it is published, else all."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from repsim.lab.claims import load_claims
from repsim.lab.errors import LabError
from repsim.lab.execution import contents, execute, is_chapter, notebooks
from repsim.lab.staging import stage

from .conftest import ROOT, notebook, pages_of

MORE = "98-not-listed"


@pytest.fixture
def with_one_more(repository, tmp_path):
    """The stand-ins with a notebook that _toc.yml does not list, and one that is no part of the chain."""
    changed = shutil.copytree(repository, tmp_path / "repository")
    notebook(changed / "notebooks" / f"{MORE}.ipynb", "print(1)")
    notebook(changed / "notebooks" / "draft.ipynb", "print(1)")
    return changed


def test_the_published_book_has_the_listed_notebooks(with_one_more):
    toc = contents(published=True, root=with_one_more)
    assert toc == yaml.safe_load((ROOT / "_toc.yml").read_text())
    assert notebooks(toc) == [f"{page}.ipynb" for page in pages_of(ROOT) if (ROOT / f"{page}.ipynb").exists()]


def test_any_other_book_has_them_all(with_one_more):
    toc = contents(published=False, root=with_one_more)
    listed = notebooks(contents(published=True, root=with_one_more))
    last = max(place for place, name in enumerate(listed) if is_chapter(name))
    assert notebooks(toc) == [*listed[: last + 1], f"notebooks/{MORE}.ipynb", *listed[last + 1 :]]
    assert toc["parts"][0]["chapters"][-1] == {"file": f"notebooks/{MORE}"}
    assert toc["parts"][1:] == yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"][1:]


def test_a_line_in_the_contents_adds_a_notebook(with_one_more):
    path = with_one_more / "_toc.yml"
    last = [name for name in notebooks(contents(published=True, root=with_one_more)) if is_chapter(name)][-1]
    line = f"      - file: {last.removesuffix('.ipynb')}\n"
    path.write_text(path.read_text().replace(line, f"{line}      - file: notebooks/{MORE}\n"))
    assert contents(published=True, root=with_one_more) == contents(published=False, root=with_one_more)


def test_staged(with_one_more, executed, tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    copies = shutil.copytree(executed, tmp_path / "executed")
    target = tmp_path / "book"
    stage("smoke", copies, target, root=with_one_more, published=True)
    assert MORE not in (target / "_toc.yml").read_text()
    with pytest.raises(LabError, match=f"{MORE}.ipynb is missing"):
        stage("smoke", copies, target, root=with_one_more)
    execute(with_one_more / "notebooks" / f"{MORE}.ipynb", "smoke", copies / f"{MORE}.ipynb")
    stage("smoke", copies, target, root=with_one_more)
    assert f"notebooks/{MORE}" in pages_of(target)
    assert (target / "notebooks" / f"{MORE}.ipynb").exists()
    assert not (target / "notebooks" / "draft.ipynb").exists()


def test_a_claim_links_to_a_page_of_the_book_only(repository, executed, tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    target = stage("smoke", executed, tmp_path / "book", root=repository, published=True)
    page, all_listed = (target / "book" / "claims.md").read_text(), notebooks(contents(published=True, root=repository))
    listed = [Path(name).stem for name in all_listed if is_chapter(name)]
    assert set(re.findall(r"\]\(\.\./notebooks/([^)]+)\.ipynb\)", page)) <= set(listed)
    elsewhere = {claim.notebook for claim in load_claims().values() if claim.notebook} - set(listed)
    assert all(f"`notebooks/{stem}.ipynb` measures it" in page for stem in elsewhere)
