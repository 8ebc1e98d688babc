"""Run every library on the same activations and write what they gave: python -m benchmarks.peers."""

import csv
import hashlib
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.peers import cases, collect
from benchmarks.peers.environments import REPOSITORY, InstallError, clean, python_of
from benchmarks.peers.registry import ADAPTERS, PEERS
from benchmarks.results import engine_digest
from repsim.lab.store import machine, unseal, write_record

# fmt: off
COLUMNS = (
    "peer", "version", "case", "entry", "batch", "value", "exact", "difference", "reference", "cause", "explanation",
    "residual", "status", "seconds", "feeding", "base_mib", "peak_mib", "error",
)
# fmt: on


def main(
    n: Annotated[int, typer.Option(help="Examples of each case but the authors' and the large one.")] = 300,
    large: Annotated[int, typer.Option(help="Examples of the large case.")] = 2000,
    repeats: Annotated[int, typer.Option(help="Runs of each measurement; the median time is kept.")] = 3,
    timeout: Annotated[int, typer.Option(help="Seconds for one measurement.")] = 120,
    minutes: Annotated[int, typer.Option(help="Minutes for one library.")] = 60,
    only: Annotated[list[str] | None, typer.Option(help="Run these; of the others the result stays as it is.")] = None,
    folder: Annotated[Path, typer.Option(help="Environments, arrays and unfinished runs.")] = REPOSITORY
    / "build"
    / "peers",
    out: Annotated[Path, typer.Option(help="The result; a table of it is written beside it.")] = REPOSITORY
    / "results"
    / "benchmarks"
    / "peers.json",
) -> None:
    """Measure time, memory and value of every index of every library; what was measured already is kept."""
    arrays = cases.make(n, large)
    described = cases.write(folder / "arrays", arrays)
    job = {
        "arrays": str(folder / "arrays"),
        "cases": {name: cases.batch_sizes(n) if name == cases.STREAMED else [len(arrays[name][0])] for name in arrays},
        "repeats": repeats,
        "timeout": timeout,
    }
    before, known = results_before(out, described) if only else {}, {}
    peers = []
    for peer in PEERS:
        print(f"{peer.name}: ", end="", flush=True)
        stays = only and peer.name not in only
        peers.append(before[peer.name] if stays else measure(peer, job, described, arrays, known, folder, minutes))
        print(summary(peers[-1]), flush=True)
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "sizes": {"n": n, "large": large},
        "repeats": repeats,
        "cases": described,
        "causes": collect.causes_in(peers),
        "peers": peers,
    }
    write(out, result)


def results_before(out, described):
    """Return what an earlier run has of each library, if it was of the same activations, whose last bits may differ."""
    before = unseal(out)
    if any({**before["cases"].get(name, {}), "sha256": case["sha256"]} != case for name, case in described.items()):
        raise typer.BadParameter(f"{out} is of other activations; run all libraries")
    return {peer["name"]: peer for peer in before["peers"]}


def measure(peer, job, described, arrays, known, folder, minutes):
    """Return what one library gave; that it does not install or does not end is reported in its place."""
    out = folder / "measured" / f"{_address(peer, job, described)}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        message = _run(peer, python_of(peer, folder), {**job, "out": str(out)}, out, minutes)
    except InstallError as error:
        message = f"does not install: {error}"
    raw = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"version": None, "rows": []}
    return {
        "name": peer.name,
        "version": raw["version"],
        "requires": [*peer.requires, *peer.without_dependencies],
        "note": peer.note,
        "message": message,
        "rows": collect.judge(raw["rows"], peer.entries, arrays, known),
    }


def _run(peer, python, job, out, minutes):
    """Run an adapter; return None, or why it did not come to its end."""
    path = out.with_suffix(".job")
    path.write_text(json.dumps(job), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": "" if peer.requires else str(REPOSITORY)}
    command = [str(python), str(peer.script), str(path)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60 * minutes
        )
    except subprocess.TimeoutExpired:
        return f"not done within {minutes} minutes"
    if not done.returncode:
        return None
    return clean(done.stderr.strip().splitlines()[-1]) if done.stderr.strip() else f"ended with {done.returncode}"


def _address(peer, job, described):
    """Name a run after all that it depends on, so that a killed one goes on and a changed one starts anew."""
    made_of = {
        "peer": [peer.requires, peer.without_dependencies, list(peer.entries)],
        "code": [path.read_text(encoding="utf-8") for path in (peer.script, *map(ADAPTERS.joinpath, _SHARED))],
        "engine": None if peer.requires else engine_digest(),
        "machine": machine(),
        "job": {key: value for key, value in job.items() if key != "arrays"},
        "arrays": {name: case["sha256"] for name, case in described.items()},
    }
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return f"{peer.script.stem.removeprefix('for_')}-{digest[:12]}"


_SHARED = ("protocol.py", "stored.py")


def summary(peer):
    """Say in one line what a library gave."""
    counts = {}
    for row in peer["rows"]:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    text = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "nothing"
    return f"{text} ({peer['message']})" if peer["message"] else text


def write(out, result):
    """Write the result, and its rows as one flat table."""
    write_record(out, result)
    with out.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for peer in result["peers"]:
            table.writerows({"peer": peer["name"], "version": peer["version"], **row} for row in peer["rows"])


if __name__ == "__main__":
    typer.run(main)
