"""Certifying an archive: what a third person runs on it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from repsim.lab.archives import again, consistency
from repsim.lab.archives.certificates import Certificate, Check
from repsim.lab.archives.layout import ArchiveError
from repsim.lab.archives.unpacking import unpack
from repsim.lab.backend import configure
from repsim.lab.commits import commit
from repsim.lab.paths import REPOSITORY, data_root
from repsim.lab.store import ONLY_READ, digest


def certify(
    archive: Path, seed: int = 0, root: Path = REPOSITORY, report: Callable[[Check], None] = lambda check: None
) -> Certificate:
    """Compare an archive with what it says of itself, and a sample of its results with what they are when recomputed.

    It is unpacked into a folder of its own, which is removed in the end. No code of it is run, and nothing that is
    missing in it is trained.

    Parameters
    ----------
    archive
        The zip file.
    seed
        Draws the sample.
    root
        The repository whose notebooks are executed again.
    report
        Called with each check as it is done.

    Raises
    ------
    ArchiveError
        If the file cannot be unpacked safely, see :func:`repsim.lab.archives.unpacking.unpack`, or this machine has no
        room for it.
    """
    try:
        checks, about = _examine(archive, seed, root, report)
    except OSError as error:
        raise ArchiveError(f"{archive.name} cannot be certified here: {error.strerror or error}") from None
    return Certificate(archive.name, digest(archive), about, seed, commit(root), checks)


def _examine(
    archive: Path, seed: int, root: Path, report: Callable[[Check], None]
) -> tuple[list[Check], dict[str, Any]]:
    """Make all checks in a temporary folder; return them and what the archive says it is of."""
    with tempfile.TemporaryDirectory(prefix="repsim-certify-") as name:
        folder, scratch = Path(name) / "archive", Path(name) / "scratch"
        folder.mkdir()
        damaged = unpack(archive, folder)
        checks = []
        for check in _checks(folder, scratch, damaged, seed, root):
            checks.append(check)
            report(check)
        try:
            return checks, consistency.stated(folder)
        except ArchiveError:
            return checks, {}  # one of the checks says so


def _checks(folder: Path, scratch: Path, damaged: dict[str, str], seed: int, root: Path) -> Iterator[Check]:
    yield (first := consistency.hashes(folder, damaged))
    try:
        about = consistency.stated(folder)
    except ArchiveError as error:
        yield Check("the archive says what it is of", wrong=[str(error)])
        return
    profile = about["profile"]
    if not (folder / "results" / profile).is_dir():
        yield Check("the archive holds results", wrong=[f"results/{profile}: is missing"])
        return
    yield consistency.listings(folder, profile)
    yield consistency.records(folder, profile)
    yield consistency.notebooks(folder)
    results = shutil.copytree(folder / "results", scratch / "results")
    with _in_use(results, scratch / "cache"):
        yield consistency.verdicts(folder, profile, scratch)
        if first.wrong:
            yield Check(
                "a sample of the results, computed again, is the same", not_done="Altered files are not computed."
            )
            return
        rng = np.random.default_rng(seed)
        yield again.claims(folder, about, root, scratch)
        configure()
        yield again.accuracies(folder, profile, rng)
        yield again.similarities(folder, profile, rng)


@contextmanager
def _in_use(results: Path, cache: Path) -> Iterator[None]:
    """Let results from elsewhere be those in use, with no cache of others, and nothing be made that is missing."""
    settings = {
        "REPSIM_DATA": str(data_root()),
        "REPSIM_RESULTS": str(results),
        "REPSIM_CACHE": str(cache),
        ONLY_READ: "1",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
