"""The code on the page "your own networks" runs as it stands there."""

import re

import pytest

from .conftest import ROOT

PAGE = (ROOT / "book" / "tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```\{code-block\} python\n:class: tested-(\w+)\n\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(part):
    """Run the blocks of one part of the page, one after the other."""
    blocks = [code for name, code in BLOCK.findall(PAGE) if name == part]
    assert blocks
    names = {"__name__": "tutorial"}
    for code in blocks:
        exec(compile(code, f"tutorial.md ({part})", "exec"), names)
    return names


def test_all_code_on_the_page_is_run():
    assert len(re.findall(r"^```(?!$)(?!bash$)", PAGE, re.MULTILINE)) == len(BLOCK.findall(PAGE))
    assert {name for name, _ in BLOCK.findall(PAGE)} == {"arrays", "keras", "torch"}


def test_the_code_of_the_readme_runs():
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = code.splitlines()
    names = {"__name__": "readme"}
    exec(compile("\n".join(line for line in lines if not line.startswith("repsim.")), "README.md", "exec"), names)
    results = [eval(line, names) for line in lines if line.startswith("repsim.")]
    assert all(0 < result <= 1 for result in results[:-1])
    assert results[-1].shape == (2, 2)


def test_plain_arrays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the page names a folder to resume from
    run("arrays")
    assert not list(tmp_path.iterdir())


def test_keras():
    pytest.importorskip("keras", reason="Keras is not installed")
    run("keras")


@pytest.mark.torch
def test_pytorch():
    pytest.importorskip("torch", reason="PyTorch is not installed; the lock file leaves it out")
    run("torch")
