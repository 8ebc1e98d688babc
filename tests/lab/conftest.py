"""Fixtures of the experiments' tests: every test has its own results and cache folders."""

from __future__ import annotations

import pytest

from repsim.lab import data, repository

REAL_DATA = repository.data_root()


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def real_data(monkeypatch):
    """The official data, where it is on this machine; nothing is downloaded by a test."""
    if not (REAL_DATA / data.SOURCES["cifar10"].folder).exists():
        pytest.skip(f"no CIFAR-10 in {REAL_DATA}: `repsim-lab data laptop` fetches it")
    monkeypatch.setenv("REPSIM_DATA", str(REAL_DATA))
    data.load_dataset.cache_clear()
    yield REAL_DATA
    data.load_dataset.cache_clear()
