"""Train on a machine that reaches no network: what it needs in one folder, and what it made back in small files.

    python workflow/offline.py prepare laptop build/offline --python 3.12 --cuda cuda13
    # there, in a copy of that folder: timeout 60m sh run.sh 16
    python workflow/offline.py collect laptop take-back

`run.sh` trains so many networks at a time, chosen by options of `repsim-lab train`. Networks that are here already are
not trained again. It can be stopped and called again; what is finished and the checkpoints of what is not are then in
the folder `take-back`.
"""

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from packaging.requirements import Requirement

from repsim.lab.data import SOURCES, load_dataset
from repsim.lab.errors import LabError, StorageError
from repsim.lab.planning import describe
from repsim.lab.profiles import load_profile
from repsim.lab.repository import cache_root, data_root, results_root
from repsim.lab.store import digest, read_artefact, record_path, write_atomically
from repsim.lab.unpacking import unpack_tar

ROOT = Path(__file__).resolve().parents[1]
WORDS = {"known": "known.txt", "wheels": "wheels", "needed": "needed.txt"}
SENT = ("repsim", "workflow")  # all of the source that training needs
# Of the experiments' requirements, what training imports; the others are for notebooks and the book.
TRAINING = {"filelock", "keras", "psutil", "pydantic", "pyyaml", "rich", "typer"}
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux1")
RUN = """\
#!/bin/sh
# Trains the networks of the profile {profile} that are missing, so many at a time: sh run.sh 16 [OPTIONS of train]
set -eu
at_once=$1; shift
cd "$(dirname "$0")"
if [ ! -e environment/complete ]; then
  python3 -m venv --system-site-packages environment  # so that a JAX that is installed is used
  [ ! -d {wheels} ] || environment/bin/python -m pip install --no-index --find-links {wheels} --requirement {needed}
  touch environment/complete
fi
export KERAS_BACKEND=jax PYTHONPATH="$PWD/source${{PYTHONPATH:+:$PYTHONPATH}}"
export XLA_PYTHON_CLIENT_PREALLOCATE=false  # JAX takes three quarters of a GPU's memory at once unless told otherwise
export REPSIM_RESULTS="$PWD/results" REPSIM_CACHE="$PWD/cache" REPSIM_DATA="$PWD/data"
train="environment/bin/python -m repsim.lab train {profile}"
$train --missing "$@" > missing.txt
status=0
trap 'status=143' INT TERM  # also of a training that is interrupted all is packed that is done
xargs -r -L 1 -P "$at_once" $train < missing.txt 2>> training.log || status=$?
mkdir -p results/{profile}/networks cache/checkpoints
rm -rf take-back; mkdir take-back
tar -c --exclude '.*' --exclude-from {known} training.log -C cache checkpoints -C ../results/{profile} networks |
  split -b 15m - take-back/part
exit $status
"""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def prepare(
    profile: str,
    folder: Path,
    python: Annotated[str, typer.Option(help="Version of Python there, as in 3.12.")] = "3.12",
    machine: Annotated[str, typer.Option(help="Processor there, as `uname -m` prints it.")] = "x86_64",
    cuda: Annotated[str, typer.Option(help="JAX's extra for the GPU there, as in cuda13; empty: none.")] = "",
    wheels: Annotated[bool, typer.Option(help="Fetch packages; not needed where they are installed.")] = True,
) -> None:
    """Put the source, the packages, the data sets and the plan of a profile into a folder."""
    networks = load_profile(profile).networks
    if folder.exists() and any(folder.iterdir()):
        raise StorageError(f"{folder} is not empty; take another folder, or remove what is left of an earlier one")
    folder.mkdir(parents=True, exist_ok=True)
    for tree in SENT:
        shutil.copytree(ROOT / tree, folder / "source" / tree, ignore=shutil.ignore_patterns("__pycache__"))
    records = sorted((results_root() / profile / "networks").glob("*.json"))
    known = [path.with_suffix(".npz") for path in records]  # of some the weights are not here
    for path in [file for network in known for file in (network, record_path(network)) if file.exists()]:
        take(path, folder / "results" / profile / "networks" / path.name)
    (folder / WORDS["known"]).write_text("".join(f"{path.stem}.*\n" for path in known), encoding="utf-8")
    (folder / "plan.txt").write_text(describe(profile) + "\n", encoding="utf-8")
    for name in sorted({group.dataset for group in networks} & set(SOURCES)):
        load_dataset(name)  # fetches what is missing and checks it
        inside = SOURCES[name].folder
        shutil.copytree(data_root() / inside, folder / "data" / inside, dirs_exist_ok=True)
    (folder / "run.sh").write_text(RUN.format(profile=profile, **WORDS), encoding="utf-8")
    requirements = needed(cuda)
    (folder / WORDS["needed"]).write_text("".join(f"{requirement}\n" for requirement in requirements), encoding="utf-8")
    if wheels:
        fetch = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--only-binary",
            ":all:",
            "--python-version",
            python,
        ]
        for platform in PLATFORMS:
            fetch += ["--platform", f"{platform}_{machine}"]
        subprocess.run([*fetch, "--dest", str(folder / WORDS["wheels"]), *requirements], check=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:,.0f} MB; copy it there and call `sh run.sh 16`")


def needed(cuda: str) -> list[str]:
    """Return the requirements of training with JAX, as pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    chosen = [requirement for requirement in extras["lab-base"] if Requirement(requirement).name in TRAINING]
    (jax,) = [requirement for requirement in extras["jax"] if Requirement(requirement).name == "jax"]
    return [*project["dependencies"], *chosen, jax.replace("jax", f"jax[{cuda}]", 1) if cuda else jax]


@app.command()
def collect(profile: str, folder: Path) -> None:
    """Take networks into the results, each compared with its record, and checkpoints into the cache.

    What is damaged, or has the name of another network that is here, is named in the end, after all others.
    """
    taken, refused = 0, []
    with tempfile.TemporaryDirectory() as aside:
        whole = Path(aside) / "whole.tar"
        with whole.open("wb") as file:
            file.writelines(part.read_bytes() for part in sorted(folder.glob("part*")))
        unpack_tar(whole, Path(aside))
        for record in sorted((Path(aside) / "networks").glob("*.json")):  # written once the network is
            path = record.with_suffix(".npz")
            target = results_root() / profile / "networks" / path.name
            try:
                read_artefact(path)
                if target.exists() and digest(target) != digest(path):
                    raise StorageError(f"{target} is there already and is another network")
            except LabError as error:
                refused.append(str(error).replace(f"{aside}/", ""))
                continue
            taken += not record_path(target).exists()
            take(path, target)
            take(record, record_path(target))
        for path in sorted((Path(aside) / "checkpoints").glob("*.npz")):
            target = cache_root() / "checkpoints" / path.name
            if not target.exists() or epochs(path) > epochs(target):
                take(path, target)
    print(f"{taken} networks are new")
    if refused:
        raise StorageError("; ".join(refused))


def epochs(checkpoint: Path) -> int:
    """Return how many epochs of training a checkpoint is after."""
    with np.load(checkpoint, allow_pickle=False) as arrays:
        return len(arrays["history"])


def take(path: Path, target: Path) -> None:
    """Copy a file to where it belongs, whole or not at all."""
    with path.open("rb") as file:
        write_atomically(target, lambda out: shutil.copyfileobj(file, out))


if __name__ == "__main__":
    try:
        app()
    except LabError as error:
        sys.exit(f"error: {error}")
