"""The whole book as one PDF, printed as `make pdf` does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, pages_of


@pytest.mark.slow
@pytest.mark.browser
def test_the_book_is_printed_as_one_file(browser, stand_in_book, tmp_path):
    _, html = stand_in_book
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, ROOT / "workflow" / "pdf.py", html.parents[1] / "book", tmp_path]

    done = subprocess.run(command, capture_output=True, text=True, env=environment)

    assert done.returncode == 0, done.stderr[-4000:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_build", "repsim-revisited.pdf"]
    pdf = (tmp_path / "repsim-revisited.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > len(pages_of(ROOT))  # each begins on a sheet of its own
    for part in (b"/Outlines", b"/StructTreeRoot"):  # headings to go to, and what a screen reader needs
        assert part in pdf
    assert len(re.findall(rb"/URI \(https://", pdf)) > 10
    assert b"file:" not in pdf
    assert len(re.findall(rb"/Dest\s*/\S+", pdf)) > 50  # from page to page


def test_what_cannot_be_made_into_one_page_is_said(tmp_path):
    command = [sys.executable, ROOT / "workflow" / "pdf.py", tmp_path / "nowhere", tmp_path / "out"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("The pages cannot be made into one")
    assert "Traceback" not in done.stderr.splitlines()[0]
