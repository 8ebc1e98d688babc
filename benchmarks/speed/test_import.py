"""How long `import repsim` takes beside NumPy and the part of SciPy that it uses: asked are at most 1.3 times."""

import subprocess
import sys

import pytest


@pytest.mark.benchmark(group="import")
@pytest.mark.parametrize("code", ["import numpy, scipy.linalg", "import repsim"])
def test_import(benchmark, code):
    command = [sys.executable, "-c", code]
    benchmark.pedantic(subprocess.run, (command,), {"check": True}, rounds=10, warmup_rounds=1)
