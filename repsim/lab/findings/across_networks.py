"""Figures 6, 7, F.4, F.6 and F.7: the same layers of networks that differ in width, training or normalisation.

Beside these, claims C1 and C2: how far above chance the same layers are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import repsim
from repsim.chance import NEAR, chance_of_debiased
from repsim.lab.findings import measures
from repsim.lab.findings.tables import Array, Compared, mean_map, off_diagonal, rank_correlation
from repsim.lab.findings.training import accuracies
from repsim.lab.measurements import common

CONVOLUTIONS = 8  # the paper's figure leaves the pooling layer out
EARLY, LATE, AFTER_FIRST = slice(0, 4), slice(6, 9), slice(1, 9)
TRAINED = "plain18"  # of Figure F.4
WITH, WITHOUT = "plain10", "plain10-nobn"  # batch normalisation, of Figure F.6
C10, C100, UNTRAINED = "plain10", "plain10-cifar100", "plain10-untrained"
CURVES = {
    "c10_c10": (C10, C10),
    "c100_c100": (C100, C100),
    "c10_c100": (C10, C100),
    "untrained_c10": (UNTRAINED, C10),
    "untrained_c100": (UNTRAINED, C100),
}
SATURATED = 0.95  # of a layer's similarity at the largest width


@dataclass(frozen=True)
class WidthCurves:
    """Similarity of convolutions against width, with jackknife standard errors."""

    widths: Array  # (W,), rising
    same: Array  # (W, 8), mean over pairs of networks of one width
    same_error: Array
    widest: Array  # (W, 8), mean over pairs of a network of a width and one of the largest
    widest_error: Array


def by_width(groups: Iterable[str]) -> list[str]:
    """Return groups called ``width<channels>``, the narrowest first."""
    return sorted(groups, key=lambda group: int(group.removeprefix("width")))


def width_curves(compared: Compared, index: str = "cka_linear", n: int | None = None) -> WidthCurves:
    """Return both panels of Figure 6 from a comparison of groups called ``width<channels>``."""
    groups = by_width(compared.groups)
    name = compared.name(index, n)
    same = [compared.jackknife(name, group, group) for group in groups]
    widest = [compared.jackknife(name, group, groups[-1]) for group in groups]
    columns = [
        np.stack([pair[statistic] for pair in pairs])[:, :CONVOLUTIONS]
        for pairs in (same, widest)
        for statistic in (0, 1)
    ]
    return WidthCurves(np.array([int(group.removeprefix("width")) for group in groups], np.float64), *columns)


def saturation_widths(widths: Array, curves: Array) -> Array:
    """Return (L,), the first width at which each layer reaches most of its similarity at the largest width."""
    return np.asarray(widths[np.argmax(curves >= SATURATED * curves[-1], axis=0)])


def interpolated_widths(widths: Array, curves: Array) -> Array:
    """Return the same as if similarity rose with the logarithm of the width from one width to the next."""
    reached = np.argmax(curves >= SATURATED * curves[-1], axis=0)
    steps = [slice(max(place - 1, 0), place + 1) for place in reached]
    logs = np.log2(widths)
    between = [np.interp(SATURATED * c[-1], c[step], logs[step]) for c, step in zip(curves.T, steps, strict=True)]
    return np.exp2(between)


@measures("F6a", "F6b", "F6c", "F6d", "F6e", "F6f", by=(repsim.cka, repsim.pairwise), networks=("width4", "width4096"))
def figure_6(curves: WidthCurves) -> dict[str, dict[str, Any]]:
    """Measure claims F6a to F6e; F6f asks the same as F6e of wider networks."""
    logs, narrower = np.log(curves.widths), curves.same[:-1].size
    rising = [rank_correlation(logs, layer) for layer in curves.same.T]
    towards = [rank_correlation(logs[:-1], layer) for layer in curves.widest[:-1].T]
    known = bool(np.isfinite(curves.same).all() and np.isfinite(curves.widest[:-1]).all())
    first, between = (reach(curves.widths, curves.same) for reach in (saturation_widths, interpolated_widths))
    there, counts = np.unique(first, return_counts=True)
    order = np.arange(len(first), dtype=np.float64)
    saturation = {
        "correlation": rank_correlation(order, first),
        "saturation_widths": first.tolist(),
        "interpolated_widths": between.tolist(),
        "interpolated_correlation": rank_correlation(order, between),
        "commonest": there[counts.argmax()].tolist(),
        "saturating_there": int(counts.max()),
    }
    above = (curves.same[:-1] > curves.widest[:-1]).sum(axis=1) if known else np.full(len(logs) - 1, math.nan)
    return {
        "F6a": {"correlations": rising, "widths": len(curves.widths)},
        "F6b": {"correlations": towards, "widths": len(curves.widths) - 1},
        "F6c": saturation if known else dict.fromkeys(saturation),
        "F6d": {
            "similarity": float(curves.same[-1, EARLY].mean()),
            "of_narrowest": float(curves.same[0, EARLY].mean()),
            "largest_width": int(curves.widths[-1]),
            "smallest_width": int(curves.widths[0]),
        },
        "F6e": {
            "share": float(above.sum() / narrower) if narrower else None,
            "above": above.tolist() if known else None,
        },
    }


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


@measures("F.4a", "F.4b", by=(repsim.cka, repsim.pairwise), networks=(TRAINED, f"{TRAINED}-untrained"))
def figure_f4(
    compared: Compared, index: str = "cka_linear", n: int | None = None, trained: str = TRAINED
) -> dict[str, dict[str, Any]]:
    """Measure claims F.4a and F.4b: mean similarity of same layers of networks of different seeds.

    `compared` is of the group `trained` and the same networks before training, called ``<trained>-untrained``.
    """
    untrained, name = f"{trained}-untrained", compared.name(index, n)

    def same_layers(first: str, second: str) -> float:
        return float(np.diagonal(compared.mean(name, first, second)).mean())

    both, mixed, none = (
        same_layers(*groups) for groups in ((trained, trained), (untrained, trained), (untrained, untrained))
    )
    return {"F.4a": {"drop": both - mixed, "trained": both, "one_trained": mixed}, "F.4b": {"similarity": none}}


@measures("F.6a", "F.6b", by=(repsim.cka, repsim.diagonal_matches, repsim.pairwise), networks=(WITH, WITHOUT))
def figure_f6(compared: Compared, index: str = "cka_linear", n: int | None = None) -> dict[str, dict[str, Any]]:
    """Measure claims F.6a and F.6b on the mean over pairs of a network with and one without normalisation."""
    table = compared.mean(compared.name(index, n), WITH, WITHOUT)
    if not np.isfinite(table).all():
        unknown = {"diagonal_rows": None, "diagonal_columns": None, "rows": len(table)}
        return {"F.6a": unknown, "F.6b": {"lowest_layer": None}}
    diagonal = np.diagonal(table)
    return {
        "F.6a": {
            "diagonal_rows": repsim.diagonal_matches(table),
            "diagonal_columns": repsim.diagonal_matches(table.T),
            "rows": len(table),
        },
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


@measures("F.6c", by=(common.networks,), networks=(WITH, WITHOUT))
def normalisation_gain(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Measure claim F.6c from the records of the networks of both groups: points of mean test accuracy gained."""
    with_it, without = (accuracies(records[group])["accuracy"] for group in (WITH, WITHOUT))
    return {"gain": with_it - without, "accuracy_with": with_it, "accuracy_without": without}


@measures("F.7", by=(repsim.cka, repsim.pairwise), networks=("plain10",))
def figure_f7(arrays: Mapping[str, Array], index: str = "cka_linear", n: int | None = None) -> dict[str, Any]:
    """Measure claim F.7: Pearson's r between the maps of all images and of single classes, off their diagonals.

    Beside it that of how near two layers stand in depth, which knows no image, with the map of single classes.
    `arrays` are of :func:`repsim.lab.measurements.within_class`; n None: on the most images that there are.
    """
    most = max(int(name.rsplit("_", 1)[1]) for name in arrays)
    ending = f"{index}_{most if n is None else n}"
    whole, single = (mean_map(np.asarray(arrays[f"{scope}_{ending}"], np.float64)) for scope in ("all", "class"))
    first, second = off_diagonal(whole), off_diagonal(single)
    near = -off_diagonal(np.abs(np.subtract.outer(*[np.arange(len(whole))] * 2)))

    def correlation(a: Array, b: Array) -> float:
        varied = np.ptp(a) != 0 and np.ptp(b) != 0  # so it is where they are not known
        return float(np.corrcoef(a, b)[0, 1]) if varied else 0.0

    return {
        "correlation": correlation(first, second),
        "correlation_of_nearness": correlation(near, second),
        "entries": first.size,
    }


def same_layers_above_chance(compared: Mapping[str, Compared]) -> list[dict[str, Any]]:
    """Return how far above chance the same layers are, for each kind of pairs of networks in Figures 2, 6 and 7.

    Chance is what all orders of the examples of one of two representations give: of debiased CKA its mean is 0 and its
    standard deviation the square root of 2 / (n (n - 3)), whatever the two are, so that no shuffling is needed.
    `compared` are the comparisons of a profile by name. A row has of how many "pairs" of layers the "least" similarity,
    how many standard deviations it is above chance ("smallest_z"), and how many are "near" chance, within five of them.
    """
    tiny, widths = compared["correspondence"], compared["widths"]
    *_, widest = by_width(widths.groups)
    trained = [pair for pair in CURVES.values() if UNTRAINED not in pair]
    untrained = [pair for pair in CURVES.values() if UNTRAINED in pair]
    panels = [compared[name] for name in ("datasets-cifar10", "datasets-cifar100")]
    comparisons = [  # Figures 3 and 4 compare layers of one network, Figure 5 networks that have none in common
        ("2", True, False, [(tiny, group, group) for group in tiny.groups]),
        ("6", True, True, [(widths, group, other) for group in widths.groups for other in {group, widest}]),
        ("7", True, True, [(panel, *pair) for panel in panels for pair in trained]),
        ("7", False, True, [(panel, *pair) for panel in panels for pair in untrained]),
    ]
    examples = max(tiny.examples)
    return [
        {"figure": figure, "trained": learnt, "narrow": narrow, "examples": examples, **_above_chance(pairs)}
        for figure, learnt, narrow, pairs in comparisons
    ]


def _above_chance(pairs: Iterable[tuple[Compared, str, str]]) -> dict[str, Any]:
    """Return of the same layers of networks of different seeds how similar they are, and how far above chance."""
    similarities, distances = [], []
    for compared, *groups in pairs:
        block = compared.block(compared.name("cka_linear_debiased"), *groups)
        same = block if compared.diagonal else np.einsum("abii->abi", block)
        similarities.append(np.ravel(same[compared.different(*groups)]))
        distances.append(chance_of_debiased(similarities[-1], max(compared.examples)).z)
    values, z = np.concatenate(similarities), np.concatenate(distances)
    return {
        "pairs": len(values),
        "least": float(values.min()),
        "smallest_z": float(z.min()),
        "near": int((np.abs(z) <= NEAR).sum()),
    }


@measures("C1", "C2", by=(repsim.chance, repsim.cka), networks=("tiny10", "width4", "plain10"))
def chance_claims(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Measure claims C1 and C2 from what :func:`same_layers_above_chance` returns."""
    others = [row for row in rows if row["narrow"] or not row["trained"]]
    near, pairs = (sum(row[name] for row in others) for name in ("near", "pairs"))
    claims = {
        "C1": {"smallest_z": np.min([row["smallest_z"] for row in rows if row["trained"]])},
        "C2": {"share_near_chance": near / pairs, "smallest_z": np.min([row["smallest_z"] for row in others])},
    }
    return {claim: {**values, "examples": rows[0]["examples"]} for claim, values in claims.items()}
