"""Archives from anyone: what leads outside, is no plain file or too large is refused before anything is written."""

from __future__ import annotations

import io
import re
import stat
import struct
import tarfile
import zipfile

import pytest

from repsim.lab import unpacking
from repsim.lab.unpacking import ArchiveError, unpack_tar
from repsim.lab.unpacking import unpack_zip as unpack

from .conftest import flipped, pack

PLAIN = {"a.txt": b"first", "b/c.txt": b"second" * 100}


def entry(name, mode=stat.S_IFREG | 0o644, flags=0):
    found = zipfile.ZipInfo(name)
    found.external_attr = mode << 16
    found.flag_bits = flags
    return found


def test_plain_files(tmp_path):
    assert unpack(pack(tmp_path / "plain.zip", PLAIN), tmp_path / "out") == {}
    assert {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in files(tmp_path)} == PLAIN


def files(tmp_path):
    return [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("../outside.txt")], r"'\.\./outside\.txt' has a path that leads outside"),
        ([entry("a/../../outside.txt")], "leads outside"),
        ([entry("/absolute.txt")], "leads outside"),
        ([entry("C:/drive.txt")], "leads outside"),
        ([entry("a\\..\\..\\outside.txt")], "leads outside"),
        ([entry("a//b.txt")], "leads outside or is none"),
        ([entry("./a.txt")], "leads outside or is none"),
        ([entry("folder/")], "leads outside or is none"),
        ([entry("line\nbreak.txt")], "leads outside or is none"),
        ([entry("x" * 1001)], "leads outside or is none"),
        ([entry("link", stat.S_IFLNK | 0o777)], "'link' is a link or another special file"),
        ([entry("pipe", stat.S_IFIFO | 0o644)], "is a link or another special file"),
        ([entry("a.txt"), entry("A.txt")], "'A.txt' has the place of another entry"),
        ([entry("a"), entry("a/b.txt")], "'a' has the place of another entry"),
        ([entry("a/b.txt"), entry("a")], "'a' has the place of another entry"),
    ],
)
def test_refused_by_name(tmp_path, entries, message):
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("before.txt", "plain")
        for one in entries:
            packed.writestr(one, "content")
    with pytest.raises(ArchiveError, match=f"hostile.zip is refused: its entry .*{message}"):
        unpack(path, tmp_path / "out")
    assert [one.name for one in tmp_path.rglob("*")] == ["hostile.zip"], "nothing was written"


def test_sizes_have_limits(tmp_path, monkeypatch):
    path = pack(tmp_path / "large.zip", PLAIN)
    for name, message in (
        ("LARGEST_FILE", "its entry 'b/c.txt' has 600 bytes, more than 599"),
        ("LARGEST_SUM", "605 bytes unpacked, more than 599"),
        ("MOST_FILES", "2 entries, more than 1"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(unpacking, name, 1 if name == "MOST_FILES" else 599)
            with pytest.raises(ArchiveError, match=f"large.zip is refused: {message}"):
                unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_size_that_is_a_lie_ends_at_the_limit(tmp_path):
    """An entry that states 10 bytes and unpacks to a million is not written further than that."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb.txt", bytes(1_000_000))
    content = path.read_bytes().replace(struct.pack("<L", 1_000_000), struct.pack("<L", 10))
    path.write_bytes(content)
    damaged = unpack(path, tmp_path / "out")
    assert list(damaged) == ["bomb.txt"]
    assert files(tmp_path) == []


def test_an_encrypted_entry_is_refused(tmp_path):
    path = pack(tmp_path / "secret.zip", {"a.txt": b"secret"})
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="'a.txt' is encrypted"):
        unpack(path, tmp_path / "out")


def test_a_damaged_entry_is_named_and_the_others_are_unpacked(tmp_path):
    path = pack(tmp_path / "damaged.zip", PLAIN)
    content = path.read_bytes()
    path.write_bytes(flipped(content, content.index(b"second")))
    damaged = unpack(path, tmp_path / "out")
    assert list(damaged) == ["b/c.txt"]
    assert "CRC" in damaged["b/c.txt"]
    assert [one.name for one in files(tmp_path)] == ["a.txt"]


def test_a_fault_of_this_machine_is_no_damage(tmp_path):
    (tmp_path / "out").write_text("a file where a folder should be")
    with pytest.raises(ArchiveError, match=r"a\.txt cannot be unpacked here: File exists"):
        unpack(pack(tmp_path / "plain.zip", PLAIN), tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(100)])
def test_no_archive(tmp_path, content):
    (tmp_path / "other.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match="other.zip is not a zip archive that can be read"):
        unpack(tmp_path / "other.zip", tmp_path / "out")
    with pytest.raises(ArchiveError, match="nothing.zip does not exist"):
        unpack(tmp_path / "nothing.zip", tmp_path / "out")
    with pytest.raises(ArchiveError, match="is not a zip archive that can be read"):
        unpack(tmp_path, tmp_path / "out")


def test_every_byte_of_a_small_archive_altered(tmp_path):
    """Whatever byte changes: unpacked as before, named as damaged, or refused, and nothing else is raised."""
    path = pack(tmp_path / "small.zip", {"a.txt": b"first", "b.txt": b"second"})
    content = path.read_bytes()
    for position in range(len(content)):
        path.write_bytes(flipped(content, position))
        folder = tmp_path / "out" / str(position)
        try:
            damaged = unpack(path, folder)
        except ArchiveError:
            continue
        for one in folder.rglob("*"):
            assert damaged or one.read_bytes() in (b"first", b"second")
    assert {one.name for one in tmp_path.iterdir()} == {"out", "small.zip"}


# Tar archives: the official data, and networks that were trained elsewhere.


def tarred(name, **changes):
    found = tarfile.TarInfo(name)
    found.size = 7 if changes.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else 0
    for key, value in changes.items():
        setattr(found, key, value)
    return found


@pytest.mark.parametrize("filtered", [True, False], ids=["with", "without"])
@pytest.mark.parametrize(
    ("hostile", "why"),
    [
        (tarred("../outside.txt"), "has a path that leads outside"),
        (tarred("official/../outside.txt"), "has a path that leads outside"),
        (tarred("official/.."), "has a path that leads outside"),
        (tarred("/outside.txt"), "has a path that leads outside"),
        (tarred("official/link", type=tarfile.SYMTYPE, linkname="../../outside.txt"), "is a link or another"),
        (tarred("official/link", type=tarfile.LNKTYPE, linkname="../outside.txt"), "is a link or another"),
        (tarred("official", type=tarfile.SYMTYPE, linkname=".."), "is a link or another"),
        (tarred("official/pipe", type=tarfile.FIFOTYPE), "is a link or another special file"),
        (tarred("official/first"), "comes twice"),
    ],
)
def test_an_entry_that_leads_outside_is_refused_by_name(tmp_path, monkeypatch, hostile, why, filtered):
    """Also where the standard library has no check of its own, as in Debian 12."""
    monkeypatch.setattr(unpacking, "FILTER", unpacking.FILTER if filtered else {})
    with tarfile.open(tmp_path / "hostile.tar.gz", "w:gz") as file:
        for one in (tarred("official", type=tarfile.DIRTYPE), tarred("official/first"), hostile):
            file.addfile(one, io.BytesIO(b"content") if one.size else None)
    (tmp_path / "in").mkdir()
    with pytest.raises(
        ArchiveError, match=rf"hostile\.tar\.gz is refused: its entry '{re.escape(hostile.name)}' {why}"
    ):
        unpack_tar(tmp_path / "hostile.tar.gz", tmp_path / "in")
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} <= {
        "hostile.tar.gz",
        "in",
        "in/official",
        "in/official/first",
    }


def test_an_archive_may_have_several_folders(tmp_path):
    with tarfile.open(tmp_path / "two.tar", "w") as file:
        for one in (tarred("first/own"), tarred("second", type=tarfile.DIRTYPE), tarred("second/own")):
            file.addfile(one, io.BytesIO(b"content") if one.size else None)
    unpack_tar(tmp_path / "two.tar", tmp_path / "in")
    assert [(tmp_path / "in" / name / "own").read_bytes() for name in ("first", "second")] == [b"content"] * 2


@pytest.mark.parametrize("damage", [lambda content: content[:-30], lambda content: b"", lambda content: b"x" + content])
def test_an_archive_that_ends_early_is_a_sentence(tmp_path, damage):
    with tarfile.open(tmp_path / "cut.tar.gz", "w:gz") as file:
        file.addfile(tarred("official/first"), io.BytesIO(b"content"))
    (tmp_path / "cut.tar.gz").write_bytes(damage((tmp_path / "cut.tar.gz").read_bytes()))
    with pytest.raises(ArchiveError, match=r"cut\.tar\.gz is not a tar archive that can be read"):
        unpack_tar(tmp_path / "cut.tar.gz", tmp_path / "in")
