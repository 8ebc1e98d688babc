"""Train on a machine that reaches no network: what it needs in one folder, and what it made back in small files.

    python workflow/offline.py prepare laptop build/offline --python 3.12 --cuda cuda13
    # there, in a copy of that folder: sh run.sh --at-once 16 --minutes 60
    python workflow/offline.py collect laptop take-back

`run.sh` passes its options on to `repsim-lab train`. Networks that are here already are not trained again. It can be
stopped and called again; what is finished and the checkpoints of what is not are then in the folder `take-back`.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Annotated

import typer
from packaging.requirements import Requirement

from repsim.lab.data import SOURCES, load_dataset
from repsim.lab.errors import LabError, StorageError
from repsim.lab.paths import cache_root, data_root, results_root
from repsim.lab.planning import describe
from repsim.lab.profiles import load_profile
from repsim.lab.store import digest, read_artefact, record_path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, KNOWN, WHEELS, NEEDED, BACK = "source.tar.gz", "known.txt", "wheels", "needed.txt", "take-back"
# Of the experiments' requirements, what training imports; the others are for notebooks and the book.
TRAINING = {"filelock", "keras", "psutil", "pyyaml", "rich", "typer"}
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux1")
RUN = """\
#!/bin/sh
# Trains the networks of the profile {profile} that are missing; options are those of `repsim-lab train`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
[ -d {folder} ] || tar -xzf {source}
if [ ! -e environment/complete ]; then
  python3 -m venv --system-site-packages environment  # so that a JAX that is installed is used
  [ ! -d {wheels} ] || environment/bin/python -m pip install --no-index --find-links {wheels} --requirement {needed}
  touch environment/complete
fi
export KERAS_BACKEND=jax PYTHONPATH="$here/{folder}${{PYTHONPATH:+:$PYTHONPATH}}"
export REPSIM_RESULTS="$here/{folder}/results" REPSIM_CACHE="$here/cache" REPSIM_DATA="$here/data"
environment/bin/python -m repsim.lab train {profile} "$@" || echo "Training stopped; what is done is packed."
environment/bin/python {folder}/workflow/offline.py pack {profile} {known} {back}
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
    folder.mkdir(parents=True, exist_ok=True)
    archive = ["git", "archive", "--prefix", f"{ROOT.name}/", "--output", str((folder / SOURCE).resolve()), "HEAD"]
    subprocess.run(archive, cwd=ROOT, check=True)
    known = sorted(path.name for path in (results_root() / profile / "networks").glob("*.npz"))
    (folder / KNOWN).write_text("".join(f"{name}\n" for name in known), encoding="utf-8")
    (folder / "plan.txt").write_text(describe(profile) + "\n", encoding="utf-8")
    for name in sorted({one.dataset for one in networks} & set(SOURCES)):
        load_dataset(name)  # fetches what is missing and checks it
        inside = SOURCES[name].folder
        shutil.copytree(data_root() / inside, folder / "data" / inside, dirs_exist_ok=True)
    words = {"folder": ROOT.name, "source": SOURCE, "wheels": WHEELS, "needed": NEEDED, "known": KNOWN, "back": BACK}
    (folder / "run.sh").write_text(RUN.format(profile=profile, **words), encoding="utf-8")
    requirements = needed(cuda)
    (folder / NEEDED).write_text("".join(f"{one}\n" for one in requirements), encoding="utf-8")
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
        subprocess.run([*fetch, "--dest", str(folder / WHEELS), *requirements], check=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:,.0f} MB; copy it there and call `sh run.sh --at-once 16`")


def needed(cuda: str) -> list[str]:
    """Return the requirements of training with JAX, as pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    chosen = [one for one in extras["lab-base"] if Requirement(one).name in TRAINING]
    (jax,) = [one for one in extras["jax"] if Requirement(one).name == "jax"]
    return [*project["dependencies"], *chosen, jax.replace("jax", f"jax[{cuda}]", 1) if cuda else jax]


@app.command()
def pack(
    profile: str,
    known: Path,
    folder: Path,
    mib: Annotated[float, typer.Option(help="How large a file may be at most, unless one network is larger.")] = 15,
) -> None:
    """Put the networks that are not in the list `known`, and all checkpoints, into archives of few MiB."""
    before = set(known.read_text(encoding="utf-8").split())
    networks = sorted((results_root() / profile / "networks").glob("*.npz"))
    new = [path for path in networks if path.name not in before and record_path(path).exists()]
    files = [(path, f"networks/{path.name}") for one in new for path in (one, record_path(one))]
    files += [(path, f"checkpoints/{path.name}") for path in sorted((cache_root() / "checkpoints").glob("*.npz"))]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    part: list[tuple[Path, str]] = []
    parts = [part]
    for file in files:
        if part and sum(path.stat().st_size for path, _ in (*part, file)) > mib * 2**20:
            parts.append(part := [])
        part.append(file)
    for number, part in enumerate(parts):
        with tarfile.open(folder / f"part{number}.tar", "w") as archive:
            for path, name in part:
                archive.add(path, name)
    print(f"{folder}: {len(new)} networks and {len(files) - 2 * len(new)} checkpoints in {len(parts)} files")


@app.command()
def collect(profile: str, folder: Path) -> None:
    """Take networks into the results, each compared with its record, and checkpoints into the cache."""
    taken = 0
    for archive in sorted(folder.glob("part*.tar")):
        aside = folder / f"{archive.stem}-unpacked"
        with tarfile.open(archive) as file:
            file.extractall(aside, filter="data")
        for path in sorted((aside / "networks").glob("*.npz")):
            read_artefact(path)
            for one in (path, record_path(path)):
                taken += take(one, results_root() / profile / "networks" / one.name)
        for path in sorted((aside / "checkpoints").glob("*.npz")):
            take(path, cache_root() / "checkpoints" / path.name, newer=True)
        shutil.rmtree(aside)
    print(f"{taken // 2} networks are new")


def take(path: Path, target: Path, *, newer: bool = False) -> bool:
    """Move a file to where it belongs; another one that is there already is kept unless the new one may replace it."""
    if target.exists() and not newer:
        if digest(target) != digest(path):
            raise StorageError(f"{target} is there already and differs from the one in {path.parent.parent.name}")
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(path, part)
    os.replace(part, target)
    return True


if __name__ == "__main__":
    try:
        app()
    except LabError as error:
        sys.exit(f"error: {error}")
