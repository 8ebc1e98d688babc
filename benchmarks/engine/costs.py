"""The tables and sentences of ``costs.ipynb``, from what the benchmarks of the engine wrote."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import repsim
from benchmarks.engine.rounding import derived, met
from benchmarks.results import LEAST_TIMED, NotMeasuredError, Result, engine_digest
from repsim.lab.wording import table

SETS = {
    "all": "linear and RBF CKA, HSIC, regression and CCA R² in one call",
    "sample": "the same, the bandwidth from the median distance of 4,000 examples",
    "linear": "linear CKA",
    "rbf": "RBF CKA",
    "bases": "regression and CCA R²",
}
AXES = ("representations", "examples", "features")


def time(seconds: float) -> str:
    """Write seconds in the unit that suits them."""
    if seconds >= 5400:
        return f"{seconds / 3600:,.1f} h"
    if seconds >= 120:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def sizes(result: Result) -> str:
    """Say what was compared."""
    asked = result["sizes"]
    activations = "given activations" if result["given"] else "rectified random mixtures"
    widths = ", ".join(f"{p:,}" for p in asked["widths"])
    few = " **So few examples tell nothing about times.**" if asked["n"] < LEAST_TIMED else ""
    text = (
        f"{asked['networks']} networks with {len(asked['widths'])} layers each, of {widths} features: {activations} in "
        f"float32, in files, {asked['n']:,} examples. The engine may take {asked['memory']:,} MiB. "
    )
    if result["trained"]:
        text += (
            "What needs bases is measured on the activations of a trained network of these shapes "
            f"(`{result['trained']['network']}`, training images), because the time of a basis depends on the numbers "
            f"too; there the engine may take {asked['memory_bases']:,} MiB. "
        )
    return text + (
        f"The matrix products that it is measured against are of square float32 matrices of side {asked['side']:,}. "
        f"Every time is that of one run.{few}"
    )


def headline(result: Result) -> str:
    """Return the times of all pairs beside matrix products of the same operation count, and the memory."""
    costs = derived(result, "headline")
    most = result["derived"]["asked"]["mib"]
    rows = [
        [
            _title(index),
            time(cost["seconds"]),
            time(cost["products_seconds"]),
            f"**{cost['ratio']:.2f}**",
            f"{cost['asked']:g} ({met(cost['ratio'] <= cost['asked'])})",
            f"{cost['products_per_second'] / 1e9:,.0f}",
            f"{cost['drift'] - 1:+.0%}",
            f"{cost['peak_mib']:,.0f}",
            f"{most:,} ({met(cost['peak_mib'] < most)})",
        ]
        for index, cost in costs.items()
    ]
    heads = ["index", "all pairs", "matrix products", "ratio", "asked ratio", "products: 10⁹ operations a second"]
    heads += ["drift of the products", "peak memory, MiB", "asked memory"]
    text = table(heads, rows)
    if read := {_title(index): cost["reading"] for index, cost in costs.items() if cost["reading"]}:
        times = ", ".join(f"{time(reading['seconds'])} before {title}" for title, reading in read.items())
        text += (
            f"\n\nReading all files once, {max(reading['bytes'] for reading in read.values()) / 1e9:,.3g} GB, took "
            f"{times}, and is not in the times of the table. What the memory does not hold, the engine reads more than "
            "once."
        )
    return text


def pair_by_pair(result: Result) -> str:
    """Say what all pairs would take one by one."""
    pairs = derived(result, "pairs")
    sentence = (
        f"One pair of each combination of widths was timed, {pairs['sampled']} in all and the norms besides "
        f"({time(pairs['sampled_seconds'])}); counted as often as each occurs, the {pairs['pairs']:,} pairs come to "
        f"**{time(pairs['seconds'])}** (extrapolated)"
    )
    if pairs["times"] is None:
        return f"{sentence}."
    asked = f"asked: {pairs['asked']:g} times, {met(pairs['times'] >= pairs['asked'])}"
    return f"{sentence}, **{pairs['times']:.0f} times** as long as all of them at once ({asked})."


def parts(result: Result) -> str:
    """Return the tables of one network at more examples, and what they come to."""
    costs = derived(result, "parts")
    asked = result["sizes"]
    rows = []
    for name, words in SETS.items():
        if name in costs:
            cost = costs[name]
            phases = cost["phases"]
            cells = [time(phases[phase]) if phases[phase] else "–" for phase in ("medians", "bases", "pass")]
            whole = [time(cost[of]["total"]) for of in ("all_networks", "at_paper")]
            rows.append(
                [words, time(cost["seconds"]), *cells, f"{cost['ratio']:.1f}", f"{cost['peak_mib']:,.0f}", *whole]
            )
    n, networks = f"{asked['n_large']:,}", asked["networks"]
    heads = ["indexes", f"one network, {n} examples", "medians", "bases", "pass", "ratio to the products of linear CKA"]
    heads += ["peak memory, MiB", f"{networks} networks, {n} examples (extrapolated)"]
    heads += [f"{networks} networks, {asked['n_paper']:,} examples (extrapolated)"]
    text = table(heads, rows)
    if "all" in costs:
        limit = result["derived"]["asked"]["parts_minutes"]
        minutes = {name: costs[name]["all_networks"]["total"] / 60 for name in ("all", "sample") if name in costs}
        alone = {name: costs[name]["counted"] / 60 for name in minutes}
        text += (
            f"\n\nAll of them for {networks} networks at {n} examples: {minutes['all']:.0f} minutes (extrapolated), "
            f"where {limit} were asked: {met(minutes['all'] <= limit)}. Their operations alone, at the speed "
            f"of the square products, take {alone['all']:.0f} minutes on this machine. "
        )
        if "sample" in minutes:
            text += (
                f"With bandwidths from a sample (`pairwise` takes `median`): {minutes['sample']:.0f} minutes "
                f"({met(minutes['sample'] <= limit)}), of which their operations alone "
                f"{alone['sample']:.0f}. "
            )
        if beyond := costs["all"]["beyond"]:
            text += (
                f"Of {networks} networks, which the memory does not hold at once, the pass over tiles took "
                f"{beyond['pass'] - 1:+.0%} and the medians {beyond['medians'] - 1:+.0%} beside those of one network "
                f"and their count of operations at {asked['n']:,} examples, and that is in the extrapolated times. "
            )
        text += (
            f"At {asked['n_paper']:,} the widest layer's basis needs {costs['all']['bases_gib_at_paper']:.1f} GiB of "
            "memory."
        )
    return text


def on_a_gpu(result: Result) -> str:
    """Return the times of one network on a GPU, and what they come to, from ``benchmarks/accelerator.json``."""
    asked, where = result["sizes"], result["machine"]
    rows = []
    for cost in result["rows"]:
        cells = [time(cost["phases"][phase]) if cost["phases"][phase] else "–" for phase in ("medians", "pass")]
        room = f"{cost['peak_mib'] - cost['base_mib']:,.0f}"
        whole = time(cost["all_networks"]["total"])
        rows.append([_title(cost["index"]), time(cost["seconds"]), *cells, f"{cost['ratio']:.1f}", room, whole])
    n = f"{asked['n']:,} examples"
    heads = ["index", f"one network, {n}", "medians", "pass", "ratio to matrix products"]
    heads += ["GPU memory beside the representations, MiB", f"{asked['networks']} networks, {n} (extrapolated)"]
    speed = result["rows"][0]["products_per_second"] / 1e12
    gib = 4 * asked["n"] * sum(asked["widths"]) / 2**30
    where_and_what = (
        f"*Measured on {result['date'][:10]}: {where['device']}, PyTorch {where['torch'].split('+')[0]}, whose "
        f"float32 products of square matrices of side {asked['side']:,} did {speed:.0f}·10¹² operations a second; "
        f"representations of {', '.join(f'{p:,}' for p in asked['widths'])} features that lie on the GPU, "
        f"{gib:.1f} GiB for one network. Those of {asked['networks']} networks take "
        f"{asked['networks'] * gib:.0f} GiB; where the GPU does not hold them beside the engine, they are copied there "
        "again and again, which is not in the time.*"
    )
    return f"{table(heads, rows)}\n\n{where_and_what} {_earlier([result.get('engine')])}".rstrip()


def singular(result: Result) -> str:
    """Return time against n of the indexes that need singular values."""
    costs = derived(result, "singular")
    ns = sorted({n for cost in costs.values() for n in cost["n"]})
    hours = result["derived"]["asked"]["singular_hours"]
    rows = []
    for index, cost in costs.items():
        seconds = dict(zip(cost["n"], cost["seconds"], strict=True))
        cells = [time(seconds[n]) if n in seconds else "–" for n in ns]
        rows.append([_title(index), *cells, _exponent(cost["fit"]), f"{cost['peak_mib'][-1]:,.0f}", _most(cost)])
    marks = next(iter(costs.values()))
    saturated = dict(zip(marks["n"], marks["saturated"], strict=True))
    heads = ["index", *(f"{n:,} examples ({saturated.get(n, 0)} saturated)" for n in ns), "exponent"]
    heads += ["peak memory, MiB", f"examples in {hours} h, and the memory that takes (extrapolated)"]
    layers = len(result["sizes"]["widths"])
    return table(heads, rows) + (
        f"\n\nOne network's {layers} layers. *Saturated* is how many of them have as many features as the examples "
        "allow dimensions: there mean CCA and PWCCA say nothing, and SVCCA only what it makes of the directions that "
        f"it keeps. The last column is for {result['sizes']['networks']} networks, each basis and each pair as often "
        "as it occurs, along the power law through the largest three sizes, and no further than "
        f"{result['derived']['furthest']} times the largest of them."
    )


def _most(cost: Mapping[str, Any]) -> str:
    if not cost["most_examples"]:
        return "–"
    more = "more than " if cost["limit"] == "measured" else ""
    what = "; the memory is the limit" if cost["limit"] == "memory" else ""
    return f"{more}{cost['most_examples']:,} ({cost['gib_at_most']:.1f} GiB{what})"


def _earlier(engines: Collection[str | None]) -> str:
    """Say so if measurements are not of the present engine, given the digest of that which each is of."""
    earlier = sum(engine != engine_digest() for engine in engines)
    if not earlier:
        return ""
    measurements = "" if earlier == len(engines) else f" {earlier} of these measurements were made"
    return f"*The engine's code has changed since{measurements}.*"


def growth(result: Result) -> str:
    """Return the exponents of time and memory."""
    curves = derived(result, "growth")
    rows = [
        [
            _title(index),
            what,
            f"{curve['x'][0]:,} to {curve['x'][-1]:,}",
            _exponent(curve["seconds_fit"]),
            _exponent(curve["mib_fit"]),
        ]
        for index, of in curves.items()
        for what in AXES
        if (curve := of.get(what))
    ]
    return table(["index", "with the number of", "from", "time: exponent", "memory: exponent"], rows)


def provenance(result: Result) -> str:
    """Say when, where and with what it was measured."""
    if not result["measurements"]:
        raise NotMeasuredError("engine")
    where = result["machine"]
    blas = "; ".join(
        f"{library['library']} {library['version']} on {library['threads']} threads" for library in where["blas"]
    )
    versions = where["versions"]
    named = ", ".join(f"{name} {versions[name]}" for name in ("numpy", "scipy", "repsim-revisited") if name in versions)
    memory = f", {where['memory']:g} GiB of memory" if where["memory"] else ""
    failed = [measurement for measurement in result["measurements"].values() if measurement["error"]]
    engines = [measurement["engine"] for measurement in result["measurements"].values() if measurement["engine"]]
    errors = " ".join(f"*{failure['group']}, {failure['name']}: {failure['error']}.*" for failure in failed)
    return (
        f"*Measured until {result['date'][:10]} on {where['system']}, {where['processor'] or 'an unknown processor'}, "
        f"{where['processors']} processor cores{memory}, Python {where['python']}, {named}, {blas}; "
        f"{len(result['measurements'])} measurements, each in a process of its own.* {_earlier(engines)} {errors}"
    ).strip()


def _title(index: str) -> str:
    return repsim.get_index(index).title


def _exponent(fit: Mapping[str, Any] | None) -> str:
    if fit is None:
        return "–"
    return f"{fit['exponent']:.2f}" + ("" if fit["error"] is None else f" ± {fit['error']:.2f}")
