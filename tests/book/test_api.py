"""The page about the package has all that is public, and nothing else."""

import re

import pytest

import repsim
from repsim.lab.staging import table_1

from .conftest import ROOT

PAGE = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
NAMES = re.findall(r"^\.\. auto(?:function|class|exception):: (\w+)$", PAGE, re.MULTILINE)
IN_WORDS = {"INDEXES", "__version__"}  # data: Table 1 on the page is INDEXES


def test_every_public_name_stands_on_the_page_once():
    assert sorted(NAMES) == sorted(set(repsim.__all__) - IN_WORDS)
    assert "`INDEXES`" in PAGE


def test_table_1_on_the_page_is_the_registry():
    assert "<!-- generated: table-1 -->" in PAGE
    shown = {}
    for row in table_1().splitlines()[2:]:
        title, function, formula, *unchanged = re.split(r" \| ", row.strip("| "))
        name = re.search(r"`([^\s`]+)", function)[1]
        shown[name] = (title, formula.strip("$").replace(r"\|", "|"), *unchanged)
    answer = {True: "yes", False: "no"}
    assert shown == {
        name: (
            index.title,
            index.formula.replace(r"\|", r"\Vert "),
            index.invertible_linear,
            answer[index.orthogonal],
            answer[index.isotropic_scaling],
        )
        for name, index in repsim.INDEXES.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_is_described_as_what_it_is(name):
    found = getattr(repsim, name)
    kind = "function" if not isinstance(found, type) else "exception" if issubclass(found, Exception) else "class"
    assert f".. auto{kind}:: {name}\n" in PAGE
    assert found.__doc__


def test_the_built_page_has_every_docstring(pages):
    page = pages["book/api"]
    for name in NAMES:
        entry = page.find(id=f"repsim.{name}")
        assert entry is not None, name
        first = getattr(repsim, name).__doc__.strip().splitlines()[0]
        words = re.findall(r"[A-Za-z]{4,}", re.sub(r":\w+:`[^`]*`|\$[^$]*\$|`[^`]*`", "", first))
        text = entry.find_parent("dl").get_text()
        assert [word for word in words if word not in text] == [], name
    for name in repsim.INDEXES:
        assert name in page.get_text(), name
