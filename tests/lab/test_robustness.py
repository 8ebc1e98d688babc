"""The three questions asked of claims about CKA, on made-up similarities whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from repsim.lab.findings import across_networks, robustness, within_networks

from .made import compared, part, square

FEW, MANY = 100, 900


def diagonal(size=9, high=0.9, low=0.2):
    return np.full((size, size), low) + (high - low) * np.eye(size)


def shuffles(parts, values, level=0.5, columns=None):
    """What `null_between` would hold: similarities of fewer examples beside their level."""
    value = square(parts, values) if columns is None else values
    return compared(parts, {"cka_linear_value": value, "cka_linear_level": np.full(value.shape, level)}, columns)


def similarities(parts, few, many, debiased):
    arrays = {
        f"cka_linear_{FEW}": square(parts, few),
        f"cka_linear_{MANY}": square(parts, many),
        f"cka_linear_debiased_{FEW}": square(parts, few),
        f"cka_linear_debiased_{MANY}": square(parts, debiased),
    }
    return compared(parts, arrays, examples=(FEW, MANY))


@pytest.fixture
def plain():
    return [part("plain10", [0, 1], 9), part("plain10-nobn", [0, 2], 9)]


def pairs(parts, table):
    return {(a["group"], b["group"]): table for a in parts for b in parts}


def test_a_claim_may_need_examples_and_not_survive_debiasing(plain):
    clear, blurred = pairs(plain, diagonal()), pairs(plain, np.tile(np.linspace(0.1, 0.9, 9), (9, 1)))
    found = robustness.ask_figure_f6(similarities(plain, blurred, clear, blurred), shuffles(plain, clear))
    assert "F.6b" in found
    assert found["F.6a"] == {
        "tried_n": [FEW, MANY],
        "holds_at": [0, 1],
        "smallest_n": MANY,
        "holds_debiased": 0,
        "exceeds_shuffles": 1,
        "share_above_shuffles": 1.0,
    }


def test_the_similarities_that_a_claim_rests_on_are_those_compared_with_shuffles(plain):
    clear = pairs(plain, diagonal())
    below = diagonal()
    below[0, 0] = 0.45  # its best match still, below the level
    found = robustness.ask_figure_f6(similarities(plain, clear, clear, clear), shuffles(plain, pairs(plain, below)))
    assert found["F.6a"]["exceeds_shuffles"] == 0
    assert found["F.6a"]["share_above_shuffles"] == pytest.approx(8 / 9)


def test_choices():
    table = np.array([[0.9, 0.1, 0.2], [0.3, 0.2, 0.8]])
    assert robustness.best_matches(table).tolist() == [[True, False, False], [False, False, True]]
    assert robustness.same_layers()(np.ones((3, 3))).tolist() == np.eye(3, dtype=bool).tolist()
    assert np.argwhere(robustness.same_layers(slice(1, 2))(np.ones((3, 3)))).tolist() == [[1, 1]]
    assert robustness.other_layers(np.ones((2, 2))).tolist() == [[False, True], [True, False]]


def test_correspondence():
    parts = [part("tiny10", [0, 1, 2], 9)]
    clear = pairs(parts, diagonal())
    found = robustness.ask_correspondence(similarities(parts, clear, clear, clear), shuffles(parts, clear))
    assert found["F2a"]["holds_at"] == [1, 1]
    assert found["F2a"]["smallest_n"] == FEW
    assert found["S8"]["holds_debiased"] == 1


def within(size, similar):
    table = diagonal(size, 1.0, 0.1)
    table[size - 2 - similar : size - 1, size - 2 - similar : size - 1] = 0.9
    table[range(size), range(size)] = 1
    return table


def test_depth_asks_the_last_convolution_only():
    sizes = {"plain10": (9, 1), "plain18": (17, 2), "plain34": (33, 10), "plain66": (65, 40)}
    tables = {
        group: {f"{index}_{MANY}": within(*size)[None] for index in ("cka_linear", "cka_linear_debiased")}
        for group, size in sizes.items()
    }
    null = {group: within_shuffles(group, *size) for group, size in sizes.items()}
    found = robustness.ask_depth(tables, null)
    assert found["F3b"]["holds_at"] == [1]
    assert found["F3b"]["exceeds_shuffles"] == 1
    null["plain10"].arrays["cka_linear_level"][7, 0] = 0.5
    assert robustness.ask_depth(tables, null)["F3b"]["exceeds_shuffles"] == 0
    null["plain10"].arrays["cka_linear_level"][7, 0] = 0.05
    null["plain10"].arrays["cka_linear_level"][3, 0] = 0.5
    assert robustness.ask_depth(tables, null)["F3b"]["exceeds_shuffles"] == 1


def within_shuffles(group, size, similar):
    table = within(size, similar)
    return compared(
        [part(group, [0], size)], {"cka_linear_value": table, "cka_linear_level": np.full(table.shape, 0.05)}
    )


def test_residual():
    layers = ["conv1", *(f"block{i}_{kind}" for i in range(1, 7) for kind in ("interior", "sum")), "pool"]
    sums, _ = within_networks.block_places(layers)
    table = np.full((14, 14), 0.3)
    for places in sums:
        table[np.ix_(places, places)] = 0.7
    table[range(14), range(14)] = 1
    arrays = {f"{index}_{n}": table[None] for index in ("cka_linear", "cka_linear_debiased") for n in (FEW, MANY)}
    null = compared(
        [part("resnet14", [0], 14)], {"cka_linear_value": table, "cka_linear_level": np.full(table.shape, 0.2)}
    )
    found = robustness.ask_residual(arrays, layers, null)
    assert {claim: one["holds_at"] for claim, one in found.items()} == dict.fromkeys(("F4a", "F4b", "F4c"), [1, 1])
    assert {one["exceeds_shuffles"] for one in found.values()} == {1}
    level = null.arrays["cka_linear_level"]
    level[13, 12] = level[0, 13] = 1  # no claim rests on these
    assert {one["exceeds_shuffles"] for one in robustness.ask_residual(arrays, layers, null).values()} == {1}
    level[2, 6] = 1  # additions of two groups of blocks
    assert above(robustness.ask_residual(arrays, layers, null)) == {"F4a": 1, "F4b": 1, "F4c": 0}
    level[2, 6] = 0.2
    level[2, 1] = 1  # an addition and the inside of its own group
    assert above(robustness.ask_residual(arrays, layers, null)) == {"F4a": 1, "F4b": 0, "F4c": 1}
    level[2, 1] = 0.2
    level[2, 5] = 1  # an addition and the inside of another group
    assert above(robustness.ask_residual(arrays, layers, null)) == {"F4a": 1, "F4b": 1, "F4c": 1}


def above(found):
    return {claim: one["exceeds_shuffles"] for claim, one in found.items()}


def test_figures_5_and_f8():
    parts = [part("plain10", [0, 1], 9), part("plain18", [2], 17)]
    path = np.full((9, 17), 0.2)
    path[range(9), np.arange(9) * 2] = 0.9
    values = {("plain10",) * 2: diagonal(), ("plain10", "plain18"): path, ("plain18",) * 2: diagonal(17)}
    found = robustness.ask_figure_5(similarities(parts, values, values, values), shuffles(parts, values))
    assert "F5b" not in found, "whose groups were not compared"
    assert (found["F5a"]["holds_at"], found["F5a"]["share_above_shuffles"]) == ([1, 1], 1.0)
    rows, columns = [part("resnet14", [3], 17)], [part("tiny10", [0], 9)]
    both = compared(rows, {f"cka_linear_{MANY}": path.T, f"cka_linear_debiased_{MANY}": path.T}, columns, (MANY,))
    null = shuffles(rows, path.T, columns=columns)
    found = robustness.ask_figure_f8(both, null)
    assert found["F.8a"]["holds_at"] == [1]
    assert found["F.8a"]["share_above_shuffles"] == 1.0


def test_figure_6():
    groups = [4, 8, 16, 32]
    parts = [part(f"width{one}", [0, 1], 9) for one in groups]
    height = {f"width{one}": 0.5 + 0.1 * place for place, one in enumerate(groups)}
    values = {(a, b): np.full((9, 9), min(height[a], height[b])) for a in height for b in height}
    null = shuffles(parts, values, 0.55)
    kept = {f"{index}_{MANY}": diagonals(null) for index in ("cka_linear", "cka_linear_debiased")}
    found = robustness.ask_figure_6(compared(parts, kept, examples=(MANY,), diagonal=True), null)
    assert {"F6a", "F6b", "F6c", "F6d", "F6e"} <= found.keys()
    assert found["F6a"]["holds_at"] == [1]
    assert found["F6a"]["share_above_shuffles"] == 0.75
    assert found["F6d"]["share_above_shuffles"] == 1.0


def diagonals(null):
    table = null.arrays["cka_linear_value"]
    size = len(table) // 9
    return np.einsum("aibi->abi", table.reshape(size, 9, size, 9))


def test_figure_7_and_f4():
    groups = ("plain10", "plain10-cifar100", "plain10-untrained")
    parts = [part(group, [2 * place, 2 * place + 1], 9) for place, group in enumerate(groups)]
    values = {(a, b): diagonal(high=0.4 if "untrained" in a + b else 0.9) for a in groups for b in groups}
    null = shuffles(parts, values)
    kept = {f"{index}_{MANY}": diagonals(null) for index in ("cka_linear", "cka_linear_debiased")}
    panel = compared(parts, kept, examples=(MANY,), diagonal=True)
    found = robustness.ask_figure_7([panel, panel], [null, null])
    assert {claim: one["holds_at"][0] for claim, one in found.items()} == {
        "F7a": 1,
        "F7b": 1,
        "F7c": 0,
        "F7d": 1,
        "F7e": 1,
    }
    assert found["F7a"]["exceeds_shuffles"] == 1
    assert found["F7d"]["share_above_shuffles"] == 0.5

    parts = [parts[0], parts[2]]
    found = robustness.ask_figure_f4(similarities(parts, values, values, values), shuffles(parts, values))
    assert found["F.4a"]["holds_at"] == [1, 1]
    assert found["F.4b"]["exceeds_shuffles"] == 0


def test_figure_f7_and_one_network_alone(plain):
    whole = np.random.default_rng(0).random((2, 2, 9, 9))
    arrays = {
        f"{kind}_{index}_{n}": whole
        for kind in ("all", "class")
        for index in ("cka_linear", "cka_linear_debiased")
        for n in (10, 90)
    }
    alone = shuffles([part("plain10", [0], 9)], pairs(plain, diagonal()))
    found = robustness.ask_figure_f7(arrays | {"counts_90": np.ones(9)}, "plain10", alone)
    assert found["F.7"]["tried_n"] == [10, 90]
    assert found["F.7"]["exceeds_shuffles"] is None


def test_same_layers_above_chance():
    """Of each kind of pairs, every similarity of a layer with the same of another seed, once for either order."""
    layers = np.linspace(0.4, 0.8, 9)

    def same(parts):
        values = square(parts, {(a["group"], b["group"]): np.diag(layers) for a in parts for b in parts})
        return compared(parts, {f"cka_linear_debiased_{MANY}": values}, examples=(MANY,))

    names = ("plain10", "plain10-cifar100", "plain10-untrained")
    panel = same([part(name, [0, 1, 2], 9) for name in names])
    found = across_networks.same_layers_above_chance(
        {
            "correspondence": same([part("tiny10", range(4), 9)]),
            "widths": same([part(f"width{width}", [0, 1], 9) for width in (16, 4)]),
            "datasets-cifar10": panel,
            "datasets-cifar100": panel,
        }
    )
    deviation = np.sqrt(2 / (MANY * (MANY - 3)))
    assert [row["pairs"] for row in found] == [12 * 9, 3 * 2 * 9, 2 * 3 * 6 * 9, 2 * 2 * 6 * 9]
    assert [(row["figure"], row["trained"], row["near"]) for row in found] == [
        ("2", True, 0), ("6", True, 0), ("7", True, 0), ("7", False, 0)
    ]  # fmt: skip
    assert all(row["smallest_z"] == pytest.approx(0.4 / deviation) for row in found)
    found[-1].update(near=54, smallest_z=-1.0)
    claims = across_networks.chance_claims(found)
    assert claims["C1"]["smallest_z"] == pytest.approx(0.4 / deviation)
    assert claims["C2"] == {"share_near_chance": 54 / (54 + 324 + 216), "smallest_z": -1.0, "examples": MANY}
