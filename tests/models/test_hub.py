"""Networks of torchvision, timm and transformers, and the pages that use them, in the environment of `make hub`.

REPSIM_HUB names the Python of another one.
"""

import os
import subprocess
from pathlib import Path

import pytest

from .pages import PAGES_OF_HUB, ROOT, code_of

CHECKS = Path(__file__).parent / "hub_checks.py"
PYTHON = os.environ.get("REPSIM_HUB", str(ROOT / "build" / "hub" / "bin" / "python"))
# torchvision's operators, which none of these networks needs, do not load beside a PyTorch for processors only, and
# without their names it cannot be imported.
IMPORTED = """
import torch
try:
    import torchvision
except RuntimeError:
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
pytestmark = pytest.mark.hub


def run(code, *arguments, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "svg", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [PYTHON, "-c", IMPORTED + code, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("name", ["resnet", "vision_transformers", "language_models"])
def test_activations_are_those_taken_by_hand(name, tmp_path):
    run(CHECKS.read_text(encoding="utf-8"), name, folder=tmp_path)


@pytest.mark.parametrize(("page", "part"), PAGES_OF_HUB)
def test_the_code_on_the_pages_runs(page, part, tmp_path):
    run("\n".join(code for name, code in code_of(page) if name == part), folder=tmp_path)
    if page == "gallery.md":
        assert {path.name for path in tmp_path.glob("*.svg")} == {"resnets.svg", "vit.svg", "gpt-bert.svg"}
