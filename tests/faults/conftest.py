"""What the faults are drawn from, and where their counts go: ``make faults`` sets both variables."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from repsim.lab.store import machine, write_record

SEED = int(os.environ.get("FAULTS_SEED") or 0)


@pytest.fixture
def rng(request) -> np.random.Generator:
    """Random numbers of a test's own: the same ones whichever tests run beside it."""
    return np.random.default_rng([SEED, *request.node.name.encode()])


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("REPSIM_DATA", raising=False)


@pytest.fixture(scope="session")
def counts(request):
    """Table -> row -> outcome -> how often; written to the file that FAULTS_OUT names, if every test passed."""
    found, start = defaultdict(lambda: defaultdict(Counter)), time.monotonic()
    yield found
    out = os.environ.get("FAULTS_OUT")
    if out and not request.session.testsfailed:
        tables = {table: {row: dict(outcomes) for row, outcomes in rows.items()} for table, rows in found.items()}
        about = {"seed": SEED, "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
        write_record(Path(out), {**about, "minutes": round((time.monotonic() - start) / 60, 1), "tables": tables})


@pytest.fixture
def disk(tmp_path):
    """A file system of 48 MB, to be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip() or 'mount failed'}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
