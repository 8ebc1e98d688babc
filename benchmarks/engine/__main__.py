"""Measure what the engine costs and write it down: python -m benchmarks.engine."""

import hashlib
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.engine import costs, data, derive, growth, rounding
from benchmarks.engine.memory import described_machine
from benchmarks.engine.plan import ACCURACY, GROUPS, OF_TRAINED, OURS, Sizes, measurements
from benchmarks.peers.environments import REPOSITORY, clean
from benchmarks.results import engine_digest, text_of
from repsim.lab.figures.display import svg
from repsim.lab.store import unseal, write_record

CODE = ("accuracy.py", "child.py", "data.py", "memory.py", "tasks.py")
# What the page shows of the result, but for its figure.
SHOWN = (
    costs.sizes,
    costs.headline,
    costs.pair_by_pair,
    costs.parts,
    costs.singular,
    costs.growth,
    rounding.accuracy,
    rounding.fault,
    rounding.invariance,
    costs.provenance,
)


def main(
    n: Annotated[int, typer.Option(help="Examples of the comparison of all pairs.")] = 10_000,
    networks: Annotated[int, typer.Option(help="Networks that are compared.")] = 10,
    n_large: Annotated[int, typer.Option(help="Examples of one network, for regression and CCA too.")] = 20_000,
    n_paper: Annotated[int, typer.Option(help="Examples that the parts are extrapolated to.")] = 50_000,
    n_singular: Annotated[int, typer.Option(help="Examples where every pair needs singular vectors.")] = 4_000,
    p_accuracy: Annotated[int, typer.Option(help="Features where float32 is compared with float64.")] = 16_384,
    memory: Annotated[int, typer.Option(help="MiB that the engine may take.")] = 3_500,
    memory_bases: Annotated[int, typer.Option(help="MiB that it may take for bases.")] = 12_288,
    profile: Annotated[
        str, typer.Option(help="Take bases of its first Tiny-10's training images; empty: of random numbers.")
    ] = "laptop",
    side: Annotated[int, typer.Option(help="Of the square matrices that are multiplied for comparison.")] = 2_048,
    channels: Annotated[str, typer.Option(help="Channels in place of Tiny-10's, as in 4,4,8.")] = "",
    representations: Annotated[
        Path | None, typer.Option(help="Use these, network0/layer0.npy and so on, instead of random ones.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"Measure these groups: {', '.join(GROUPS)}.")] = None,
    timeout: Annotated[int, typer.Option(help="Minutes for one job.")] = 180,
    keep: Annotated[bool, typer.Option(help="Keep the representations that were written.")] = True,
    folder: Annotated[Path, typer.Option(help="Where representations are written.")] = REPOSITORY / "build" / "engine",
    out: Annotated[Path, typer.Option(help="The result.")] = REPOSITORY / "results" / "benchmarks" / "engine.json",
) -> None:
    """Measure time and memory beside matrix products.

    What this code has measured on this machine already is not done again; what earlier code has is kept until it is.
    """
    unknown = sorted(set(only or []) - set(GROUPS))
    if unknown:
        raise typer.BadParameter(f"no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    narrow = tuple(int(count) for count in channels.split(",")) if channels else ()
    most = max(n_large, 2 * n_singular)
    given, trained = representations is not None, None
    arrays = representations or folder / "representations"
    if not given and profile:
        trained = data.trained_network(profile)
    if given:
        described = data.describe_files(arrays, networks)
    else:
        described = data.described_networks(networks, n, n if trained else max(n, most), data.layer_widths(narrow))
    widths = tuple(described[0]["widths"])
    if trained and data.trained_widths(trained) != list(widths):
        raise typer.BadParameter(
            f"the trained network of profile {profile} has {data.trained_widths(trained)} features, where "
            f"{list(widths)} are compared: another --profile is needed, or --profile '' for random numbers"
        )
    sizes = Sizes(n, networks, n_large, n_paper, n_singular, p_accuracy, memory, memory_bases, side, narrow, widths)
    result = start(sizes, out, described, given, trained and data.described_trained(trained, most))
    todo = [measurement for measurement in measurements(sizes) if measurement.group in (only or GROUPS)]
    missing = {measurement.group for measurement in todo if not is_measured(measurement, result)}
    folders = dict.fromkeys(GROUPS, arrays) | {ACCURACY: folder}
    if trained:
        folders |= dict.fromkeys(OF_TRAINED, folder / "trained")
    if trained and missing & set(OF_TRAINED):
        data.link_trained(folder / "trained", trained, most)
    if not given and any(folders[group] == arrays for group in missing):
        write_representations(arrays, networks, n, described[0]["n"], widths)
    for number, measurement in enumerate(todo, start=1):
        print(f"[{number}/{len(todo)}] {measurement.group}: {measurement.name}: ", end="", flush=True)
        if is_measured(measurement, result):
            print("measured already", flush=True)
            continue
        reading = read_once(folders[measurement.group]) if measurement.reads else None
        runs, error = run(measurement, folders[measurement.group], timeout)
        print(error or ", ".join(f"{timing['seconds']:.4g} s" for timing in runs), flush=True)
        entry = {
            "name": measurement.name,
            "group": measurement.group,
            "jobs": list(measurement.jobs),
            "runs": runs,
            "error": error,
        }
        entry |= {"reading": reading, "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", **code_of(measurement)}
        result["measurements"][address_of(measurement, result)] = entry
        write(out, result)
    write(out, result)
    show(result, folder)
    if not keep:
        for subfolder in ("representations", "trained", "accuracy"):
            for path in (folder / subfolder).rglob("*.npy"):
                path.unlink()


def write_representations(arrays, networks, n, most, widths):
    """Write all networks, the first with more examples if need be; say how much that is."""
    started = time.perf_counter()
    size = data.write_networks(arrays, 1, most, widths)
    size += data.write_networks(arrays, networks, n, widths)
    if size:
        print(f"wrote {size / 1e9:.3g} GB of representations in {time.perf_counter() - started:.0f} s", flush=True)


def start(sizes, out, described, given, trained):
    """Return a result with what earlier runs on this machine, of these sizes, have measured."""
    result = {
        "machine": described_machine(),
        "sizes": sizes.described(),
        "given": given,
        "networks": described,
        "trained": trained,
        "measurements": {},
    }
    if out.exists():
        earlier = unseal(out)["measurements"]
        wanted = {address_of(measurement, result) for measurement in measurements(sizes)}
        kept = {address: entry for address, entry in earlier.items() if address in wanted and entry["error"] is None}
        if len(kept) < len(earlier):
            print(f"{len(earlier) - len(kept)} of {len(earlier)} measurements are not of this run and are left out")
        result["measurements"] = kept
    return result


def address_of(measurement, result):
    """Name a measurement after all that it depends on but the code: jobs, arrays and machine."""
    arrays = [] if measurement.group == ACCURACY else result["networks"]
    if measurement.group in OF_TRAINED and result["trained"]:
        arrays = [result["trained"]]
    made_of = {
        "name": measurement.name,
        "jobs": list(measurement.jobs),
        "arrays": arrays,
        "machine": result["machine"],
    }
    if measurement.reads:
        made_of["reads"] = True
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]


def read_once(folder):
    """Read all arrays of a folder, without keeping them; return seconds and bytes."""
    buffer, size = memoryview(bytearray(2**24)), 0
    start = time.perf_counter()
    for path in sorted(folder.rglob("*.npy")):
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                size += count
    return {"seconds": time.perf_counter() - start, "bytes": size}


def is_measured(measurement, result):
    """Whether this code has measured it."""
    entry = result["measurements"].get(address_of(measurement, result), {})
    return entry.get("error", "missing") is None and code_of(measurement).items() <= entry.items()


def code_of(measurement):
    """Return the digests of the engine, None for ways of computing that do not call it, and of the benchmark."""
    ways = {job["parameters"].get("way") for job in measurement.jobs}
    ours = measurement.group != ACCURACY or not ways.isdisjoint(OURS)
    return {"engine": engine_digest() if ours else None, "code": code_digest()}


@cache
def code_digest():
    digest = hashlib.sha256()
    for name in CODE:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()


def run(measurement, folder, timeout):
    """Run the jobs in processes of their own; return what they gave, and why they did not all come to their end."""
    runs = []
    for job in measurement.jobs:
        text = json.dumps({**job, "folder": str(folder.resolve())})
        command = [sys.executable, "-m", "benchmarks.engine.child"]
        try:
            done = subprocess.run(
                command, input=text, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60 * timeout
            )
        except subprocess.TimeoutExpired:
            return runs, f"not done within {timeout} minutes"
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
            return runs, clean(lines[-1])
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return runs, None


def write(out, result):
    """Write the result with what is derived from it."""
    write_record(out, whole(result))


def whole(result):
    """Return the result with what is derived from it."""
    dates = [entry["date"] for entry in result["measurements"].values()]
    return {"date": max(dates, default=None), **result, "derived": derive.derive(result)}


def show(result, folder):
    """Print all that the page shows of the result, and plot the growth into the folder."""
    completed = whole(result)
    for write in SHOWN:
        print(f"\n{write.__name__}\n{text_of(write, completed)}")
    if completed["derived"]["growth"]:
        path = folder / "growth.svg"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(svg(growth.draw(completed["derived"]["growth"])), encoding="utf-8")
        print(f"\n{path}")


if __name__ == "__main__":
    typer.run(main)
