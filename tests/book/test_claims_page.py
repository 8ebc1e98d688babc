"""The page of claims: every row leads to its evidence, and the rows can be chosen, also by a link."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import repsim
from repsim.lab import findings
from repsim.lab.claims import VERDICTS, load_claims
from repsim.lab.evidence import Evidence, code_link, measuring_functions, public_functions
from repsim.lab.execution import execute
from repsim.lab.paths import REPOSITORY
from repsim.lab.staging import repository_url

from .conftest import notebook

ADDRESS = "https://github.com/OWNER/repsim-revisited"
CELL = """
from IPython.display import HTML
from repsim.lab import findings
findings.figure_1(scores) if False else None
HTML('<figure id="figure-1"></figure>')
"""
VERDICT = "from IPython.display import HTML\nHTML('<table><tr><td>F1</td></tr></table>')"


def test_every_claim_has_a_function_that_measures_it():
    assert list(load_claims()) == sorted(measuring_functions(), key=list(load_claims()).index)


def test_the_functions_of_some_claims():
    assert measuring_functions()["F.3"] is findings.figure_f3
    assert measuring_functions()["T5"] is findings.equation
    assert measuring_functions()["S1"] is findings.table_2_claims
    assert measuring_functions()["S14"] is findings.compared_indexes
    assert public_functions("S8")[0] == "cka"
    assert public_functions("S6")[0] == "linear_regression"
    assert set(public_functions("T5")) == {"linear_regression", "cka"}
    assert public_functions("F.8g")[0] == "pwcca"
    assert all(name in repsim.__all__ for claim in load_claims() for name in public_functions(claim))


@pytest.mark.parametrize(("commit", "at"), [("unknown", "main"), ("abc-modified", "main"), ("abc", "abc")])
def test_the_line_of_code(monkeypatch, commit, at):
    monkeypatch.setattr("repsim.lab.evidence.commit", lambda: commit)
    link = code_link(findings.figure_2, ADDRESS, "main")
    path, line = re.fullmatch(rf"{ADDRESS}/blob/{at}/(.+)#L(\d+)", link).groups()
    assert (REPOSITORY / path).read_text().splitlines()[int(line) - 1].startswith("def figure_2(")


def test_figure_and_cell(tmp_path):
    source = notebook(tmp_path / "03-principal-components.ipynb", "1", CELL, VERDICT)
    execute(source, "smoke", tmp_path / "out" / source.name)
    evidence = Evidence({source.stem: tmp_path / "out" / source.name}, ADDRESS, "main", {"figure-1": "data-components"})
    figure, cell, data, code = evidence.links(load_claims()["F1"])
    assert (figure.split("(")[0], cell.split("(")[0], data) == ("[figure]", "[cell]", "[data](#data-components)")
    assert figure.split("(")[1] == cell.split("(")[1]
    assert "/repsim/lab/findings/components.py#L" in code
    assert len(evidence.links(load_claims()["F2a"])) == len([code, *public_functions("F2a")]), (
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
