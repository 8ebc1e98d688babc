"""The page on faults: sums of what the runs counted, and nothing where none was."""

from __future__ import annotations

import pytest

from benchmarks.faults import counts
from repsim.lab.errors import DamagedArtefactError
from repsim.lab.store import sealed

MACHINE = {"system": "Linux x86_64", "processors": 2, "python": "3.11.2"}


def run(seed, kills):
    tables = {
        "kills": {"train": {"seconds": 8.0 + seed, "kills": kills, "nothing_yet": 1, "same": kills, "ended_before": 1}},
        "full": {"stage": {"full": 5, "refused": 5, "completed": 5}},
        "altered": {"arrays": {"altered": 1200, "refused": 1200}},
        "hostile": {"tar": {"tried": 300, "refused": 290, "read": 10}, "code": {"tried": 11, "refused": 11}},
    }
    return {"seed": seed, "date": "2026-01-02", "machine": MACHINE, "minutes": 7.2, "tables": tables}


@pytest.fixture
def some_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path))
    (tmp_path / "faults").mkdir()
    for seed, kills in ((1, 6), (2, 7)):
        (tmp_path / "faults" / f"seed-{seed}.json").write_bytes(sealed(run(seed, kills)))
    return tmp_path / "faults"


def test_the_tables_are_sums_over_the_runs(some_runs):
    assert "| training a network | 9.5 | 13 | 2 | 13 |" in counts.kills()
    assert counts.full().splitlines()[2:] == [
        "| putting the book together | 10 | 10 | 10 |",
        "| **all** | **10** | **10** | **10** |",
    ]
    assert "| arrays | 2,400 | 2,400 |" in counts.altered()
    assert "| tar archives of data | 600 | 20 | 580 |" in counts.hostile()
    assert "| **all** | **622** | **20** | **602** |" in counts.hostile()
    assert "seed 1 on 2026-01-02 on Linux x86_64, 2 processor cores, Python 3.11.2, in 7 minutes; seed 2 on" in (
        counts.provenance()
    )


def test_an_altered_count_is_refused(some_runs):
    path = some_runs / "seed-1.json"
    path.write_bytes(path.read_bytes().replace(b"1200", b"1300"))
    with pytest.raises(DamagedArtefactError, match=r"seed-1\.json is damaged"):
        counts.altered()
