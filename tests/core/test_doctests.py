"""The examples in the docstrings run, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import repsim
from repsim.neighbours import mutual_knn
from repsim.predictivity import linear_predictivity
from repsim.rsa import rsa

ROOT = Path(repsim.__file__).parents[1]
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


OTHERS = [linear_predictivity, mutual_knn, rsa]  # which the paper does not compare
FUNCTIONS = sorted({index.function for index in repsim.INDEXES.values() if index.function}, key=str)


@pytest.mark.parametrize("function", [*FUNCTIONS, repsim.canonical_correlations, *OTHERS])
def test_functions_of_indexes_say_where_they_are_from_and_what_is_beside_them(function):
    text = inspect.getdoc(function)
    assert function in OTHERS or re.search(r"[Ee]quations? \d+|Table \d|appendix [A-Z]", text)
    for heading in ("Raises", "See Also", "References", "Examples"):
        assert f"{heading}\n---" in text, heading
    sources = text.split("References\n----------\n")[1].split("\n\n")[0].splitlines()
    assert all(re.match(rf"{i}\. ", line) for i, line in enumerate(sources, 1))
    assert re.search(r"doi:10\.\d{4,}/\S+\.", sources[0])
    oracle, line = sources[-1].split("/blob/main/")[1].split("#L")
    assert f"def {function.__name__}(" in (ROOT / oracle).read_text(encoding="utf-8").splitlines()[int(line) - 1]
