"""Every equation of the text leads to the functions that implement it, and those lead back."""

import json
import re

import repsim

from .conftest import ROOT

EQUATION = re.compile(r"^\$\$\n(.*?)^\$\$(.*?)$(?:\n\nCode: (.*?)\.$)?", re.MULTILINE | re.DOTALL)
FUNCTION = re.compile(r"\{py:func\}`repsim\.(\w+)`")
BACK = re.compile(r"^\.\. autofunction:: (\w+)\n\n {3}Equations? (.*?) of the :doc:`method <method>`\.$", re.MULTILINE)


def texts():
    """Every text of the book, by its name: pages, and the Markdown of notebooks."""
    for path in sorted((ROOT / "book").glob("*.md")):
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path.name, "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def equations():
    """Each equation as (where, label, functions)."""
    for name, text in texts():
        text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        found = EQUATION.findall(text)
        assert 2 * len(found) == text.count("$$"), f"{name}: an equation that is not set as the others are"
        for _, label, code in found:
            yield name, label.strip(" ()"), FUNCTION.findall(code)


def test_every_equation_has_a_name_and_names_its_functions():
    found = list(equations())
    assert len(found) > 9
    for name, label, functions in found:
        assert re.fullmatch(r"eq-[\w-]+", label), f"{name}: an equation without a label"
        assert functions, f"{name}: {label} names no function"
        assert set(functions) <= set(repsim.__all__), label
    assert len({label for _, label, _ in found}) == len(found)


def test_every_function_leads_back():
    there = {(function, label) for _, label, functions in equations() for function in functions}
    page = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    back = {(name, label) for name, labels in BACK.findall(page) for label in re.findall(r":eq:`([\w-]+)`", labels)}
    assert back == there


def test_links_lead_both_ways_on_the_built_pages(pages):
    method, api = pages["book/method"], pages["book/api"]
    for _, label, functions in equations():
        assert method.find(id=f"equation-{label}") is not None, label
        for name in functions:
            assert method.select_one(f'a[href="api.html#repsim.{name}"]'), (label, name)
            entry = api.find(id=f"repsim.{name}").find_parent("dl")
            assert entry.select_one(f'a[href="method.html#equation-{label}"]'), (label, name)


def test_every_row_of_table_1_leads_to_its_function(pages):
    public = {name: index.function for name, index in repsim.INDEXES.items() if index.function}
    for name, function in public.items():
        links = [link for link in pages["book/api"].select("td a") if link.get_text() in {name, f"{name}()"}]
        assert [link["href"] for link in links] == [f"#repsim.{function.__name__}"], name
