"""A built book: one that exists, or one made here from stand-ins for the notebooks."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from repsim.lab.execution import contents, execute, notebooks, toc_files
from repsim.lab.staging import stage

from .made_up import fill

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "_build" / "html"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]
PARAMETERS = 'profile = "laptop"'
TESTED = re.compile(r"^```\{code-block\} \w+\n:class: tested-(\w+)\n\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DRAWN = """
from IPython.display import display
image = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 60 20'><path d='M0 10H60' stroke='black'/></svg>"
style = "width:100%;max-width:600px"
html = f'<figure id="drawn"><img alt="A line." style="{style}" src="data:image/svg+xml,{image}"></figure>'
display({"text/html": html, "image/svg+xml": image}, raw=True,
        metadata={"repsim": {"figure": {"name": "drawn", "caption": "A line."}}})
"""
TABLE = 'from IPython.display import Markdown\nMarkdown("| a | b |\\n| --- | --- |\\n| a cell | 1 |")'


def notebook(path: Path, *codes: str, title: str = "A title") -> Path:
    """Write a notebook with a cell for the profile and the given code cells."""
    cells = [
        nbformat.v4.new_markdown_cell(f"# {title}"),
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_markdown_cell("## The claim\n\nNothing but $x^2$."),
        *(nbformat.v4.new_code_cell(code) for code in codes),
    ]
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "mystnb": {"render_markdown_format": "myst"},  # as the pages beside the benchmarks have it, for their tables
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def pages_of(folder: Path) -> list[str]:
    return list(toc_files(yaml.safe_load((folder / "_toc.yml").read_text(encoding="utf-8"))))


def code_of(page: str) -> list[tuple[str, str]]:
    """The code on a page of the book that a test runs, as pairs of the part it belongs to and the code."""
    return TESTED.findall((ROOT / "book" / page).read_text(encoding="utf-8"))


def all_code_is_tested(page: str) -> bool:
    """Whether a page has no code but that, and what starts with ```bash."""
    text = (ROOT / "book" / page).read_text(encoding="utf-8")
    return len(re.findall(r"^```(?!$)(?!bash$)", text, re.MULTILINE)) == len(code_of(page))


def run_python(page: str, part: str) -> dict:
    """Run the blocks of one part of a page, one after the other, and return the names they leave."""
    blocks = [code for name, code in code_of(page) if name == part]
    assert blocks
    names = {"__name__": "page"}
    for code in blocks:
        exec(compile(code, f"{page} ({part})", "exec"), names)
    return names


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """A copy of what the book is made from, with stand-ins for the notebooks."""
    root = tmp_path_factory.mktemp("repository")
    shutil.copytree(ROOT / "book", root / "book")
    for name in ("_config.yml", "_toc.yml", "pyproject.toml", "LICENSE", "LICENSE-CONTENT", "CITATION.cff"):
        shutil.copy(ROOT / name, root / name)
    first, *others = notebooks(contents(published=True, root=root))
    notebook(root / first, DRAWN, TABLE, title="A stand-in")
    for page in others:
        (root / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / first, root / page)
    return root


@pytest.fixture(scope="session")
def executed(repository, tmp_path_factory) -> Path:
    """The stand-ins, executed on the smoke profile: they are all the same, so one is."""
    out = tmp_path_factory.mktemp("executed")
    first, *others = notebooks(contents(published=True, root=repository))
    done = execute(repository / first, "smoke", out / Path(first).name)
    for source in others:
        shutil.copy(done, out / Path(source).name)
    return out


def build(source: Path, out: Path) -> subprocess.CompletedProcess:
    """Build a staged book, warnings being errors."""
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", source, "-n", "-W", "--keep-going"]
    environment = {**os.environ, "PYTHONWARNINGS": ""}
    return subprocess.run(
        [*map(str, command), "--path-output", str(out)], capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="session")
def stand_in_book(repository, executed, tmp_path_factory):
    """The log and the pages of a book that was built from the stand-ins."""
    work = tmp_path_factory.mktemp("book")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPSIM_RESULTS", str(work / "results"))
        fill(work / "results")
        stage("smoke", executed, work / "build" / "book", root=repository)
    return build(work / "build" / "book", work / "build"), work / "build" / "_build" / "html"


def is_fresh(html: Path) -> bool:
    """Whether built pages are those of the published book and not older than what they are made from."""
    first = html / "index.html"
    if not first.exists() or pages_of(ROOT / "build" / "book") != pages_of(ROOT):
        return False
    sources = [*(ROOT / "book").rglob("*"), *(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "benchmarks").rglob("*")]
    sources += [ROOT / "_config.yml", ROOT / "_toc.yml", *(ROOT / "repsim").rglob("*.py")]
    sources = [path for path in sources if "__pycache__" not in path.parts]
    return all(path.stat().st_mtime <= first.stat().st_mtime for path in sources)


@pytest.fixture(scope="session")
def html(request) -> Path:
    """The pages to look at: those that BOOK_HTML names, else fresh ones of `make book`, else the stand-ins'."""
    if named := os.environ.get("BOOK_HTML"):
        return Path(named)
    if is_fresh(BUILT):
        return BUILT
    result, pages = request.getfixturevalue("stand_in_book")
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return pages


@pytest.fixture(scope="session")
def pages(html) -> dict[str, BeautifulSoup]:
    """Every page of the table of contents, parsed."""
    names = pages_of(ROOT)
    return {name: BeautifulSoup((html / f"{name}.html").read_text(encoding="utf-8"), "html.parser") for name in names}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def address(html):
    """The address that the pages are served at, on this machine only."""
    handler = functools.partial(QuietHandler, directory=str(html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser():
    """Playwright's own Chromium, else the system's."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        system = shutil.which("chromium") or shutil.which("chromium-browser")
        executable = str(own) if own.exists() else system
        if executable is None:
            pytest.skip("no Chromium: neither Playwright's nor chromium or chromium-browser on the PATH")
        launched = driver.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield launched
        launched.close()
