"""The engine is a house of its own: it imports nothing of the paper, and its map names every room."""

import ast
from pathlib import Path

import repsim.engine

FOLDER = Path(repsim.engine.__file__).parent
MODULES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "__init__")
NEUTRAL = {"repsim.errors", "repsim.options"}
CORE = sorted(path for path in FOLDER.parent.rglob("*.py") if "lab" not in path.parts and path.stem != "__init__")
TWICE = {"activations"}  # of any model, and of PyTorch's with a device


def imports(path):
    """Return every module that a file imports, also where that is done later or for types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            assert node.module != "repsim", f"{path.name}: the package's face is the paper's"
            yield str(node.module)


def test_the_engine_imports_nothing_of_the_paper():
    for path in MODULES:
        own = {name for name in imports(path) if name.split(".")[0] == "repsim"}
        assert all(name.startswith("repsim.engine.") or name in NEUTRAL for name in own), (path.name, own)


def test_what_the_engine_takes_from_outside_is_neutral():
    for name in NEUTRAL:
        own = [other for other in imports(FOLDER.parent / f"{name.split('.')[1]}.py") if other.startswith("repsim")]
        assert set(own) <= NEUTRAL


def test_the_map_has_a_line_for_each_module():
    lines = [line.split() for line in repsim.engine.__doc__.splitlines()]
    named = {word for words in lines if len(words) > 2 for word in words[:2]}  # of some the first is their group
    assert {path.stem for path in MODULES} <= named


def test_no_index_is_known_to_the_engine():
    words = {"cka", "hsic", "svcca", "pwcca", "procrustes"}
    for path in MODULES:
        strings = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
        assert not [text for text in strings if isinstance(text, str) and text in words], path.name


def names_of(node):
    """Return the names that a statement defines."""
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return [name for name in (getattr(node, "name", None), getattr(getattr(node, "target", None), "id", None)) if name]


def test_no_name_means_two_things():
    defined: dict[str, set[Path]] = {}
    for path in CORE:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for name in names_of(node):
                defined.setdefault(name, set()).add(path)
    assert {name for name, places in defined.items() if len(places) > 1 and name != "__all__"} == TWICE


def test_budgets():
    """A sign of having found the simple form: bodies of public functions, and of all others."""
    for path in CORE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                assert lines <= 60, (path.name, node.name, lines)
                if node.name in repsim.__all__:
                    assert lines <= (40 if node.name == "pairwise" else 15), (path.name, node.name, lines)
