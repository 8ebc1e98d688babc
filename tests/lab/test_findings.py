"""The numbers behind the claims, on made-up arrays whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

import repsim
from repsim.lab import claims
from repsim.lab.findings import (
    across_networks,
    components,
    correspondence,
    robustness,
    theory,
    training,
    within_networks,
)
from repsim.lab.findings.correspondence import TABLE_2
from repsim.lab.findings.tables import Tables

from .made import Made

LAYERS = [*(f"conv{i}" for i in range(1, 9)), "pool"]


def made(name: str, split: str, examples: int, tables: dict[str, np.ndarray]) -> Made:
    features = [16384, 16384, 8192, 8192, 8192, 4096, 2304, 2304, 64]
    record = {"split": split, "examples": examples, "indexes": list(tables), "layers": LAYERS, "features": features}
    return Made(record, tables)


def table(found: float, m: int = 6, seed: int = 0) -> np.ndarray:
    """Similarities of which about the fraction `found` has its largest entry of the row on the diagonal."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 0.5, (m, m, 9, 9))
    hit = rng.random((m, m, 9)) < found
    values[..., np.arange(9), np.arange(9)] = np.where(hit, 0.9, -0.1)
    return values


@pytest.fixture
def tables() -> Tables:
    rates = {index: paper / 100 for index, _, paper in TABLE_2}
    made_up = {index: table(rate, seed=number) for number, (index, rate) in enumerate(rates.items())}
    products = {k: v for k, v in made_up.items() if k.startswith(("cka", "hsic"))}
    singular = {k: v for k, v in made_up.items() if k not in products} | {
        "cka_linear": table(0.8),
        "svcca_r2_0.5": table(0.3),
        "svcca_mean_0.9": table(0.05),
    }
    products["cka_linear_debiased"] = table(1.0)
    return Tables(
        {
            "train": made("train", "train", 20000, products),
            "singular": made("singular", "train", 4000, singular),
            "test": made("test", "test", 10000, {"cka_linear": table(0.5), "cka_rbf_0.4": table(1.0)}),
        }
    )


# -- no network needed


def test_the_equations_hold():
    measured = theory.equations(pairs=10)
    assert {"T4", "T5", "T6", "T7", "T8"} <= measured.keys()
    assert all(values["relative_error"] < 1e-10 for values in measured.values())


def test_the_misprinted_factor_of_equation_12_does_not_hold():
    x, y = next(theory.related_pairs(4, 1))
    ours, papers = theory.sides_of_equations(x, y)["T5"]
    assert abs(ours - papers * np.sqrt(x.shape[1] / y.shape[1])) > 0.01


def test_theorem_1_and_its_consequence_hold():
    found = theory.theorem_1(n=40, p=80, pairs=3)
    assert found["largest_difference"] < 1e-8
    assert found["largest_difference"] == max(found["largest_difference_cca_r2"], found["largest_difference_cca_mean"])
    assert theory.full_rank_is_one(n=40, p=80, pairs=3)["largest_deviation"] < 1e-8


def test_theorem_1_needs_wide_representations():
    assert theory.theorem_1(n=80, p=40, pairs=1)["largest_difference"] > 1e-3


def test_cka_tells_related_from_unrelated():
    assert theory.cka_tells_related(n=60, p=120, draws=5) == {"draws": 5, "higher": 5, "higher_debiased": 5}


def test_ridge_and_bandwidth_limits_hold():
    assert theory.ridge_limits(pairs=3)["relative_error"] < 1e-4
    assert theory.wide_rbf_is_linear(pairs=3)["largest_difference"] < 1e-3


@pytest.mark.parametrize("claim", theory.TABLE_1)
def test_table_1_holds(claim):
    found = theory.table_1_row(claim, draws=5)
    assert found["claimed_change"] < 1e-6
    denied = any(sides != theory.BOTH for sides in theory.claimed_invariances(theory.TABLE_1[claim]).values())
    assert ("denied_change" in found) == denied
    assert not denied or found["denied_change"] > 1e-2


def test_regression_is_invariant_in_the_predicting_side_only():
    assert theory.claimed_invariances("linear_regression")["invertible"] == ("y",)
    changes = theory.largest_changes("T10", draws=3)["invertible"]
    assert changes["y"] < 1e-6 < 1e-2 < changes["x"]


def names_what_is_needed(measured: dict[str, dict[str, Any]]) -> bool:
    """Whether every quantity that a claim's predicate names is among the values measured for it."""
    known = claims.load_claims()
    needed = {name: {*known[name].predicate.quantities(), *known[name].needs} for name in measured}
    return all(needed[name] <= values.keys() for name, values in measured.items())


def test_all_claims_without_networks_are_measured():
    measured = theory.without_networks()
    assert {f"T{i}" for i in range(1, 20)} <= measured.keys()
    assert names_what_is_needed(measured)


# -- dimension


def test_random_widths_show_where_cca_fails():
    found = theory.random_widths(n=40, ratios=(0.1, 2.0), draws=2)
    assert found["ratio"].tolist() == [0.1, 2.0]
    assert found["related_cca_r2"][0] - found["unrelated_cca_r2"][0] > 0.2
    assert found["unrelated_cca_r2"][1] == pytest.approx(1)
    assert found["related_cka_linear_debiased"][1] - found["unrelated_cka_linear_debiased"][1] > 0.2


def test_meaningful_range():
    arrays = {
        "features": np.array([10, 1000]),
        "examples": np.array([100, 200]),
        "same_a": np.array([[0.9, 0.9], [0.9, 1.0]]),
        "shuffled_a": np.array([[0.1, 0.1], [0.9, 0.5]]),
        "same_b": np.full((2, 2), 0.5),
        "shuffled_b": np.full((2, 2), 0.5),
    }
    a, b = theory.meaningful_range(arrays, ["a", "b"])
    assert a == {"index": "a", "meaningful": 0.75, "features_per_example": 5.0, "largest_shuffled": 0.9}
    assert (b["meaningful"], b["features_per_example"]) == (0.0, 0.0)


# -- Figure 1


def test_components_that_are_turned_and_flipped_agree():
    a = np.random.default_rng(0).normal(size=(200, 2)) * [3, 1]
    turn = np.array([[0.6, -0.8], [-0.8, -0.6]])
    assert components.explained(a, a @ turn + 5)[0] == pytest.approx(1)
    plain, scaled = components.explained(a, 2 * a @ turn)
    assert plain == pytest.approx(0)
    assert scaled == pytest.approx(1)


def test_figure_1_values():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(500, 2)) + 0.1 * rng.normal(size=(4, 500, 2))
    found = components.figure_1(scores)
    assert found["r2"] > 0.95
    assert found["r2_shuffled"] < 0.01
    assert (found["pairs"], found["examples"]) == (6, 500)
    assert names_what_is_needed({"F1": found})


# -- Figure 2, Table 2, Figure F.3


def test_the_mean_map_leaves_out_self_pairs():
    values = np.ones((3, 3, 9, 9))
    values[range(3), range(3)] = 100
    assert (correspondence.mean_map(values) == 1).all()


def test_map_values_of_a_diagonal_and_of_a_shifted_map():
    clear = np.broadcast_to(np.eye(9), (3, 3, 9, 9))
    assert correspondence.map_values(clear) == {"diagonal_rows": 9, "diagonal_columns": 9, "rows": 9, "tau": 1.0}
    shifted = np.broadcast_to(np.roll(np.eye(9), 1, axis=1), (3, 3, 9, 9))
    assert correspondence.map_values(shifted)["diagonal_rows"] == 0
    constant = np.broadcast_to(np.eye(9)[[4]], (3, 3, 9, 9))
    assert correspondence.map_values(constant)["diagonal_rows"] == 1
    assert correspondence.map_values(constant)["tau"] == 0.0


def test_an_asymmetric_map_has_other_columns_than_rows():
    values = np.broadcast_to(np.arange(9.0)[:, None] + np.eye(9) / 2, (3, 3, 9, 9))
    found = correspondence.map_values(values)
    assert (found["diagonal_rows"], found["diagonal_columns"]) == (9, 1)


def test_scores_symmetrise_what_is_asymmetric():
    values = table(0.5)
    expected = repsim.identification_accuracy(values, symmetrise=True)
    assert correspondence.score(values, "pwcca")[0] == expected
    assert correspondence.score(values, "cka_linear")[0] == repsim.identification_accuracy(values)
    without = repsim.identification_accuracy(values[:, :, :-1, :-1])
    assert correspondence.score(values, "cka_linear", pool=False)[0] == without


def test_tables_take_the_most_examples_of_a_split(tables):
    assert tables.measure("cka_linear") == "train"
    assert tables.examples("cca_r2") == 4000
    assert tables.measure("cka_linear", "test") == "test"
    assert tables.get("nothing") is None
    assert tables.layers() == LAYERS
    np.testing.assert_array_equal(tables.beside("cka_linear", "cca_r2"), table(0.8))
    assert tables.beside("cka_linear_debiased", "cca_r2") is None, "it was made on other examples"
    assert tables.beside("cka_linear", "nothing") is None


def test_saturated_layers_are_marked_for_cca_type_indexes_only(tables):
    saturated = {index: tables.facts(index)["saturated_layers"] for index in ("cca_r2", "svcca_r2_0.5", "cka_linear")}
    assert saturated == {"cca_r2": 6, "svcca_r2_0.5": 6, "cka_linear": 0}
    tables.records["train"]["examples"] = tables.records["singular"]["examples"] = 2305
    assert tables.facts("cca_r2")["saturated_layers"] == 8, "centred examples have one dimension less"


def test_table_2_has_the_papers_rows(tables):
    rows = correspondence.table_2(tables)
    assert [row["index"] for row in rows] == [index for index, _, _ in TABLE_2]
    by_index = {row["index"]: row for row in rows}
    assert by_index["cka_linear"]["accuracy"] > 95
    assert by_index["cka_linear"]["bold"]
    assert not by_index["cca_mean"]["bold"]
    assert by_index["cka_linear"]["unsymmetrised"] is None
    assert by_index["pwcca"]["unsymmetrised"] is not None
    assert by_index["cka_rbf_0.4"]["test"] == 100
    assert by_index["cca_r2"]["test"] is None


def test_table_2_claims(tables):
    found = correspondence.table_2_claims(tables)
    assert {f"S{i}" for i in range(1, 15)} <= found.keys()
    assert names_what_is_needed(found)
    assert found["S8"]["examples"] == 20000
    assert found["S8"]["accuracy_debiased"] == 100
    assert (found["S1"]["saturated_layers"], found["S8"]["saturated_layers"]) == (6, 0)
    assert found["S12"]["largest_p"] < 0.05
    assert found["S12"]["smallest_lead"] > 0
    assert found["S13"]["p_02_04"] < 0.05
    assert found["S14"]["linear_regression"] > found["S14"]["hsic_linear"]
    # On 4,000 examples only the pooling layer (64) leaves room beside one of 2,304 features or of its own kind.
    assert (found["S1"]["undetermined_pairs"], found["S1"]["layer_pairs"]) == (81 - 5, 81)
    assert "undetermined_pairs" not in found["S8"]
    assert found["S12"]["undetermined_pairs"] == 6 * found["S1"]["undetermined_pairs"]


def test_the_papers_number_of_images_is_enough_for_every_pair():
    made_up = {index: table(paper / 100) for index, _, paper in TABLE_2}
    full = Tables({"full": made("full", "train", 50_000, made_up)})
    found = correspondence.at_papers_n(full)
    assert {*(f"S{i}n" for i in range(1, 15)), *(f"F2{letter}n" for letter in "cdef"), "F.3n"} <= found.keys()
    assert all(values.get("undetermined_pairs", 0) == 0 for values in found.values())
    assert all((values["images"], values["networks"]) == (50_000, 6) for values in found.values())
    known = claims.load_claims()
    verdicts = {name: claims.judge(known[name], claims.Measurement(name, values)) for name, values in found.items()}
    assert verdicts["S13n"] == "not judged", "six networks are too few"
    assert verdicts["F.3n"] == "not judged", "two of twelve thresholds"
    assert verdicts["S12n"] == "reproduced"


def test_figure_2_claims(tables):
    found = correspondence.figure_2(tables)
    assert {f"F2{letter}" for letter in "abcdef"} <= found.keys()
    assert names_what_is_needed(found)
    assert found["F2a"]["diagonal_rows"] == found["F2a"]["diagonal_rows_debiased"] == 9
    assert "diagonal_rows_debiased" not in found["F2b"]


def test_figure_f3_compares_on_the_same_examples(tables):
    found = correspondence.figure_f3(tables)
    assert found["thresholds"] == 4
    assert names_what_is_needed({"F.3": found})
    assert found["examples"] == 4000
    assert found["largest_svcca"] == pytest.approx(100 * correspondence.score(table(0.3), "svcca_r2")[0])
    assert found["cka_linear"] == pytest.approx(100 * correspondence.score(table(0.8), "cka_linear")[0])


def test_other_indexes_stand_beside_linear_cka_on_the_same_examples(tables):
    tables.arrays["singular"]["procrustes"] = table(0.7)
    tables.records["singular"]["indexes"].append("procrustes")
    procrustes, debiased = correspondence.other_indexes(tables)
    assert (procrustes["index"], procrustes["examples"]) == ("procrustes", 4000)
    assert procrustes["cka_linear"] == 100 * correspondence.score(tables.arrays["singular"]["cka_linear"], "")[0]
    assert (debiased["index"], debiased["examples"], debiased["accuracy"]) == ("cka_linear_debiased", 20000, 100)
    assert debiased["cka_linear"] == 100 * correspondence.score(tables.arrays["train"]["cka_linear"], "")[0]
    assert 0 <= procrustes["p"] <= 1


def test_an_index_without_linear_cka_on_the_same_examples_stands_alone(tables):
    tables.arrays["alone"] = {"procrustes": table(0.7)}
    tables.records["alone"] = tables.records["singular"] | {"indexes": ["procrustes"]}
    procrustes, _ = correspondence.other_indexes(tables)
    assert procrustes["accuracy"] == 100 * correspondence.score(table(0.7), "")[0]
    assert procrustes["cka_linear"] is procrustes["p"] is None


@pytest.mark.parametrize(("rate", "survives"), [(1.0, 1), (0.4, 0), (None, None)])
def test_table_2_is_asked_whether_debiased_cka_would_do_as_well(tables, rate, survives):
    for record in tables.records.values():
        record["features"] = [64] * 9
    if rate is None:
        tables.records["train"]["indexes"].remove("cka_linear_debiased")
    else:
        tables.arrays["train"]["cka_linear_debiased"] = table(rate)
    found = robustness.ask_table_2(tables)
    assert "S14" not in found, "which is not about CKA"
    for answers in (found["S12"], found["S13"]):
        assert (answers["tried_n"], answers["holds_at"], answers["holds_debiased"]) == ([20000], [1], survives)
        assert answers["exceeds_shuffles"] is answers["share_above_shuffles"] is None
    assert robustness.ask_table_2(Tables({})) == {}


def test_the_pattern_of_errors():
    similarities = np.stack([np.eye(3)] * 4).reshape(2, 2, 3, 3).copy()
    similarities[0, 1] = [[0, 1, 0], [0, 1, 0], [0.5, 0.2, 0.1]]
    found = correspondence.error_pattern(similarities, ["conv1", "conv2", "pool"])
    counts = {"errors": 2, "neighbouring": 1, "pairs": 2, "without": 1, "first_second": 0.5}
    assert found == counts | {"lead_and_identified": None}, "the second layer has no spread"
    similarities[0, 1, 1, 1] = 0.9  # a lead of 0.4 / 0.05; the others' are 0 and 0.3 / 0.45
    similarities[1, 0, 2, 2] = 0.3
    found = correspondence.error_pattern(similarities, ["conv1", "conv2", "pool"])
    assert found["lead_and_identified"] == pytest.approx(spearmanr([0, 8, -1], [50, 100, 50]).statistic)


def test_svcca_has_the_ranks_that_it_keeps(tables):
    """Of 4,000 images no two layers wider than that are determined, but where SVCCA keeps few dimensions of each."""
    measures = {
        name: made(name, record["split"], record["examples"], tables.arrays[name])
        for name, record in tables.records.items()
    }
    few = np.full((6, 9), 1999)
    kept = {"0.5": few, "0.9": np.where(np.arange(9) == 0, 2001, few), "0.99": np.full((6, 9), 3999)}
    truncated = Tables(measures, {"singular": Made({}, kept)})
    assert tables.blind("svcca_r2_0.5")[0, 1]
    assert not truncated.blind("svcca_r2_0.5").any()
    assert truncated.blind("svcca_mean_0.9").sum() == 17, "the first layer with each"
    assert truncated.room("svcca_r2", "svcca_r2_0.5") == {"undetermined_pairs": 81, "layer_pairs": 162}
    np.testing.assert_array_equal(truncated.blind("cca_mean"), tables.blind("cca_mean"))


def test_what_determines_nothing_survives_no_question(tables):
    answers = robustness.ask_table_2(tables)
    assert (answers["S12"]["holds_at"], answers["S12"]["holds_debiased"]) == ([None], None)
    assert answers["S13"]["holds_at"] == [1], "no index of the CCA type is in it"


def test_mistakes_are_counted_by_layer():
    similarities = np.tile(np.array([[0.9, 0.3, 0.1], [0.3, 0.8, 0.5], [0.2, 0.6, 0.7]]), (3, 3, 1, 1))
    similarities[0, 1, 2] = [0.2, 0.9, 0.1]  # one of the six ordered pairs takes the last layer for the second
    similarities[[0, 1, 2], [0, 1, 2]] = np.nan  # a network with itself is no pair
    first, _, last = correspondence.mistakes(similarities, ["conv1", "conv2", "pool"])
    assert first == {
        "layer": "conv1",
        "identified": 100.0,
        "taken_for": {},
        "same": pytest.approx(0.9),
        "spread": pytest.approx(0.0),
        "other": pytest.approx(0.3),
    }
    assert last == {
        "layer": "pool",
        "identified": pytest.approx(500 / 6),
        "taken_for": {"conv2": 1},
        "same": pytest.approx(0.6),
        "spread": pytest.approx(0.6 * 5**0.5 / 6),
        "other": pytest.approx(0.65),
    }


def test_debiasing_stands_beside(tables):
    rows = correspondence.debiasing(tables)
    assert [(row["index"], row["split"]) for row in rows] == [
        ("cka_linear", "train"),
        ("cka_linear_debiased", "train"),
        ("cka_linear", "test"),
    ]


def test_a_profile_with_few_indexes_gives_what_it_can():
    few = Tables({"train": made("train", "train", 400, {"cka_linear": table(1.0, m=3)})})
    assert list(correspondence.table_2_claims(few)) == ["S8"]
    assert list(correspondence.figure_2(few)) == ["F2a"]
    assert correspondence.figure_f3(few) == {}
    assert [row["index"] for row in correspondence.table_2(few)] == ["cka_linear"]


def test_two_networks_have_no_error_and_one_no_value():
    two = Tables({"train": made("train", "train", 400, {"cka_linear": table(1.0, m=2), "cca_r2": table(1.0, m=2)})})
    assert correspondence.table_2_claims(two)["S8"]["accuracy"] == 100
    assert all(np.isnan(row["standard_error"]) and np.isnan(row["p"]) for row in correspondence.table_2(two))
    one = Tables({"train": made("train", "train", 400, {"cka_linear": table(1.0, m=1)})})
    assert correspondence.figure_2(one)["F2a"]["diagonal_rows"] is None
    assert np.isnan(correspondence.table_2_claims(one)["S8"]["accuracy"])
    assert components.figure_1(np.zeros((1, 5, 2))) == {"r2": None, "r2_shuffled": None, "pairs": 0, "examples": 5}


def test_indexes_are_compared_on_the_networks_that_they_have_in_common(tables):
    tables.arrays["singular"] = {index: one[:4, :4] for index, one in tables.arrays["singular"].items()}
    claims = correspondence.table_2_claims(tables)
    assert (claims["S8"]["networks"], claims["S1"]["networks"], claims["S12"]["networks"]) == (6, 4, 4)
    assert claims["S13"]["networks"] == 4, "and so those of one comparison are the same throughout"
    assert correspondence.figure_2(tables)["F2a"]["networks"] == 6
    assert correspondence.figure_f3(tables)["networks"] == 4


def test_what_is_not_known_gives_no_value():
    unknown = np.full((1, 17, 17), np.nan)
    assert np.isnan(within_networks.similar_to_last(unknown))
    assert np.isnan(within_networks.plateau(np.append(np.ones(8), np.nan)))
    maps = {f"{kind}_cka_linear_50": np.tile(unknown[0, :9, :9], (2, 2, 1, 1)) for kind in ("all", "class")}
    assert np.isnan(across_networks.figure_f7(maps)["correlation"])
    rows = [
        {"trained": True, "narrow": not one, "smallest_z": z, "near": 0, "pairs": 1, "examples": 9}
        for one, z in ((False, 7.0), (True, np.nan))
    ]
    assert np.isnan(across_networks.chance_claims(rows)["C1"]["smallest_z"])


# -- Figure 8


def shared(counts: dict[str, int], k: int = 40, pairs: int = 6) -> dict[str, np.ndarray]:
    cosines = {
        f"cosine_{name}": np.tile(np.where(np.arange(k) < n, 0.95, 0.2), (pairs, 1)) for name, n in counts.items()
    }
    return cosines | {"features": np.array([1000] * (len(counts) - 1) + [64]), "pairs": np.zeros((pairs, 2))}


def test_shared_dimension_counts_up_to_the_first_fall():
    assert components.shared_dimension(np.array([0.9, 0.8, 0.4, 0.9])) == (2, True)
    assert components.shared_dimension(np.array([0.9, 0.8])) == (2, False)
    assert components.shared_dimension(np.array([0.9, np.nan])) == (1, False), "what is not known fell nowhere"


def test_figure_8_values():
    found = components.figure_8(shared({"conv1": 20, "conv8": 5, "pool": 10}), ["conv1", "conv8", "pool"], 500)
    assert found["F8a"] == {"smallest_cosine": 0.95, "eigenvectors": 5, "pairs": 3, "examples": 500}
    assert found["F8b"]["dimension"] == 10
    assert names_what_is_needed(found)
    assert found["F8c"]["largest_fraction"] == 0.02
    assert (found["F8c"]["largest_dimension"], found["F8c"]["beyond"]) == (20, 0)


def test_a_dimension_beyond_what_was_measured_is_bounded():
    made_up = shared({"conv1": 40, "pool": 10})
    conv, pool = components.shared_dimensions(made_up, ["conv1", "pool"], 500)
    assert (conv["dimension"], conv["found"]) == (40, False)
    assert (conv["fraction"], conv["largest_fraction"]) == (0.04, 0.499)
    assert pool["found"]
    undecided, decided = (
        components.figure_8(made_up, ["conv1", "pool"], n)["F8c"]["largest_fraction"] for n in (500, 91)
    )
    assert undecided is None
    assert decided == 0.09


# -- accuracy and cost


def test_accuracies_and_cost():
    records = [
        {
            "test_accuracy": a,
            "inputs": {"architecture": "tiny10"},
            "seconds": 1800,
            "peak_memory_mib": 100 * a,
            "made": d,
        }
        for a, d in ((0.89, "2026-01-02"), (0.90, "2026-01-01"))
    ]
    found = training.accuracies(records)
    assert found["accuracy"] == pytest.approx(89.5)
    assert found["deviation"] == pytest.approx(np.sqrt(0.5))
    assert names_what_is_needed({"A1": found})
    assert training.paper_accuracy(records) == 89.4
    assert training.cost(records)["hours"] == 1.0
    assert training.cost(records)["last"] == "2026-01-02"
    assert training.cost(records)["resumed"] == 0
    assert training.cost([{**records[0], "resumed": True}, records[1]])["resumed"] == 1
    assert training.paper_accuracy([{"inputs": {"architecture": "nano10"}}]) is None
