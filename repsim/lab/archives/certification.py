"""Certifying an archive: what a third person runs on it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from repsim.lab import recomputing
from repsim.lab.archives import checks
from repsim.lab.archives.certificate import Certificate, Check
from repsim.lab.backend import configure
from repsim.lab.claims import ACCURACY, CLAIMS, SIMILARITY, Tolerance, take
from repsim.lab.data import source_of
from repsim.lab.errors import DataError
from repsim.lab.execution import NotebookError, contents, execute, is_chapter, notebooks
from repsim.lab.paths import REPOSITORY, data_root
from repsim.lab.repository import commit
from repsim.lab.representations import dataset_of
from repsim.lab.store import ONLY_READ, Artefact, digest, read_artefact, record_path, unseal
from repsim.lab.unpacking import ArchiveError, unpack_zip

SAMPLE_MINUTES = 2.0  # of processor time; executing the notebooks takes three more
NETWORKS_SHARE = 0.25  # of it for scoring networks; the rest is for cells of tables
CODE = ("repsim/", "notebooks/")
SPEED = 2e10  # multiplications a second that a processor core of today does
_DRAWS = 100  # of a cell, until one is found whose networks are in the archive and which is not too dear


class _AwayError(Exception):
    """A table of which no cell can be computed again, as its text says."""


def certify(
    archive: Path,
    seed: int = 0,
    root: Path = REPOSITORY,
    report: Callable[[Check], None] = lambda check: None,
    minutes: float = SAMPLE_MINUTES,
) -> Certificate:
    """Compare an archive with what it says of itself, and a sample of its results with what they are when recomputed.

    It is unpacked into a folder of its own, which is removed in the end. No code of it is run, and nothing that is
    missing in it is trained: the notebooks executed again are those of `root`. `seed` draws the order in which networks
    and tables are computed again; none is begun once so many `minutes` of processor time have gone into that.
    ArchiveError if it cannot be unpacked safely, or this machine has no room for it.
    """
    done: list[Check] = []
    try:
        with tempfile.TemporaryDirectory(prefix="repsim-certify-") as name:
            folder, scratch = Path(name) / "archive", Path(name) / "scratch"
            folder.mkdir()
            damaged = unpack_zip(archive, folder)
            for check in _checks(folder, scratch, damaged, seed, root, 60 * minutes):
                done.append(check)
                report(check)
            try:
                about = checks.stated(folder)
            except ArchiveError:
                about = {}  # one of the checks says so
    except OSError as error:
        raise ArchiveError(f"{archive.name} cannot be certified here: {error.strerror or error}") from None
    return Certificate(archive.name, digest(archive), about, seed, commit(root), done)


def _checks(
    folder: Path, scratch: Path, damaged: dict[str, str], seed: int, root: Path, seconds: float
) -> Iterator[Check]:
    yield (first := checks.hashes(folder, damaged))
    try:
        about = checks.stated(folder)
    except ArchiveError as error:
        yield Check("the archive says what it is of", differs=[str(error)])
        return
    profile = about["profile"]
    if not (folder / "results" / profile).is_dir():
        yield Check("the archive holds results", differs=[f"results/{profile}: is missing"])
        return
    yield checks.listings(folder, profile)
    yield checks.records(folder, profile)
    yield checks.notebooks(folder)
    # The archive's results are those in use, with no cache of others, and nothing is made that is missing.
    settings = {
        "REPSIM_DATA": str(data_root()),
        "REPSIM_RESULTS": str(shutil.copytree(folder / "results", scratch / "results")),
        "REPSIM_CACHE": str(scratch / "cache"),
        ONLY_READ: "1",
    }
    with patch.dict(os.environ, settings):
        yield checks.verdicts(folder, profile, scratch)
        if first.differs:
            what = "a sample of the results, computed again, is the same"
            yield Check(what, not_done="Altered files are not computed.")
            return
        yield claims(folder, about, root, scratch)
        configure()
        rng = np.random.default_rng(seed)
        yield accuracies(folder, profile, rng, NETWORKS_SHARE * seconds)
        yield similarities(folder, profile, rng, (1 - NETWORKS_SHARE) * seconds)


def claims(folder: Path, about: dict[str, Any], root: Path, scratch: Path) -> Check:
    """Execute the notebooks on the archive's results, and compare what they measure for the claims.

    The notebooks and the code are those of `root`, not the archive's: certifying runs nothing that came with an
    archive. The results in use must be a copy of the archive's, whose measurements are made anew.
    """
    profile, what = about["profile"], "the notebooks, executed again, measure the same for every claim"
    held, again = folder / "results" / profile / "claims", scratch / "results" / profile / "claims"
    if others := _other_code(folder, root):
        return Check(
            what,
            not_done=f"the code here, of commit {commit(root)}, is not the archive's ({others[0]} differs, and "
            f"{len(others) - 1} more): run this command in a clone at commit {about['commit']}",
        )
    shutil.rmtree(again, ignore_errors=True)
    differs = []
    for name in filter(is_chapter, notebooks(contents(published=True, root=root))):
        try:
            execute(root / name, profile, scratch / "executed" / Path(name).name)
        except NotebookError as error:
            differs.append(f"{name}: does not run on the archive's results: {error}")
    take(profile, scratch / "executed")

    def compare(name: str) -> Iterator[str]:
        archived, measured = (unseal(directory / name) for directory in (held, again))
        if not CLAIMS.holds(archived, measured):
            yield f"results/{profile}/claims/{name}: holds {archived['values']}, measured: {measured['values']}"

    names = sorted({path.name for directory in (held, again) for path in directory.glob("*.json")})
    for name in names:
        differs += checks.unless_unreadable(f"results/{profile}/claims/{name}", partial(compare, name))
    return Check(what, len(names), differs, str(CLAIMS))


def _other_code(folder: Path, root: Path) -> list[str]:
    """Return the code files of the archive that are others, or none, in `root`."""
    files = {path: file for path, file in checks.files_of(folder).items() if path.startswith(CODE)}
    return [
        path for path, file in files.items() if not (root / path).is_file() or digest(root / path) != digest(file)
    ] or ([] if files else ["all of it"])


def accuracies(folder: Path, profile: str, rng: np.random.Generator, seconds: float) -> Check:
    """Score networks again, in an order that is drawn; translations of Transformers would take too long."""
    weights = sorted((folder / "results" / profile / "networks").glob("*.npz"))
    there = [path for path in weights if "corpus" not in unseal(record_path(path))["inputs"]]

    def compare(path: Path) -> Iterator[str]:
        network = read_artefact(path)
        _at_hand(dataset_of(network))
        score, value = recomputing.accuracy(network)
        if not ACCURACY.holds(value, network.record[score]):
            yield f"{score.replace('_', ' ')} {network.record[score]}, recomputed {value}"

    what = "networks, drawn with the seed, are as accurate as their records say"
    return _sampled(what, there, compare, ACCURACY, rng, seconds)


def similarities(folder: Path, profile: str, rng: np.random.Generator, seconds: float) -> Check:
    """Compute a cell of similarity tables again, in an order that is drawn."""
    results = folder / "results" / profile
    steps = sorted(path.name for path in results.glob("*") if any(path.glob("*.npz")))
    there = [path for step in steps if step in recomputing.TABLES for path in sorted((results / step).glob("*.npz"))]
    files = {path.name: path for path in (results / "networks").glob("*.npz")}

    def compare(path: Path) -> Iterator[str]:
        table = read_artefact(path)
        cell = _drawn_cell(table, files, rng, SPEED * seconds / 2)
        networks = [read_artefact(files[name]) for name in cell.networks]
        inputs = table.record["inputs"]
        if others := {network.sha256 for network in networks} - {*inputs["networks"], *(inputs.get("columns") or ())}:
            yield f"was not made from the networks that it names, but from others than {', '.join(others)}"
            return
        _at_hand(cell.dataset or dataset_of(networks[0]))
        for index, value in recomputing.similarities(cell, networks).items():
            if not SIMILARITY.holds(value, cell.held[index]):
                yield f"{index} of {cell}: holds {cell.held[index]}, recomputed {value}"

    left = [step for step in steps if step not in {*recomputing.TABLES, "networks"}]
    remark = f"Not computed again, only compared with their hashes: {', '.join(left)}." if left else ""
    what = "similarity tables, drawn with the seed, hold in a cell what its networks give"
    return _sampled(what, there, compare, SIMILARITY, rng, seconds, remark)


def _drawn_cell(
    table: Artefact, files: dict[str, Path], rng: np.random.Generator, operations: float
) -> recomputing.Cell:
    """Return a cell of a table of networks whose weights are among the files, of no more than so many operations."""
    arrays, record = table.arrays(), table.record
    features = dict(zip(record.get("layers", ()), record.get("features", ()), strict=False))
    why = "the weights of its networks are not in the archive"
    for _ in range(_DRAWS):
        cell = recomputing.pick(record, arrays, rng)
        # A basis takes eight times what an inner product does; where the features are not recorded, none is made.
        cost = 8 * len(cell.held) * cell.examples**2 * max(features.get(layer, 0) for layer in cell.layers)
        if set(cell.networks) <= set(files):
            if cost <= operations:
                return cell
            why = "its cells take too long"
    raise _AwayError(f"{table.path.name} was not computed again: {why}.")


def _sampled(
    what: str,
    paths: Sequence[Path],
    compare: Callable[[Path], Iterator[str]],
    tolerance: Tolerance,
    rng: np.random.Generator,
    seconds: float,
    remark: str = "",
) -> Check:
    """Compare one file after the other, in an order that is drawn, and begin no other once the time is used up."""
    begun, compared, differs = time.process_time(), 0, list[str]()
    missing, away = dict[str, None](), dict[str, None]()
    for place in rng.permutation(len(paths)):
        if compared and time.process_time() - begun >= seconds:
            break
        name = f"{paths[place].parent.name}/{paths[place].name}"
        try:
            differs += [f"{name}: {why}" for why in compare(paths[place])]
            compared += 1
        except _AwayError as error:
            away[str(error)] = None
        except DataError as error:  # the data here is at fault, not the archive
            missing[f"{error}."] = None
        except Exception as error:  # results from anyone may fail in any way, inside any library
            differs.append(f"{name}: cannot be computed again: {checks.sentence(error)}")
    within = f"As many as were begun within {seconds / 60:g} minutes of processor time."
    remark = " ".join([within, *([remark] if remark else []), *(away if compared else ())])
    not_done = " ".join([*missing, *(() if compared else away)])
    return Check(f"{compared} of {len(paths)} {what}", compared, differs, str(tolerance), remark, not_done)


def _at_hand(dataset: str) -> None:
    if dataset != "synthetic" and not (data_root() / source_of(dataset).folder).exists():
        raise DataError(
            f"{dataset} is not in {data_root()}: fetch it with `repsim-lab data laptop`, or name the folder that holds "
            "it in REPSIM_DATA, and certify again"
        )
