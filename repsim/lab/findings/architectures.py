"""Figures 5 and F.8: which layer of a deeper network each layer of a shallower one corresponds to."""

from __future__ import annotations

from typing import Any

import numpy as np

import repsim
from repsim.lab.findings.compared import Compared
from repsim.lab.findings.correspondence import match_path_tau
from repsim.lab.findings.measures import measures
from repsim.lab.findings.tables import Array

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


def match_path(table: Array) -> dict[str, Any]:
    """Describe the best matches of the layers of one network in another.

    Parameters
    ----------
    table
        (L1, L2) similarities of the layers of the shallower network and the deeper one.

    Returns
    -------
    dict
        `tau`, Kendall's tau-b between the layers and their best matches; `first` and `last`, where the matches of the
        first and the last layer stand, from 0 for the first layer of the deeper network to 1 for its last. None where
        the similarities are not known.
    """
    if not np.isfinite(table).all():
        return {"tau": None, "first": None, "last": None}
    matches = repsim.best_match(table)
    positions = matches / (table.shape[1] - 1)
    return {"tau": match_path_tau(matches), "first": float(positions[0]), "last": float(positions[-1])}


@measures("F5a", by=(repsim.cka, repsim.best_match, repsim.pairwise), networks=FIGURE_5["F5a"])
@measures("F5b", by=(repsim.cka, repsim.best_match, repsim.pairwise), networks=FIGURE_5["F5b"])
@measures("F5c", by=(repsim.cka, repsim.best_match, repsim.pairwise), networks=FIGURE_5["F5c"])
@measures("F5d", by=(repsim.cka, repsim.best_match, repsim.pairwise), networks=FIGURE_5["F5d"])
def figure_5(compared: Compared, index: str = "cka_linear", n: int | None = None) -> dict[str, dict[str, Any]]:
    """Measure claims F5a to F5d, those whose groups were compared, on the mean over pairs of networks."""
    name = compared.name(index, n)
    return {
        claim: match_path(compared.mean(name, shallow, deep)) | {"pairs": int(compared.different(shallow, deep).sum())}
        for claim, (shallow, deep) in FIGURE_5.items()
        if {shallow, deep} <= set(compared.groups)
    }


@measures(FIGURE_F8, by=(repsim.best_match, repsim.pairwise), networks=(TINY, RESIDUAL))
def figure_f8(compared: Compared, n: int | None = None) -> dict[str, dict[str, Any]]:
    """Measure claims F.8a to F.8h, those whose index was measured.

    Rows are layers of ResNet-14 and columns layers of Tiny-10, so that linear regression predicts the former from the
    latter, as in the paper's figure; the path is that of Tiny-10's layers.
    """
    measured = compared.record["indexes"]
    return {
        claim: match_path(compared.mean(compared.name(index, n), RESIDUAL, TINY).T)
        for claim, index in FIGURE_F8.items()
        if index in measured
    }
