"""The page of claims: every row leads to its evidence, and the rows can be chosen, also by a link."""

import inspect
import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import repsim
from repsim.lab.claims import VERDICTS, load_claims
from repsim.lab.execution import execute
from repsim.lab.findings import correspondence, measuring, theory
from repsim.lab.measurements.common import networks
from repsim.lab.measurements.properties import probes
from repsim.lab.repository import REPOSITORY, is_public, repository_url
from repsim.lab.staging import Evidence, code_link, link_to_commit

from .conftest import notebook

ADDRESS = "https://github.com/a-lab/cka-again"
CELL = """
import numpy as np
from IPython.display import display
from repsim.lab.findings.components import figure_1
measured = {"F1": figure_1(np.random.default_rng(0).normal(size=(2, 9, 2)))}
display({"text/plain": ""}, raw=True, metadata={"repsim": {"figure": {"name": "figure-1", "caption": "Dots."}}})
"""
VERDICT = """
from repsim.lab.figures.verdicts import conclude
conclude(profile, "03-principal-components", measured)
"""


ACCURACIES = {networks, probes}  # for which the package has no function


@pytest.mark.parametrize("claim", [claim.id for claim in load_claims().values() if claim.notebook])
def test_every_claim_declares_what_measures_it(claim):
    declared = measuring(claim)
    assert declared.by
    public = [function for function in declared.by if function.__name__ in repsim.__all__]
    assert public or set(declared.by) <= ACCURACIES
    assert all(function is getattr(repsim, function.__name__) for function in public)


def test_the_functions_of_some_claims():
    assert measuring("F.3").function is inspect.unwrap(correspondence.figure_f3)
    assert measuring("T5").function is inspect.unwrap(theory.equations)
    assert measuring("S1").function is inspect.unwrap(correspondence.table_2_claims)
    assert measuring("S14").function is inspect.unwrap(correspondence.compared_indexes)
    first = {claim: measuring(claim).by[0] for claim in ("S8", "S6", "S3", "F.8g", "T14", "F1")}
    expected = (
        repsim.cka,
        repsim.linear_regression,
        repsim.svcca,
        repsim.pwcca,
        repsim.svcca,
        repsim.principal_components,
    )
    assert tuple(first.values()) == expected
    assert set(measuring("T5").by) == {repsim.linear_regression, repsim.cka}
    assert measuring("nothing") is None


@pytest.mark.parametrize(("commit", "at"), [("unknown", "main"), ("abc-modified", "main"), ("abc", "abc")])
def test_the_line_of_code(monkeypatch, commit, at):
    monkeypatch.setattr("repsim.lab.staging.commit", lambda: commit)
    link = code_link(correspondence.figure_2, ADDRESS, "code")
    path, line = re.fullmatch(rf"\[code\]\({ADDRESS}/blob/{at}/(.+)#L(\d+)\)", link).groups()
    assert (REPOSITORY / path).read_text().splitlines()[int(line) - 1].startswith("def figure_2(")


def test_without_an_address_there_is_no_link_but_the_place(monkeypatch):
    said = code_link(correspondence.figure_2, "https://github.com/OWNER/any", "code")
    path, line = re.fullmatch(r"code in `(.+)`, line (\d+)", said).groups()
    assert (REPOSITORY / path).read_text().splitlines()[int(line) - 1].startswith("def figure_2(")
    assert link_to_commit("https://github.com/OWNER/any", "0123456789") == "commit 0123456"
    assert link_to_commit(ADDRESS, "0123456789") == f"[commit 0123456]({ADDRESS}/commit/0123456789)"


def test_figure_and_cell(tmp_path):
    source = notebook(tmp_path / "03-principal-components.ipynb", "1", CELL, VERDICT)
    execute(source, "smoke", tmp_path / "out" / source.name)
    evidence = Evidence({source.stem: tmp_path / "out" / source.name}, ADDRESS, {"figure-1": "data-components"})
    figure, cell, data, code, function = evidence.links("smoke", load_claims()["F1"])
    assert function == "{py:func}`~repsim.principal_components`"
    assert (figure.split("(")[0], cell.split("(")[0], data) == ("[figure]", "[cell]", "[data](#data-components)")
    assert figure.split("(")[1] == cell.split("(")[1]
    assert "/repsim/lab/findings/components.py#L" in code
    assert len(evidence.links("smoke", load_claims()["F2a"])) == 1 + len(measuring("F2a").by), (
        "its notebook is not there"
    )


# ------------------------------------------------------------------------------------------------------ the built page


def rows_of(page):
    table = page.select_one(".claims-table table")
    names = [cell.get_text(strip=True) for cell in table.select("th")]
    return [dict(zip(names, row.select("td"), strict=True)) for row in table.select("tbody tr")]


def test_every_row_leads_to_its_evidence(pages, html):
    rows = rows_of(pages["book/claims"])
    assert [row["claim"].get_text(strip=True) for row in rows][: len(load_claims())] == list(load_claims())
    here = Path(html) / "book"
    for row in rows:
        links = {link.get_text(strip=True): link["href"] for link in row["evidence"].select("a")}
        declared = measuring(row["claim"].get_text(strip=True)) is not None
        assert ("code" in row["evidence"].get_text()) == declared, row["claim"]
        if declared and is_public(repository_url()):
            assert links["code"].startswith(f"{repository_url()}/blob/")
        measured = row["here"].get_text(strip=True) != "–"
        assert ("values" in links) == measured, row["claim"]
        if measured:
            assert (here / links["values"]).resolve().is_file()


def test_the_cells_have_anchors(pages):
    cells = {tag["id"] for name, page in pages.items() if "notebooks/" in name for tag in page.select("div.cell[id]")}
    for row in rows_of(pages["book/claims"]):
        for link in row["evidence"].select("a[href*='notebooks/']"):
            assert link["href"].split("#")[1] in cells, link


# ------------------------------------------------------------------------------------------------ the page in Chromium


@pytest.fixture
def page(browser, html):
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto((Path(html) / "book" / "claims.html").as_uri())
    yield opened
    opened.close()
    assert problems == []


def shown(page):
    """Return the values of a column of the rows that are shown, by the column's name."""
    return page.evaluate(
        """() => {
          const table = document.querySelector('.claims-table table');
          const names = [...table.tHead.rows[0].cells].map(cell => cell.textContent.trim());
          return [...table.tBodies[0].rows].filter(row => row.offsetParent !== null)
            .map(row => Object.fromEntries([...row.cells].map((cell, i) => [names[i], cell.textContent.trim()])));
        }"""
    )


def said(page):
    return page.text_content(".claims-filter + [role=status]")


@pytest.mark.browser
def test_rows_are_chosen_with_the_keyboard(page):
    every = shown(page)
    assert said(page) == f"{len(every)} of {len(every)} rows shown"
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.name === 'section'"):
            break
    page.keyboard.type("Table 2")
    page.wait_for_function("() => location.search.includes('section')")
    rows = shown(page)
    assert {row["section"] for row in rows} == {"Table 2, layers identified"}
    assert said(page) == f"{len(rows)} of {len(every)} rows shown"
    assert page.is_visible("section:has(> #claim-s8) h3")
    assert not page.is_visible("section:has(> #claim-t1) h3")


@pytest.mark.browser
@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_link_chooses(page, verdict):
    every = shown(page)
    page.goto(f"{page.url}?verdict={verdict}&section=&profile=nowhere")
    rows = shown(page)
    count = sum(re.sub(r"^\S+\s", "", row["verdict"]).replace("\xa0", " ") == verdict for row in every)
    assert len(rows) == (count or len(every)), "a choice that the page does not offer chooses nothing"
    page.select_option('[name="verdict"]', "")
    assert len(shown(page)) == len(every)
    assert parse_qs(urlsplit(page.url).query) == {}


@pytest.mark.browser
def test_without_scripts_the_whole_table_is_there(browser, html):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((Path(html) / "book" / "claims.html").as_uri())
    assert page.locator(".claims-table tbody tr:visible").count() >= len(load_claims())
    assert page.locator(".claims-filter").count() == 0
    context.close()


def test_every_figure_that_a_claim_names_is_in_its_chapter():
    for claim in load_claims().values():
        chapter = (REPOSITORY / "notebooks" / f"{claim.notebook}.ipynb") if claim.notebook else None
        for name in {claim.figure, claim.why_figure} - {None, "none"}:
            assert f'name=\\"{name}\\"' in chapter.read_text(encoding="utf-8"), claim.id


def test_the_figure_of_the_reason_stands_beside_that_of_the_evidence(tmp_path):
    cells = [
        {"id": name, "cell_type": "code", "metadata": {}, "source": [], "outputs": [{"data": {}, "metadata": shown}]}
        for name, figure in (("one", "figure-4"), ("two", "grid-with-distance"))
        for shown in [{"repsim": {"figure": {"name": figure, "caption": ""}}}]
    ]
    page = tmp_path / "07-residual.ipynb"
    page.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": cells}), encoding="utf-8")
    links = Evidence({page.stem: page}, ADDRESS, {}).links("smoke", load_claims()["F4b"])
    assert [link.split("-of-")[0] for link in links[:2]] == ["[figure](#code-one", "[why](#code-two"]
