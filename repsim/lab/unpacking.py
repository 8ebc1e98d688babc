"""Unpacking archives that may come from anyone: nothing is written outside their folder, and no link is made."""

from __future__ import annotations

import contextlib
import re
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from repsim.lab.errors import LabError

MOST_FILES = 20_000
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
        components, why = entry.name.split("/"), ""
        too_long = max(len(component.encode(errors="replace")) for component in components) > 255
        if too_long or len(entry.name) > 1000 or re.search(r"[\x00-\x1f\\:]|^/", entry.name) or ".." in components:
            why = "has a path that leads outside or is none"
        elif not (entry.isfile() or entry.isdir()):
            why = "is a link or another special file"
        elif entry.isfile() and (folder / entry.name).exists():
            why = "comes twice"
        if why:
            raise ArchiveError(f"{archive.name} is refused: its entry {entry.name!r:.200} {why}")
        return entry

    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, members=map(checked, packed), **FILTER)
    except UNREADABLE as error:
        raise ArchiveError(f"{archive.name} is not a tar archive that can be read: {error}") from None
    except OSError as error:
        raise ArchiveError(f"{archive.name} cannot be unpacked here: {error.strerror or error}") from None


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack a zip archive into an empty folder; of an entry that was altered less is there, or nothing.

    The standard library makes no links, and nothing outside the folder. ArchiveError if it is no zip archive, there is
    too much in it, two entries have one name or one another than its file, or `folder` cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            names, size = packed.namelist(), sum(entry.file_size for entry in packed.infolist())
            if len(names) > MOST_FILES or size > LARGEST_SUM:
                raise ArchiveError(
                    f"{archive.name} is refused: {len(names):,} entries of {size:,} bytes, where {MOST_FILES:,} of "
                    f"{LARGEST_SUM:,} are the most"
                )
            for entry in packed.infolist():
                with contextlib.suppress(*UNREADABLE):  # the hashes in the manifest say which these are
                    packed.extract(entry, folder)
    except (*UNREADABLE, OSError) as error:
        raise ArchiveError(f"{archive} cannot be unpacked: {getattr(error, 'strerror', None) or error}") from None
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if len({*names}) < len(names) or files - {*names}:
        raise ArchiveError(f"{archive.name} is refused: names that come twice or lead outside")
