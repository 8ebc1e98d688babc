"""Models and pages with torchvision, timm and transformers, in an environment of their own.

REPSIM_HUB names a Python that has what hub.txt says, and none is made then.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import PAGES_OF_HUB, ROOT, code_of

HERE = Path(__file__).parent
CHECKS = HERE / "hub_checks.py"
pytestmark = pytest.mark.hub


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """A Python with the models' libraries and what the package needs."""
    if named := os.environ.get("REPSIM_HUB"):
        return named
    folder = tmp_path_factory.mktemp("hub")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    made = str(folder / "bin" / "python")
    subprocess.run([made, "-m", "pip", "install", "--quiet", "-r", HERE / "hub.txt", ROOT], check=True)
    return made


def run(python, *arguments, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "svg", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([python, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("name", ["resnet", "vision_transformers", "language_models"])
def test_activations_are_those_taken_by_hand(python, name, tmp_path):
    run(python, str(CHECKS), name, folder=tmp_path)


@pytest.mark.parametrize(("page", "part"), PAGES_OF_HUB)
def test_the_code_on_the_pages_runs(python, page, part, tmp_path):
    run(python, "-c", "\n".join(code for name, code in code_of(page) if name == part), folder=tmp_path)
    if page == "gallery.md":
        assert {path.name for path in tmp_path.glob("*.svg")} == {"resnets.svg", "vit.svg", "gpt-bert.svg"}
