"""Records hold their own hash: every altered byte of one is noticed, whatever it says."""

from __future__ import annotations

import pytest

from benchmarks.results import measured as read_benchmark
from repsim.lab import claims
from repsim.lab.errors import DamagedArtefactError
from repsim.lab.predicates import ClaimError
from repsim.lab.store import SEAL, sealed, unseal

RECORD = {"name": "Erdős", "values": {"b": 0.1 + 0.2, "a": [1, None, True]}, "empty": {}}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "record.json").write_bytes(sealed(RECORD))
    return tmp_path / "record.json"


def test_what_was_sealed_is_read_in_its_order(path):
    assert unseal(path) == RECORD
    assert list(unseal(path)["values"]) == ["b", "a"]
    assert sealed({SEAL: "of another content", **RECORD}) == path.read_bytes()


def test_every_altered_byte_is_refused_by_name(path):
    content = path.read_bytes()
    for position in range(len(content)):
        for bit in (1, 8, 32):  # another digit or letter, a tab for a space, a letter's case
            path.write_bytes(content[:position] + bytes([content[position] ^ bit]) + content[position + 1 :])
            with pytest.raises(DamagedArtefactError, match=r"record\.json is damaged"):
                unseal(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"1",
        b"\xff",
        b"[" * 100_000,
        b'{"record_sha256": 1}',
        b'{"a": "\\ud800", "record_sha256": ""}',
    ],
)
def test_anything_else_is_refused_by_name(path, content):
    path.write_bytes(content)
    with pytest.raises(DamagedArtefactError, match=r"record\.json is damaged"):
        unseal(path)
    with pytest.raises(DamagedArtefactError, match=r"record\.json cannot be read: Is a directory|nothing\.json"):
        unseal(path.with_name("nothing.json"))


def test_another_number_in_a_measurement_or_a_benchmark_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path))
    measured = claims.record("smoke", "F2a", {"diagonal_rows": 8, "rows": 9})
    measured.write_bytes(measured.read_bytes().replace(b'"diagonal_rows": 8', b'"diagonal_rows": 9'))
    with pytest.raises(ClaimError, match=r"F2a\.json is damaged: its content .*Delete it to have it measured again"):
        claims.judged("smoke")
    claims.record("smoke", "F2a", {"diagonal_rows": 8, "rows": 9})
    assert "partly" in [entry.verdict for entry in claims.judged("smoke") if entry.claim.id == "F2a"]
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "peers.json").write_bytes(sealed({"date": "2026-01-01"}).replace(b"-01-01", b"-01-02"))
    with pytest.raises(DamagedArtefactError, match=r"peers\.json is damaged"):
        read_benchmark("peers")
