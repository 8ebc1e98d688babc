"""Unpacking an archive that may come from anyone: nothing is written outside its folder or without a limit."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from repsim.lab.archives.layout import ArchiveError

MOST_FILES = 20_000
LARGEST_FILE = 256 << 20
LARGEST_SUM = 4 << 30
CHUNK = 1 << 20
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class _AlteredError(Exception):
    """An entry that cannot be read to its end."""


def unpack(archive: Path, folder: Path) -> dict[str, str]:
    """Unpack an archive into an empty folder.

    All entries are looked at before the first is written.

    Returns
    -------
    dict
        Path of each entry that could not be unpacked, such as one that was altered -> why.

    Raises
    ------
    ArchiveError
        If the file is not a zip archive; if an entry has a path that leads outside, is a link or another special file,
        is encrypted, has the name of another one, or is larger than :data:`LARGEST_FILE`; if there are too many; if
        `folder` cannot be written, as on a full disk.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = packed.infolist()
            _refuse(archive, entries)
            return {entry.filename: why for entry in entries if (why := _write(packed, entry, folder))}
    except FileNotFoundError:
        raise ArchiveError(f"{archive} does not exist") from None
    except UNREADABLE as error:
        raise ArchiveError(f"{archive} is not a zip archive that can be read: {error}") from None


def _refuse(archive: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Raise ArchiveError, naming the entry, unless all are plain files of bearable sizes inside the folder."""
    if len(entries) > MOST_FILES:
        raise ArchiveError(f"{archive.name} is refused: {len(entries):,} entries, more than {MOST_FILES:,}")
    if (size := sum(entry.file_size for entry in entries)) > LARGEST_SUM:
        raise ArchiveError(f"{archive.name} is refused: {size:,} bytes unpacked, more than {LARGEST_SUM:,}")
    names = {entry.filename.casefold() for entry in entries}
    seen: set[str] = set()
    for entry in entries:
        if why := _wrong(entry, names, seen):
            raise ArchiveError(f"{archive.name} is refused: its entry {entry.filename!r:.200} {why}")
        seen.add(entry.filename.casefold())


def _wrong(entry: zipfile.ZipInfo, names: Iterable[str], seen: Iterable[str]) -> str:
    """Return why an entry is refused; empty if it is not."""
    name, mode = entry.filename, entry.external_attr >> 16
    parts = name.split("/")
    if re.search(r"[\x00-\x1f\\]|^/|^[A-Za-z]:", name) or {"", ".", ".."} & set(parts) or len(name.encode()) > 1000:
        return "has a path that leads outside or is none"
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:  # 0: the archive does not say
        return "is a link or another special file"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.file_size > LARGEST_FILE:
        return f"has {entry.file_size:,} bytes, more than {LARGEST_FILE:,}"
    above = {str(one).casefold() for one in PurePosixPath(name).parents}
    return "has the place of another entry" if name.casefold() in seen or above & set(names) else ""


def _write(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> str:
    """Unpack one entry; return why it could not be, empty if it could."""
    path = folder / entry.filename
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            for chunk in _chunks(packed, entry):
                target.write(chunk)
    except _AlteredError as error:
        path.unlink(missing_ok=True)
        return str(error)
    except OSError as error:  # the fault of this machine, not of the archive
        raise ArchiveError(f"{entry.filename:.200} cannot be unpacked here: {error.strerror or error}") from None
    return ""


def _chunks(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Read one entry, no further than its stated size."""
    left = entry.file_size
    try:
        with packed.open(entry) as source:
            while chunk := source.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise zipfile.BadZipFile(f"more than the stated {entry.file_size} bytes")
                yield chunk
    except UNREADABLE as error:
        raise _AlteredError(str(error)) from None
