"""What is measured. Each function gets a job's parameters and the folder of arrays, and returns numbers."""

import time
import warnings

import numpy as np

from benchmarks.engine import accuracy, data, operations
from repsim import RankSaturationWarning, pairwise

TASKS = {}


def task(function):
    """Register a function under its name."""
    TASKS[function.__name__] = function
    return function


@task
def products(folder, side, wanted, dtype="float32"):
    """Multiply square matrices until at least `wanted` operations are done."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((side, side), dtype=dtype) for _ in range(2))
    out = a @ b
    count = max(1, round(wanted / operations.square_product(side)))
    start = time.perf_counter()
    for _ in range(count):
        np.matmul(a, b, out=out)
    return {"seconds": time.perf_counter() - start, "operations": count * operations.square_product(side)}


@task
def table(folder, networks, n, indexes, memory, layers=None, median="exact"):
    """Compare all layers of these networks with one another, for several indexes at once.

    Phases are told from the calls of `progress`: one for each median, then one for each basis, then the rest.
    """
    xs = data.open_networks(folder, networks, n)
    if layers is not None:
        xs = [xs[layer][:] for layer in layers]  # views: one that is named twice counts twice
    times = [time.perf_counter()]
    with warnings.catch_warnings():  # time does not depend on what a saturated layer's value is worth
        warnings.simplefilter("ignore", RankSaturationWarning)
        values = pairwise(
            xs,
            index=indexes,
            memory=memory,
            median=median,
            progress=lambda done, total: times.append(time.perf_counter()),
        )
    phases = split(times, len(xs), indexes)
    summary = {name: [float(v.min()), float(v.mean()), float(v.max())] for name, v in values.items()}
    return {"seconds": times[-1] - times[0], "phases": phases, "widths": _widths(xs), "values": summary}


def split(times, count, indexes):
    """Return the seconds of medians, each basis, and what follows, from the times at the start and at each report.

    The first of them holds the checks of all arrays too, which read each once.
    """
    phases, at = {"medians": 0.0, "bases": []}, 0
    if any("rbf" in name for name in indexes):
        phases["medians"] = times[count] - times[0]
        at = count
    if any(name.startswith(_BASED) for name in indexes):
        phases["bases"] = np.diff(times[at : at + count + 1]).tolist()
        at += count
    phases["pass"] = times[-1] - times[at]
    return phases


_BASED = ("cca", "svcca", "pwcca", "linear_regression", "procrustes")


@task
def pair(folder, places, n):
    """Compare two layers the way that pair by pair code does: read, centre, ||Y'X||², the squares summed in float64.

    The norms are not computed here: they are cached, and that of each representation is its pair with itself.
    """
    xs = [data.open_networks(folder, [network], n)[layer] for network, layer in places]
    start = time.perf_counter()
    x = _centred(xs[0])
    y = x if places[0] == places[1] else _centred(xs[1])
    cross = y.T @ x
    total = sum(float(np.sum(np.square(strip, dtype=np.float64))) for strip in np.array_split(cross, 64))
    return {"seconds": time.perf_counter() - start, "widths": [x.shape[1], y.shape[1]], "value": total}


def _centred(x):
    centred = np.array(x, dtype=np.float32).reshape(len(x), -1)
    centred -= centred.mean(axis=0, dtype=np.float64).astype(np.float32)
    return centred


def _widths(xs):
    return [int(np.prod(x.shape[1:])) for x in xs]


@task
def value(folder, way, kind, n, p, memory, block=None, shuffled=False):
    """Compute linear CKA of two related representations in one of the ways of `accuracy`."""
    x, y = accuracy.representations(folder, kind, n, p)
    if shuffled:
        order = np.random.default_rng(0).permutation(n)
        x, y = (accuracy.Rows(z, order) for z in (x, y))
    start = time.perf_counter()
    values = accuracy.values(way, x, y, memory=memory, block=block)
    return {"seconds": time.perf_counter() - start, "values": values}
