"""What networks say of their training: accuracies and costs, the recipes beside each other, the networks of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import repsim
from repsim.lab.claims import load_claims
from repsim.lab.findings import measures
from repsim.lab.findings.correspondence import p_value, percent, scored_percent, with_error
from repsim.lab.findings.tables import Array, Compared, off_diagonal
from repsim.lab.measurements import common
from repsim.lab.predicates import ROUNDING

PAPER_TINY_10 = 89.4
# Claim -> group of networks: tables E.1 and E.2 and Figure F.6.
PAPER_ACCURACIES = {"A2": "plain10", "A3": "plain18", "A4": "plain34", "A5": "plain66", "A6": "plain10-nobn"}


def paper_accuracy(records: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the paper's mean test accuracy, percent, None for an architecture that the paper does not have."""
    return {"tiny10": PAPER_TINY_10}.get(records[0]["inputs"]["architecture"])


@measures("A1", by=(common.networks,), networks=("tiny10",))
def accuracies(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Measure claim A1 from the networks' records: mean test accuracy, percent, and its spread over seeds."""
    accuracy = 100 * np.array([record["test_accuracy"] for record in records], np.float64)
    return {
        "accuracy": float(accuracy.mean()),
        "deviation": float(accuracy.std(ddof=1)) if len(accuracy) > 1 else None,
        "lowest": float(accuracy.min()),
        "highest": float(accuracy.max()),
        "networks": len(accuracy),
    }


CANDIDATES = ("tiny10-r1", "tiny10-r2")  # whose recipe the book's ten Tiny-10 get if they are accurate, in this order
CLOSE_TO_PAPER = 1.0  # points of accuracy
DECIDING = 4  # the networks of a candidate that decide, its first


def recipe_rule(
    records: Mapping[str, Sequence[Mapping[str, Any]]], seeds: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, Any]]:
    """Return how far the rule for the ten networks is carried out, for each candidate that has trained networks.

    Of :func:`accuracies` of its first four networks; by how many points the mean is `off` the paper's, how many are
    `missing`, and between which means, `low` and `high`, these would take that of all to within one point of the
    paper's. `taken`: whether the rule takes this recipe, None as long as that, or the candidate before it, is open.
    """
    rows: dict[str, dict[str, Any]] = {}
    before: bool | None = False
    for group in CANDIDATES:
        deciding = list(seeds.get(group, ()))[:DECIDING]
        members = [record for record in records.get(group, ()) if record["inputs"]["seed"] in deciding]
        taken: bool | None = None
        if members:
            row = accuracies(members)
            missing, off = len(deciding) - len(members), abs(PAPER_TINY_10 - row["accuracy"])
            taken = off <= CLOSE_TO_PAPER
            if missing:
                row["low"], row["high"] = (
                    ((PAPER_TINY_10 + step) * len(deciding) - row["accuracy"] * len(members)) / missing
                    for step in (-CLOSE_TO_PAPER, CLOSE_TO_PAPER)
                )
                taken = None if row["low"] <= 100 and row["high"] >= 0 else False
            taken = taken if before is False else None
            rows[group] = row | {"off": off, "missing": missing, "taken": taken}
        before = taken
    return rows


def cost(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what making artefacts cost in all: hours, the largest memory in MiB, machine, and when it ended.

    "elsewhere" says how many were made on which other device than a processor.
    """
    machines = [record.get("machine", {}) for record in records]
    versions = [machine.get("versions", {}) for machine in machines]
    return {
        "hours": sum(float(record.get("seconds", 0)) for record in records) / 3600,
        "mebibytes": max(int(record.get("peak_memory_mib", 0)) for record in records),
        "machine": machines[0] | {"versions": versions[0] if all(map(versions[0].__eq__, versions)) else {}},
        "last": max(str(record.get("made", "")) for record in records),
        "elsewhere": Counter(record["device"] for record in records if record.get("device", "CPU") != "CPU"),
        "resumed": sum(bool(record.get("resumed")) for record in records),
    }


@measures(*PAPER_ACCURACIES, by=(common.networks,), networks=PAPER_ACCURACIES)
def family_accuracies(
    records: Mapping[str, Sequence[Mapping[str, Any]]], paper_size: bool
) -> dict[str, dict[str, Any]]:
    """Measure claims A2 to A6, those whose networks are there; narrower ones than the paper's are not judged."""
    return {
        claim: accuracies(records[group]) | {"paper_size": int(paper_size)}
        for claim, group in PAPER_ACCURACIES.items()
        if group in records
    }


ACCURATE = 87.0  # RC1 is about recipes that reach this
LINEAR = "cka_linear"


def similarities(compared: Compared, index: str = LINEAR) -> Array:
    """Return (m, m, L, L), the similarities among the networks of the only group."""
    return compared.block(compared.name(index), *compared.groups * 2)


def group_values(compared: Compared, index: str = LINEAR) -> dict[str, Any]:
    """Return what a group of networks says of its training; jackknife errors are None for fewer than three.

    Percentages: test `accuracy`, layers `identified`, and `convolutions` alone. Similarities: `neighbours`, of the
    first layer with the second of another network.
    """
    table = similarities(compared, index)
    identified, error = scored_percent(table, index)
    convolutions, convolutions_error = scored_percent(table, index, pool=False)
    neighbours, neighbours_error = with_error(table, lambda table: float(off_diagonal(table)[:, 0, 1].mean()))
    accuracy = 100 * np.asarray(compared.arrays["accuracy"])
    return {
        "accuracy": float(accuracy.mean()),
        "deviation": float(accuracy.std(ddof=1)),
        "identified": identified,
        "error": error,
        "convolutions": convolutions,
        "convolutions_error": convolutions_error,
        "neighbours": neighbours,
        "neighbours_error": neighbours_error,
        "first_shares": np.asarray(compared.arrays["first_share"]).tolist(),
        "networks": len(accuracy),
        "seeds": list(compared.part(compared.groups[0])["seeds"]),
        "examples": max(compared.examples),
    }


def confused_layers(compared: Compared) -> Counter[tuple[str, str]]:
    """Return how often which layer of a network is taken for which other layer, over ordered pairs of networks."""
    table, layers = similarities(compared), compared.part(compared.groups[0])["layers"]
    guesses = repsim.best_match(off_diagonal(table))
    return Counter((layers[i], layers[j]) for guess in guesses for i, j in enumerate(guess) if i != j)


def taken_for_pool(compared: Compared) -> tuple[int, int]:
    """Return in how many of how many ordered pairs of networks the last convolution is taken for the pooling layer."""
    *_, last, pool = compared.part(compared.groups[0])["layers"]
    networks = len(similarities(compared))
    return confused_layers(compared)[last, pool], networks * (networks - 1)


def kinds_of_first_layers(compared: Compared) -> dict[str, Any]:
    """Return whether networks are confused whose first layers differ in how much they put into one direction.

    `correlation` is Spearman's, over pairs of networks, between the difference of their `first_shares` and how many
    layers one does not find in the other, both ways, `errors` in all; None where either does not vary.
    """
    shares, table = np.asarray(compared.arrays["first_share"]), similarities(compared)
    first, second = np.triu_indices(len(shares), 1)
    wrong = (repsim.best_match(table) != np.arange(table.shape[-1])).sum(axis=-1)
    both = (wrong + wrong.T)[first, second]
    apart = np.abs(shares[first] - shares[second])
    varies = len(both) > 2 and np.ptp(both) > 0 and np.ptp(apart) > 0
    return {
        "correlation": float(spearmanr(apart, both).statistic) if varies else None,
        "errors": int(both.sum()),
        "pairs": len(both),
        "without": int((both == 0).sum()),
    }


@measures("FN1", "FN2", "FN3", by=(repsim.cka, repsim.hsic, repsim.jackknife), networks=("tiny10",))
def published_claims(compared: Compared) -> dict[str, dict[str, Any]]:
    """Measure claims FN1, FN2 and FN3, percent, on the convolutions of the networks that others trained."""
    middle, narrow = "cka_rbf_0.4", "cka_rbf_0.2"
    indexes = (LINEAR, "cka_linear_debiased", "hsic_linear", middle, narrow)
    tables = {index: similarities(compared, index)[..., :-1, :-1] for index in indexes}
    scored = {index: percent(table, index) for index, table in tables.items()}
    accuracy = {index: values["accuracy"] for index, values in scored.items()}
    claims: dict[str, dict[str, Any]] = {
        "FN1": {
            **scored[LINEAR],
            "accuracy_debiased": accuracy["cka_linear_debiased"],
            "accuracy_with_pool": percent(similarities(compared), LINEAR)["accuracy"],
        },
        "FN2": dict(scored["hsic_linear"]),
        "FN3": {
            "lead": accuracy[middle] - accuracy[narrow],
            "rbf_04": accuracy[middle],
            "rbf_02": accuracy[narrow],
            "p": p_value((middle, tables[middle]), (narrow, tables[narrow])),
        },
    }
    return {claim: {**values, "examples": max(compared.examples)} for claim, values in claims.items()}


DECIDED = {"RC1": False, "RC2": True}  # by one recipe: that it fails, or that it holds


@measures("RC1", "RC2", "RC3", by=(repsim.cka, repsim.identify, repsim.jackknife), networks=("tiny10",))
def recipe_claims(rows: Mapping[str, Mapping[str, Any]], planned: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Measure claims RC1, RC2 and RC3 on the recipes all of whose `planned` networks are trained.

    As long as others are not, what is left out is what they might still change: RC1 unless an accurate recipe fails it,
    RC2 unless one recipe meets it, and RC3. `rows` are of :func:`group_values`.
    """
    done = {name: row for name, row in rows.items() if row["networks"] >= planned[name]}
    if not done:
        return {}
    accuracies, identified = ([row[name] for row in done.values()] for name in ("accuracy", "identified"))
    accurate = [
        there for accuracy, there in zip(accuracies, identified, strict=True) if accuracy >= ACCURATE * (1 - ROUNDING)
    ]
    shared = {
        "recipes": len(done),
        "networks": min(row["networks"] for row in done.values()),
        "examples": next(iter(done.values()))["examples"],
    }
    claims: dict[str, dict[str, Any]] = {"RC2": {"best": max(identified), **shared}}
    if accurate:
        claims["RC1"] = {"identified": accurate, "accurate_recipes": len(accurate), **shared}
    if len(done) > 2 and np.ptp(accuracies) > 0 and np.ptp(identified) > 0:
        claims["RC3"] = {"correlation": float(spearmanr(accuracies, identified).statistic), **shared}
    if len(done) == len(planned):
        return claims
    known = load_claims()
    return {
        claim: values
        for claim, values in claims.items()
        if claim in DECIDED and known[claim].predicate.holds(values) is DECIDED[claim]
    }
