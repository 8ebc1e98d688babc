"""Figure 2, Table 2 and Figure F.3: whether layers of differently initialised networks find each other.

Tables are (m, m, L, L): [a, b, i, j] is the index of layer i of network a with layer j of network b.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

import repsim
from repsim.lab.findings import measures
from repsim.lab.findings.tables import (
    CCA_KINDS,
    CCA_TYPE,
    Array,
    Compared,
    Tables,
    available,
    mean_map,
    off_diagonal,
    rank_correlation,
)

LEAST_NETWORKS = 3  # of a jackknife
ASYMMETRIC = ("pwcca", "linear_regression")

# Columns of Table 2 in the paper's order: index, claim, the paper's value in percent.
TABLE_2 = (
    ("cca_mean", "S1", 1.4),
    ("cca_r2", "S2", 10.6),
    ("svcca_mean", "S3", 9.9),
    ("svcca_r2", "S4", 15.1),
    ("pwcca", "S5", 11.1),
    ("linear_regression", "S6", 45.4),
    ("hsic_linear", "S7", 22.2),
    ("cka_linear", "S8", 99.3),
    ("cka_rbf_0.2", "S9", 80.6),
    ("cka_rbf_0.4", "S10", 99.1),
    ("cka_rbf_0.8", "S11", 99.3),
)
OTHER_INDEXES = ("procrustes", "cka_linear_debiased", "cka_rbf_0.4_debiased", "hsic_linear_debiased")
NOT_CKA = (*CCA_TYPE, "hsic_linear")
FIGURE_2 = {
    "F2a": "cka_linear",
    "F2b": "cka_rbf_0.4",
    "F2c": "cca_r2",
    "F2d": "svcca_mean",
    "F2e": "svcca_r2",
    "F2f": "linear_regression",
}
FIGURE_2_PANELS = ("cca_r2", "linear_regression", "svcca_mean", "svcca_r2", "cka_linear", "cka_rbf_0.4")
# What claim F.3 takes the best of; the paper's figure shows the first eight.
FIGURE_F3 = (
    "svcca_r2_0.5",
    "svcca_r2_0.6",
    "svcca_r2_0.7",
    "svcca_r2_0.8",
    "svcca_r2_0.9",
    "svcca_r2",
    "svcca_mean_0.9",
    "svcca_mean",
    "svcca_mean_0.5",
    "svcca_mean_0.6",
    "svcca_mean_0.7",
    "svcca_mean_0.8",
)


def map_values(table: Array) -> dict[str, Any]:
    """Return how far the mean map's best matches follow the diagonal, None of one network.

    `diagonal_rows` counts the layers of the first network whose best match in the other is the same layer,
    `diagonal_columns` those of the second, which differs for asymmetric indexes.
    """
    if len(table) < 2:
        return {"diagonal_rows": None, "diagonal_columns": None, "rows": table.shape[-1], "tau": None}
    similarities = mean_map(table)
    matches = repsim.best_match(similarities)
    return {
        "diagonal_rows": repsim.diagonal_matches(similarities),
        "diagonal_columns": repsim.diagonal_matches(similarities.T),
        "rows": len(similarities),
        "tau": match_path_tau(matches),
    }


def match_path_tau(matches: Sequence[int] | NDArray[np.intp]) -> float:
    """Return Kendall's tau-b between the layers and their best matches, 0 where all layers have the same match."""
    return float(np.nan_to_num(kendalltau(np.arange(len(matches)), matches).statistic))


def score(table: Array, index: str, *, pool: bool = True, symmetrise: bool | None = None) -> tuple[float, float | None]:
    """Return the identification accuracy of an index and its jackknife error, None for fewer than three networks.

    As in the paper, asymmetric indexes are added to themselves with the roles exchanged, unless `symmetrise` says so;
    without `pool` the last layer does not take part.
    """
    exchanged = index in ASYMMETRIC if symmetrise is None else symmetrise
    layers = list(range(table.shape[-1] if pool else table.shape[-1] - 1))
    return with_error(table, partial(repsim.identification_accuracy, symmetrise=exchanged, layers=layers))


def with_error(table: Array, statistic: Callable[[Array], float]) -> tuple[float, float | None]:
    """Return a statistic and its jackknife error over networks, None for fewer than three."""
    if len(table) < LEAST_NETWORKS:
        return statistic(table), None
    jackknife = repsim.jackknife(table, statistic=statistic)
    return jackknife.estimate, jackknife.standard_error


def scored_percent(table: Array, index: str, **how: Any) -> tuple[float, float | None]:
    """Return :func:`score` in percent."""
    accuracy, error = score(table, index, **how)
    return 100 * accuracy, None if error is None else 100 * error


def percent(table: Array, index: str, **how: Any) -> dict[str, float]:
    """Return :func:`score` as percentages: the "accuracy" and its "standard_error", NaN where there are too few."""
    accuracy, error = scored_percent(table, index, **how) if len(table) > 1 else (math.nan, None)
    return {"accuracy": accuracy, "standard_error": math.nan if error is None else error}


def p_value(first: tuple[str, Array], second: tuple[str, Array]) -> float:
    """Return the two-sided p-value of two indexes, given as (name, table), identifying layers equally well.

    NaN for fewer than three networks.
    """
    if len(first[1]) < LEAST_NETWORKS:
        return math.nan
    exchanged = first[0] in ASYMMETRIC, second[0] in ASYMMETRIC
    return repsim.jackknife_z_test(first[1], second[1], symmetrise=exchanged).p_value


def table_2(tables: Tables) -> list[dict[str, Any]]:
    """Return the rows of Table 2, percent: ours beside the paper's, and the variants that the paper leaves out.

    `p` compares with the best index, NaN for that; `bold` says that it does not differ significantly from it.
    """
    measured = available(tables, [index for index, _, _ in TABLE_2])
    tested = available(tables, list(measured), "test")
    scores = {index: percent(table, index) for index, table in measured.items()}
    best = max(measured, key=lambda index: scores[index]["accuracy"])
    rows = []
    for index, claim, paper in TABLE_2:
        if index not in measured:
            continue
        table, asymmetric = measured[index], index in ASYMMETRIC
        p = p_value((best, measured[best]), (index, table))
        rows.append(
            {
                "index": index,
                "claim": claim,
                "paper": paper,
                **scores[index],
                "p": math.nan if index == best else p,
                "bold": p >= 0.05,
                "examples": tables.examples(index),
                "undetermined": tables.room(index).get("undetermined_pairs", 0),
                "ties": repsim.identify(table, symmetrise=asymmetric).ties,
                "without_pool": percent(table, index, pool=False)["accuracy"],
                "unsymmetrised": percent(table, index, symmetrise=False)["accuracy"] if asymmetric else None,
                "test": percent(tested[index], index)["accuracy"] if index in tested else None,
            }
        )
    return rows


@measures(FIGURE_2, by=(repsim.best_match, repsim.diagonal_matches, repsim.pairwise), networks=("tiny10",))
def figure_2(tables: Tables) -> dict[str, dict[str, Any]]:
    """Measure claims F2a to F2f, those whose index was measured; the CKA ones with debiased CKA beside it."""
    measured = available(tables, list(FIGURE_2.values()))
    claims = {
        claim: map_values(measured[index]) | tables.facts(index)
        for claim, index in FIGURE_2.items()
        if index in measured
    }
    debiased = tables.get("cka_linear_debiased")
    if debiased is not None and "F2a" in claims:
        claims["F2a"]["diagonal_rows_debiased"] = map_values(debiased)["diagonal_rows"]
    return claims


@measures({claim: index for index, claim, _ in TABLE_2}, by=(repsim.jackknife, repsim.pairwise), networks=("tiny10",))
def table_2_claims(tables: Tables) -> dict[str, dict[str, Any]]:
    """Measure claims S1 to S11, those whose indexes were measured, and :func:`compared_indexes`.

    Accuracies and errors are in percent.
    """
    measured = available(tables, [index for index, _, _ in TABLE_2])
    claims: dict[str, dict[str, Any]] = {
        claim: percent(measured[index], index) | tables.facts(index) for index, claim, _ in TABLE_2 if index in measured
    }
    debiased = tables.get("cka_linear_debiased")
    if "S8" in claims and debiased is not None:
        claims["S8"]["accuracy_debiased"] = percent(debiased, "cka_linear_debiased")["accuracy"]
    return claims | compared_indexes(tables)


@measures("S12", "S13", "S14", by=(repsim.jackknife_z_test, repsim.jackknife, repsim.pairwise), networks=("tiny10",))
def compared_indexes(tables: Tables, linear: str = "cka_linear") -> dict[str, dict[str, Any]]:
    """Measure claims S12 to S14, those whose indexes were measured, with `linear` in the place of linear CKA.

    Where some indexes were measured on fewer networks than others, the first ones that all have in common count.
    """
    taken = {index: linear if index == "cka_linear" else index for index, _, _ in TABLE_2}
    known = available(tables, list(taken.values()))
    common = min(map(len, known.values()), default=0)
    measured = {index: known[other][:common, :common] for index, other in taken.items() if other in known}
    scores = {index: percent(table, index)["accuracy"] for index, table in measured.items()}
    claims: dict[str, dict[str, Any]] = {}

    def p(first: str, second: str) -> float:
        return p_value((first, measured[first]), (second, measured[second]))

    if {"cka_linear", *NOT_CKA} <= measured.keys():
        claims["S12"] = {
            "largest_p": max(p("cka_linear", index) for index in NOT_CKA),
            "smallest_lead": min(scores["cka_linear"] - scores[index] for index in NOT_CKA),
            **tables.room(*NOT_CKA),
        }
    if {"cka_linear", "cka_rbf_0.2", "cka_rbf_0.4", "cka_rbf_0.8"} <= measured.keys():
        claims["S13"] = {
            "p_linear_04": p("cka_linear", "cka_rbf_0.4"),
            "p_linear_08": p("cka_linear", "cka_rbf_0.8"),
            "p_04_08": p("cka_rbf_0.4", "cka_rbf_0.8"),
            "p_02_04": p("cka_rbf_0.2", "cka_rbf_0.4"),
            "lead_04_over_02": scores["cka_rbf_0.4"] - scores["cka_rbf_0.2"],
        }
    if set(NOT_CKA) <= measured.keys():
        claims["S14"] = {
            "linear_regression": scores["linear_regression"],
            "hsic_linear": scores["hsic_linear"],
            "largest_cca_kind": max(scores[index] for index in CCA_KINDS),
            **tables.room(*NOT_CKA),
        }
    return {claim: {"networks": common, **values} for claim, values in claims.items()}


def mistakes(table: Array, layers: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each layer how often it is identified and what it is taken for where it is not.

    A row holds the `layer`, the percentage `identified`, `taken_for` (layer -> number of ordered pairs of networks, the
    most frequent first), the mean similarity with the `same` layer of other networks and its standard deviation over
    pairs, `spread`, and the mean with the most similar `other` layer.
    """
    pairs = off_diagonal(table)
    guesses = repsim.best_match(pairs)
    rows = []
    for i, layer in enumerate(layers):
        counts = Counter(layers[j] for j in guesses[:, i] if j != i)
        same = pairs[:, i, i]
        rows.append(
            {
                "layer": layer,
                "identified": 100 * float((guesses[:, i] == i).mean()),
                "taken_for": dict(counts.most_common()),
                "same": float(same.mean()),
                "spread": float(same.std()),
                "other": float(np.delete(pairs[:, i].mean(axis=0), i).max()),
            }
        )
    return rows


def error_pattern(table: Array, layers: Sequence[str]) -> dict[str, Any]:
    """Return how the errors of an index lie: their number, and how many are to a `neighbouring` layer.

    `lead_and_identified` is the rank correlation over layers between how far the similarity with itself leads, in units
    of its spread, and how often it is identified.
    """
    rows = mistakes(table, layers)
    with np.errstate(divide="ignore"):
        leads = np.array([np.divide(row["same"] - row["other"], row["spread"]) for row in rows])
    pairs = off_diagonal(table)
    apart = np.abs(repsim.best_match(pairs) - np.arange(table.shape[-1]))
    return {
        "errors": int((apart > 0).sum()),
        "neighbouring": int((apart == 1).sum()),
        "pairs": len(pairs),
        "without": int((apart == 0).all(axis=1).sum()),
        "first_second": float(pairs[:, 0, 1].mean()),
        "lead_and_identified": rank_correlation(leads, np.array([row["identified"] for row in rows])),
    }


def debiasing(tables: Tables) -> list[dict[str, Any]]:
    """Return biased beside debiased linear CKA on each split, accuracies and errors in percent."""
    return [
        {
            "index": index,
            "split": split,
            "examples": tables.examples(index, split),
            **percent(table, index),
            "diagonal_rows": map_values(table)["diagonal_rows"],
            "mean_diagonal": float(np.diag(mean_map(table)).mean()),
        }
        for split in ("train", "test")
        for index, table in available(tables, ("cka_linear", "cka_linear_debiased"), split).items()
    ]


def other_indexes(tables: Tables) -> list[dict[str, Any]]:
    """Return rows as those of Table 2, percent, for indexes that the paper did not put to the test.

    Each stands beside linear CKA on the same examples, of which `p` is the p-value of identifying layers equally well;
    both are None if its measure has no linear CKA.
    """
    rows = []
    for index, table in available(tables, OTHER_INDEXES).items():
        linear = tables.beside("cka_linear", index)
        rows.append(
            {
                "index": index,
                "examples": tables.examples(index),
                **percent(table, index),
                "cka_linear": None if linear is None else percent(linear, "cka_linear")["accuracy"],
                "p": None if linear is None else p_value(("cka_linear", linear), (index, table)),
            }
        )
    return rows


def ridge_path(arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Return how well canonical ridge (:func:`repsim.lab.measurements.ridge`) identifies layers at each step, percent.

    Where the two sides are regularised differently, the roles are exchanged and added, as for asymmetric indexes.
    """
    pairs = np.asarray(arrays["pairs"])
    layers = arrays["cosine"].shape[-1]
    rows = []
    for step, (kappa_x, kappa_y) in enumerate(zip(arrays["kappa_x"], arrays["kappa_y"], strict=True)):
        table = np.zeros((pairs.max() + 1, pairs.max() + 1, layers, layers))
        table[tuple(pairs.T)] = arrays["cosine"][:, step]
        scored = percent(table, "", symmetrise=bool(kappa_x != kappa_y))
        rows.append({"kappa_x": float(kappa_x), "kappa_y": float(kappa_y), **scored})
    return rows


@measures({"F.3": "svcca_r2"}, by=(repsim.jackknife, repsim.pairwise), networks=("tiny10",))
def figure_f3(tables: Tables) -> dict[str, Any]:
    """Measure claim F.3: the best SVCCA threshold beside linear CKA on the same examples, percent."""
    measured = available(tables, FIGURE_F3)
    scores = {index: percent(table, index)["accuracy"] for index, table in measured.items()}
    best = max(scores, key=scores.__getitem__, default="")
    linear = tables.beside("cka_linear", best)
    if linear is None:
        return {}
    return {
        "largest_svcca": scores[best],
        "cka_linear": percent(linear, "cka_linear")["accuracy"],
        "thresholds": len(scores),
        "networks": min(map(len, measured.values())),
        "examples": tables.examples(best),
        **tables.room(*scores),
    }


# What more examples change: claims on as many as the paper has, and CCA beside random subspaces up to that many.
PAPERS_N = "papers-n"  # the profile's comparison of Tiny-10 on as many training images as the paper


def as_tables(compared: Compared) -> Tables:
    """Return what was compared among the networks of the only group, on the most examples, as tables of a measure."""
    record = {"median": "exact", **compared.record, **compared.rows[0], "examples": max(compared.examples)}
    arrays = {index: compared.block(compared.name(index), *compared.groups * 2) for index in record["indexes"]}
    return Tables({PAPERS_N: SimpleNamespace(record=record, arrays=lambda: arrays)})


def beside_fewer(full: Tables, tables: Tables) -> list[dict[str, Any]]:
    """Return the columns of Table 2 on as many images as the paper's, and of the same networks on fewer, percent."""
    rows = []
    for index, _, paper in TABLE_2:
        table, fewer = full.get(index), tables.get(index)
        if table is not None and fewer is not None:
            before = percent(fewer[: len(table), : len(table)], index)
            row = {"index": index, "paper": paper, **percent(table, index), "fewer_examples": tables.examples(index)}
            rows.append({**row, "fewer": before["accuracy"], "fewer_error": before["standard_error"]})
    return rows


def random_r2(ranks: tuple[int, int], examples: int) -> float:
    r"""Return the expected R² of CCA of random subspaces of given ranks, of the n - 1 dimensions of centred examples.

    The mean of :math:`\|Q_Y^T Q_X\|_F^2` is the product of the ranks over n - 1, so that of R² is the larger rank over
    n - 1, and 1 where that reaches n - 1.

    Examples
    --------
    >>> random_r2((16384, 8192), 20_000), random_r2((16384, 8192), 50_000)
    (0.81924096204810..., 0.32768655373107...)
    """
    return min(1.0, max(ranks) / (examples - 1))


@measures("N1", by=(repsim.cca, repsim.jackknife), networks=("tiny10",))
def against_n(tables: Mapping[int, Array], ranks: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Measure claim N1: what CCA R² scores as the number of examples grows, percent.

    `tables` are (m, m, L, L) by number of examples. Beside it the mean R² of the same layer of two networks, averaged
    over `layers`, and that of `random` subspaces of the layers' `ranks`.
    """
    tried, by_n = sorted(tables), [tables[n] for n in sorted(tables)]
    scored = [percent(table, "cca_r2") for table in by_n]
    values = {
        "scores": [row["accuracy"] for row in scored],
        "errors": [row["standard_error"] for row in scored],
        "layers": [float(np.diag(mean_map(table)).mean()) for table in by_n],
        "random": [float(np.mean([random_r2((rank, rank), n) for rank in ranks])) for n in tried],
        "tried_n": tried,
        "examples": tried[-1],
    }
    return {"N1": values}


AT_PAPERS_N = {
    "S12n": "cka_linear",
    "S13n": "cka_linear",
    "S14n": "linear_regression",
    "F.3n": "svcca_r2",
    **{f"{claim}n": index for index, claim, _ in TABLE_2},
    **{f"{claim}n": index for claim, index in FIGURE_2.items() if claim not in ("F2a", "F2b")},
}


@measures(AT_PAPERS_N, by=(repsim.jackknife, repsim.jackknife_z_test, repsim.pairwise), networks=("tiny10",))
def at_papers_n(tables: Tables) -> dict[str, dict[str, Any]]:
    """Measure the claims of Figure 2, Table 2 and Figure F.3 on as many images as the paper, those that can be."""
    claims = figure_2(tables) | table_2_claims(tables) | {"F.3": figure_f3(tables)}
    images = min(int(record["examples"]) for record in tables.records.values())
    return {
        f"{claim}n": {**values, "images": images}
        for claim, values in claims.items()
        if values and f"{claim}n" in AT_PAPERS_N
    }
