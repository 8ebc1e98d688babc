"""Figure F.1 and Table F.1: which sublayers of differently initialised Transformers find each other.

Tables are called as in ``scale/cka_linear`` and are (m, m, L, L): [a, b, i, j] is the index of sublayer i of network a
with sublayer j of network b. Sublayers alternate between attention and feed-forward.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import repsim
from repsim.lab.findings import measures
from repsim.lab.findings.correspondence import ASYMMETRIC, LEAST_NETWORKS, p_value, percent, scored_percent
from repsim.lab.findings.tables import CCA_KINDS, Array, mean_map, off_diagonal

Values = Mapping[str, Array]

TAPS = ("norm", "scale", "sublayer", "residual")  # the columns of Figure F.1 and Table F.1
TAP_TITLES = {"norm": "Layer Norm", "scale": "Scale", "sublayer": "Attn/FFN", "residual": "Residual"}
TABLE_F1 = {  # the paper's, percent
    "cca_mean": (85.3, 85.3, 94.9, 90.9),
    "cca_r2": (87.8, 87.8, 95.3, 95.2),
    "svcca_mean": (78.2, 83.0, 89.5, 75.9),
    "svcca_r2": (85.4, 86.9, 90.8, 84.7),
    "pwcca": (88.5, 88.9, 96.1, 87.0),
    "linear_regression": (78.1, 83.7, 76.0, 36.9),
    "cka_linear": (78.6, 95.6, 86.0, 73.6),
    "cka_rbf_0.2": (76.5, 73.1, 70.5, 76.2),
    "cka_rbf_0.4": (92.3, 96.5, 89.1, 98.1),
    "cka_rbf_0.8": (80.8, 95.8, 93.6, 90.0),
}
FIGURE_F1 = ("cca_r2", "svcca_r2", "linear_regression", "cka_linear", "cka_rbf_0.4")  # its rows
_BANDWIDTHS = ("cka_rbf_0.2", "cka_rbf_0.4", "cka_rbf_0.8")
_CKA = {"cka_linear": "cka_linear", "rbf": "cka_rbf_0.4"}  # what claim X4 calls those with a checkerboard at Scale
_WITHOUT_CHECKERBOARD = ("cca_r2", "svcca_r2", "linear_regression")  # at Scale, in the paper


def identified(tables: Values) -> dict[str, dict[str, float]]:
    """Return the percentage of sublayers identified, by index and tap: Table F.1."""
    return {
        index: {
            tap: 100 * repsim.identification_accuracy(tables[f"{tap}/{index}"], symmetrise=index in ASYMMETRIC)
            for tap in TAPS
        }
        for index in TABLE_F1
        if f"{TAPS[0]}/{index}" in tables
    }


def table_f1(tables: Values) -> list[dict[str, Any]]:
    """Return the cells of Table F.1, percent, ours beside the paper's, with jackknife errors.

    The error is None where there are fewer than three networks, which leave none to jackknife.
    """
    cells = []
    for index, row in identified(tables).items():
        for tap, paper in zip(TAPS, TABLE_F1[index], strict=True):
            _, error = scored_percent(tables[f"{tap}/{index}"], index)
            cells.append({"index": index, "tap": tap, "accuracy": row[tap], "standard_error": error, "paper": paper})
    return cells


def checkerboard(similarities: Array) -> float:
    """Return the share of cells of a map (L, L) that stand out among their neighbours as on a checkerboard.

    Of the ordered pairs of different sublayers of the same kind, those whose similarity exceeds the mean of their
    direct neighbours, all of which pair attention with feed-forward. A map that decays smoothly has about 0.5 or less.
    """
    wide = np.pad(similarities, 1, constant_values=np.nan)
    around = np.nanmean([wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]], axis=0)
    i, j = np.indices(similarities.shape)
    return float((similarities > around)[(i != j) & ((i - j) % 2 == 0)].mean())


def checkerboards(tables: Values) -> dict[str, dict[str, float]]:
    """Return the checkerboard fraction of each index's mean map at each tap."""
    return {
        index: {tap: checkerboard(mean_map(tables[f"{tap}/{index}"])) for tap in TAPS} for index in identified(tables)
    }


@measures(
    *("X1", "X2", "X6", "X7", "X8", "X9", "X10", "X11", "X12a", "X12b"),
    by=(repsim.pairwise, repsim.identification_accuracy, repsim.jackknife),
    networks=("transformers",),
)
def table_f1_claims(tables: Values, *, paper_size: bool) -> dict[str, dict[str, Any]]:
    """Measure claims X1, X2 and X6 to X12: Table F.1."""
    accuracy, margins = identified(tables), _margins(tables)
    errors = jackknifed(_margins, tables)
    networks = len(next(iter(tables.values())))
    highest = {tap: max(row[tap] for row in accuracy.values()) for tap in TAPS}
    rows = table_f1(tables)
    excess = [abs(row["accuracy"] - row["paper"]) - max(5.0, 2 * (row["standard_error"] or 0.0)) for row in rows]
    shared = {"cells": len(rows), "networks": networks}
    linear = [("cka_linear", tables[f"{tap}/cka_linear"]) for tap in ("norm", "scale")]
    claims: dict[str, dict[str, Any]] = {
        "X1": {"lowest": margins["X1"], "cells_below": sum(row["accuracy"] < 25 for row in rows)},
        "X2": {
            "largest_difference": max(
                float(np.abs(tables[f"norm/{index}"] - tables[f"scale/{index}"]).max())
                for index in ("cca_mean", "cca_r2")
            )
        },
        "X6": {"gain": margins["X6"], "p": p_value(*linear)},
        "X7": {
            "taps": sum(
                accuracy["cka_rbf_0.2"][tap] < min(accuracy[index][tap] for index in _BANDWIDTHS[1:]) for tap in TAPS
            )
        },
        "X10": {"taps_of_one": max(sum(row[tap] >= highest[tap] for tap in TAPS) for row in accuracy.values())},
        "X12a": {
            "largest_excess": max(excess),
            "largest_difference": max(abs(row["accuracy"] - row["paper"]) for row in rows),
            "paper_size": int(paper_size),
        },
        "X12b": {"correlation": margins["X12b"]},
        **{claim: {"margin": margins[claim]} for claim in ("X8", "X9", "X11")},
    }
    return {claim: {**values, **shared, **errors.get(claim, {})} for claim, values in claims.items()}


def _margins(tables: Values) -> dict[str, float]:
    """Return by claim what is judged of Table F.1, in percent or points; of X12b the rank correlation."""
    accuracy = identified(tables)
    cells = {(index, tap): value for index, row in accuracy.items() for tap, value in row.items()}
    lowest = cells.pop(("linear_regression", "residual"))
    others = max(row["residual"] for index, row in accuracy.items() if index != "cka_rbf_0.4")
    paper = [value for index in accuracy for value in TABLE_F1[index]]
    return {
        "X1": min(lowest, *cells.values()),
        "X6": accuracy["cka_linear"]["scale"] - accuracy["cka_linear"]["norm"],
        "X8": min(cells.values()) - lowest,
        "X9": accuracy["cka_rbf_0.4"]["residual"] - others,
        "X11": min(accuracy[index]["sublayer"] for index in CCA_KINDS) - accuracy["cka_linear"]["sublayer"],
        "X12b": float(spearmanr([row[tap] for row in accuracy.values() for tap in TAPS], paper).statistic),
    }


def jackknifed(measure: Callable[[Values], Mapping[str, float]], tables: Values) -> dict[str, dict[str, float]]:
    """Return of each value its jackknife "standard_error" over networks, nothing where there are fewer than three."""
    networks = len(next(iter(tables.values())))
    if networks < LEAST_NETWORKS:
        return {}
    replicates = [
        measure({name: np.delete(np.delete(table, network, 0), network, 1) for name, table in tables.items()})
        for network in range(networks)
    ]
    return {
        claim: {"standard_error": repsim.jackknife_se([replicate[claim] for replicate in replicates])}
        for claim in replicates[0]
    }


@measures("X3", "X4", "X5", by=(repsim.pairwise,), networks=("transformers",))
def figure_f1(tables: Values) -> dict[str, dict[str, Any]]:
    """Measure claims X3 to X5: the checkerboards of Figure F.1."""
    shares, errors = _shares(tables), jackknifed(_shares, tables)
    names = {"X3": "least", "X4": "least", "X5": "most"}
    claims = {claim: {name: shares[claim], **errors.get(claim, {})} for claim, name in names.items()}
    at_scale = {name: checkerboard(mean_map(tables[f"scale/{index}"])) for name, index in _CKA.items()}
    return {**claims, "X4": claims["X4"] | at_scale}


def _shares(tables: Values) -> dict[str, float]:
    boards = checkerboards(tables)
    return {
        "X3": min(boards[index]["sublayer"] for index in FIGURE_F1),
        "X4": min(boards[index]["scale"] for index in _CKA.values()),
        "X5": max(boards[index]["scale"] for index in _WITHOUT_CHECKERBOARD),
    }


@measures("X13", "X14", by=(repsim.pairwise, repsim.identification_accuracy), networks=("transformers",))
def untrained_transformers(tables: Values, untrained: Values) -> dict[str, dict[str, Any]]:
    """Measure claims X13 and X14: what networks have before training."""
    after, before = (checkerboards(snapshot)["cka_linear"]["sublayer"] for snapshot in (tables, untrained))
    error = jackknifed(_highest, untrained).get("highest", {})
    return {
        "X13": {"difference": after - before, "trained": after, "untrained": before},
        "X14": {**_highest(untrained), "untrained": len(next(iter(untrained.values()))), **error},
    }


def _highest(untrained: Values) -> dict[str, float]:
    accuracy = identified(untrained)
    return {
        "highest": max(accuracy[index][tap] for index in ("cka_linear", "cca_r2", "linear_regression") for tap in TAPS)
    }


@measures("X15", by=(repsim.pairwise, repsim.identification_accuracy), networks=("transformers",))
def ages_of_transformers(snapshots: Mapping[int, Values]) -> dict[str, dict[str, Any]]:
    """Measure claim X15, from the tables by epochs of training: what linear CKA identifies at Residual."""
    first, last = (identified(snapshots[epoch])["cka_linear"]["residual"] for epoch in (min(snapshots), max(snapshots)))
    return {"X15": {"snapshots": len(snapshots), "identified_first": first, "identified_last": last}}


def with_training(snapshots: Mapping[int, Values]) -> list[dict[str, Any]]:
    """Return identification, percent, and checkerboards at each tap, by epochs of training."""
    rows = []
    for epoch, tables in snapshots.items():
        accuracy, boards = identified(tables), checkerboards(tables)
        for index in FIGURE_F1:
            for tap in TAPS:
                shown = {"accuracy": accuracy[index][tap], "checkerboard": boards[index][tap]}
                rows.append({"epoch": epoch, "index": index, "tap": tap, **shown})
    return rows


def misplaced(tables: Values) -> list[dict[str, Any]]:
    """Return by index and tap how many sublayers `apart` a best match is from its place, and how many too `late`.

    Means over all ordered pairs of different networks; with the share of matches that are the `last` sublayer, and that
    of the wrong ones that are of the right kind, attention or feed-forward: `same_kind`, None where none is wrong.
    """
    rows = []
    for index in identified(tables):
        for tap in TAPS:
            table = np.asarray(tables[f"{tap}/{index}"])
            both = table + table.transpose(1, 0, 3, 2) if index in ASYMMETRIC else table
            matches = repsim.best_match(off_diagonal(both))
            late = matches - np.arange(both.shape[-1])
            wrong = late[late != 0]
            rows.append(
                {
                    "index": index,
                    "tap": tap,
                    "apart": float(np.abs(late).mean()),
                    "late": float(late.mean()),
                    "last": float((matches == both.shape[-1] - 1).mean()),
                    "same_kind": float((wrong % 2 == 0).mean()) if len(wrong) else None,
                }
            )
    return rows


def with_scales(tables: Values) -> list[dict[str, float]]:
    """Return what linear CKA identifies, percent, by the power of the learned scales that units are multiplied by."""
    return [
        {"power": float(name), **percent(table, "cka_linear")} for name, table in tables.items() if name != "spread"
    ]
