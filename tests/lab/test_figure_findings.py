"""The findings of Figures 3 to 7 and F.4 to F.8 on made-up arrays: each predicate is shown to hold and to fail."""

from __future__ import annotations

import numpy as np
import pytest

from repsim.lab import claims
from repsim.lab.errors import LabError
from repsim.lab.findings import across_networks, architectures, robustness, training, within_networks
from repsim.lab.findings.architectures import FIGURE_F8
from repsim.lab.findings.tables import blind_pairs, room
from repsim.lab.findings.within_networks import DEPTHS

from .made import compared, part, square

CLAIMS = claims.load_claims()
FIGURE_6 = ("F6a", "F6b", "F6c", "F6d", "F6e")


def outcome(claim, values):
    """Whether a claim's predicate holds of measured values, all quantities that it names being there."""
    assert {*CLAIMS[claim].predicate.quantities(), *CLAIMS[claim].needs} <= values.keys()
    return CLAIMS[claim].predicate.holds(values, CLAIMS[claim].paper)


# -- similarities by group


def test_pairs_of_one_seed_are_left_out():
    parts = [part("a", [0, 1], 2), part("b", [1, 2], 3)]
    table = np.arange(100.0).reshape(10, 10)
    found = compared(parts, {"cka_linear_100": table})
    block = found.block("cka_linear_100", "a", "b")
    assert block.shape == (2, 2, 2, 3)
    assert block[1, 0, 1, 2] == table[3, 6]
    assert found.different("a", "b").tolist() == [[True, True], [False, True]]
    expected = (table[0:2, 4:7] + table[0:2, 7:10] + table[2:4, 7:10]) / 3
    np.testing.assert_allclose(found.mean("cka_linear_100", "a", "b"), expected)
    np.testing.assert_allclose(found.mean("cka_linear_100", "a", "a"), (table[0:2, 2:4] + table[2:4, 0:2]) / 2)


def test_no_pair_is_not_a_number():
    parts = [part("a", [0], 2), part("b", [0], 2)]
    found = compared(parts, {"cka_linear_100": np.ones((4, 4))})
    assert np.isnan(found.mean("cka_linear_100", "a", "b")).all()
    assert np.isnan(found.jackknife("cka_linear_100", "a", "b")[1]).all()


def test_jackknife_leaves_out_one_seed():
    values = np.random.default_rng(0).random((4, 4, 3))
    values = values + values.transpose(1, 0, 2)
    found = compared([part("a", range(4), 3)], {"cka_linear_100": values}, diagonal=True)
    mean, error = found.jackknife("cka_linear_100", "a", "a")
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(mean, values[off].mean(axis=0))
    without = []
    for seed in range(4):
        keep = [other for other in range(4) if other != seed]
        rest = values[np.ix_(keep, keep)]
        without.append(rest[~np.eye(3, dtype=bool)].mean(axis=0))
    np.testing.assert_allclose(error, np.sqrt(3 / 4 * ((without - np.mean(without, axis=0)) ** 2).sum(axis=0)))


def test_what_was_not_compared_is_named():
    found = compared([part("a", [0], 2)], {"cka_linear_100": np.ones((2, 2))})
    assert found.name() == "cka_linear_100"
    with pytest.raises(LabError, match="unknown similarities 'cka_linear_50'; known are: cka_linear_100"):
        found.name(n=50)
    with pytest.raises(LabError, match="unknown group among the rows 'b'; known are: a"):
        found.block("cka_linear_100", "b", "a")


# -- Figure 3


def within(layers, similar):
    """(1, L, L) similarities: the last `similar` layers before the last convolution, and that one, are alike."""
    table = np.full((layers, layers), 0.1)
    start = layers - 2 - similar
    table[start : layers - 1, start : layers - 1] = 0.85
    table[range(layers), range(layers)] = 1
    return table[None]


def test_similar_to_last_leaves_the_last_out():
    assert within_networks.similar_to_last(within(9, 0)) == 0
    assert within_networks.similar_to_last(within(9, 4)) == 0.5
    assert within_networks.similar_to_last(within(9, 4), 0.9) == 0


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((2, 4, 10, 40), True), ((2, 4, 10, 30), False), ((5, 4, 10, 40), False), ((2, 9, 10, 40), False)],
)
def test_f3b(counts, expected):
    sizes = dict(zip(DEPTHS.values(), (9, 17, 33, 65), strict=True))
    tables = {group: within(size, count) for (group, size), count in zip(sizes.items(), counts, strict=True)}
    found = within_networks.depth_similarities(tables)
    assert outcome("F3b", found) is expected
    assert found["fraction_8x_07"] == found["fraction_8x"] == counts[3] / 64
    assert found["fraction_8x_09"] == 0


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [((0.90, 0.92, 0.89, 0.85), True), ((0.92, 0.90, 0.89, 0.85), False), ((0.90, 0.92, 0.93, 0.85), False)],
)
def test_f3a(accuracies, expected):
    records = {group: [{"test_accuracy": one}] for group, one in zip(DEPTHS.values(), accuracies, strict=True)}
    assert outcome("F3a", within_networks.depth_accuracies(records)) is expected


def test_f3a_is_open_while_a_depth_is_missing():
    records = {"plain10": [{"test_accuracy": 0.9}], "plain18": [{"test_accuracy": 0.92}]}
    assert outcome("F3a", within_networks.depth_accuracies(records)) is None


def test_convolutions_like_the_last_are_counted_from_one():
    table = np.eye(6)
    table[4] = [0.1, 0.8, 0.79, 0.9, 1, 0.95]  # the last two are itself and the pooling layer
    assert within_networks.like_last(table) == [2, 4]


def test_the_largest_fall_is_to_a_later_layer():
    fall, first, second = within_networks.largest_fall(np.array([0.2, 0.6, 0.5, 0.7, 0.55, 0.8]))
    assert (round(fall, 6), first, second) == (0.15, 4, 5)
    assert within_networks.largest_fall(np.array([0.2, 0.3]))[0] == pytest.approx(-0.1)


def test_bias_is_the_largest_difference():
    arrays = {"cka_linear_50": np.array([[1, 0.7], [0.7, 1]]), "cka_linear_debiased_50": np.array([[1, 0.4], [0.6, 1]])}
    assert robustness.bias(arrays, 50) == pytest.approx(0.3)


def test_plateau_is_the_first_layer_within_a_point_of_the_best():
    assert within_networks.plateau(np.array([0.5, 0.895, 0.9, 0.899])) == 0.5
    assert within_networks.plateau(np.array([0.5, 0.6, 0.7, 0.9])) == 1
    assert within_networks.plateau(np.array([0.4906, 0.5006])) == 0.5, "one point, but for rounding"


@pytest.mark.parametrize(("reached", "c", "d"), [((8, 12, 20, 20), True, True), ((3, 12, 20, 40), False, False)])
def test_f3c_and_f3d(reached, c, d):
    sizes = (9, 17, 33, 65)
    probes = {
        group: np.minimum(np.linspace(0, 0.9 * size / at, size), 0.9)[None]
        for group, size, at in zip(DEPTHS.values(), sizes, reached, strict=True)
    }
    found = within_networks.depth_probes(probes)
    assert outcome("F3c", found["F3c"]) is c
    assert outcome("F3d", found["F3d"]) is d


# -- Figure 4


def grid(post=0.8, mixed=0.5, across=0.4, blocks=4):
    layers = ["conv1", *(f"block{i}_{kind}" for i in range(1, 3 * blocks + 1) for kind in ("interior", "sum")), "pool"]
    sums, _ = within_networks.block_places(layers)
    table = np.full((len(layers), len(layers)), mixed)
    for a in range(3):
        for b in range(3):
            table[np.ix_(sums[a], sums[b])] = post if a == b else across
    table[range(len(layers)), range(len(layers))] = 1
    return table[None], layers


@pytest.mark.parametrize(
    ("post", "mixed", "across", "expected"),
    [
        (0.79, 0.5, 0.4, [True, True, True]),
        (0.79, 0.75, 0.75, [True, False, False]),
        (0.9, 0.85, 0.6, [False, False, True]),
        (0.79, 0.5, 0.75, [True, True, False]),
    ],
)
def test_figure_4_holds_and_fails(post, mixed, across, expected):
    found = within_networks.figure_4(*grid(post, mixed, across))
    assert [outcome(claim, found[claim]) for claim in ("F4a", "F4b", "F4c")] == expected
    np.testing.assert_allclose(found["F4b"]["leads"], post - mixed)
    assert found["F4c"]["lead"] == pytest.approx(post - across)


def test_f4b_has_to_hold_in_each_group_of_blocks():
    table, layers = grid()
    sums, _ = within_networks.block_places(layers)
    table[0][np.ix_(sums[1], sums[1])] = 0.5
    assert outcome("F4b", within_networks.figure_4(table, layers)["F4b"]) is False


def test_figure_4_needs_blocks():
    with pytest.raises(LabError, match="found 0 additions"):
        within_networks.figure_4(np.ones((1, 3, 3)), ["conv1", "conv2", "pool"])


# -- Figures 5 and F.8


def path(shallow, deep, matches=None):
    table = np.full((shallow, deep), 0.2)
    table[range(shallow), np.linspace(0, deep - 1, shallow).round().astype(int) if matches is None else matches] = 0.9
    return table


def test_figure_5_holds_and_fails():
    parts = [part("plain10", [0, 1], 9), part("plain18", [0, 2], 17), part("resnet14", [3], 14)]
    values = {(a["group"], b["group"]): np.zeros((len(a["layers"]), len(b["layers"]))) for a in parts for b in parts}
    values["plain10", "plain18"] = path(9, 17)
    values["plain10", "resnet14"] = path(9, 14, [0, 5, 2, 3, 4, 5, 6, 6, 6])
    del values["plain18", "plain10"], values["resnet14", "plain10"]
    found = architectures.figure_5(compared(parts, {"cka_linear_100": square(parts, values)}))
    assert {"F5a", "F5b"} <= found.keys()
    assert not {"F5c", "F5d"} & found.keys(), "whose groups were not compared"
    assert found["F5a"] == {"tau": pytest.approx(1), "first": 0, "last": 1, "tied_matches": 0, "pairs": 3}
    assert outcome("F5a", found["F5a"]) is True
    assert outcome("F5b", found["F5b"]) is False


def test_a_path_that_misses_an_end_is_no_insertion():
    assert outcome("F5a", architectures.match_path(path(9, 17, range(9)))) is False  # ends half way
    assert outcome("F5a", architectures.match_path(path(9, 17, range(8, 17)))) is False  # begins half way
    unknown = architectures.match_path(np.full((9, 17), np.nan))
    assert unknown == {"tau": None, "first": None, "last": None, "tied_matches": None}


def test_a_match_that_several_layers_share_is_tied():
    table = path(9, 17, range(9))
    assert architectures.match_path(table)["tied_matches"] == 0
    table[2, 16] = table[3, 0] = table[2].max()
    assert architectures.match_path(table)["tied_matches"] == 2


def test_layers_are_found_in_networks_of_their_own_kind():
    """Of two kinds with three networks each one finds all layers, the other is wrong by two layers once in four."""
    parts = [part("plain10", [0, 1, 2], 2), part("plain18", [0, 1, 2], 4)]
    misled = np.eye(4)
    misled[3] = [0, 1, 0, 0]
    tied = np.array([[1.0, 1.0], [0.0, 1.0]])
    blank = np.zeros((2, 4))
    values = {("plain10",) * 2: np.eye(2), ("plain18",) * 2: misled, ("plain10", "plain18"): blank}
    found = architectures.identified_in(compared(parts, {"cka_linear_100": square(parts, values)}))
    assert found["G1"] == {"identified": [100, 75], "mean_errors": [0, 0.5], "networks": 3}
    assert found["G2"] == {"mean_errors": [0.5]}
    assert outcome("G2", found["G2"]) is True
    assert outcome("G2", {"mean_errors": [0.5, 2.1]}) is False
    deeper = [part("plain34", [0, 1, 2], 3)]
    third = compared(deeper, {"cka_linear_100": square(deeper, {("plain34",) * 2: np.eye(3)})})
    kinds = architectures.identified_in(compared(parts, {"cka_linear_100": square(parts, values)}), third)
    assert kinds["G1"] == {"identified": [100, 75, 100], "mean_errors": [0, 0.5, 0], "networks": 3}
    assert kinds["G2"] == {"mean_errors": [0.5, 0]}
    values["plain10", "plain10"] = tied
    tied_parts = compared(parts, {"cka_linear_100": square(parts, values)})
    assert architectures.identified_in(tied_parts)["G1"]["mean_errors"][0] == 0.25, "half of the one that is tied"


@pytest.mark.parametrize(("examples", "pairs"), [(82, 0), (81, 0), (80, 4), (41, 4), (30, 4)])
def test_room_for_two_layers_of_forty_features(examples, pairs):
    expected = {"undetermined_pairs": pairs, "layer_pairs": 4}
    assert room([40, 40], [40, 40], examples) == expected


def test_which_pairs_are_blind():
    np.testing.assert_array_equal(blind_pairs([1000, 3], [96, 97], 100), [[True, True], [False, True]])


def test_room_counts_ranks_and_not_features():
    """A layer with more features than examples has rank n - 1, which leaves room for none beside it."""
    assert room([1000, 3], [1000, 3], 100)["undetermined_pairs"] == 3
    assert room([3], [96], 100)["undetermined_pairs"] == 0
    assert room([3], [97], 100)["undetermined_pairs"] == 1


def test_figure_f8_takes_the_path_of_tiny10():
    rows, columns = [part("resnet14", [5], 14)], [part("tiny10", [0, 1], 9)]
    good, bad = path(9, 14).T, path(9, 14, [9, 3, 7, 1, 8, 2, 6, 0, 4]).T
    arrays = {f"{index}_100": np.hstack([bad, bad]) for index in FIGURE_F8.values()}
    arrays |= {f"{index}_100": np.hstack([good, good]) for index in ("cka_linear", "cca_mean")}
    found = architectures.figure_f8(compared(rows, arrays, columns))
    outcomes = {claim: outcome(claim, found[claim]) for claim in FIGURE_F8}
    assert outcomes.pop("F.8a") is True
    assert outcomes.pop("F.8b") is False
    assert outcomes.pop("F.8c") is False
    assert set(outcomes.values()) == {True}


# -- Figure 6


def widths(same, widest, seeds=3):
    """A diagonal comparison of widths 4 to 64 with (5, 9) similarities of the same width and with the widest."""
    groups = [4, 8, 16, 32, 64]
    parts = [part(f"width{one}", range(seeds), 9) for one in groups]
    table = np.full((5 * seeds, 5 * seeds, 9), 0.1)
    for i in range(5):
        here, last = slice(i * seeds, (i + 1) * seeds), slice(4 * seeds, 5 * seeds)
        table[here, last] = table[last, here] = widest[i]
        table[here, here] = same[i]
    return compared(parts, {"cka_linear_100": table}, diagonal=True)


def test_figure_6_holds():
    same = np.minimum(
        0.55 + 0.12 * np.arange(5)[:, None] + 0.04 * (8 - np.arange(9)), 0.96 + 0.001 * np.arange(5)[:, None]
    )
    curves = across_networks.width_curves(widths(same, same - 0.05))
    np.testing.assert_allclose(curves.same, same[:, :8])
    np.testing.assert_allclose(curves.widest[:-1], same[:-1, :8] - 0.05)
    np.testing.assert_allclose(curves.same_error, 0, atol=1e-12)
    found = across_networks.figure_6(curves)
    assert all(outcome(claim, found[claim]) is True for claim in FIGURE_6)
    assert found["F6e"]["above"] == [8, 8, 8, 8]


def test_how_many_convolutions_saturate_at_the_commonest_width():
    same = np.ones((5, 9))
    same[0], same[1, 5:] = 0.5, 0.9  # five reach their last value at the second width, and three at the third
    found = across_networks.figure_6(across_networks.width_curves(widths(same, same - 0.05)))["F6c"]
    assert (found["commonest"], found["saturating_there"]) == (8, 5)


def test_figure_6_fails():
    flat = np.full((5, 9), 0.5)
    found = across_networks.figure_6(across_networks.width_curves(widths(flat, flat + 0.1)))
    assert {claim: outcome(claim, values) for claim, values in found.items()} == dict.fromkeys(found, False)
    assert claims.judge(CLAIMS["F6d"], claims.Measurement("F6d", {"similarity": 0.9})) == "partly"


def test_one_network_of_each_width_leaves_figure_6_open():
    flat = np.full((5, 9), 0.5)
    found = across_networks.figure_6(across_networks.width_curves(widths(flat, flat, seeds=1)))
    assert {outcome(claim, values) for claim, values in found.items()} == {None}


def test_saturation_width_is_the_first_that_reaches_the_share():
    curves = np.array([[0.9, 0.5], [0.96, 0.9], [1.0, 1.0]])
    assert across_networks.saturation_widths(np.array([4, 8, 16]), curves).tolist() == [8, 16]


# -- Figure 7


def panel(c10=0.9, across=(0.88, 0.6), untrained=0.3):
    early, late = across
    mixed = np.array([early] * 4 + [0.75, 0.7] + [late] * 3)
    flat = np.full(9, untrained)
    return {
        "c10_c10": np.full(9, c10),
        "c100_c100": np.full(9, c10),
        "c10_c100": mixed,
        "untrained_c10": flat,
        "untrained_c100": flat + 0.1,
    }


def test_figure_7_holds_and_fails():
    found = across_networks.figure_7(panel(), panel())
    assert {claim: outcome(claim, values) for claim, values in found.items()} == dict.fromkeys(found, True)
    found = across_networks.figure_7(panel(across=(0.7, 0.85), untrained=0.6), panel(across=(0.7, 0.85), untrained=0.6))
    assert {claim: outcome(claim, values) for claim, values in found.items()} == dict.fromkeys(found, False)


def test_f7d_has_to_hold_on_both_panels():
    found = across_networks.figure_7(panel(), panel(untrained=0.6))
    assert outcome("F7d", found["F7d"]) is False


def test_figure_7_curves_leave_out_pairs_of_one_seed():
    parts = [part(group, [0, 1, 2], 9) for group in ("plain10", "plain10-cifar100", "plain10-untrained")]
    table = np.full((9, 9, 9), 0.5)
    for i in range(3):
        for j in range(3):
            table[[3 * i + k for k in range(3)], [3 * j + k for k in range(3)]] = 1  # same seeds
    curves = across_networks.dataset_curves(compared(parts, {"cka_linear_100": table}, diagonal=True))
    assert list(curves) == ["c10_c10", "c100_c100", "c10_c100", "untrained_c10", "untrained_c100"]
    for mean, error in curves.values():
        np.testing.assert_allclose(mean, 0.5)
        np.testing.assert_allclose(error, 0, atol=1e-12)


# -- Figures F.4, F.6, F.7, accuracies


@pytest.mark.parametrize(
    ("trained", "one", "none", "a", "b"), [(0.9, 0.5, 0.85, True, True), (0.6, 0.5, 0.7, False, False)]
)
def test_figure_f4(trained, one, none, a, b):
    parts = [part("plain18", [0, 1], 3), part("plain18-untrained", [0, 1], 3)]
    names = [one["group"] for one in parts]
    fill = {(names[0],) * 2: trained, (names[0], names[1]): one, (names[1],) * 2: none}
    values = {key: np.full((3, 3), 0.2) + (value - 0.2) * np.eye(3) for key, value in fill.items()}
    found = across_networks.figure_f4(compared(parts, {"cka_linear_100": square(parts, values)}))
    assert found["F.4a"]["drop"] == pytest.approx(trained - one)
    assert (outcome("F.4a", found["F.4a"]), outcome("F.4b", found["F.4b"])) == (a, b)


@pytest.mark.parametrize(("rows", "lowest", "a", "b"), [(9, 8, True, True), (7, 8, True, True), (6, 3, False, False)])
def test_figure_f6(rows, lowest, a, b):
    table = np.full((9, 9), 0.1)
    table[range(9), range(9)] = 0.9
    table[lowest - 1, lowest - 1] = 0.4
    for row in range(9 - rows):
        table[row, 8] = 0.95
    parts = [part("plain10", [0, 1], 9), part("plain10-nobn", [2], 9)]
    values = {("plain10", "plain10"): table, ("plain10", "plain10-nobn"): table, ("plain10-nobn",) * 2: table}
    found = across_networks.figure_f6(compared(parts, {"cka_linear_100": square(parts, values)}))
    assert found["F.6a"]["diagonal_rows"] == rows
    assert (outcome("F.6a", found["F.6a"]), outcome("F.6b", found["F.6b"])) == (a, b)


def test_what_normalisation_changes_of_a_layer_is_measured_against_networks_of_one_kind():
    parts = [part("plain10", [0, 1, 2], 2), part("plain10-nobn", [0, 1, 2], 2)]
    (one, other), same, mixed = [one["group"] for one in parts], np.diag([0.9, 0.5]), np.diag([0.6, 0.45])
    values = {(one, one): same, (one, other): mixed, (other, one): mixed, (other, other): same - 0.1}
    first, second = across_networks.normalisation_layers(compared(parts, {"cka_linear_100": square(parts, values)}))
    assert first == pytest.approx(
        {"layer": first["layer"], "with": 0.9, "without": 0.8, "mixed": 0.6, "error": 0, "drop": 0.25}
    )
    assert second["mixed"] < first["mixed"]
    assert second["drop"] == pytest.approx(0)


def test_f6c():
    def records(*values):
        return [{"test_accuracy": value} for value in values]

    better = across_networks.normalisation_gain({"plain10": records(0.90, 0.92), "plain10-nobn": records(0.88)})
    assert better["gain"] == pytest.approx(3)
    assert outcome("F.6c", better) is True
    assert (
        outcome("F.6c", across_networks.normalisation_gain({"plain10": records(0.9), "plain10-nobn": records(0.895)}))
        is False
    )


@pytest.mark.parametrize(("sign", "expected"), [(1, True), (-1, False), (0, False)])
def test_f7_compares_patterns(sign, expected):
    whole = np.random.default_rng(0).random((2, 2, 9, 9))
    arrays = {"all_cka_linear_90": whole, "class_cka_linear_90": 0.5 + sign * 0.3 * whole, "counts_90": np.ones(9)}
    arrays |= {"all_cka_linear_10": whole, "class_cka_linear_10": whole, "counts_10": np.ones(9)}
    assert across_networks.figure_f7(arrays, n=10)["correlation"] == pytest.approx(1)
    found = across_networks.figure_f7(arrays)
    assert found["correlation"] == pytest.approx(sign)
    assert outcome("F.7", found) is expected


def test_accuracies_of_families_are_judged_at_the_papers_size_only():
    records = {"plain10": [{"test_accuracy": 0.935}], "plain66": [{"test_accuracy": 0.90}]}
    for paper_size, expected in ((True, ["reproduced", "not reproduced"]), (False, ["not judged"] * 2)):
        found = training.family_accuracies(records, paper_size)
        assert not {"A3", "A4"} & found.keys(), "whose networks are not there"
        judged = [claims.judge(CLAIMS[one], claims.Measurement(one, found[one])) for one in ("A2", "A5")]
        assert judged == expected


# -- robustness


def test_robustness():
    claim = CLAIMS["F4c"]
    leads = {("cka_linear", 100): 0.2, ("cka_linear", 200): 0.05, ("cka_linear", 500): 0.1, ("cka_linear", 900): 0.3}

    def measure(index, n):
        return {"lead": leads.get((index, n))}

    found = robustness.robust(claim, measure, [100, 200, 500, 900])
    assert found == {"holds_debiased": None, "holds_at": [1, 0, 1, 1], "smallest_n": 500}
    leads |= {("cka_linear_debiased", 900): 0.0, ("cka_linear", 900): 0.0}
    assert robustness.robust(claim, measure, [500, 900]) == {
        "holds_debiased": 0,
        "holds_at": [1, 0],
        "smallest_n": None,
    }


def test_above_shuffles():
    value, level = np.array([[0.5, 0.2], [0.3, 0.4]]), np.full((2, 2), 0.25)
    assert robustness.above_shuffles(value, level) == {"exceeds_shuffles": 0, "share_above_shuffles": 0.75}
    assert robustness.above_shuffles(value[0, :1], level[0, :1]) == {"exceeds_shuffles": 1, "share_above_shuffles": 1.0}
    assert robustness.above_shuffles(value[:0], level[:0])["exceeds_shuffles"] is None


def test_similarity_by_the_distance_in_blocks():
    """Three groups of three blocks: CKA that falls with the distance alone has no lead, one of the groups has."""
    layers = ["conv1", *(f"block{n}_{part}" for n in range(1, 10) for part in ("interior", "sum")), "pool"]
    block = np.array([0, *np.repeat(np.arange(1, 10), 2), 10])
    apart = np.abs(np.subtract.outer(block, block))
    falling = 1 - 0.05 * apart[None]
    assert within_networks.by_distance(falling, layers) == [
        {"apart": n, "within": pytest.approx(1 - 0.05 * n), "across": pytest.approx(1 - 0.05 * n)} for n in (1, 2)
    ]
    inside = np.array([layer.endswith("interior") for layer in layers])
    less = falling - 0.1 * (inside[:, None] | inside) - 0.2 * (inside[:, None] & inside)
    grid = within_networks.grid_by_distance(less, layers)
    assert len(grid) == 3
    for group in grid:
        assert [row["apart"] for row in group] == [1, 2]
        assert [group[0][name] for name in ("after", "mixed", "inside")] == pytest.approx([0.95, 0.85, 0.65])
        assert group[1]["mixed"] == pytest.approx(0.8)
    assert within_networks.at_equal_distance(falling, layers)["lead"] == pytest.approx(0, abs=1e-12)
    group = np.clip((block - 1) // 3, 0, 2)
    grouped = falling + 0.2 * np.equal.outer(group, group)
    assert within_networks.at_equal_distance(grouped, layers)["lead"] == pytest.approx(0.2)
    assert within_networks.figure_4(falling, layers)["F4c"]["lead"] > 0.1, "which mixes near layers with far ones"


def test_widths_are_interpolated_where_similarity_rises():
    widths = np.array([8.0, 16, 32])
    curves = np.array([[0.5, 0.9, 0.0], [0.7, 0.8, 0.95], [1.0, 0.9, 1.0]])
    assert across_networks.interpolated_widths(widths, curves) == pytest.approx([16 * 2 ** (0.25 / 0.3), 8, 16])
    assert across_networks.interpolated_widths(widths[:1], curves[:1]).tolist() == [8, 8, 8]


def test_nearness_in_depth_has_a_correlation_of_its_own():
    apart = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    maps = {f"{scope}_cka_linear_50": np.tile(1 - 0.1 * apart, (2, 2, 1, 1)) for scope in ("all", "class")}
    values = across_networks.figure_f7(maps)
    assert (values["correlation"], values["correlation_of_nearness"]) == (pytest.approx(1), pytest.approx(1))
