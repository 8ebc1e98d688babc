"""Training several networks at a time, each in a process of its own, for as long as there is time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from repsim.lab.errors import TrainingError
from repsim.lab.paths import cache_root
from repsim.lab.profiles import Networks
from repsim.lab.store import profile_store
from repsim.lab.weights import artefact_name, find_network

_LOOK = 0.2  # seconds between looks at the processes
Job = tuple[Networks, int]


@dataclass(frozen=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    log: Path
    file: IO[bytes]

    @property
    def name(self) -> str:
        return artefact_name(*self.job)


def train_side_by_side(
    profile: str,
    jobs: Sequence[Job],
    at_once: int,
    *,
    threads: int = 1,
    minutes: float | None = None,
    again: bool = False,
    report: Callable[[str], None] = print,
) -> list[str]:
    """Train the networks that are missing, the longest first; return the names of those that there was no time for.

    Small networks leave most of a GPU, or all but one core, idle. What was stopped goes on from its last complete epoch
    the next time.

    Parameters
    ----------
    profile
        Name of the profile that the jobs are of.
    jobs
        Groups and seeds.
    at_once
        How many processes.
    threads
        Of each process, for TensorFlow on a processor.
    minutes
        When to stop; None: when all are trained.
    again
        Whether to train those too whose weights are not here because they are not committed.
    report
        Called with a line for each network that is trained or has failed.

    Raises
    ------
    TrainingError
        If any of them failed, once all others are done or the time is over: the message names their logs.
    """
    store, start = profile_store(profile), time.monotonic()
    waiting = [job for job in jobs if (made := find_network(store, *job)) is None or (again and made.is_away)]
    waiting.sort(key=lambda job: -job[0].minutes)
    running: list[_Running] = []
    failed: list[_Running] = []

    def look() -> None:
        for one in [one for one in running if one.process.poll() is not None]:
            running.remove(one)
            one.file.close()
            if one.process.returncode:
                failed.append(one)
            said = f"{one.name} failed" if one.process.returncode else _last_line(one.log)
            report(f"{(time.monotonic() - start) / 60:.1f} min: {said}")

    with _told_to_end() as told:
        try:
            while (waiting or running) and not told and (minutes is None or time.monotonic() - start < 60 * minutes):
                look()
                while waiting and len(running) < at_once and not told:
                    running.append(_begin(profile, waiting.pop(0), threads, again))
                time.sleep(_LOOK)
            look()
        finally:
            for one in running:
                one.process.terminate()
            for one in running:
                one.process.wait()
                one.file.close()
        if told:
            raise SystemExit(128 + told[0])
    if failed:
        logs = ", ".join(str(one.log) for one in failed)
        raise TrainingError(f"{len(failed)} of {len(jobs)} networks failed; see {logs}")
    return [*(one.name for one in running), *(artefact_name(*job) for job in waiting)]


@contextmanager
def _told_to_end() -> Iterator[list[int]]:
    """Collect the signals to end that schedulers send.

    An exception where one arrives could come after a process was begun and before it is known: it would live on.
    """
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


def _begin(profile: str, job: Job, threads: int, again: bool) -> _Running:
    networks, seed = job
    log = cache_root() / "logs" / f"{artefact_name(networks, seed)}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    file = log.open("wb")
    command = [sys.executable, "-m", "repsim.lab", "train", profile, "--group", networks.name, "--seed", str(seed)]
    command += ["--threads", str(threads), *(["--again"] if again else [])]
    # JAX takes three quarters of a GPU's memory at once unless told otherwise.
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
    process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    return _Running(job, process, log, file)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
