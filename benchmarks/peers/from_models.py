"""Run the libraries that take models from two ResNet-18 to a table: python -m benchmarks.peers.from_models."""

import json
import os
import statistics
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.peers.environments import REPOSITORY, InstallError, clean, python_of
from benchmarks.peers.registry import ADAPTERS, PEERS, TORCH, Peer
from repsim.lab.store import machine, write_record

SCRIPT = ADAPTERS / "from_models.py"
# Ours beside the same PyTorch; what it needs is what pyproject.toml says.
OURS = Peer("ours-with-torch", SCRIPT.name, {}, ("array-api-compat", "scipy==1.17.1", "threadpoolctl"), torch=True)
# The passes first: what the others are divided by. The exact table is by definition, in float64, in our environment.
RUNS = {"forward": OURS, "least": OURS, "exact": OURS, "ours": OURS} | {
    peer.name.replace("-", "_"): peer for peer in PEERS if peer.name in ("torch-cka", "pytorch-cka", "ckatorch")
}
# Memory that is taken for the first time is the system's work, on a virtual machine much of the whole. So a second call
# is measured too, in a process that keeps what it has freed.
KEEPING = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"}


def main(
    repeats: Annotated[int, typer.Option(help="Runs of each, in turn; the median of processor time is kept.")] = 3,
    minutes: Annotated[int, typer.Option(help="Minutes for one run.")] = 20,
    folder: Annotated[Path, typer.Option(help="Environments.")] = REPOSITORY / "build" / "peers",
    out: Annotated[Path, typer.Option(help="The result.")] = REPOSITORY / "results" / "benchmarks" / "from_models.json",
) -> None:
    """Measure processor time, peak memory, lines and values, each run in a process of its own."""
    runs = {library: [] for library in RUNS}
    again = {library: [] for library in RUNS if library != "exact"}
    for repeat in range(repeats):
        for library, peer in RUNS.items():
            if library == "exact" and repeat:
                continue
            runs[library].append(_run(library, peer, folder, minutes))
            print(library, {key: value for key, value in runs[library][-1].items() if key != "values"}, flush=True)
            if library in again and "error" not in runs[library][-1]:
                again[library].append(_run(library, peer, folder, minutes, calls=2))
                print(f"{library}, second call: {again[library][-1]['processor_seconds']:.2f} s", flush=True)
    exact = np.array(runs.pop("exact")[0]["values"])
    rows = [_row(library, measured, again[library], exact) for library, measured in runs.items()]
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine() | {"torch": TORCH[0].partition("==")[2]},
        "images": 500,
        "side": 64,
        "batch": 50,
        "convolutions": len(exact),
        "repeats": repeats,
        "rows": rows,
    }
    write_record(out, result)


def _run(library: str, peer: Peer, folder: Path, minutes: int, calls: int = 1) -> dict:
    """Return what one process measured of the last of its calls, or why it did not."""
    written = folder / f"from_models_{library}.json"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.unlink(missing_ok=True)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY) if peer is OURS else ""} | (KEEPING if calls > 1 else {})
    try:
        command = [str(python_of(peer, folder)), str(SCRIPT), library, str(calls), str(written)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60 * minutes
        )
    except InstallError as error:
        return {"error": f"does not install: {error}"}
    except subprocess.TimeoutExpired:
        return {"error": f"not done within {minutes} minutes"}
    return json.loads(written.read_text(encoding="utf-8")) if written.exists() else {"error": clean(done.stderr)}


def _row(library: str, runs: list[dict], again: list[dict], exact: np.ndarray) -> dict:
    """Return the medians of some runs and second calls, and how far the values are from the exact ones."""
    row = {"library": library, "runs": [{k: v for k, v in run.items() if k != "values"} for run in runs]}
    if errors := [run["error"] for run in runs if "error" in run]:
        return row | {"error": clean(errors[0])}
    for key in ("processor_seconds", "seconds", "peak_mib", "lines"):
        row[key] = statistics.median(run[key] for run in runs)
    row["processor_seconds_again"] = statistics.median(run["processor_seconds"] for run in again)
    if runs[0]["values"] is not None:
        row["largest_difference"] = float(np.abs(np.array(runs[0]["values"]) - exact).max())
    return row


if __name__ == "__main__":
    typer.run(main)
