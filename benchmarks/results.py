"""What the benchmarks wrote, and showing it on the pages beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from IPython.display import Markdown, display

from repsim.lab.repository import REPOSITORY, results_root
from repsim.lab.store import unseal

Result = Mapping[str, Any]
LEAST_TIMED = 1000  # examples, below which a call is mostly its overhead
# Result -> the command that measures it.
MEASURED_BY = {
    "accelerator": "python -m benchmarks.engine.accelerator",
    "cluster": "make bench-cluster",
    "digits": "python -m tests.core.accuracy",
    "engine": "make bench-engine",
    "from_models": "python -m benchmarks.peers.from_models",
    "peers": "make bench-peers",
    "training": "make bench-train",
}


class NotMeasuredError(Exception):
    """What has not been measured, or not yet; its text says how to."""

    def __init__(self, benchmark: str) -> None:
        super().__init__(f"*Not measured here: `{MEASURED_BY[benchmark]}` does that.*")


def measured(benchmark: str) -> Any:
    """Return the result of a benchmark, one of `MEASURED_BY`.

    Raises
    ------
    NotMeasuredError
        If there is none.
    DamagedArtefactError
        If the file was altered.
    """
    path = results_root() / "benchmarks" / f"{benchmark}.json"
    if not path.exists():
        raise NotMeasuredError(benchmark)
    return unseal(path)


def text_of(write: Callable[[Any], str], result: Any) -> str:
    """Return the Markdown that a function makes of a result, or that what it shows has not been measured."""
    try:
        return write(result)
    except NotMeasuredError as error:
        return str(error)


def show(write: Callable[[Any], str], benchmark: str) -> None:
    """Display the Markdown that a function makes of a benchmark's result."""
    display(Markdown(text_of(lambda name: write(measured(name)), benchmark)))


def engine_digest() -> str:
    """Return the SHA-256 of the core package's code, which tells results of the present engine from earlier ones."""
    digest, package = hashlib.sha256(), REPOSITORY / "repsim"
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] != "lab":
            digest.update(path.read_bytes())
    return digest.hexdigest()
