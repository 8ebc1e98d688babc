"""The tables of ``cluster.ipynb``: what was measured, and what a profile takes on many GPUs."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from benchmarks.results import Result
from repsim.lab.measurements import steps
from repsim.lab.planning import Job, measuring_job, training_job
from repsim.lab.profiles import NAMES, load_profile
from repsim.lab.wording import table

GPUS = (1, 8, 64)


def makespan(minutes: Sequence[float], workers: int) -> float:
    """Return the minutes until jobs are done that each go to the worker that is free first, the longest job first."""
    free = [0.0] * workers
    for duration in sorted(minutes, reverse=True):
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def asked() -> str:
    """Return what the jobs of each profile ask a scheduler for."""
    rows = []
    for name in NAMES:
        profile = load_profile(name)
        training = [training_job(profile, group) for group in profile.networks]
        rows.append([f"`{name}`", "a network", str(len(profile.jobs())), *_numbers(training)])
        rows.append([f"`{name}`", "a measurement", str(len(steps(name))), *_numbers([measuring_job(profile)])])
    return table(["profile", "job", "how many", "cores", "GPUs", "memory, MiB", "minutes at most"], rows)


def _numbers(jobs: Sequence[Job]) -> list[str]:
    columns = [[getattr(job, resource) for job in jobs] for resource in ("cpus", "gpus", "memory_mib", "minutes")]
    return [f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, high in ((min(c), max(c)) for c in columns)]


def overhead(result: Result) -> float:
    """Return the seconds that SLURM added to each job: one node, less the same jobs without SLURM, by their number."""
    seconds = {row["workers"]: row["seconds"] for row in result["rows"]}
    return float(seconds[1] - seconds[0]) / int(result["jobs"])


def _other_work(result: Result) -> str:
    """Say so if the machine was busy with something else, which a core that should have been idle shows."""
    idle, expected = result["rows"][0]["idle"], 1 - 1 / result["machine"]["processors"]
    if idle > expected / 2:
        return ""
    return (
        f" **Other work was running:** without SLURM one core was used, so {expected:.0%} should have been idle, and "
        f"{idle:.0%} were. The times are long for that, and their differences say little."
    )


def speed(result: Result) -> str:
    """Return the time per job without and with SLURM, and the speed-up of more nodes."""
    seconds = {row["workers"]: row["seconds"] for row in result["rows"]}
    rows = [
        [
            f"{row['workers']} of one core" if row["workers"] else "one core, without SLURM",
            f"{row['seconds']:,.0f}",
            f"{row['seconds'] / result['jobs']:.1f}",
            f"{seconds[1] / row['seconds']:.2f}" if row["workers"] else "–",
            f"{row['idle']:.0%}",
        ]
        for row in result["rows"]
    ]
    where = result["machine"]
    return "\n\n".join(
        [
            table(["virtual nodes", "seconds", "seconds per job", "speed-up", "cores idle"], rows),
            f"So SLURM, and Snakemake's two starts in each job, added **{overhead(result):.1f} seconds** to a job."
            + _other_work(result),
            f"*Measured on {result['date']} on {where['system']}, {where['processors']} processor cores, which all "
            f"nodes share: {result['jobs']} networks of the profile `{result['profile']}`, one job each, under SLURM "
            f"{result['slurm']}, asked every few seconds whether jobs have ended.*",
        ]
    )


def paper() -> str:
    """Return what training the networks of the paper profile takes on few and on many GPUs."""
    minutes = [group.minutes for group, _ in load_profile("paper").jobs()]
    total, rows = sum(minutes), []
    for gpus in GPUS:
        hours = makespan(minutes, gpus) / 60
        held = gpus * hours
        rows.append([str(gpus), f"{hours:,.1f}", f"{total / 60:,.0f}", f"{held:,.0f}", f"{1 - total / 60 / held:.0%}"])
    heads = [
        "GPUs",
        "hours until all are trained",
        "GPU hours used",
        "GPU hours if all are held to the end",
        "idle then",
    ]
    return table(heads, rows) + (
        f"\n\nThe {len(minutes)} networks take between {min(minutes):g} minutes and {max(minutes) / 60:.1f} hours, "
        "and no number of GPUs makes the whole shorter than the longest of them."
    )
