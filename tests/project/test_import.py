"""`import repsim` needs NumPy and SciPy only."""

import subprocess
import sys

HEAVY = ("tensorflow", "keras", "jax", "torch", "pandas", "matplotlib", "papermill", "repsim.lab")


def test_import_is_light():
    code = f"import repsim, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_import_works_without_the_other_packages():
    block = f"import sys; sys.modules.update(dict.fromkeys({HEAVY[:-1] + ('yaml', 'rich', 'typer', 'pooch')!r}))"
    subprocess.run([sys.executable, "-c", f"{block}\nimport repsim"], check=True, capture_output=True)
