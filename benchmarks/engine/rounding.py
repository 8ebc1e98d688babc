"""The tables on rounding: how far each way of computing linear CKA is from float64, and which step is at fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.results import NotMeasuredError, Result
from repsim.lab.wording import signed, table

WAYS = {
    "engine": "**the engine**, float32 as it is",
    "engine_in_float64": "the engine, the same numbers in float64",
    "tiles": "tiles, float32 throughout",
    "tiles_exact_means": "– the means summed in float64",
    "tiles_summed_in_float64": "– the entries of each tile summed in float64",
    "tiles_added_in_float64": "– the tiles added up in float64",
    "tiles_all_sums_in_float64": "– all three; only the tiles themselves are float32",
    "tiles_centred_after": "tiles, float32 throughout, centred by their row sums",
    "tiles_centred_after_in_float64": "– all sums in float64",
    "textbook": "textbook formula, float32 throughout",
    "textbook_exact_means": "– the means summed in float64",
    "textbook_summed_in_pairs": "– the squares summed in pairs, in float32",
    "textbook_summed_in_float64": "– the squares summed in float64",
    "textbook_exact_means_summed_in_pairs": "– means in float64, and squares in pairs, in float32",
    "textbook_exact_means_summed_in_float64": "– means and squares; only the products are float32",
    "textbook_in_float64": "– products and sums in float64; the centred features are float32",
}
MOVED = {"engine": 1e-6, "engine_in_float64": 1e-12}  # asked of other blocks and orders
WAYS_IN = {"function": "error", "pairwise": "error of `pairwise`"}
KINDS = {"centred": "centred data", "offset": "means far above the spread"}
NAIVE = {"tiles": "The value of tiles that are float32 throughout", "textbook": "The textbook formula in float32"}
STEPS = {
    "tiles": {
        "tiles_exact_means": "the means alone in float64",
        "tiles_summed_in_float64": "the sums over each tile's entries in float64",
        "tiles_added_in_float64": "the sum over the tiles alone in float64",
    },
    "textbook": {
        "textbook_exact_means": "the means alone in float64",
        "textbook_summed_in_float64": "the sum of squares alone in float64",
    },
}


def derived(result: Result, group: str) -> Any:
    """Return a part of what the benchmark of the engine derives from its measurements."""
    if not (values := result["derived"][group]):
        raise NotMeasuredError("engine")
    return values


def met(held: bool) -> str:
    """Say whether what was asked for is there."""
    return "met" if held else "**missed**"


def accuracy(result: Result) -> str:
    """Return how far each way of computing is from float64."""
    accuracies = derived(result, "accuracy")
    shown = [kind for kind in KINDS if kind in accuracies]
    rows = []
    for way, words in WAYS.items():
        if any(way in accuracies[kind]["ways"] for kind in shown):
            rows.append([words, *(_error(accuracies[kind]["ways"].get(way)) for kind in shown)])
    exact = ["by the definition, in float64: the value", *(f"{accuracies[kind]['reference']:.9f}" for kind in shown)]
    return table(["linear CKA", *(KINDS[kind] for kind in shown)], [exact, *rows])


def fault(result: Result) -> str:
    """Say which of the two naive ways is wrong, by how much, and which of its steps is at fault."""
    accuracies = derived(result, "accuracy")
    sentences = []
    for kind, measured in accuracies.items():
        errors = {way: abs(values["error"]) for way, values in measured["ways"].items() if values["error"] is not None}
        for way, steps in STEPS.items():
            if {way, *steps} <= errors.keys():
                best = min(steps, key=errors.__getitem__)
                cause = f"with {steps[best]}, by {_digit(errors[best])}"
                if errors[best] > errors[way] / 2:
                    cause = "no one step in float64 halves that"
                sentences.append(f"{NAIVE[way]} is off by {_digit(errors[way])} on {KINDS[kind]}; {cause}.")
        if "engine" in errors:
            limit = result["derived"]["asked"]["error"]
            verdict = met(errors["engine"] <= limit)
            sentences.append(
                f"The engine is off by {_digit(errors['engine'])}, where {_digit(limit)} was asked ({verdict})."
            )
    sizes = result["sizes"]
    return f"At {sizes['n']:,} examples and {sizes['p_accuracy']:,} features: " + " ".join(sentences)


def invariance(result: Result) -> str:
    """Return how far block sizes and the order of the examples move the value."""
    accuracies = derived(result, "accuracy")
    rows = []
    for way in ("engine", "engine_in_float64"):
        for kind, measured in accuracies.items():
            moved = measured["moved"].get(way)
            if moved:
                blocks = {name: value for name, value in moved.items() if name.startswith("block")}
                largest = max(map(abs, blocks.values())) if blocks else None
                order = moved.get("shuffled")
                tried = ", ".join(name.removeprefix("block ") for name in blocks)
                rows.append([WAYS[way], KINDS[kind], _asked(way, largest), tried, _asked(way, order)])
    if not rows:
        raise NotMeasuredError("engine")
    heads = ["", "on", "largest change with the block", "blocks tried", "change with the order"]
    asked = f"{_digit(MOVED['engine_in_float64'])} in float64, {_digit(MOVED['engine'])} in float32"
    return table(heads, rows) + f"\n\nAsked: {asked}."


def digits(result: Result) -> str:
    """Return where indexes are further from their definition in 50 digits than was asked, as a table."""
    rows, limit = result["rows"], result["limit"]
    further = [row for row in rows if any(row[way] is None or row[way] > limit for way in WAYS_IN)]
    shown = [
        [
            f"`{row['index']}`",
            row["difficulty"],
            signed(f"{row['condition']:.0e}"),
            *("refused" if row[way] is None else signed(f"{row[way]:.0e}") for way in WAYS_IN),
        ]
        for row in further
    ]
    eps = 2.0**-52
    worst = max((row[way] / (eps * row["condition"]) for row in further for way in WAYS_IN if row[way]), default=0.0)
    return (
        f"{len(rows) - len(further)} of {len(rows)} are within {limit:g} of the exact value, in both ways. The others "
        f"are off by at most {worst:.2g} times the condition times 2⁻⁵² ({result['roundings']} were allowed), or are "
        f"refused:\n\n{table(['index', 'stretched, by', 'condition', *WAYS_IN.values()], shown)}"
    )


def _asked(way: str, change: float | None) -> str:
    return "–" if change is None else f"{signed(f'{abs(change):.1e}')} ({met(abs(change) <= MOVED[way])})"


def _digit(value: float) -> str:
    return signed(f"{value:.1g}")


def _error(values: Mapping[str, Any] | None) -> str:
    if values is None:
        return "–"
    return "not a number" if values["error"] is None else signed(f"{values['error']:+.1e}")
