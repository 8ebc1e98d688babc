"""The code on the pages for users runs as it stands there, where the environment has what it needs."""

import re

import pytest

from .pages import PAGES_OF_HUB, ROOT, code_of, run_part, text_of

PAGES = ("tutorial.md", "which-n.md", "tokens.md", "larger-than-memory.md", "coming-from.md", "gallery.md")
HERE = {
    ("which-n.md", "n"): (),
    ("tokens.md", "tokens"): (),
    ("larger-than-memory.md", "memory"): (),
    ("gallery.md", "jax"): ("jax", "matplotlib"),
    ("gallery.md", "keras-application"): ("keras", "matplotlib"),
}


@pytest.mark.parametrize("page", PAGES)
def test_all_code_is_run_somewhere(page):
    parts = {(page, name) for name, _ in code_of(page)}
    elsewhere = {*PAGES_OF_HUB, ("tutorial.md", "arrays"), ("tutorial.md", "keras")}  # tests/book/test_tutorial.py
    assert parts <= set(HERE) | elsewhere
    assert len(re.findall(r"^```(?!$)(?!bash$)(?!\{figure\})", text_of(page), re.MULTILINE)) == len(code_of(page))


@pytest.mark.parametrize("page", PAGES)
def test_pictures_are_there(page):
    for picture in re.findall(r"^```\{figure\} (\S+)$", text_of(page), re.MULTILINE):
        assert "<svg" in (ROOT / "book" / picture).read_text(encoding="utf-8")[:1000]


@pytest.mark.filterwarnings("ignore")  # what backends say while they are imported
@pytest.mark.parametrize(("page", "part"), HERE)
def test_the_code_runs(page, part, tmp_path, monkeypatch):
    for needed in HERE[page, part]:
        pytest.importorskip(needed)
    monkeypatch.chdir(tmp_path)
    run_part(page, part)
    if "matplotlib" in HERE[page, part]:
        import matplotlib.pyplot as plt

        plt.close("all")
        assert list(tmp_path.glob("*.svg"))
