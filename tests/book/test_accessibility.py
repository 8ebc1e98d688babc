"""What axe-core finds on every page, on a wide light screen and a narrow dark one; and how heavy the pages are."""

import gzip
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .conftest import ROOT, pages_of

PAGES = [*pages_of(ROOT), "search", "genindex"]
SCREENS = ((1280, "light"), (390, "dark"))
LARGE = ("book/api", "book/claims")  # which take as long as all others together
HEAVIEST, FIRST = 3_000_000, 500_000
# Sent as they are: compressing them again gains nothing.
PACKED = {".woff2", ".png", ".jpg"}


@pytest.fixture(scope="module")
def axe():
    module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    return module.Axe()


def opened(browser, html, name, width, mode):
    """Open a page from disk in one of the theme's modes."""
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    context.add_init_script(f"localStorage.setItem('mode', '{mode}'); localStorage.setItem('theme', '{mode}')")
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((Path(html) / f"{name}.html").as_uri(), wait_until="load")
    page.wait_for_timeout(300)  # scripts that run once the page is there
    if page.query_selector("#similarities"):
        page.wait_for_function("() => document.getElementById('similarities').dataset.ready || !window.explorer")
    return page, asked


def looks():
    """Each page on each screen: one page after the other on the other screen, and the rest only where there is time."""
    for place, name in enumerate(PAGES):
        for number, screen in enumerate(SCREENS):
            later = name in LARGE or (place + number) % 2
            yield pytest.param(name, *screen, id=f"{name}-{screen[0]}", marks=[pytest.mark.slow] if later else [])


@pytest.mark.browser
@pytest.mark.parametrize(("name", "width", "mode"), list(looks()))
def test_nothing_serious(browser, html, axe, name, width, mode):
    page, _ = opened(browser, html, name, width, mode)
    found = axe.run(page).response["violations"]
    page.context.close()
    assert [
        f"{one['impact']} {one['id']}: {node['target']} {node['html'][:120]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ] == []


def weight(urls):
    """Return the bytes of files as web servers send them, which is compressed."""
    paths = {Path(unquote(urlsplit(url).path)) for url in urls if url.startswith("file:")}
    assert paths
    return sum(
        path.stat().st_size if path.suffix in PACKED else len(gzip.compress(path.read_bytes())) for path in paths
    )


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_heavy(browser, html, name):
    page, asked = opened(browser, html, name, *SCREENS[0])
    page.context.close()
    assert weight(asked) < (FIRST if name == PAGES[0] else HEAVIEST)
