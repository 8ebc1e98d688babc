"""Unpacking archives that may come from anyone: nothing is written outside their folder, and no link is made."""

from __future__ import annotations

import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from repsim.lab.errors import LabError

MOST_FILES = 20_000
LARGEST_FILE = 256 << 20
LARGEST_SUM = 4 << 30
UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
# The standard library's own check, which Debian 12's Python 3.11.2 lacks; ours is the stricter one.
FILTER: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


class ArchiveError(LabError):
    """An archive that cannot be made, or is not one that can be unpacked."""


def unpack_tar(archive: Path, folder: Path) -> None:
    """Unpack a tar archive of plain files into a folder.

    ArchiveError if it cannot be read to its end, an entry has a path that leads outside, comes twice, or is a link or
    another special file, or `folder` cannot be written, as on a full disk.
    """

    def checked(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        why = wrong(entry.name, entry.isfile() or entry.isdir())
        if why or (entry.isfile() and (folder / entry.name).exists()):
            raise ArchiveError(f"{archive.name} is refused: its entry {entry.name!r:.200} {why or 'comes twice'}")
        return entry

    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, members=map(checked, packed), **FILTER)
    except UNREADABLE as error:
        raise ArchiveError(f"{archive.name} is not a tar archive that can be read: {error}") from None
    except OSError as error:
        raise ArchiveError(f"{archive.name} cannot be unpacked here: {error.strerror or error}") from None


def unpack_zip(archive: Path, folder: Path) -> dict[str, str]:
    """Unpack a zip archive of plain files into an empty folder; return why each entry that was altered could not be.

    All entries are looked at before the first is written. ArchiveError if it is no zip archive, an entry has a path
    that leads outside, is a link or another special file, is encrypted, has the name of another one or is larger than
    :data:`LARGEST_FILE`, there are too many, or `folder` cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = packed.infolist()
            if why := _refused(entries):
                raise ArchiveError(f"{archive.name} is refused: {why}")
            return {entry.filename: why for entry in entries if (why := _damage(packed, entry, folder))}
    except FileNotFoundError:
        raise ArchiveError(f"{archive} does not exist") from None
    except (*UNREADABLE, OSError) as error:
        raise ArchiveError(f"{archive} is not a zip archive that can be read: {error}") from None


def wrong(name: str, plain: bool) -> str:
    """Return why an entry of that name is refused, given whether it is a plain file or folder; empty if it is not."""
    components = name.split("/")
    too_long = len(name) > 1000 or any(len(component.encode(errors="replace")) > 255 for component in components)
    if too_long or re.search(r"[\x00-\x1f\\:]|^/", name) or ".." in components:
        return "has a path that leads outside or is none"
    return "" if plain else "is a link or another special file"


def _refused(entries: list[zipfile.ZipInfo]) -> str:
    """Return why the entries of a zip archive are refused; empty if all are plain files of bearable sizes."""
    if len(entries) > MOST_FILES:
        return f"{len(entries):,} entries, more than {MOST_FILES:,}"
    if (size := sum(entry.file_size for entry in entries)) > LARGEST_SUM:
        return f"{size:,} bytes unpacked, more than {LARGEST_SUM:,}"
    names = [entry.filename.casefold() for entry in entries]
    folders = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents}
    seen: set[str] = set()
    for entry, name in zip(entries, names, strict=True):
        why = wrong(entry.filename, stat.S_IFMT(entry.external_attr >> 16) in {0, stat.S_IFREG})  # 0: it does not say
        if {"", "."} & set(name.split("/")):
            why = "has a path that leads outside or is none"
        elif entry.flag_bits & 1:
            why = "is encrypted"
        elif entry.file_size > LARGEST_FILE:
            why = f"has {entry.file_size:,} bytes, more than {LARGEST_FILE:,}"
        elif name in seen or name in folders:
            why = "has the place of another entry"
        if why:
            return f"its entry {entry.filename!r:.200} {why}"
        seen.add(name)
    return ""


def _damage(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> str:
    """Unpack one entry, no further than its stated size; return why it could not be, empty if it could."""
    path = folder / entry.filename
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with packed.open(entry) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except OSError as error:  # the fault of this machine, not of the archive
        raise ArchiveError(f"{entry.filename:.200} cannot be unpacked here: {error.strerror or error}") from None
    except UNREADABLE as error:
        path.unlink(missing_ok=True)
        return str(error)
    return ""
