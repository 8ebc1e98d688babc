"""Rows of measurements, judged: how far from the exact value, and whether the named cause accounts for it."""

import math

from benchmarks.peers.conventions import CAUSES, TOLERANCE, exact, explained
from benchmarks.peers.environments import clean

SAME = 1e-10
DOUBLE = ", double"  # entries in double precision carry the name of the usual one and this


def judge(rows, entries, arrays, known):
    """Return the rows with the exact value, the difference from it, and a status each.

    `known` keeps what was computed already, for the next library.

    Status is "exact" (equal to the index of ours), "explained" (equal to what the named cause makes of it), "rounding"
    (explained once the same call runs in double precision), "not unique" (the data do not determine the number that the
    cause makes), "unexplained" or "failed".
    """
    judged = [_judge(row, entries[row["entry"]], arrays, known) for row in rows if row["entry"] in entries]
    doubles = {
        (row["case"], row["entry"].removesuffix(DOUBLE), row["batch"])
        for row in judged
        if row["entry"].endswith(DOUBLE) and row["status"] in ("exact", "explained")
    }
    for row in judged:
        if row["status"] == "unexplained" and (row["case"], row["entry"], row["batch"]) in doubles:
            row["status"] = "rounding"
    return judged


def _judge(row, entry, arrays, known):
    x, y = arrays[row["case"]]
    reference = _once(known, (row["case"], entry.reference), lambda: exact(entry.reference, x, y))
    out = {**row, "reference": entry.reference, "cause": entry.cause, "exact": reference}
    out["error"] = row["error"] and clean(row["error"])
    out.update(difference=None, explanation=None, residual=None, status="failed")
    if row["value"] is None:
        return out
    out["explanation"] = reference
    if entry.cause != "none":
        key = (row["case"], entry.cause, row["batch"])
        out["explanation"] = _once(known, key, lambda: explained(entry.cause, x, y, row["batch"]))
    out["difference"] = row["value"] - reference
    out["residual"] = row["value"] - out["explanation"]
    # An alignment near 0 is compared on the scale of its bound, 1; HSIC has none, and can be tiny as a whole.
    scale = 0 if entry.reference.startswith("hsic") else 1
    if math.isclose(row["value"], reference, rel_tol=SAME, abs_tol=scale * SAME):
        out["status"] = "exact"
    elif math.isclose(row["value"], out["explanation"], rel_tol=TOLERANCE, abs_tol=scale * TOLERANCE):
        out["status"] = "explained"
    else:
        out["status"] = "unexplained" if entry.cause == "none" or CAUSES[entry.cause].unique(x, y) else "not unique"
    return out


def _once(known, key, compute):
    if key not in known:
        known[key] = compute()
    return known[key]


def causes_in(peers):
    """Return the words of every cause that some row names."""
    named = {row["cause"] for peer in peers for row in peer["rows"]} - {"none"}
    return {name: CAUSES[name].words for name in CAUSES if name in named}
