"""Every page of the book: in Chromium on a wide and a narrow screen, and as text."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from bs4 import BeautifulSoup

from repsim.lab.claims import VERDICTS, load_claims
from repsim.lab.repository import is_public, repository_url

from .conftest import ROOT, pages_of

PAGES = pages_of(ROOT)
COMMIT = r"(?:commit [0-9a-f]{12}(?: with uncommitted changes)?|an unknown commit \(made outside a git repository\))"
WIDTHS = (1280, 390)
BESIDE = ("index", "genindex", "search", "py-modindex")


def text_of(page):
    return page.find("article").get_text(" ", strip=True)


def plain(text):
    """Return a text without what typesetting changes: kinds of quotation marks, breaks."""
    return re.sub(r"\s+", " ", text.replace("’", "'"))


# ------------------------------------------------------------------------------------------------ the pages as text


def test_stand_in_book_builds_without_a_warning(stand_in_book):
    result, html = stand_in_book
    log = result.stdout + result.stderr
    assert result.returncode == 0, log[-4000:]
    assert "WARNING" not in log, log[-4000:]
    assert "build succeeded" in log
    assert (html / "index.html").exists()


def test_every_page_of_the_contents_is_there_and_no_other(html):
    built = {str(path.relative_to(html).with_suffix("")) for path in html.rglob("*.html")}
    built = {name for name in built if not name.startswith(("_modules/", "_static/"))}
    assert built - set(BESIDE) == set(PAGES)


def test_markdown_tables_of_the_pages_beside_the_benchmarks_are_tables(pages):
    for name in ("benchmarks/engine/costs", "benchmarks/peers/libraries", "benchmarks/cluster/cluster"):
        assert pages[name].select(".cell_output table td"), name
        assert not [cell for cell in pages[name].select(".cell_output") if "| ---" in cell.get_text()], name


def test_no_traceback_and_no_error_banner(pages):
    for name, page in pages.items():
        text = text_of(page)
        assert "Traceback (most recent call last)" not in text, name
        assert "An Exception was encountered at" not in text, name
        assert not page.select("#papermill-error-cell, .output.traceback, .system-message"), name


def test_every_claim_has_its_verdict(pages):
    found = pages["book/claims"]
    for claim in load_claims().values():
        heading = found.find(id=re.compile(f"^{re.escape('claim-' + claim.id.lower().replace('.', '-'))}$"))
        assert heading is not None, claim.id
        section = heading if heading.name == "section" else heading.find_parent("section")
        title = section.find("h3").get_text().removesuffix("#")
        assert re.fullmatch(rf"{re.escape(claim.id)}: ({'|'.join(VERDICTS)})", title), title
        assert plain(claim.statement) in plain(section.get_text()), claim.id


def test_first_page_answers_before_anything_else(pages):
    """Three sentences with their verdicts, a picture, the score, what failed: each leads to its claim."""
    article = pages["book/index"].select_one("article")
    answers = article.select_one("ul").find_all("li", recursive=False)
    assert len(answers) == 3
    assert all(any(verdict in plain(answer.get_text()) for verdict in VERDICTS) for answer in answers)
    named = {link.get_text(strip=True) for link in article.select("a[href*='#claim-']")}
    assert {claim.id for claim in load_claims().values() if claim.answers} <= named <= set(load_claims())
    counts = [int(cell.get_text()) for cell in article.select("table td") if cell.get_text(strip=True).isdigit()]
    assert sum(counts) == len(load_claims())


def test_first_page_is_small(html):
    assert (html / "book" / "index.html").stat().st_size < 500_000


@pytest.mark.browser
def test_first_page_answers_on_two_screens_of_a_telephone(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}/book/index.html", wait_until="load")
    ends = page.evaluate("""() => ['article ul > li:nth-child(3)', 'article figure img'].map(
        (one) => document.querySelector(one).getBoundingClientRect().bottom)""")
    page.close()
    assert max(ends) <= 2 * 844


# What a reader meets outside code: no name of a variable, of a group of networks or of an index, no unset number.
INTERNAL = re.compile(
    r"\w+_\w+"
    r"|\b(?:nan|None|True|False)\b(?! of)"
    r"|\b(?:tiny10|nano10|plain\d+|resnet\d+|width\d+|cifar100?|nobn)\b"
    r"|p = 0\.0+(?!\d)"
)
NUMBER = re.compile(r"(?<![\w.,\-–/)\]])-\d[\d.]*|\b\d[\d.]*e[-+]?\d+\b")  # a hyphen for a minus, a power as typed
CODE = "code, pre, script, style, .math, .sig, .field-list, .highlight, a.download, form, noscript"
NAMES_OF_OTHERS = {"torch_cka", "x86_64"}


def read(page):
    """Return what is read of a page: the text of its article without code."""
    copy = BeautifulSoup(str(page.find("article")), "html.parser")
    for tag in copy.select(CODE):
        tag.decompose()
    return re.sub(r"\s+", " ", copy.get_text(" "))


@pytest.mark.parametrize("name", [name for name in PAGES if name != "book/api"])  # it documents names
def test_no_internal_name_reaches_a_reader(pages, name):
    named = [match[0] for match in INTERNAL.finditer(read(pages[name]))]
    assert set(named) <= NAMES_OF_OTHERS


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("book/")])
def test_numbers_are_set_as_such(pages, name):
    assert NUMBER.findall(read(pages[name])) == []


def test_every_page_says_where_its_numbers_come_from(pages):
    for name, page in pages.items():
        text = text_of(page)
        assert re.search(rf"Profile \w+ , {COMMIT} ?,", text), name
        assert re.search(r"\b20\d\d-\d\d-\d\d\b", text), name
        assert re.search(r"processor cores?", text), name
        assert re.search(r"\d (?:seconds|minutes|hours)", text), name


def test_every_figure_has_alternative_text(pages):
    for name, page in pages.items():
        for image in page.select("article img"):
            assert image.get("alt", "").strip(), f"{name}: {str(image)[:200]}"
        for drawing in page.select("article .cell_output svg"):
            assert drawing.find("title") or drawing.get("aria-label"), f"{name}: {str(drawing)[:200]}"


CHAPTERS = [name for name in PAGES if name.startswith("notebooks/")]
HEADINGS = ["The verdict", "The result", "Why", "How it is measured", "What it cost"]


@pytest.fixture(scope="session")
def chapters(pages):
    """The chapters, of which a stand-in book has none."""
    found = {name: pages[name] for name in CHAPTERS if pages[name].select("article figcaption")}
    if not found:
        pytest.skip("the pages are stand-ins")
    return found


def test_a_chapter_begins_with_its_verdict_and_its_figure(chapters):
    for name, page in chapters.items():
        article = page.select_one("article")
        assert [head.get_text().removesuffix("#") for head in article.select("h2")] == HEADINGS, name
        before = article.select_one("h2").find_all_previous(True)
        assert [tag for tag in before if tag.name == "figure"], name
        assert [tag for tag in before if tag.name == "a" and "#claim-" in tag.get("href", "")], name
        assert not [tag for tag in before if "cell_input" in tag.get("class", []) and not tag.find_parent("details")], (
            name
        )


def test_every_figure_has_its_number_a_finding_and_its_files(chapters):
    number = re.compile(r"(?:(?:Figure|Table) (?:[A-Z]\.)?\d+ of the paper|Ours, not in the paper)\. .{20}")
    for name, page in chapters.items():
        for figure in page.select("article .cell_output figure"):
            assert number.match(figure.figcaption.get_text()), f"{name}: {figure['id']}"
            files = figure.find_next("div", class_="figure-files")
            assert [link.get_text(strip=True) for link in files.select("a")] == ["SVG", "PDF", "Data"], name
            assert [Path(link["href"]).suffix for link in files.select("a")][:2] == [".svg", ".pdf"], name


def test_numbers_are_written_as_a_reader_expects_them(chapters):
    for name, page in chapters.items():
        shown = BeautifulSoup(str(page.select_one("article")), "html.parser")
        for code in shown.select("pre, code"):
            code.decompose()
        text = shown.get_text(" ")
        assert not re.search(r"± 0(?:\.0+)?(?![\d.])", text), f"{name}: one network has no spread"
        assert not re.search(r"\d\.?\d*e[-+]\d", text), f"{name}: a power of ten"
        assert not re.search(r"(?<![\w-])-\d", text), f"{name}: a hyphen in place of a minus sign"


def test_launch_buttons_open_the_notebook_of_the_page(pages):
    owner_and_name = repository_url().removeprefix("https://github.com/")
    for name, page in pages.items():
        buttons = page.select(".dropdown-launch-buttons a")
        found = {button.get_text(strip=True): button["href"] for button in buttons}
        if not name.startswith("notebooks/") or not is_public(repository_url()):
            assert not found, name
            continue
        assert found == {
            "Binder": f"https://mybinder.org/v2/gh/{owner_and_name}/main?urlpath=lab/tree/{name}.ipynb",
            "Colab": f"https://colab.research.google.com/github/{owner_and_name}/blob/main/{name}.ipynb",
            "Codespaces": f"https://github.dev/{owner_and_name}/blob/main/{name}.ipynb",
        }


def test_internal_links_and_anchors_resolve(html):
    files = {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in html.rglob("*.html")}
    files = {path: page for path, page in files.items() if "_static" not in path.parts}
    anchors = {path: {tag["id"] for tag in page.find_all(id=True)} for path, page in files.items()}
    problems = []
    for path, page in files.items():
        for link in page.select("a[href]"):
            target, anchor = urldefrag(urljoin(path.as_uri(), link["href"]))
            if not target.startswith("file://"):
                continue
            file = Path(unquote(urlsplit(target).path))
            if not file.is_file():
                problems.append(f"{path.relative_to(html)}: {link['href']}: no such file")
            elif anchor and file in anchors and unquote(anchor) not in anchors[file]:
                problems.append(f"{path.relative_to(html)}: {link['href']}: no such anchor")
    assert problems == []


# ---------------------------------------------------------------------------------------------- the pages in Chromium


def look_at(browser, address, name, width):
    """Open a page and return what is wrong with it."""
    problems = []
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    page = context.new_page()

    def route(request):
        if request.request.url.startswith((address, "data:", "blob:")):
            request.continue_()
        else:
            problems.append(f"asks for {request.request.url}")
            request.abort()

    page.route("**/*", route)
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("response", lambda answer: problems.append(f"{answer.status} {answer.url}") if answer.status >= 400 else 0)
    page.goto(f"{address}/{name}.html", wait_until="load")
    if name == "index":
        page.wait_for_url("**/book/index.html")  # it leads on to the first page
    if page.query_selector(".math"):
        page.wait_for_function("window.MathJax && MathJax.startup && MathJax.startup.promise")
        page.evaluate("() => MathJax.startup.promise")
        if page.query_selector("article .math") and not page.query_selector("article mjx-container"):
            problems.append("formulas are not set")
    # Images further down are loaded when they come into view.
    page.evaluate("() => document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.wait_for_function("() => [...document.images].every(image => image.complete)")
    broken = page.evaluate(
        "() => [...document.images].filter(i => !i.naturalWidth && getComputedStyle(i).display !== 'none')"
        ".map(i => (i.currentSrc || i.src).slice(0, 100))"
    )
    problems += [f"image not shown: {source}" for source in broken]
    scroll, inner = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    if scroll > inner + 1:
        wide = page.evaluate(
            "() => [...document.querySelectorAll('main *')]"
            ".filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
            ".slice(0, 3).map(e => e.outerHTML.slice(0, 120))"
        )
        problems.append(f"{scroll} pixels wide: {wide}")
    if folder := os.environ.get("BOOK_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name.replace('/', '-')}-{width}.png", full_page=True)
    context.close()
    return problems


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [*PAGES, "index", "search", "genindex"])
def test_page_in_chromium(browser, address, name, width):
    assert look_at(browser, address, name, width) == []


@pytest.mark.browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_the_verdict_and_the_figure_are_on_the_first_screen(browser, address, chapters, name):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/{name}.html", wait_until="load")
    boxes = page.evaluate(
        "() => ['article .cell_output p', 'article figure img', 'article figcaption']"
        ".map(one => document.querySelector(one).getBoundingClientRect()).map(box => [box.top, box.bottom])"
    )
    verdict, image, caption = boxes
    assert verdict[1] < image[0] < image[1] <= caption[0] + 1
    assert image[1] < 900, "the whole figure"
    page.get_by_role("button", name="Enlarge").first.click()
    large = page.locator("dialog.enlarged[open] img")
    assert large.bounding_box()["width"] > image[1] - image[0]
    page.keyboard.press("Escape")
    assert page.locator("dialog.enlarged[open]").count() == 0
    page.close()
