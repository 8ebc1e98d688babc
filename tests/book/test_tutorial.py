"""The code on the page "your own networks" runs as it stands there."""

import re

import pytest

from .conftest import ROOT, run_python

PAGE = "tutorial.md"


def test_the_code_of_the_readme_runs():
    (code,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    lines = code.splitlines()
    names = {"__name__": "readme"}
    exec(compile("\n".join(line for line in lines if not line.startswith("repsim.")), "README.md", "exec"), names)
    results = [eval(line, names) for line in lines if line.startswith("repsim.")]
    assert all(0 < result <= 1 for result in results[:-1])
    assert results[-1].shape == (2, 2)


def test_plain_arrays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the page writes a file
    run_python(PAGE, "arrays")
    assert [path.name for path in tmp_path.iterdir()] == ["comparison.npz"]


def test_keras():
    pytest.importorskip("keras", reason="Keras is not installed")
    run_python(PAGE, "keras")


@pytest.mark.torch
def test_pytorch(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed; the lock file leaves it out")
    monkeypatch.chdir(tmp_path)
    run_python(PAGE, "torch")
