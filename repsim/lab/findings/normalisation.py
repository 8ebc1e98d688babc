"""Figure F.6: networks with and without batch normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import repsim
from repsim.lab import measurements
from repsim.lab.findings.compared import Compared
from repsim.lab.findings.measures import measures
from repsim.lab.findings.training import accuracies

WITH, WITHOUT = "plain10", "plain10-nobn"


@measures("F.6a", "F.6b", by=(repsim.cka, repsim.diagonal_matches, repsim.pairwise), networks=(WITH, WITHOUT))
def figure_f6(compared: Compared, index: str = "cka_linear", n: int | None = None) -> dict[str, dict[str, Any]]:
    """Measure claims F.6a and F.6b on the mean over pairs of a network with and one without normalisation."""
    table = compared.mean(compared.name(index, n), WITH, WITHOUT)
    if not np.isfinite(table).all():
        return {"F.6a": {"diagonal_rows": None, "rows": len(table)}, "F.6b": {"lowest_layer": None}}
    diagonal = np.diagonal(table)
    return {
        "F.6a": {"diagonal_rows": repsim.diagonal_matches(table), "rows": len(table)},
        "F.6b": {"lowest_layer": int(diagonal.argmin()) + 1, "lowest": float(diagonal.min())},
    }


def normalisation_layers(compared: Compared) -> list[dict[str, Any]]:
    """Return of each layer the mean similarity of pairs of networks with, without, and one of each, and its error.

    What normalisation itself changes is how far the last is below the mean of the others, "drop": a layer may also be
    low because networks of one kind agree little on it.
    """
    name = compared.name()
    alike = [np.diagonal(compared.mean(name, group, group)) for group in (WITH, WITHOUT)]
    mixed, errors = map(np.diagonal, compared.jackknife(name, WITH, WITHOUT))
    keys = ("with", "without", "mixed", "error", "drop")
    rows = zip(*alike, mixed, errors, np.mean(alike, axis=0) - mixed, strict=True)
    layers = compared.part(WITH)["layers"]
    return [
        {"layer": layer, **dict(zip(keys, map(float, row), strict=True))}
        for layer, row in zip(layers, rows, strict=True)
    ]


@measures("F.6c", by=(measurements.networks,), networks=(WITH, WITHOUT))
def normalisation_gain(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Measure claim F.6c from the records of the networks of both groups: points of mean test accuracy gained."""
    with_it, without = (accuracies(records[group])["accuracy"] for group in (WITH, WITHOUT))
    return {"gain": with_it - without, "accuracy_with": with_it, "accuracy_without": without}
