"""Every committed result, altered by one byte: what reads it refuses it by its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.faults import counts as counted
from benchmarks.results import measured
from repsim.lab import claims
from repsim.lab.errors import LabError
from repsim.lab.repository import REPOSITORY
from repsim.lab.store import read_artefact, record_path

pytestmark = pytest.mark.faults

COMMITTED = sorted(path for path in (REPOSITORY / "results").rglob("*") if path.suffix in {".npz", ".json"})
BYTES = 5  # of each file, one after the other


def kind(path: Path) -> str:
    if path.suffix == ".npz":
        return "arrays"
    return path.parent.name if path.parent.name in ("claims", "benchmarks", "faults") else "records of arrays"


def read_stored(path: Path) -> None:
    """Read arrays with their record, or the record alone where it is all that is committed."""
    artefact = read_artefact(path.with_suffix(".npz"))
    if not artefact.is_away:
        artefact.arrays()


def read(path: Path) -> None:
    """Read a file of results as the book does."""
    readers = {
        "claims": lambda: claims.measurement(path.parent.parent.name, path.stem),
        "benchmarks": lambda: measured(path.stem),
        "faults": counted.runs,
    }
    readers.get(kind(path), lambda: read_stored(path))()


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return shutil.copytree(REPOSITORY / "results", tmp_path_factory.mktemp("copy") / "results")


def test_one_altered_byte_is_refused_by_name(copy, rng, counts, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(copy))
    found = counts["altered"]
    for committed in COMMITTED:
        path = copy / committed.relative_to(REPOSITORY / "results")
        read(path)
        content = path.read_bytes()
        for position in rng.integers(len(content), size=BYTES):
            other = (content[position] + rng.integers(1, 256)) % 256
            path.write_bytes(content[:position] + bytes([other]) + content[position + 1 :])
            with pytest.raises(LabError) as error:
                read(path)
            named = str(error.value)
            assert str(path) in named or str(record_path(path)) in named
            found[kind(path)].update(altered=1, refused=1)
        path.write_bytes(content)
    assert sum(found[name]["altered"] for name in found) == BYTES * len(COMMITTED) > 0
