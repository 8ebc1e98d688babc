"""The code on the pages for users of the package."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES_OF_HUB = [("tutorial.md", "first"), ("tutorial.md", "torch"), ("tokens.md", "hub"), ("gallery.md", "hub")]
TESTED = re.compile(r"^```\{code-block\} \w+\n:class: tested-([\w-]+)\n\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text_of(page):
    return (ROOT / "book" / page).read_text(encoding="utf-8")


def code_of(page):
    """The code on a page that a test runs, as pairs of the part it belongs to and the code."""
    return TESTED.findall(text_of(page))


def run_part(page, part):
    """Run the blocks of one part of a page, one after the other, and return the names they leave."""
    blocks = [code for name, code in code_of(page) if name == part]
    assert blocks
    names = {"__name__": "page"}
    for code in blocks:
        exec(compile(code, f"{page} ({part})", "exec"), names)
    return names
