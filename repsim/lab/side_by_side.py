"""Training several networks at a time, each in a process of its own, for as long as there is time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from repsim.lab.errors import TrainingError
from repsim.lab.profiles import Networks
from repsim.lab.repository import cache_root
from repsim.lab.store import profile_store
from repsim.lab.weights import find_network

_LOOK = 0.2  # seconds between looks at a process
Job = tuple[Networks, int]


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
    the next time. `again`: those too whose weights are not here because they are not committed.
    """
    store, start = profile_store(profile), time.monotonic()
    waiting = [job for job in jobs if (made := find_network(store, *job)) is None or (again and made.is_away)]
    told_to_end = threading.Event()

    def is_over() -> bool:
        return told_to_end.is_set() or (minutes is not None and time.monotonic() - start >= 60 * minutes)

    def train(job: Job) -> int | None:
        """Return the exit status of one training, None if there was no time for it."""
        if is_over():
            return None
        log = _log(job)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "repsim.lab", "train", profile, "--group", job[0].name, "--seed", str(job[1])]
        command += ["--threads", str(threads), *(["--again"] if again else [])]
        # JAX takes three quarters of a GPU's memory at once unless told otherwise.
        environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
        with log.open("wb") as file:
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
            while process.poll() is None and not is_over():
                time.sleep(_LOOK)
            if process.poll() is None:
                process.terminate()
                process.wait()
                return None
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = f"{_named(*job)} failed" if process.returncode else " ".join(lines[-1:])
        report(f"{(time.monotonic() - start) / 60:.1f} min: {said}")
        return process.returncode

    before = signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())  # a scheduler's; no process may live on
    waiting.sort(key=lambda job: -job[0].minutes)
    with ThreadPoolExecutor(at_once) as pool:
        try:
            ended = list(pool.map(train, waiting))
        except KeyboardInterrupt:
            told_to_end.set()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
    if told_to_end.is_set():
        raise SystemExit(128 + signal.SIGTERM)
    if any(ended):
        logs = [str(_log(job)) for job, status in zip(waiting, ended, strict=True) if status]
        raise TrainingError(f"{len(logs)} of {len(jobs)} networks failed; see {', '.join(logs)}")
    return [_named(*job) for job, status in zip(waiting, ended, strict=True) if status is None]


def _log(job: Job) -> Path:
    return cache_root() / "logs" / f"{_named(*job)}.log"


def _named(group: Networks, seed: int) -> str:
    return f"{group.name}-seed{seed}"
