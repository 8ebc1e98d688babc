"""Print the book that ``make book`` put together as one PDF: ``python workflow/pdf.py build/book build/pdf``.

Its figures and tables are HTML, which LaTeX would leave out. So all pages are made into one, and a browser prints it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAME = "repsim-revisited.pdf"
NUMBER = '<div style="width: 100%; font-size: 8px; text-align: center"><span class="pageNumber"></span></div>'
# Links from page to page are links within the one; files beside the pages are not there any more.
LINKS = """() => document.querySelectorAll("a[href]").forEach(link => {
    if (link.protocol !== "file:") return;
    const here = link.hash && document.getElementById(decodeURIComponent(link.hash.slice(1)));
    here ? link.setAttribute("href", link.hash) : link.removeAttribute("href");
})"""
MARGIN = {"top": "15mm", "bottom": "18mm", "left": "15mm", "right": "15mm"}


def one_page(book: Path, folder: Path) -> Path:
    """Make one page of all pages, and return it."""
    build = ["jupyter-book", "build", book, "--builder", "singlehtml", "--all", "-W", "--path-output", folder]
    done = subprocess.run(build, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"The pages cannot be made into one:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    pages = folder / "_build" / "singlehtml"
    # The first page lies in a folder, but refers to everything as if it did not.
    return shutil.copy(pages / "book" / "index.html", pages / "whole.html")


def printed(page: Path, pdf: Path) -> None:
    """Write a page as PDF, with its headings as outline, by Playwright's browser or else the system's."""
    with sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        other = shutil.which("chromium") or shutil.which("chromium-browser")
        if not own.exists() and other is None:
            sys.exit("Printing needs Chromium: `.venv/bin/playwright install chromium` brings one.")
        browser = driver.chromium.launch(
            executable_path=None if own.exists() else other, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page()
        tab.goto(page.resolve().as_uri(), wait_until="load")
        tab.evaluate("() => MathJax.startup.promise")
        tab.evaluate(LINKS)
        tab.evaluate("() => document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        tab.wait_for_function("() => [...document.images].every(image => image.complete)")
        partial = pdf.with_suffix(".part")
        tab.pdf(
            path=partial,
            format="A4",
            margin=MARGIN,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=NUMBER,
            outline=True,
            tagged=True,
        )
        browser.close()
    os.replace(partial, pdf)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    printed(one_page(Path(sys.argv[1]), Path(sys.argv[2])), Path(sys.argv[2]) / NAME)
