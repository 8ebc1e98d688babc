"""The examples in the docstrings run, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import repsim

MODULES = [m.name for m in pkgutil.iter_modules(repsim.__path__, "repsim.") if not m.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    if name == "repsim.torch":
        pytest.importorskip("torch", reason="PyTorch is not installed; the lock file leaves it out")
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


@pytest.mark.parametrize("name", [n for n in repsim.__all__ if inspect.isfunction(getattr(repsim, n))])
def test_public_functions_are_documented(name):
    text = inspect.getdoc(getattr(repsim, name))
    for heading in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"{heading}\n---" in text, heading
    assert ">>> " in text


def test_public_names_exist():
    assert all(hasattr(repsim, name) for name in repsim.__all__)
    assert repsim.__version__ == "0.1.0"
