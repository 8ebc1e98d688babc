"""Computing a part of an archive's results again and comparing it with what the archive holds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from repsim.lab import recomputing
from repsim.lab.archives.certificates import Check
from repsim.lab.archives.consistency import UNREADABLE, alone, files_of, sentence
from repsim.lab.commits import commit
from repsim.lab.contents import contents, notebooks
from repsim.lab.data import is_at_hand
from repsim.lab.errors import DataError, LabError
from repsim.lab.execution import NotebookError, execute
from repsim.lab.paths import data_root
from repsim.lab.representations import dataset_of
from repsim.lab.sealed import unseal
from repsim.lab.store import Artefact, digest, read_artefact
from repsim.lab.tolerances import ACCURACY, CLAIMS, SIMILARITY

NETWORKS_SCORED, TABLES_SAMPLED = 2, 6  # minutes on two processor cores
CODE = ("repsim/", "notebooks/")
_DRAWS = 100  # of a cell, until one is found whose networks are in the archive


class _NoDataError(Exception):
    """The data that a recomputation needs is not at hand."""


class _AwayError(Exception):
    """The weights that a recomputation needs are not in the archive, and their records say so."""


def claims(folder: Path, about: dict[str, Any], root: Path, scratch: Path) -> Check:
    """Execute the notebooks on the archive's results, and compare what they measure for the claims.

    The notebooks and the code are those of `root`, not the archive's: certifying runs nothing that came with an
    archive. The results in use must be a copy of the archive's, which the notebooks write into.
    """
    profile = about["profile"]
    what, held = (
        "the notebooks, executed again, measure the same for every claim",
        folder / "results" / profile / "claims",
    )
    if others := _other_code(folder, root):
        return Check(
            what,
            not_done=f"the code here, of commit {commit(root)}, is not the archive's ({others[0]} differs, and "
            f"{len(others) - 1} more): run this command in a clone at commit {about['commit']}",
        )
    again = scratch / "results" / profile / "claims"
    shutil.rmtree(again, ignore_errors=True)
    wrong = []
    for stem in notebooks(contents(published=True, root=root)):
        try:
            execute(root / "notebooks" / f"{stem}.ipynb", profile, scratch / "executed" / f"{stem}.ipynb")
        except NotebookError as error:
            wrong.append(f"notebooks/{stem}.ipynb: does not run on the archive's results: {error}")
    names = sorted({path.name for one in (held, again) for path in one.glob("*.json")})
    for name in names:
        try:
            one, other = (unseal(part / name) for part in (held, again))
            if not CLAIMS.holds(one, other):
                difference = f"holds {one['values']}, measured: {other['values']}"
                wrong.append(f"results/{profile}/claims/{name}: {difference}")
        except (LabError, *UNREADABLE) as error:
            wrong.append(f"results/{profile}/claims/{name}: {sentence(error)}")
    return Check(what, len(names), wrong, str(CLAIMS))


def _other_code(folder: Path, root: Path) -> list[str]:
    """Return the code files of the archive that are others, or none, in `root`."""
    files = {path: file for path, file in files_of(folder).items() if path.startswith(CODE)}
    return [
        path for path, file in files.items() if not (root / path).is_file() or digest(root / path) != digest(file)
    ] or ([] if files else ["all of it"])


def accuracies(folder: Path, profile: str, rng: np.random.Generator) -> Check:
    """Score some of the networks again."""
    there = networks_of(folder, profile)
    chosen = [path.relative_to(folder).as_posix() for path in drawn(there, NETWORKS_SCORED, rng)]

    def compare(name: str) -> Iterator[str]:
        network = read_artefact(folder / name)
        _at_hand(dataset_of(network))
        score, found = recomputing.accuracy(network)
        held = network.record[score]
        if not ACCURACY.holds(found, held):
            yield f"{name}: {score.replace('_', ' ')} {held}, recomputed {found}"

    what = f"{len(chosen)} of {len(there)} networks, drawn with the seed, are as accurate as their records say"
    return _sampled(what, chosen, compare, str(ACCURACY))


def similarities(folder: Path, profile: str, rng: np.random.Generator) -> Check:
    """Compute one cell of some of the similarity tables again."""
    left = [step for step in _steps(folder, profile) if step not in {*recomputing.TABLES, "networks"}]
    there = tables_of(folder, profile)
    files = {path.name: path for path in networks_of(folder, profile)}
    away = not_committed(folder, profile)

    def compare(name: str) -> Iterator[str]:
        table = read_artefact(folder / name)
        if (cell := drawn_cell(table, away, rng)) is None:
            raise _AwayError(f"{name} was not computed again: the weights of its networks are not in the archive.")
        networks = [read_artefact(files[one]) for one in cell.networks]
        inputs = table.record["inputs"]
        if others := {one.sha256 for one in networks} - {*inputs["networks"], *(inputs.get("columns") or ())}:
            yield f"{name}: was not made from the networks that it names, but from others than {', '.join(others)}"
            return
        _at_hand(cell.dataset or dataset_of(networks[0]))
        for index, value in recomputing.similarities(cell, networks).items():
            if not SIMILARITY.holds(value, cell.held[index]):
                yield f"{name}: {index} of {cell}: holds {cell.held[index]}, recomputed {value}"

    remark = f"Not computed again, only compared with their hashes: {', '.join(left)}." if left else ""
    paths = drawn(there, TABLES_SAMPLED, rng)
    what = f"a cell of {len(paths)} of {len(there)} similarity tables, drawn with the seed, is what its networks give"
    return _sampled(what, [path.relative_to(folder).as_posix() for path in paths], compare, str(SIMILARITY), remark)


def networks_of(folder: Path, profile: str) -> list[Path]:
    """Return the networks of an archive."""
    return sorted((folder / "results" / profile / "networks").glob("*.npz"))


def not_committed(folder: Path, profile: str) -> set[str]:
    """Return the names of the weights of which an archive holds the records only, as these say."""
    found = set()
    for record in alone(folder, profile):
        try:
            found.add(read_artefact(record.with_suffix(".npz")).path.name)
        except (LabError, *UNREADABLE):  # the check of the records names it
            continue
    return found


def tables_of(folder: Path, profile: str) -> list[Path]:
    """Return the similarity tables of an archive of which cells can be computed again."""
    results = folder / "results" / profile
    return [
        path
        for step in _steps(folder, profile)
        if step in recomputing.TABLES
        for path in sorted((results / step).glob("*.npz"))
    ]


def _steps(folder: Path, profile: str) -> list[str]:
    return sorted(path.name for path in (folder / "results" / profile).glob("*") if any(path.glob("*.npz")))


def drawn(paths: Sequence[Path], most: int, rng: np.random.Generator) -> list[Path]:
    """Return some of the paths, in their order."""
    return sorted(paths[one] for one in rng.permutation(len(paths))[:most])


def drawn_cell(table: Artefact, away: Set[str], rng: np.random.Generator) -> recomputing.Cell | None:
    """Return a cell of a table whose networks are not among those that are away, None if none was found."""
    arrays = table.arrays()
    cells = (recomputing.pick(table.record, arrays, rng) for _ in range(_DRAWS))
    return next((cell for cell in cells if away.isdisjoint(cell.networks)), None)


def _sampled(
    what: str, names: Iterable[str], compare: Callable[[str], Iterable[str]], tolerance: str, remark: str = ""
) -> Check:
    """Compare one file after the other; without the data that one needs, say what to do."""
    wrong: list[str] = []
    missing: dict[str, None] = {}
    away: list[str] = []
    compared = 0
    for name in names:
        try:
            wrong += compare(name)
            compared += 1
        except _NoDataError as error:
            missing[str(error)] = None
        except _AwayError as error:
            away.append(str(error))
        except DataError as error:  # the data here is at fault, not the archive
            missing[f"{error}."] = None
        except Exception as error:  # results from anyone may fail in any way, inside any library
            wrong.append(f"{name}: cannot be computed again: {sentence(error)}")
    if compared:
        return Check(what, compared, wrong, tolerance, " ".join([remark, *away]).strip(), " ".join(missing))
    return Check(what, compared, wrong, tolerance, remark, " ".join([*missing, *away]))


def _at_hand(dataset: str) -> None:
    if not is_at_hand(dataset):
        raise _NoDataError(
            f"{dataset} is not in {data_root()}: fetch it with `repsim-lab data laptop`, or name the folder that holds "
            "it in REPSIM_DATA, and certify again."
        )
