"""Fetching a data set's official archive and unpacking it: its folder appears once it is whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from filelock import FileLock

from repsim.lab.errors import DataError
from repsim.lab.store import clear, part_path
from repsim.lab.unpacking import ArchiveError, unpack_tar


def fetch(name: str, address: str, md5: str, target: Path) -> None:
    """Download an archive and unpack its one folder, unless it is there.

    The archive is kept beside the folder, so that only a download that was cut short is repeated.

    Parameters
    ----------
    name
        What the data set is called in messages.
    address, md5
        Of the archive, a compressed tar file.
    target
        Where its folder goes, under the name that it has in the archive.

    Raises
    ------
    DataError
        If it cannot be downloaded, has another MD5, holds what :mod:`repsim.lab.unpacking` refuses, or there is no room
        for it. What is there under the names of archive and folder is as it was before, or whole.
    """
    archive, part = target.with_name(address.rsplit("/", 1)[-1]), part_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            clear(target.parent, target.name)  # also where a run was killed when its folder had just appeared
            if target.exists():
                return
            _retrieve(address, md5, archive, part)
            unpack_tar(archive, part)
            os.replace(part / target.name, target)
    except ArchiveError as error:
        raise DataError(str(error)) from None
    except Exception as error:  # every way a download can fail ends in the same advice
        raise DataError(
            f"{name} is neither in {target} nor could it be downloaded ({_why(error)}): put the official folder "
            f"{target.name} there, or name the folder that holds it in REPSIM_DATA."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _why(error: Exception) -> str:
    # Pooch raises ValueError for an archive that has not the official hash, and names both hashes.
    if isinstance(error, ValueError):
        return " ".join(str(error).split()).rstrip(".")
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _retrieve(address: str, md5: str, archive: Path, part: Path) -> None:
    """Download the archive into a passing folder, which outlives no run, unless a whole one is there."""
    import pooch

    if archive.exists() and pooch.file_hash(str(archive), "md5") == md5:
        return
    pooch.retrieve(address, f"md5:{md5}", archive.name, part, progressbar=True)
    os.replace(part / archive.name, archive)
