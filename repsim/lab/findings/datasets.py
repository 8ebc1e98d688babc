"""Figure 7: networks trained on different data sets, and networks that were not trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import repsim
from repsim.lab.findings.compared import Compared
from repsim.lab.findings.measures import measures
from repsim.lab.findings.tables import Array

C10, C100, UNTRAINED = "plain10", "plain10-cifar100", "plain10-untrained"
CURVES = {
    "c10_c10": (C10, C10),
    "c100_c100": (C100, C100),
    "c10_c100": (C10, C100),
    "untrained_c10": (UNTRAINED, C10),
    "untrained_c100": (UNTRAINED, C100),
}
EARLY, LATE, AFTER_FIRST = slice(0, 4), slice(6, 9), slice(1, 9)


def dataset_curves(
    compared: Compared, index: str = "cka_linear", n: int | None = None
) -> dict[str, tuple[Array, Array]]:
    """Return the five curves of one panel, each (L,) means over pairs of networks and (L,) jackknife errors."""
    name = compared.name(index, n)
    return {curve: compared.jackknife(name, *groups) for curve, groups in CURVES.items()}


@measures("F7a", "F7b", "F7c", by=(repsim.cka, repsim.pairwise), networks=(C10, C100))
@measures("F7d", "F7e", by=(repsim.cka, repsim.pairwise), networks=(C10, C100, UNTRAINED))
def figure_7(cifar10: Mapping[str, Array], cifar100: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """Measure claims F7a to F7e from the curves (9,) on the test images of the two data sets.

    F7d is about untrained networks against those trained on CIFAR-10, F7e about those trained on CIFAR-100, each on
    both panels.
    """
    early = [abs(float((panel["c10_c100"] - panel["c10_c10"])[EARLY].mean())) for panel in (cifar10, cifar100)]
    late = (cifar10["c10_c10"] - cifar10["c10_c100"])[LATE]
    leads = {
        curve: [float((panel["c10_c100"] - panel[curve])[AFTER_FIRST].mean()) for panel in (cifar10, cifar100)]
        for curve in ("untrained_c10", "untrained_c100")
    }
    return {
        "F7a": {"difference": early[0]},
        "F7b": {"difference": early[1]},
        "F7c": {"drops": np.asarray(late).tolist()},
        "F7d": {"leads": leads["untrained_c10"]},
        "F7e": {"leads": leads["untrained_c100"]},
    }
