"""Archives from anyone: nothing is written outside their folder, no link is made, and their size has a limit."""

from __future__ import annotations

import contextlib
import io
import re
import stat
import struct
import tarfile
import zipfile

import pytest

from repsim.lab import unpacking
from repsim.lab.unpacking import ArchiveError, unpack_tar, unpack_zip

from .conftest import flipped, pack

PLAIN = {"a.txt": b"first", "b/c.txt": b"second" * 100}


def unpacked(path, folder):
    """The files of an archive, by their paths."""
    unpack_zip(path, folder)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_plain_files(tmp_path):
    assert unpacked(pack(tmp_path / "plain.zip", PLAIN), tmp_path / "out") == PLAIN


@pytest.mark.parametrize(
    "names",
    [
        ["../outside.txt"],
        ["a/../../outside.txt"],
        ["/absolute.txt"],
        ["a//b.txt"],
        ["./a.txt"],
        ["a.txt", "a.txt"],
        ["a", "a/b.txt"],
        ["a/b.txt", "a"],
        ["x" * 300],
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_nothing_is_unpacked_outside_or_under_another_name(tmp_path, names):
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for name in names:
            packed.writestr(name, "content")
    with pytest.raises(ArchiveError, match=r"hostile.zip (is refused: names that|cannot be unpacked: )"):
        unpack_zip(path, tmp_path / "out")
    assert {one.name for one in tmp_path.iterdir()} <= {"hostile.zip", "out"}


def test_a_link_becomes_a_plain_file(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as packed:
        packed.writestr(link, "../../outside")
    assert unpacked(tmp_path / "link.zip", tmp_path / "out") == {"link": b"../../outside"}
    assert not (tmp_path / "out" / "link").is_symlink()


@pytest.mark.parametrize(("bound", "value"), [("LARGEST_SUM", 604), ("MOST_FILES", 1)])
def test_sums_have_limits(tmp_path, monkeypatch, bound, value):
    path = pack(tmp_path / "large.zip", PLAIN)
    monkeypatch.setattr(unpacking, bound, value)
    with pytest.raises(ArchiveError, match="large.zip is refused: 2 entries of 605 bytes"):
        unpack_zip(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_size_that_is_a_lie_ends_at_the_limit(tmp_path):
    """An entry that states 10 bytes and unpacks to a million is not written further than that."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb.txt", bytes(1_000_000))
    path.write_bytes(path.read_bytes().replace(struct.pack("<L", 1_000_000), struct.pack("<L", 10)))
    assert len(unpacked(path, tmp_path / "out")["bomb.txt"]) <= 10


def test_an_encrypted_entry_is_left_out(tmp_path):
    content = bytearray(pack(tmp_path / "secret.zip", {"a.txt": b"secret"}).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    (tmp_path / "secret.zip").write_bytes(content)
    assert unpacked(tmp_path / "secret.zip", tmp_path / "out") == {}


def test_a_damaged_entry_is_cut_short_and_the_others_are_unpacked(tmp_path):
    path = pack(tmp_path / "damaged.zip", PLAIN)
    content = path.read_bytes()
    path.write_bytes(flipped(content, content.index(b"second")))
    assert unpacked(path, tmp_path / "out") == PLAIN | {"b/c.txt": b""}


def test_a_fault_of_this_machine_is_a_sentence(tmp_path):
    (tmp_path / "out").write_text("a file where a folder should be")
    with pytest.raises(ArchiveError, match=r"plain\.zip cannot be unpacked: "):
        unpack_zip(pack(tmp_path / "plain.zip", PLAIN), tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(100)])
def test_no_archive(tmp_path, content):
    (tmp_path / "other.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match="other.zip cannot be unpacked: File is not a zip file"):
        unpack_zip(tmp_path / "other.zip", tmp_path / "out")
    with pytest.raises(ArchiveError, match="nothing.zip cannot be unpacked: No such file"):
        unpack_zip(tmp_path / "nothing.zip", tmp_path / "out")


def test_every_byte_of_a_small_archive_altered(tmp_path):
    """Whatever byte changes: the same files, less than these, other names, or refused; nothing else is raised."""
    files = {"a.txt": b"first", "b.txt": b"second"}
    content = pack(tmp_path / "small.zip", files).read_bytes()
    for position in range(len(content)):
        (tmp_path / "small.zip").write_bytes(flipped(content, position))
        with contextlib.suppress(ArchiveError):
            there = unpacked(tmp_path / "small.zip", tmp_path / "out" / str(position))
            assert all(text in (b"", *files.values()) for text in there.values())
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
