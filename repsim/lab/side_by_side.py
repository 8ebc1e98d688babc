"""Training several networks at a time, each in a process of its own, for as long as there is time."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from repsim.lab.errors import LabError
from repsim.lab.profiles import Networks
from repsim.lab.repository import cache_root
from repsim.lab.store import profile_store
from repsim.lab.weights import find_network

_LOOK = 0.2  # seconds between looks at the processes
Job = tuple[Networks, int]


def train_side_by_side(
    profile: str,
    jobs: Sequence[Job],
    at_once: int,
    *,
    threads: int = 1,
    minutes: float | None = None,
    again: bool = False,
) -> list[str]:
    """Train the networks that are missing, the longest first; return the names of those that there was no time for.

    Small networks leave most of a GPU, or all but one core, idle. What was stopped goes on from its last complete epoch
    the next time. `again`: those too whose weights are not here because they are not committed.
    """
    store, start = profile_store(profile), time.monotonic()
    deadline = math.inf if minutes is None else start + 60 * minutes
    waiting = [job for job in jobs if (made := find_network(store, *job)) is None or (again and made.is_away)]
    waiting.sort(key=lambda job: -job[0].minutes)
    running: dict[Job, subprocess.Popen[bytes]] = {}
    failed: list[Path] = []
    options = ["--threads", str(threads), *(["--again"] if again else [])]
    told_to_end: list[int] = []  # of signals
    before = signal.signal(
        signal.SIGTERM, lambda number, _: told_to_end.append(number)
    )  # a scheduler's; no process may live on
    try:
        while (waiting or running) and not told_to_end and time.monotonic() < deadline:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                running[job] = _begin(profile, job, options)
            time.sleep(_LOOK)
            for job in [job for job, process in running.items() if process.poll() is not None]:
                log, said = _log(job), f"{_named(*job)} failed"
                if running.pop(job).returncode:
                    failed.append(log)
                else:
                    said = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                print(f"{(time.monotonic() - start) / 60:.1f} min: {said}", flush=True)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()
        signal.signal(signal.SIGTERM, before)
    if told_to_end:
        raise SystemExit(128 + signal.SIGTERM)
    if failed:
        raise LabError(f"{len(failed)} of {len(jobs)} networks failed; see {', '.join(map(str, failed))}")
    return [_named(*job) for job in (*running, *waiting)]


def _begin(profile: str, job: Job, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the training of one network, whose output goes into its log."""
    command = [sys.executable, "-m", "repsim.lab", "train", profile, "--group", job[0].name, "--seed", str(job[1])]
    # JAX takes three quarters of a GPU's memory at once unless told otherwise.
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
    log = _log(job)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        return subprocess.Popen([*command, *options], env=environment, stdout=file, stderr=subprocess.STDOUT)


def _log(job: Job) -> Path:
    return cache_root() / "logs" / f"{_named(*job)}.log"


def _named(group: Networks, seed: int) -> str:
    return f"{group.name}-seed{seed}"
