"""`import repsim` needs NumPy and SciPy only."""

import subprocess
import sys

HEAVY = ("tensorflow", "keras", "jax", "torch", "pandas", "matplotlib", "papermill", "repsim.lab")
# Parts of what is needed that are imported when they are first used, or never; each takes longer than this package.
LATER = ("scipy.linalg", "scipy.spatial", "scipy.stats", "array_api_compat.numpy", "numpy.f2py", "numpy.testing")


def test_import_is_light():
    code = f"import repsim, sys; print([name for name in {HEAVY + LATER!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_import_works_without_the_other_packages():
    block = f"import sys; sys.modules.update(dict.fromkeys({HEAVY[:-1] + ('yaml', 'rich', 'typer', 'pooch')!r}))"
    subprocess.run([sys.executable, "-c", f"{block}\nimport repsim"], check=True, capture_output=True)
