"""Prose is spelt, and spelt the British way; `make lint` runs the same over all of it."""

import re
import subprocess
import sys

import pytest


def hits(root, *paths):
    pytest.importorskip("codespell_lib")
    command = [sys.executable, "-m", "codespell_lib", "--dictionary", "-", "--dictionary", "workflow/british.txt"]
    return subprocess.run([*command, *map(str, paths)], cwd=root, capture_output=True, text=True).stdout


def test_american_and_misspelt_words_are_named(root, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("The color of teh centre.\n")
    assert re.findall(r"(\w+) ==> (\w+)", hits(root, page)) == [("color", "colour"), ("teh", "the")]


def test_the_book_is_spelt_right(root):
    pages = [*root.glob("*.md"), *root.glob("book/*.md"), root / "book/claims.yml", *root.glob("book/*.ipynb")]
    assert hits(root, *pages, *root.glob("notebooks/*.ipynb")) == ""


def test_the_list_is_in_order_and_turns_nothing_into_itself(root):
    lines = (root / "workflow" / "british.txt").read_text(encoding="utf-8").splitlines()
    assert lines == sorted(set(lines))
    assert all(re.fullmatch(r"[a-z']+->[a-z']+", line) for line in lines)
    assert all(american != british for american, british in (line.split("->") for line in lines))
