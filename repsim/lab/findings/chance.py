"""Claims C1 and C2: how far above chance the same layers of different networks are.

Chance is what all orders of the examples of one of two representations give. Of debiased CKA its mean is 0 and its
standard deviation the square root of 2 / (n (n - 3)), whatever the two are, so that no shuffling is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import repsim
from repsim.chance import NEAR, chance_of_debiased
from repsim.lab.findings.compared import Compared
from repsim.lab.findings.datasets import CURVES, UNTRAINED
from repsim.lab.findings.measures import measures
from repsim.lab.findings.width import by_width

DEBIASED = "cka_linear_debiased"


def same_layers_above_chance(compared: Mapping[str, Compared]) -> list[dict[str, Any]]:
    """Return how far above chance the same layers are, for each kind of pairs of networks in Figures 2, 6 and 7.

    Figures 3 and 4 compare layers of one network, Figure 5 networks that have no layers in common.

    Parameters
    ----------
    compared
        By name, the comparisons of a profile; those of these figures are looked up.

    Returns
    -------
    list of dict
        "figure", whether all networks are "trained" and as wide as the paper's ("paper_size"), the number of "pairs" of
        layers, their smallest similarity ("least") and the standard deviations it is above chance ("smallest_z"), how
        many pairs are "near" chance, within five of these, and of how many "examples".
    """
    tiny, widths = compared["correspondence"], compared["widths"]
    *_, widest = by_width(widths.groups)
    trained = [pair for pair in CURVES.values() if UNTRAINED not in pair]
    untrained = [pair for pair in CURVES.values() if UNTRAINED in pair]
    panels = [compared[name] for name in ("datasets-cifar10", "datasets-cifar100")]
    kinds = [
        ("2", True, True, [(tiny, group, group) for group in tiny.groups]),
        ("6", True, True, [(widths, group, other) for group in widths.groups for other in {group, widest}]),
        ("7", True, False, [(panel, *pair) for panel in panels for pair in trained]),
        ("7", False, False, [(panel, *pair) for panel in panels for pair in untrained]),
    ]
    examples = max(tiny.examples)
    return [
        {"figure": figure, "trained": learnt, "paper_size": size, "examples": examples, **_above_chance(pairs)}
        for figure, learnt, size, pairs in kinds
    ]


def _above_chance(pairs: Iterable[tuple[Compared, str, str]]) -> dict[str, Any]:
    """Return the number of pairs of same layers, the least similarity and z, and how many are near chance."""
    values, z = (np.concatenate(parts) for parts in zip(*(_same_layers(*pair) for pair in pairs), strict=True))
    return {
        "pairs": len(values),
        "least": float(values.min()),
        "smallest_z": float(z.min()),
        "near": int((np.abs(z) <= NEAR).sum()),
    }


def _same_layers(compared: Compared, first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the debiased CKA of the same layers of networks of different seeds, and its distance to chance."""
    block = compared.block(compared.name(DEBIASED), first, second)
    values = np.ravel(
        (block if compared.diagonal else np.einsum("abii->abi", block))[compared.different(first, second)]
    )
    return values, chance_of_debiased(values, max(compared.examples)).z


@measures("C1", "C2", by=(repsim.chance, repsim.cka), networks=("tiny10", "width4", "plain10"))
def chance_claims(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Measure claims C1 and C2 from what :func:`same_layers_above_chance` returns."""
    others = [row for row in rows if not (row["trained"] and row["paper_size"])]
    near, pairs = (sum(row[name] for row in others) for name in ("near", "pairs"))
    found = {
        "C1": {"smallest_z": min(row["smallest_z"] for row in rows if row["trained"])},
        "C2": {"share_near_chance": near / pairs, "smallest_z": min(row["smallest_z"] for row in others)},
    }
    return {claim: {**values, "examples": rows[0]["examples"]} for claim, values in found.items()}
