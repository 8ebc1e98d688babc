"""Ratios, exponents and extrapolations, out of what was measured."""

import bisect
import math
from collections import Counter

import numpy as np

from benchmarks.engine import operations, plan

ASKED = {"linear": 1.25, "rbf": 2.5, "mib": 4096, "times": 25, "parts_minutes": 90, "singular_hours": 4, "error": 1e-6}
HOUR = 3600
FURTHEST = 2  # times the most examples measured, that a power law is followed
_TITLES = {plan.LINEAR: "linear", plan.RBF: "rbf"}


def derive(result):
    """Return all that the page shows of a result, as far as it has been measured."""
    sizes = result["sizes"]
    done, reading = {group: {} for group in plan.GROUPS}, {}
    for measurement in result["measurements"].values():
        if measurement["error"] is None:
            done[measurement["group"]][measurement["name"]] = measurement["runs"]
            if measurement["reading"]:
                reading[measurement["name"]] = measurement["reading"]
    derived = {
        "asked": ASKED,
        "furthest": FURTHEST,
        "headline": headline(done[plan.HEADLINE], reading, sizes),
        "parts": parts(done[plan.PARTS], sizes, excess(done[plan.GROWTH], done[plan.HEADLINE], sizes)),
        "singular": singular(done[plan.SINGULAR_VALUES], sizes),
        "growth": growth(done[plan.GROWTH], done[plan.HEADLINE], sizes),
        "accuracy": accuracy(done[plan.ACCURACY]),
    }
    linear = derived["headline"].get(plan.LINEAR)
    derived["pairs"] = pairs(done[plan.PAIRS], sizes, linear and linear["seconds"])
    return derived


def bracketed(before, table, after, wanted):
    """Return the time of a table beside that of square products, half of which ran before it and half after."""
    products = before["seconds"] + after["seconds"]
    products *= wanted / (before["operations"] + after["operations"])
    return {
        "seconds": table["seconds"],
        "operations": wanted,
        "products_seconds": products,
        "products_per_second": wanted / products,
        "drift": after["seconds"] / before["seconds"],
        "ratio": table["seconds"] / products,
        "peak_mib": table["peak_mib"],
        "base_mib": table["base_mib"],
    }


def headline(done, reading, sizes):
    """Return ratios to matrix products, for each index, and how long it took to read the files before."""
    widths = list(sizes["widths"]) * sizes["networks"]
    wanted = operations.tile_pass(sizes["n"], widths)
    costs = {}
    for index, runs in done.items():
        of_table = {"asked": ASKED[_TITLES[index]], "phases": runs[1]["phases"], "reading": reading.get(index)}
        costs[index] = {**bracketed(*runs, wanted), **of_table}
    return costs


def pairs(done, sizes, seconds):
    """Return what all pairs would take one by one: each combination of widths as often as it occurs."""
    counts = pair_counts(sizes["widths"], sizes["networks"])
    if not done or set(done) != set(counts):
        return None
    total = sum(done[name][0]["seconds"] * count for name, count in counts.items())
    return {
        "sampled": sum(not name.startswith("norm") for name in done),
        "pairs": sum(count for name, count in counts.items() if not name.startswith("norm")),
        "sampled_seconds": sum(runs[0]["seconds"] for runs in done.values()),
        "seconds": total,
        "times": total / seconds if seconds else None,
        "asked": ASKED["times"],
        "peak_mib": max(runs[0]["peak_mib"] for runs in done.values()),
    }


def pair_counts(widths, networks):
    """Return how often each measured pair occurs among all pairs, and each norm."""
    alike = Counter(list(widths) * networks)
    counts = {f"norm of {p}": count for p, count in alike.items()}
    for p, count in alike.items():
        for q, other in alike.items():
            if p < q:
                counts[f"{p} x {q}"] = count * other
            elif p == q and count > 1:
                counts[f"{p} x {p}"] = count * (count - 1) // 2
    return counts


def excess(done, whole, sizes):
    """Return what the pass and the medians of all networks took, over those of one network times their operations.

    What it is above 1 comes of representations that the memory holds no longer. None where it was not measured.
    """
    layers, networks, factors = len(sizes["widths"]), sizes["networks"], {}
    grown = operations.tile_pass(sizes["n"], list(sizes["widths"]) * networks)
    grown /= operations.tile_pass(sizes["n"], list(sizes["widths"]))
    for index, runs in whole.items():
        single_runs = done.get(f"{index} representations {layers}")
        if single_runs:
            alone, together = single_runs[0]["phases"], runs[1]["phases"]
            factors[index] = {
                "pass": together["pass"] / alone["pass"] / grown,
                "medians": together["medians"] / alone["medians"] / networks if alone["medians"] else 1.0,
            }
    return factors or None


def parts(done, sizes, beyond):
    """Return the table of one network at more examples, and what it comes to for all networks and at more still."""
    n, widths, networks = sizes["n_large"], list(sizes["widths"]), sizes["networks"]
    costs = {}
    for name, runs in done.items():
        phases = runs[1]["phases"]
        of = plan.RBF if phases["medians"] else plan.LINEAR
        factors = (beyond or {}).get(of, {"pass": 1.0, "medians": 1.0})
        beside = bracketed(*runs, operations.tile_pass(n, widths))
        costs[name] = {
            **beside,
            "phases": {**phases, "bases": sum(phases["bases"])},
            "counted": counted(phases, name, widths, networks, n) / beside["products_per_second"],
            "beyond": factors if beyond else None,
            "all_networks": extrapolated(phases, name, widths, networks, n, n, factors),
            "at_paper": extrapolated(phases, name, widths, networks, n, sizes["n_paper"], factors),
            "bases_gib_at_paper": max(operations.qr_bytes(sizes["n_paper"], p) for p in widths) / 2**30,
        }
    return costs


def counted(phases, name, widths, networks, n):
    """Count the operations of all networks' phases; of a sample's median, which are few, none."""
    count = pass_operations(name, n, widths * networks)
    if phases["medians"] and name != "sample":
        count += networks * sum(operations.median(n, p) for p in widths)
    if phases["bases"]:
        count += networks * sum(operations.qr(n, p) for p in widths)
    return count


def extrapolated(phases, name, widths, networks, n, more, factors):
    """Return seconds of each phase for all networks at `more` examples, each by its own count of operations.

    The median and the bases of one network are taken as many times as there are networks; the pass by its count, which
    grows with the square of the number of tables' rows too; both times `factors`, see `excess`. Of a sample's median
    only the reading of all examples grows.
    """
    grown = sum(operations.median(more, p) for p in widths) / sum(operations.median(n, p) for p in widths)
    if name == "sample":
        grown = more / n
    seconds = {
        "medians": phases["medians"] * networks * grown * factors["medians"],
        "bases": sum(
            taken * networks * operations.qr(more, p) / operations.qr(n, p)
            for taken, p in zip(phases["bases"], widths, strict=bool(phases["bases"]))
        ),
    }
    seconds["pass"] = phases["pass"] * pass_operations(name, more, widths * networks)
    seconds["pass"] *= factors["pass"] / pass_operations(name, n, widths)
    return {**seconds, "total": sum(seconds.values())}


def pass_operations(name, n, widths):
    """Count the operations of one of the plan's sets of indexes: kernels share the products of the linear tiles."""
    bases = [operations.basis_width(n, p) for p in widths]
    tables = {"linear": 1, "rbf": 1, "bases": 2}.get(name, 4)
    rows = [widths] if name in ("linear", "rbf") else [widths, bases]
    return n * n * (sum(map(sum, rows)) + tables * len(widths) ** 2)


def singular(done, sizes):
    """Return seconds against n for each index that needs singular values, and the most examples in the time asked.

    For all networks the bases count as often as there are networks, and the pairs as often as there are pairs.
    """
    networks, layers = sizes["networks"], len(sizes["widths"])
    times = {"pwcca": networks**2, "svcca_r2": networks}  # ordered pairs; a pass over tiles of all bases
    unordered = (layers * networks) * (layers * networks + 1) / (layers * (layers + 1))
    costs = {}
    for index in plan.SINGULAR:
        points = sorted(
            (int(name.split(", ")[1]), runs[0]) for name, runs in done.items() if name.startswith(f"{index}, ")
        )
        if not points:
            continue
        ns = [n for n, _ in points]
        bases = [sum(run["phases"]["bases"]) for _, run in points]
        rest = [run["phases"]["pass"] for _, run in points]
        total = [networks * b + times.get(index, unordered) * r for b, r in zip(bases, rest, strict=True)]
        fitted = fit(ns[-3:], total[-3:])
        most, limit = _most(index, fitted, ns[-1], sizes)
        costs[index] = {
            "n": ns,
            "seconds": [run["seconds"] for _, run in points],
            "bases": bases,
            "pairs": rest,
            "peak_mib": [run["peak_mib"] for _, run in points],
            "all_networks": total,
            "fit": fitted,
            "most_examples": most,
            "limit": limit,
            "gib_at_most": most and _basis_bytes(index, most, sizes["widths"]) / 2**30,
            "saturated": [sum(p >= n - 1 for p in sizes["widths"]) for n in ns],
        }
    return costs


def _most(index, fitted, measured, sizes):
    """Return the most examples in the time asked for, and whether "time", "memory" or too few "measured" are the limit.

    None where the power law is too flat to be one of a decomposition.
    """
    if fitted is None or fitted["exponent"] < 1:
        return None, None
    by_time = math.floor((ASKED["singular_hours"] * HOUR / fitted["factor"]) ** (1 / fitted["exponent"]))
    room = sizes["memory_bases"] << 20
    steps = range(1, FURTHEST * measured + 1)
    by_memory = bisect.bisect_right(steps, room, key=lambda n: _basis_bytes(index, n, sizes["widths"]))
    limits = {"time": by_time, "measured": steps[-1], "memory": by_memory}
    limit = min(limits, key=limits.__getitem__)
    return limits[limit], limit


def _basis_bytes(index, n, widths):
    """Return the memory that the largest basis takes: mean CCA goes by QR, the others by singular values."""
    counted = (operations.qr_bytes(n, p, 8) if index == "cca_mean" else operations.svd_bytes(n, p) for p in widths)
    return max(counted)


def fit(x, y):
    """Return the exponent and the factor of a power law through points, by least squares of logarithms, and its error.

    The error is the standard error of the exponent, None of two points; no power law goes through fewer.
    """
    kept = [(a, b) for a, b in zip(x, y, strict=True) if a > 0 and b > 0]
    if len({a for a, _ in kept}) < 2:
        return None
    u, v = np.log(np.array(kept, dtype=np.float64)).T
    spread = u - u.mean()
    exponent = float(spread @ v / (spread @ spread))
    residuals = v - v.mean() - exponent * spread
    error = None if len(kept) < 3 else float(np.sqrt(residuals @ residuals / (len(kept) - 2) / (spread @ spread)))
    return {"exponent": exponent, "factor": float(np.exp(v.mean() - exponent * u.mean())), "error": error}


def growth(done, whole, sizes):
    """Return time and memory of a call beyond the imports, against each of the three sizes, with exponents."""
    series = {}
    for name, runs in done.items():
        index, what, size = name.split(" ")
        series.setdefault(index, {}).setdefault(what, []).append((int(size), runs[0]))
    for index, runs in whole.items():
        if "representations" in series.get(index, {}):
            series[index]["representations"].append((sizes["networks"] * len(sizes["widths"]), runs[1]))
    return {
        index: {what: _curve(sorted(points, key=lambda point: point[0])) for what, points in of.items()}
        for index, of in series.items()
    }


def _curve(points):
    x = [size for size, _ in points]
    seconds = [run["seconds"] for _, run in points]
    mib = [max(run["peak_mib"] - run["base_mib"], 0.0) for _, run in points]
    return {"x": x, "seconds": seconds, "mib": mib, "seconds_fit": fit(x, seconds), "mib_fit": fit(x, mib)}


def accuracy(done):
    """Return the difference from float64 of each way, and how far blocks and orders of examples move the value."""
    accuracies = {}
    for kind in ("centred", "offset"):
        exact = done.get(f"{kind}, reference")
        if not exact:
            continue
        exact = exact[0]["values"]["reference"]
        ways, moved = {}, {}
        for name, runs in done.items():
            what, way, *varied = name.split(", ")
            if what != kind or way == "reference":
                continue
            for of, value in runs[0]["values"].items():
                if varied:
                    moved.setdefault(of, {})[varied[0]] = value
                else:
                    ways[of] = {"value": value, "error": None if value is None else value - exact}
        spread = {
            of: {name: value - ways[of]["value"] for name, value in values.items()}
            for of, values in moved.items()
            if of in ways
        }
        accuracies[kind] = {"reference": exact, "ways": ways, "moved": spread}
    return accuracies
