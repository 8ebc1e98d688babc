"""Certifying an archive: what a third person runs on it.

What is computed again is read from the records beside the results, not from a profile, so that results of another
version can be, too.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import repsim
from repsim.lab.archives import checks
from repsim.lab.archives.checks import Certificate, Check
from repsim.lab.backend import configure
from repsim.lab.claims import ACCURACY, CLAIMS, SIMILARITY, Tolerance, take
from repsim.lab.data import load_dataset, source_of
from repsim.lab.errors import DataError
from repsim.lab.execution import NotebookError, contents, environment_with, execute, is_chapter, notebooks
from repsim.lab.measurements.common import saturation_is_recorded
from repsim.lab.repository import REPOSITORY, commit, data_root
from repsim.lab.representations import dataset_of, representations, scaling_of
from repsim.lab.similarities import Similarities
from repsim.lab.store import ONLY_READ, Artefact, digest, read_artefact, unseal
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

    def add(check: Check) -> None:
        done.append(check)
        report(check)

    try:
        with tempfile.TemporaryDirectory(prefix="repsim-certify-") as name:
            folder, scratch = Path(name) / "archive", Path(name) / "scratch"
            folder.mkdir()
            unpack_zip(archive, folder)
            add(checks.hashes(folder))
            try:
                about = checks.stated(folder)
            except ArchiveError as error:
                about = {}
                add(Check("the archive says what it is of", differs=[str(error)]))
            if about and not (folder / "results" / about["profile"]).is_dir():
                add(Check("the archive holds results", differs=[f"results/{about['profile']}: is missing"]))
            elif about:
                for check in _of_contents(folder, scratch, about, bool(done[0].differs), seed, root, 60 * minutes):
                    add(check)
    except OSError as error:
        raise ArchiveError(f"{archive.name} cannot be certified here: {error.strerror or error}") from None
    return Certificate(archive.name, digest(archive), about, seed, commit(root), done)


def _of_contents(
    folder: Path, scratch: Path, about: dict[str, Any], altered: bool, seed: int, root: Path, seconds: float
) -> Iterator[Check]:
    profile = about["profile"]
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
    with environment_with(settings):
        yield checks.verdicts(folder, profile, scratch)
        if altered:
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
    differs = list[str]()
    for name in filter(is_chapter, notebooks(contents(published=True, root=root))):
        try:
            execute(root / name, profile, scratch / "executed" / Path(name).name)
        except NotebookError as error:
            differs.append(f"{name}: does not run on the archive's results: {error}")
    if any((scratch / "executed").glob("*.ipynb")):
        take(profile, scratch / "executed")
    names = sorted({path.name for directory in (held, again) for path in directory.glob("*.json")})
    for name in names:
        with checks.reading(f"results/{profile}/claims/{name}", differs):
            archived, measured = (unseal(directory / name) for directory in (held, again))
            if not CLAIMS.holds(archived, measured):
                differs.append(
                    f"results/{profile}/claims/{name}: holds {archived['values']}, measured: {measured['values']}"
                )
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
    there = [path for path in weights if not path.name.startswith("transformer-")]

    def compare(path: Path) -> Iterator[str]:
        network = read_artefact(path)
        _at_hand(dataset_of(network))
        score, value = recomputed_accuracy(network)
        if not ACCURACY.holds(value, network.record[score]):
            yield f"{score.replace('_', ' ')} {network.record[score]}, recomputed {value}"

    what = "networks, drawn with the seed, are as accurate as their records say"
    return _sampled(what, there, compare, ACCURACY, rng, seconds)


def similarities(folder: Path, profile: str, rng: np.random.Generator, seconds: float) -> Check:
    """Compute a cell of similarity tables again, in an order that is drawn."""
    results = folder / "results" / profile
    steps = sorted(path.name for path in results.glob("*") if any(path.glob("*.npz")))
    there = [path for step in steps if step in TABLES for path in sorted((results / step).glob("*.npz"))]
    files = {path.name: path for path in (results / "networks").glob("*.npz")}

    def compare(path: Path) -> Iterator[str]:
        table = read_artefact(path)
        cell = _affordable_cell(table, files, rng, SPEED * seconds / 2)
        networks = [read_artefact(files[name]) for name in cell.networks]
        inputs = table.record["inputs"]
        if others := {network.sha256 for network in networks} - {*inputs["networks"], *(inputs.get("columns") or ())}:
            yield f"was not made from the networks that it names, but from others than {', '.join(others)}"
            return
        _at_hand(cell.dataset or dataset_of(networks[0]))
        for index, value in recomputed_cell(cell, networks).items():
            if not SIMILARITY.holds(value, cell.held[index]):
                yield f"{index} of {cell}: holds {cell.held[index]}, recomputed {value}"

    left = [step for step in steps if step not in {*TABLES, "networks"}]
    remark = f"Not computed again, only compared with their hashes: {', '.join(left)}." if left else ""
    what = "similarity tables, drawn with the seed, hold in a cell what its networks give"
    return _sampled(what, there, compare, SIMILARITY, rng, seconds, remark)


def _affordable_cell(table: Artefact, files: dict[str, Path], rng: np.random.Generator, operations: float) -> Cell:
    """Return a cell of a table of networks whose weights are among the files, of no more than so many operations."""
    arrays, record = table.arrays(), table.record
    features = dict(zip(record.get("layers", ()), record.get("features", ()), strict=False))
    why = "the weights of its networks are not in the archive"
    for _ in range(_DRAWS):
        cell = drawn_cell(record, arrays, rng)
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


Arrays = Mapping[str, np.ndarray]
TABLES = ("tables", "dimension", "between", "within", "within-class")  # whose cells can be computed again


@dataclass(frozen=True)
class Cell:
    """The similarity of two layers by one or more indexes, as a table of the results holds it."""

    networks: tuple[str, ...]  # the files of the two
    layers: tuple[str, ...]  # one of each
    split: str
    examples: int
    held: Mapping[str, float]  # index -> value
    dataset: str | None = None  # None: the networks' own
    median: str = "exact"  # of which examples RBF bandwidths are fractions of the median distance

    def __str__(self) -> str:
        (first_network, second_network), (first_layer, second_layer) = self.networks, self.layers
        return f"{first_layer} of {first_network} and {second_layer} of {second_network} on {self.examples} examples"


def recomputed_accuracy(network: Artefact) -> tuple[str, float]:
    """Return what the record of a network calls its accuracy, on test images or held-out ones, and that: a fraction."""
    from repsim.lab.training import evaluate, hold_out, load_network  # only now is a backend needed

    dataset, held_out = load_dataset(dataset_of(network)), network.record["inputs"]["recipe"].get("held_out", 0)
    name, scored = ("held_out", hold_out(dataset.train, held_out)[1]) if held_out else ("test", dataset.test)
    return f"{name}_accuracy", evaluate(load_network(network), dataset, scored, scaling=scaling_of(network))[0]


def recomputed_cell(cell: Cell, networks: Sequence[Artefact]) -> dict[str, float]:
    """Compute a cell again, from the images and the weights of its two networks."""
    x, y = (
        representations(network, cell.split, cell.examples, (layer,), cell.dataset)[layer]
        for network, layer in zip(networks, cell.layers, strict=True)
    )
    with saturation_is_recorded():
        values = repsim.pairwise([x], [y], index=list(cell.held), median=cell.median)
    return {name: float(value[0, 0]) for name, value in values.items()}


def drawn_cell(record: Mapping[str, Any], arrays: Arrays, rng: np.random.Generator) -> Cell:
    """Draw a cell of an artefact of one of the steps in :data:`TABLES`: of two networks, if it compares any two."""
    if record["step"] == "dimension":
        i, k = int(rng.integers(len(record["layers"]))), int(rng.integers(len(arrays["examples"])))
        layer, (first, second) = record["layers"][i], record["network_files"]
        held = {name: float(arrays[f"same_{name}"][i, k]) for name in record["indexes"]}
        return Cell((first, second), (layer, layer), record["split"], int(arrays["examples"][k]), held)
    table = Similarities(record, arrays)
    rows, columns = table.networks("rows"), table.networks("columns")
    a, count = int(rng.integers(len(rows))), int(rng.choice(table.examples))
    apart = len(rows) > 1 and not table.alone and table.rows == table.columns
    b = (a + int(rng.integers(1, len(rows)))) % len(rows) if apart else int(rng.integers(len(columns)))
    b = a if table.alone else b
    sides = rows[a], columns[b]
    i, j = (int(rng.integers(len(facts["layers"]))) for facts, _ in sides)
    place = (i,) if table.diagonal else (i, j)
    names = {index: table.name(index, count) for index in record["indexes"]}
    return Cell(
        tuple(facts["network_files"][number] for facts, number in sides),
        (rows[a][0]["layers"][i], columns[b][0]["layers"][i if table.diagonal else j]),
        record["split"],
        count,
        {index: float(table.pair(name, a, b)[place]) for index, name in names.items()},
        record.get("dataset"),
        record.get("median", "exact"),
    )
