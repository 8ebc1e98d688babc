"""Measure what SLURM adds to a job, and the speed-up of several virtual nodes: python -m benchmarks.cluster."""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cluster.copies import copied
from benchmarks.cluster.virtual import SNAKEMAKE, missing, virtual_cluster
from repsim.lab.planning import multiply_adds
from repsim.lab.profiles import load_profile
from repsim.lab.repository import REPOSITORY
from repsim.lab.store import machine, write_record

PROFILE = "smoke"
WORKFLOW = "snakemake --nolock --snakefile workflow/Snakefile --scheduler greedy --quiet all"
LOCAL = "--cores 1"
REMOTE = f"--workflow-profile workflow/executors/slurm {SNAKEMAKE}"


def main(
    workers: Annotated[list[int] | None, typer.Option(help="Numbers of virtual nodes of one core, 1 first.")] = None,
    networks: Annotated[int, typer.Option(help="Train so many networks of the smoke profile, the shortest.")] = 8,
    out: Annotated[Path, typer.Option(help="The result.")] = REPOSITORY / "results" / "benchmarks" / "cluster.json",
) -> None:
    """Train the same networks one after the other without SLURM, and then as jobs of SLURM on more and more nodes."""
    if lacking := missing():
        sys.exit(f"SLURM is missing ({', '.join(lacking)}): make slurm")
    shortest = sorted(load_profile(PROFILE).jobs(), key=lambda job: multiply_adds(job[0]))[:networks]
    jobs = [f"{group.name}/seed-{seed}" for group, seed in shortest]
    version = slurm_version()
    rows = [{"workers": 0, **_timed(jobs, LOCAL, os.environ)}]
    print(f"without SLURM: {rows[-1]['seconds']:.0f} s", flush=True)
    for count in workers or (1, 2, 4):
        with virtual_cluster(count) as cluster:
            rows.append({"workers": count, **_timed(jobs, REMOTE, cluster.environment)})
        print(f"{count} node(s): {rows[-1]['seconds']:.0f} s", flush=True)
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "slurm": version, "jobs": len(jobs)}
    write_record(out, {**about, "profile": PROFILE, "rows": rows})


def _timed(jobs: list[str], where: str, environment: Mapping[str, str]) -> dict[str, float]:
    """Run jobs in a copy of the repository; return the seconds it took and how busy the machine was on average."""
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        copy = copied(Path(folder))
        own = {"REPSIM_RESULTS": str(copy / "results-of-run"), "REPSIM_CACHE": str(copy / "cache")}
        given = {**environment, **own, "PYTHONPATH": str(copy)}
        targets = [f"{copy}/results-of-run/.done/{PROFILE}/networks/{job}" for job in jobs]
        cluster = ["cluster=true"] if where == REMOTE else []
        command = [*shlex.split(f"{WORKFLOW} {where}"), "--config", f"profile={PROFILE}", *cluster, "--", *targets]
        start, busy = time.monotonic(), _idle_seconds()
        subprocess.run(command, cwd=copy, env=given, check=True)
        seconds = time.monotonic() - start
        idle = (_idle_seconds() - busy) / (seconds * (os.cpu_count() or 1))
        return {"seconds": round(seconds, 1), "idle": round(idle, 2)}


def _idle_seconds() -> float:
    """Return the seconds that all cores together have been idle since the machine started."""
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[1])


def slurm_version() -> str:
    return subprocess.run(["slurmd", "-V"], capture_output=True, text=True, check=True).stdout.split()[-1]


if __name__ == "__main__":
    typer.run(main)
