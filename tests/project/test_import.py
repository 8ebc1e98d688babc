"""`import repsim` needs NumPy and SciPy only."""

import os
import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "jax", "torch", "pandas", "matplotlib", "papermill", "repsim.lab")
# Parts of what is needed that are imported when they are first used, or never; each takes longer than this package.
LATER = ("scipy.linalg", "scipy.spatial", "scipy.stats", "array_api_compat.numpy", "numpy.f2py", "numpy.testing")


def test_import_is_light():
    code = f"import repsim, sys; print([name for name in {HEAVY + LATER!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_import_works_without_the_other_packages():
    block = f"import sys; sys.modules.update(dict.fromkeys({HEAVY[:-1] + ('yaml', 'rich', 'typer', 'pooch')!r}))"
    subprocess.run([sys.executable, "-c", f"{block}\nimport repsim"], check=True, capture_output=True)


# Runs a chapter up to its first figure, and counts the modules of which a function runs; imports are before that.
COUNT = """
import ast, inspect, json, sys
entered, names = set(), {}

def note(frame, event, _):
    name = frame.f_globals.get("__name__", "")
    if event == "call" and name.startswith("repsim.lab") and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        entered.add(name)

cells = ["".join(cell["source"]) for cell in json.load(open(sys.argv[1]))["cells"] if cell["cell_type"] == "code"]
last = next(place for place, cell in enumerate(cells) if "figures.show(" in cell)
lines = [line for cell in cells[: last + 1] for line in ast.parse(cell).body]
lines.sort(key=lambda line: not isinstance(line, (ast.Import, ast.ImportFrom)))
for line in lines:
    if not isinstance(line, (ast.Import, ast.ImportFrom)):
        sys.setprofile(note)
    exec(compile(ast.Module([line], []), "cell", "exec"), names)
sys.setprofile(None)
print(len(entered))
"""


@pytest.mark.parametrize("chapter", ["04-correspondence", "08-architectures", "15-transformers"])
def test_a_figure_goes_through_few_modules(root, chapter):
    """From committed results, which are only read."""
    command = [sys.executable, "-c", COUNT, str(root / "notebooks" / f"{chapter}.ipynb")]
    environment = {**os.environ, "REPSIM_ONLY_READ": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert 10 < int(done.stdout.splitlines()[-1]) <= 35
