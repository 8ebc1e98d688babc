"""Measure the engine on a GPU at the paper's number of examples: python -m benchmarks.engine.accelerator.

One network's representations are made on the GPU with PyTorch; what more networks take is extrapolated.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.engine import data, derive, operations
from benchmarks.engine.memory import described_machine
from benchmarks.engine.plan import LINEAR, RBF
from benchmarks.engine.tasks import split
from benchmarks.peers.environments import REPOSITORY
from benchmarks.results import engine_digest
from repsim import pairwise
from repsim.lab.store import write_record


def main(
    n: Annotated[int, typer.Option(help="Examples.")] = 50_000,
    networks: Annotated[int, typer.Option(help="That one network is extrapolated to.")] = 10,
    side: Annotated[int, typer.Option(help="Of the square matrices that are multiplied for comparison.")] = 8_192,
    memory: Annotated[int, typer.Option(help="MiB that the engine may take.")] = 40_960,
    channels: Annotated[str, typer.Option(help="Channels in place of Tiny-10's, as in 4,4,8.")] = "",
    device: Annotated[str, typer.Option(help="cuda, or cpu to try it out.")] = "cuda",
    out: Annotated[Path, typer.Option(help="The result.")] = REPOSITORY / "results" / "benchmarks" / "accelerator.json",
) -> None:
    """Compare all layers with all layers, and multiply square matrices before and after."""
    import torch

    if device not in ("cuda", "cpu"):
        raise typer.BadParameter(f"--device is {device}; it must be cuda or cpu")
    narrow = tuple(int(count) for count in channels.split(",")) if channels else ()
    widths = data.layer_widths(narrow)
    layers = [rectified(torch, device, n, p, seed) for seed, p in enumerate(widths)]
    pairwise([layer[:256] for layer in layers], index=[LINEAR, RBF])  # what a library does at its first call
    rows = []
    wanted = operations.tile_pass(n, widths)
    for index in (LINEAR, RBF):
        before = products(torch, device, side, wanted // 4)
        row = table(torch, device, layers, index, memory << 20)
        after = products(torch, device, side, wanted // 4)
        row |= {"index": index, **derive.bracketed(before, row, after, wanted)}
        row["all_networks"] = extrapolated(row["phases"], widths, networks, n)
        print(json.dumps(row), flush=True)
        rows.append(row)
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "engine": engine_digest(),
        "machine": {**described_machine(), "device": _name(torch, device), "torch": torch.__version__},
        "sizes": {"n": n, "networks": networks, "side": side, "memory": memory, "widths": widths},
        "rows": rows,
    }
    write_record(out, result)


def rectified(torch, device, n, p, seed):
    """Return rectified mixtures of signals, which all layers share, and noise of their own, as `data` makes them."""
    shared, own = (torch.Generator(device).manual_seed(number) for number in (1, 1000 + seed))
    signals = torch.randn((n, data.SIGNALS), generator=shared, device=device)
    weights = torch.randn((data.SIGNALS, p), generator=own, device=device) / data.SIGNALS**0.5
    noise = torch.randn((n, p), generator=own, device=device)
    return noise.addmm_(signals, weights).clamp_(min=0)


def products(torch, device, side, wanted):
    """Multiply square float32 matrices until at least `wanted` operations are done."""
    a, b = (torch.randn((side, side), device=device) for _ in range(2))
    out = a @ b
    count = max(1, round(wanted / operations.square_product(side)))
    _wait(torch, device)
    start = time.perf_counter()
    for _ in range(count):
        torch.mm(a, b, out=out)
    _wait(torch, device)
    return {"seconds": time.perf_counter() - start, "operations": count * operations.square_product(side)}


def table(torch, device, xs, index, memory):
    """Compare all with all; report the most memory that there ever was on the GPU, and that of the arrays."""
    on_gpu = device == "cuda"
    base = torch.cuda.memory_allocated() if on_gpu else 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    times = [time.perf_counter()]
    values = pairwise(xs, index=index, memory=memory, progress=lambda done, total: times.append(time.perf_counter()))
    peak = torch.cuda.max_memory_allocated() if on_gpu else 0
    return {
        "seconds": times[-1] - times[0],
        "phases": split(times, len(xs), [index]),
        "values": [float(values.min()), float(values.mean()), float(values.max())],
        "base_mib": base / 2**20,
        "peak_mib": peak / 2**20,
    }


def extrapolated(phases, widths, networks, n):
    """Return the seconds of `networks` from those of one: medians by their number, the pass by its operations."""
    grown = operations.tile_pass(n, widths * networks) / operations.tile_pass(n, widths)
    seconds = {"medians": phases["medians"] * networks, "pass": phases["pass"] * grown}
    return {**seconds, "total": sum(seconds.values())}


def _wait(torch, device):
    if device == "cuda":
        torch.cuda.synchronize()


def _name(torch, device):
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


if __name__ == "__main__":
    typer.run(main)
