"""`import repsim` needs NumPy and SciPy only, and is quick."""

import json
import subprocess
import sys

HEAVY = ("tensorflow", "keras", "jax", "torch", "pandas", "matplotlib", "papermill", "repsim.lab")
CODE = """
import json, sys, time
start = time.perf_counter()
import repsim
seconds = time.perf_counter() - start
print(json.dumps([seconds, sorted(sys.modules)]))
"""


def test_import_is_light():
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    ]
    assert [name for name in HEAVY if name in runs[0][1]] == []
    assert min(seconds for seconds, _ in runs) < 0.5


def test_import_works_without_the_other_packages():
    block = f"import sys; sys.modules.update(dict.fromkeys({HEAVY[:-1] + ('yaml', 'rich', 'typer', 'pooch')!r}))"
    subprocess.run([sys.executable, "-c", f"{block}\nimport repsim"], check=True, capture_output=True)
