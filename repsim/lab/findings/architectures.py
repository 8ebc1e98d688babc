"""Figures 5 and F.8: which layer of a deeper network each layer of a shallower one corresponds to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import repsim
from repsim.lab.findings import measures
from repsim.lab.findings.correspondence import match_path_tau
from repsim.lab.findings.tables import CCA_TYPE, Array, Compared, layer_ranks, off_diagonal, room

# Claim -> the shallower group and the deeper one.
FIGURE_5 = {
    "F5a": ("plain10", "plain18"),
    "F5b": ("plain10", "resnet14"),
    "F5c": ("plain18", "resnet32"),
    "F5d": ("resnet14", "resnet32"),
}
FIGURE_F8 = {
    "F.8a": "cka_linear",
    "F.8b": "cka_rbf_0.4",
    "F.8c": "cca_mean",
    "F.8d": "cca_r2",
    "F.8e": "svcca_mean",
    "F.8f": "svcca_r2",
    "F.8g": "pwcca",
    "F.8h": "linear_regression",
}
TINY, RESIDUAL = "tiny10", "resnet14"
BY_PATH = (repsim.best_match, repsim.pairwise)


def match_path(table: Array) -> dict[str, Any]:
    """Describe the best matches of the layers of a shallower network in a deeper one, from (L1, L2) similarities.

    `tau` is Kendall's tau-b between layers and matches; `first` and `last`, where those of the first and the last layer
    stand, from 0 to 1; `tied_matches`, how many layers have several. None where the similarities are not known.
    """
    if not np.isfinite(table).all():
        return {"tau": None, "first": None, "last": None, "tied_matches": None}
    matches = repsim.best_match(table)
    positions = matches / (table.shape[1] - 1)
    ties = (table == table.max(axis=1, keepdims=True)).sum(axis=1) > 1
    return {
        "tau": match_path_tau(matches),
        "first": float(positions[0]),
        "last": float(positions[-1]),
        "tied_matches": int(ties.sum()),
    }


@measures(*FIGURE_5, by=(repsim.cka, *BY_PATH), networks=FIGURE_5)
def figure_5(compared: Compared, index: str = "cka_linear", n: int | None = None) -> dict[str, dict[str, Any]]:
    """Measure claims F5a to F5d, those whose groups were compared, on the mean over pairs of networks."""
    name = compared.name(index, n)
    return {
        claim: match_path(compared.mean(name, shallow, deep)) | {"pairs": int(compared.different(shallow, deep).sum())}
        for claim, (shallow, deep) in FIGURE_5.items()
        if {shallow, deep} <= set(compared.groups)
    }


@measures(FIGURE_F8, by=BY_PATH, networks=(TINY, RESIDUAL))
def figure_f8(compared: Compared, kept: Mapping[str, Mapping[str, Array]] | None = None) -> dict[str, dict[str, Any]]:
    """Measure claims F.8a to F.8h, those whose index was measured.

    Rows are layers of ResNet-14 and columns layers of Tiny-10, so that linear regression predicts the former from the
    latter, as in the paper's figure; the path is that of Tiny-10's layers. `kept` are, by group, the arrays of
    :func:`repsim.lab.measurements.svcca_ranks`.
    """
    examples = compared.examples[-1]
    return {
        claim: match_path(compared.mean(compared.name(index), RESIDUAL, TINY).T)
        | (room(*ranks_f8(compared, index, kept or {}), examples) if index.startswith(CCA_TYPE) else {})
        for claim, index in FIGURE_F8.items()
        if index in compared.record["indexes"]
    }


def ranks_f8(compared: Compared, index: str, kept: Mapping[str, Mapping[str, Array]]) -> tuple[list[int], list[int]]:
    """Return :func:`repsim.lab.findings.layer_ranks` of ResNet-14 and of Tiny-10."""
    sides = (compared.part(RESIDUAL), compared.part(TINY, "columns"))
    rows, columns = (layer_ranks(index, side["features"], kept.get(side["group"])) for side in sides)
    return rows, columns


@measures({f"{claim}n": index for claim, index in FIGURE_F8.items()}, by=BY_PATH, networks=(TINY, RESIDUAL))
def figure_f8_at_papers_n(compared: Compared) -> dict[str, dict[str, Any]]:
    """Measure claims F.8an to F.8hn, those whose index was measured, as :func:`figure_f8` on the most images."""
    return {f"{claim}n": values | {"images": compared.examples[-1]} for claim, values in figure_f8(compared).items()}


@measures("G1", "G2", by=(repsim.cka, repsim.identify, repsim.pairwise))
def identified_in(*compared: Compared) -> dict[str, dict[str, Any]]:
    """Measure claims G1 and G2: how well the layers of each kind of network are found in others of its kind.

    The kinds are those groups that have two networks or more; G2 leaves those with the fewest layers out. `mean_errors`
    are in layers, and ties count in equal parts.
    """
    blocks = [
        comparison.block(comparison.name(), group, group) for comparison in compared for group in several(comparison)
    ]
    if not blocks:
        return {}
    errors = [mean_error(block) for block in blocks]
    fewest = min(block.shape[2] for block in blocks)
    deeper = [error for error, block in zip(errors, blocks, strict=True) if block.shape[2] > fewest]
    return {
        "G1": {
            "identified": [100 * repsim.identification_accuracy(block) for block in blocks],
            "mean_errors": errors,
            "networks": min(len(block) for block in blocks),
        },
        **({"G2": {"mean_errors": deeper}} if deeper else {}),
    }


def several(compared: Compared) -> list[str]:
    """Return the groups of a comparison that have two networks or more."""
    return [group for group in compared.groups if len(compared.part(group)["seeds"]) > 1]


def mean_error(block: Array) -> float:
    """Return by how many layers the best matches in (m, m, L, L) are wrong on average, of ties the mean."""
    pairs = off_diagonal(block)
    best = pairs == pairs.max(axis=2, keepdims=True)
    layers = np.arange(pairs.shape[1])
    wrong = (np.abs(layers[:, None] - layers) * best).sum(axis=2) / best.sum(axis=2)
    return float(wrong.mean())
