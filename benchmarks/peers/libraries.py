"""The tables of ``libraries.ipynb``: what each library made of the same activations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.results import LEAST_TIMED, Result
from repsim.lab.wording import number, table

Row = Mapping[str, Any]

OURS = "repsim-revisited"
GOLDEN, LARGE = "golden", "large"
SAME_CALL = ", double"  # a second run of the same call, which tells rounding from a difference
WORDS_OF_MODELS = {
    "forward": "the networks alone",
    "least": "with one copy and one product of each layer",
    "ours": f"**{OURS}** (ours)",
}
STATUS = {
    "exact": "the exact value",
    "explained": "explained",
    "rounding": "explained, and rounding of float32",
    "not unique": "not determined by the data",
    "unexplained": "not explained",
    "failed": "no value",
}


def findings(result: Result) -> str:
    """Return what the tables come to: how many numbers are exact, what batches do, what gives no value."""
    calls = list(_calls(result))
    all_rows = [row for _, _, rows in calls for row in rows]
    counts = Counter(row["status"] for row in all_rows)
    explained = counts["explained"] + counts["rounding"]
    exact = sum(all(row["status"] == "exact" for row in rows) for _, _, rows in calls)
    streams = {
        peer["name"]: [row["value"] for row in rows if row["case"] == _streamed(rows) and row["value"] is not None]
        for peer, _, rows in _calls(result, ours=True)
        if rows[0]["batch"] is not None and any(row["value"] is not None for row in rows)
    }
    ours = streams.pop(OURS)
    moving = ", ".join(f"{name} {min(values):.3f} to {max(values):.3f}" for name, values in streams.items())
    silent = {peer["name"]: None for peer, _, rows in calls if any(row["value"] is None for row in rows)}
    rest = " for each" if max(ours) - min(ours) < 1e-9 else f" to {max(ours):.3f}"
    return (
        f"1. **The same name is not the same number.** {exact} of {len(calls)} calls give the exact value of the index "
        f"that they are compared with on everything that was tried. Of all {len(all_rows)} results "
        f"{counts['exact']} are exact, {explained} differ by a cause that was found and checked, "
        f"{counts['unexplained']} by another, {counts['not unique']} are not determined by the data, and "
        f"{counts['failed']} are no number.\n"
        f"2. **A CKA that averages mini-batches depends on their size**: on the same activations {moving}. Added up "
        f"over blocks of the same sizes, as here, it is {min(ours):.3f}{rest}.\n"
        f"3. **Some calls give no number at all**: {counts['failed']} of {len(all_rows)}, of {', '.join(silent)} "
        "(where repsim is another project’s package, not this one). What they say instead stands below."
    )


def packages(result: Result) -> str:
    """Return which libraries were run, and how many of their numbers are exact, explained, or missing."""
    rows, remarks = [], []
    for peer in result["peers"]:
        first = [row["status"] for row in peer["rows"] if not row["entry"].endswith(SAME_CALL)]
        counts = [str(first.count(status)) for status in STATUS]
        name, version = peer["name"], peer["version"] or _pinned(peer)
        if name == OURS:  # its values are what the others' are compared with
            name, counts = f"**{OURS}** (ours)", ["–"] * len(STATUS)
        rows.append([name, version, *counts])
        if said := "; ".join(text for text in (peer["note"], _literal(peer["message"])) if text):
            remarks.append(f"- {name}: {said}")
    return "\n".join([table(["library", "version", *STATUS.values()], rows), "", *remarks])


def activations(result: Result) -> str:
    """Return what each case is."""
    return table(
        ["case", "activations", "stored as"],
        [[name, case["words"], case["dtype"]] for name, case in result["cases"].items()],
    )


def values(result: Result) -> str:
    """Return each call's value on the authors' example, its largest difference, and the cause."""
    lines = []
    for peer, entry, rows in _calls(result):
        whole = {row["case"]: row for row in rows if row["value"] is not None and _is_whole(row, result)}
        shown = whole.get(GOLDEN)
        differences = {name: abs(row["difference"]) for name, row in whole.items()}
        worst = max(differences, key=differences.__getitem__, default=None)
        lines.append(
            [
                peer["name"],
                f"`{entry}`",
                f"`{rows[0]['reference']}`",
                "–" if shown is None else f"{shown['value']:.6g}",
                f"{_on(rows, GOLDEN)['exact']:.6g}",
                "–" if worst is None else f"{number(differences[worst])} ({worst})",
                _cause(rows, result),
                _verdict(rows),
            ]
        )
    heads = ["library", "call", "index", "its value", "exact value", "largest difference", "cause", "checked"]
    return table(heads, lines)


def batches(result: Result) -> str:
    """Return the value against the batch size, of every call that streams."""
    streams = [(peer, entry, rows) for peer, entry, rows in _calls(result, ours=True) if rows[0]["batch"] is not None]
    case = _streamed(streams[0][2])
    sizes = sorted({row["batch"] for _, _, rows in streams for row in rows if row["case"] == case})
    lines = []
    for peer, entry, rows in streams:
        by_size = {row["batch"]: row for row in rows if row["case"] == case}
        given = [by_size.get(size) for size in sizes]
        if any(row and row["value"] is not None for row in given):
            cells = ["–" if row is None or row["value"] is None else f"{row['value']:.6f}" for row in given]
            lines.append([peer["name"], f"`{entry}`", *cells])
    return table(["library", "call", *(f"batches of {size}" for size in sizes)], lines)


def failures(result: Result) -> str:
    """Return what crashed, was not a number, or was refused, with the message."""
    lines = []
    for peer in result["peers"]:
        failed: dict[tuple[str, str], list[str]] = {}
        for row in peer["rows"]:
            if row["error"]:
                where = row["case"] if _is_whole(row, result) else f"{row['case']}, batches of {row['batch']}"
                failed.setdefault((row["entry"], row["error"]), []).append(where)
        for (entry, error), places in failed.items():
            lines.append([peer["name"], f"`{entry}`", "; ".join(places), _literal(error)])
        if peer["message"]:
            lines.append([peer["name"], "–", "–", _literal(peer["message"])])
    return table(["library", "call", "on", "message"], lines) if lines else "None did."


def costs(result: Result) -> str:
    """Return time and memory of each call on the case with most examples."""
    if result["sizes"]["large"] < LEAST_TIMED:
        return f"*Measured on at most {result['sizes']['large']} examples so far, where times say nothing.*"
    lines = []
    for peer, entry, rows in _calls(result, ours=True):
        row = _on(rows, LARGE)
        if row and row["seconds"] is not None:
            extra = row["peak_mib"] - row["base_mib"]
            feeding = "–" if row["feeding"] is None else f"{row['feeding']:.3g}"
            cells = [f"{row['seconds']:.3g}", feeding, f"{extra:,.0f}", f"{row['peak_mib']:,.0f}"]
            lines.append([peer["name"], f"`{entry}`", *cells])
    heads = ["library", "call", "seconds", "one pass over batches, seconds", "memory of the call, MiB"]
    return table([*heads, "with its imports, MiB"], lines)


def from_models(result: Result) -> str:
    """Return what the libraries that take models need from two networks to a table, beside the networks' own work."""
    forward, lines = result["rows"][0], []
    for row in result["rows"]:
        name = WORDS_OF_MODELS.get(row["library"], row["library"].replace("_", "-"))
        if "error" in row:
            lines.append([name, *["–"] * 5, _literal(row["error"])])
            continue
        difference = number(row["largest_difference"]) if "largest_difference" in row else "–"
        first, again = (row[key] / forward[key] for key in ("processor_seconds", "processor_seconds_again"))
        held = row["peak_mib"] - row["runs"][0]["base_mib"]
        code = str(row["lines"]) if "largest_difference" in row else "–"
        times = [f"{row['processor_seconds']:.1f}", f"{first:.2f}", f"{again:.2f}"]
        lines.append([name, *times, f"{held:,.0f}", code, difference])
    heads = ["library", "processor seconds", "times the networks' own", "of a second call", "memory, MiB", "lines"]
    where = result["machine"]
    return (
        f"{table([*heads, 'largest error'], lines)}\n\n"
        f"*Two ResNet-18, {result['convolutions']} convolutions each, {result['images']} images of {result['side']} × "
        f"{result['side']} in batches of {result['batch']}; the median of {result['repeats']} runs on one core, "
        f"on {result['date']}, {where['system']}, PyTorch {where['torch']}. Taking memory for the first time is "
        "the system's work; the second call is in a process that keeps what it has. Lines are those to write.*"
    )


def provenance(result: Result) -> str:
    """Say when and where the libraries were run."""
    where = result["machine"]
    return (
        f"*Run on {result['date']} on {where['system']}, {where['processors']} processor cores, Python "
        f"{where['python']}; each call in a process of its own, its time the median of up to {result['repeats']} runs.*"
    )


def _calls(result: Result, ours: bool = False) -> Iterator[tuple[Row, str, list[Row]]]:
    """Yield library, call and rows; without the second runs of the same call."""
    for peer in result["peers"]:
        if peer["name"] != OURS or ours:
            for entry in dict.fromkeys(row["entry"] for row in peer["rows"]):
                if not entry.endswith(SAME_CALL):
                    yield peer, entry, [row for row in peer["rows"] if row["entry"] == entry]


def _streamed(rows: Sequence[Row]) -> str:
    """Return the case that a call was given in batches of most sizes."""
    counts = Counter(row["case"] for row in rows)
    return max(sorted(counts), key=counts.__getitem__)


def _is_whole(row: Row, result: Result) -> bool:
    """Whether a row is of all examples at once."""
    return row["batch"] in (None, result["cases"][row["case"]]["shapes"][0][0])


def _on(rows: Sequence[Row], case: str) -> Row:
    """Return the last row of a case: the one of the largest batch."""
    return [row for row in rows if row["case"] == case][-1]


def _pinned(peer: Row) -> str:
    """Return the version that was asked for of a library that could not say its own."""
    wanted = [
        requirement.partition("==")[2]
        for requirement in peer["requires"]
        if requirement.startswith(f"{peer['name']}==")
    ]
    return f"{wanted[0]} (asked for)" if wanted else "–"


def _cause(rows: Sequence[Row], result: Result) -> str:
    """Name the cause of a call's differences, by its words and its name in the benchmark."""
    cause = rows[0]["cause"]
    if all(row["value"] is None for row in rows):
        return "–"
    if cause == "none":
        rounded = any(row["status"] == "rounding" for row in rows)
        return f"it is the same quantity{', and rounding of float32 the difference' if rounded else ''}"
    return f"{result['causes'][cause]} (`{cause}`)"


def _verdict(rows: Sequence[Row]) -> str:
    """Count what the check of the cause said."""
    counts = {words: sum(row["status"] == status for row in rows) for status, words in STATUS.items()}
    return "; ".join(f"{words}: {count}" for words, count in counts.items() if count)


def _literal(message: str | None) -> str:
    """Keep a library's own words from being read as Markdown."""
    if not message:
        return ""
    return f"`` {message} ``" if "`" in message else f"`{message}`"
