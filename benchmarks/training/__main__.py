"""Compare images per second of training with PyTorch's, both in turn on this machine: python -m benchmarks.training."""

import itertools
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.peers.environments import REPOSITORY, torch_python
from repsim.lab.families import describe
from repsim.lab.profiles import load_profile
from repsim.lab.store import machine, write_record

PROFILE, CLASSES, BATCH, WARMUP = "laptop", 10, 128, 10
LIBRARIES = {name: Path(__file__).with_name(f"{name}_steps.py") for name in ("keras", "torch")}


class Precision(StrEnum):
    """The arithmetic of the steps; weights are float32."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def main(
    group: Annotated[list[str] | None, typer.Option(help="Groups of networks of the laptop profile.")] = None,
    precision: Annotated[
        list[Precision],
        typer.Option(help="Arithmetic; processors without that of bfloat16 take many times as long in it."),
    ] = tuple(Precision),
    seconds: Annotated[float, typer.Option(help="Of training that counts, in each run.")] = 10,
    repeats: Annotated[int, typer.Option(help="Runs of each; the median is kept.")] = 3,
    folder: Annotated[Path, typer.Option(help="Where the environment of PyTorch is made.")] = REPOSITORY
    / "build"
    / "peers",
    out: Annotated[Path, typer.Option(help="The result.")] = REPOSITORY / "results" / "benchmarks" / "training.json",
) -> None:
    """Train in one process with all cores, and in one process per core at the same time."""
    pythons = {"keras": sys.executable, "torch": torch_python(folder)}
    rows = []
    for name, arithmetic, split in itertools.product(group or GROUPS, precision, (False, True)):
        job = {**job_of(name, arithmetic, split), "seconds": seconds}
        measured = {library: [] for library in LIBRARIES}
        versions = {}
        for _, library in itertools.product(range(repeats), LIBRARIES):
            rate, versions[library] = _run(pythons[library], LIBRARIES[library], job, split)
            measured[library].append(rate)
        median = {library: statistics.median(rates) for library, rates in measured.items()}
        row = {"group": name, "precision": arithmetic, "processes": len(_cores()) if split else 1, "runs": measured}
        rows.append({**row, **median, "ratio": median["keras"] / median["torch"]})
        print(f"{name:>10} {arithmetic:>8} {row['processes']} process(es): {median['keras']:,.0f} images/s, "
              f"{rows[-1]['ratio']:.2f} of PyTorch's")  # fmt: skip
    write_record(
        out,
        {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": machine(),
            "cores": len(_cores()),
            "batch": BATCH,
            "seconds": seconds,
            "versions": versions,
            "rows": rows,
        },
    )


GROUPS = ("tiny10", "plain18", "resnet32")


def job_of(name, precision, split):
    group = load_profile(PROFILE).group(name)
    return {
        "profile": PROFILE,
        "group": name,
        "architecture": group.architecture,
        "channels": list(group.channels),
        "table": {
            "convolutions": [
                asdict(convolution) for convolution in describe(group.architecture, group.channels).convolutions
            ],
            "residual": group.architecture.startswith("resnet"),
            "normalised": "nobn" not in group.architecture,
        },
        "classes": CLASSES,
        "batch": BATCH,
        "warmup": WARMUP,
        "precision": precision,
        "threads": 1 if split else len(_cores()),
    }


def _cores():
    return sorted(os.sched_getaffinity(0))


def _run(python, script, job, split):
    """Return the images per second of all processes together, and the library's version."""
    jobs = [{**job, "cores": [core]} for core in _cores()] if split else [{**job, "cores": []}]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}

    def run(process_job):
        given = {"input": json.dumps(process_job), "text": True, "env": environment}
        return subprocess.run([str(python), str(script)], stdout=subprocess.PIPE, check=True, **given).stdout

    with ThreadPoolExecutor(len(jobs)) as pool:
        reports = [json.loads(output.splitlines()[-1]) for output in pool.map(run, jobs)]
    return sum(report["images_per_second"] for report in reports), reports[0]["version"]


if __name__ == "__main__":
    typer.run(main)
