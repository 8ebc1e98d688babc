"""The measurements of groups of networks at smoke size, with networks as they are before training."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

import repsim
from repsim.lab import data, measurements
from repsim.lab.errors import DataError, ProfileError
from repsim.lab.families import compared_layers
from repsim.lab.findings import tables
from repsim.lab.measurements import common, properties, similarities
from repsim.lab.measurements.common import Scratch, beginnings, gather, members
from repsim.lab.profiles import load_profile, matching, parse_profile
from repsim.lab.representations import representations
from repsim.lab.store import profile_store
from repsim.lab.training import train_network

PROFILE = load_profile("smoke")
TEN = compared_layers("plain10")
NETWORKS = common.networks  # those that a test is not given untrained


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("compared")


@pytest.fixture(autouse=True)
def untrained(made, monkeypatch):
    """Networks without training, kept from test to test; those of other kinds differ in their seed."""
    monkeypatch.setenv("REPSIM_RESULTS", str(made / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(made / "cache"))

    def networks(profile, name, most):
        group = load_profile(profile).group(name)
        group = replace(group, recipe=replace(group.recipe, epochs=0))
        seeds = group.seeds[: most or None]
        return [train_network(profile_store(profile), group, seed) for seed in seeds]

    monkeypatch.setattr("repsim.lab.measurements.common.networks", networks)


@pytest.fixture
def other_images(monkeypatch):
    """A second made-up data set, of other images and another mean."""
    second = replace(data._synthetic(), name="other")
    second.test.images[:] = 255 - second.test.images // 2
    load = data.load_dataset
    monkeypatch.setattr(
        "repsim.lab.representations.load_dataset", lambda name: second if name == "other" else load(name)
    )
    return second


def test_only_the_networks_that_are_compared_are_trained(monkeypatch, tmp_path):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path))
    asked = []
    train = "repsim.lab.training.train_network"
    monkeypatch.setattr(train, lambda store, group, seed: asked.append((group.name, seed)))
    assert len(NETWORKS("smoke", "plain10", 1)) == 1
    assert len(NETWORKS("smoke", "tiny10")) == 3
    assert asked == [("plain10", 0), ("tiny10", 0), ("tiny10", 1), ("tiny10", 2)]


def test_images_of_another_data_set_have_a_folder_of_their_own(other_images, tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path))
    ((network, *_),) = [some.networks for some in members("smoke", ["plain10"])]
    own = representations(network, "test", 40, ("pool",))["pool"]
    same = representations(network, "test", 40, ("pool",), dataset="synthetic")["pool"]
    other = representations(network, "test", 40, ("pool",), dataset="other")["pool"]
    folders = sorted(path.name for path in (tmp_path / "representations").iterdir())
    assert folders == [f"v1-{network.sha256[:16]}-test-40", f"v1-{network.sha256[:16]}-test-40-other"]
    np.testing.assert_array_equal(own, same)
    assert np.abs(own - other).max() > 1e-3
    with pytest.raises(DataError, match="unknown data set 'imagenet'"):
        representations(network, "test", 40, dataset="imagenet")


def test_representations_go_with_the_measurement_that_made_them(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path))
    ((network, *_),) = [some.networks for some in members("smoke", ["plain10"])]
    representations(network, "test", 20, ("pool",))

    def make(scratch):
        held = scratch.representations(network, "test", 30, ("pool",))["pool"]
        assert list(tmp_path.glob("unfinished/step-name-*/representations/*/pool.npy"))
        return {"mean": held.mean(axis=0)}, {}

    inputs = common.made_from([network], examples=30)
    artefact = common.measured("smoke", "step", "name", inputs, make)
    assert artefact.record["profile"] == "smoke"
    assert not list(tmp_path.glob("unfinished/*"))
    assert [path.name[-7:] for path in (tmp_path / "representations").iterdir()] == ["test-20"]


def test_the_seconds_of_interrupted_runs_count(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def make(scratch):
        for part in range(3):

            def work(part=part):
                clock[0] += 100.0
                if part == fails_at:
                    raise KeyboardInterrupt
                return {"a": np.array(part)}

            scratch.finished(str(part), work)
        return scratch.finished("0", None), {}

    fails_at = 2
    with pytest.raises(KeyboardInterrupt):
        common.measured("smoke", "step", "name", {"x": 1}, make)
    fails_at = None
    record = common.measured("smoke", "step", "name", {"x": 1}, make).record
    assert record["seconds"] == 300, "two parts before, and one now; what was begun twice counts once"
    assert "seconds_before" not in record
    assert "resumed" not in record


def test_images_of_another_data_set_can_be_streamed(other_images, tmp_path, monkeypatch):
    some, scratch = members("smoke", ["plain10"]), Scratch(tmp_path)
    stored = gather(scratch, some, "test", 40, "other")
    monkeypatch.setattr("repsim.lab.representations.STORED_BYTES", 0)
    streamed = gather(scratch, some, "test", 40, "other")
    for array, block in zip(stored, streamed, strict=True):
        np.testing.assert_allclose(block[:40], array, rtol=1e-4, atol=1e-5)
    with monkeypatch.context() as patch:  # one layer is not a list of layers
        patch.setattr("repsim.lab.representations.STORED_BYTES", 4 * 2 * 40 * 10400)
        for array, block in zip(stored, gather(scratch, some, "test", 40, "other"), strict=True):
            np.testing.assert_allclose(block[:40], array, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(beginnings(streamed, 10)[0][3:10], stored[0][3:10], rtol=1e-4, atol=1e-5)


def test_between_has_every_pair_of_layers_in_order():
    artefact = similarities.between("smoke", "architectures")
    record, arrays = artefact.record, artefact.arrays()
    assert [part["group"] for part in record["rows"]] == ["plain10", "plain18", "resnet14"]
    assert [len(part["layers"]) for part in record["rows"]] == [9, 17, 14]
    assert set(arrays) == {f"{index}_{n}" for index in record["indexes"] for n in (50, 200)}
    first, _, third = members("smoke", ["plain10", "plain18", "resnet14"], 1)
    x = representations(first.networks[0], "test", 200)["conv4"][:50]
    y = representations(third.networks[0], "test", 200)["block2_sum"][:50]
    column = 9 + 17 + third.layers.index("block2_sum")
    assert arrays["cka_linear_50"].shape == (40, 40)
    assert arrays["cka_linear_50"][3, column] == pytest.approx(repsim.cka(x, y), abs=1e-4)
    assert arrays["cka_linear_debiased_50"][3, column] == pytest.approx(repsim.cka(x, y, debiased=True), abs=1e-4)


def test_between_two_lists_of_groups_predicts_rows_from_columns():
    artefact = similarities.between("smoke", "indexes")
    arrays = artefact.arrays()
    rows, columns = members("smoke", ["resnet14"], 1)[0], members("smoke", ["tiny10"], 1)[0]
    x = representations(rows.networks[0], "train", 200)["pool"]
    y = representations(columns.networks[0], "train", 200)["conv8"]
    for index in ("linear_regression", "cka_rbf_0.4", "pwcca"):
        table = arrays[f"{index}_200"]
        assert table.shape == (14, 9)
        assert table[13, 7] == pytest.approx(repsim.get_index(index)(x, y), abs=1e-3), index


def test_a_diagonal_comparison_keeps_same_layers():
    artefact = similarities.between("smoke", "widths")
    table = artefact.arrays()["cka_linear_200"]
    assert table.shape == (4, 4, 9)
    np.testing.assert_allclose(table[range(4), range(4)], 1, atol=1e-6)
    narrow, wide = members("smoke", ["width*"])
    x = representations(narrow.networks[1], "test", 200)["conv3"]
    y = representations(wide.networks[0], "test", 200)["conv3"]
    assert table[1, 2, 2] == pytest.approx(repsim.cka(x, y), abs=1e-4)


def test_a_diagonal_needs_as_many_layers():
    text = (
        "title: t\nnetworks: [&a {architecture: plain10, channels: [4, 8], dataset: synthetic, seeds: [0], "
        "minutes: 1, recipe: {epochs: 0, batch: 32, peak_rate: 0.1, warmup_epochs: 0, momentum: 0.9, "
        "weight_decay: 0, shift: 0, flip: true, precision: float32}}, {<<: *a, architecture: plain18}]\n"
        "measures: [{name: test, split: test, examples: 9, indexes: [cka_linear]}]\n"
        "dimension_examples: [9]\ncomponents_examples: 9\nsubspace_examples: 9\n"
        "comparisons: [{name: c, groups: [plain*], examples: [20], indexes: [cka_linear], diagonal: true}]\n"
    )
    profile = parse_profile("smoke", text)
    with pytest.MonkeyPatch.context() as patch:
        for place in ("similarities", "common"):
            patch.setattr(sys.modules[f"repsim.lab.measurements.{place}"], "load_profile", lambda _: profile)
        patch.setattr(
            "repsim.lab.measurements.common.networks",
            lambda _, name, most: [train_network(profile_store("smoke"), profile.group(name), 0)],
        )
        with pytest.raises(ProfileError, match="as many layers"):
            similarities.between("smoke", "c")


def test_within_is_symmetric_and_has_every_network():
    artefact = similarities.within("smoke", "plain10")
    for n, index in ((50, "cka_linear"), (200, "cka_linear_debiased")):
        table = artefact.arrays()[f"{index}_{n}"]
        assert table.shape == (1, 9, 9)
        np.testing.assert_allclose(table, table.transpose(0, 2, 1), atol=1e-6)
        np.testing.assert_allclose(table[0][range(9), range(9)], 1, atol=1e-5)
    assert artefact.record["layers"] == list(TEN)


@pytest.mark.parametrize(
    ("measure", "name"), [(similarities.between, "architectures"), (similarities.within_class, "plain10")]
)
def test_what_an_interrupted_measurement_had_finished_is_not_made_again(made, tmp_path, monkeypatch, measure, name):
    expected = measure("smoke", name)
    shutil.copytree(made / "results" / "smoke" / "networks", tmp_path / "results" / "smoke" / "networks")
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path / "cache"))
    pairwise, calls = repsim.pairwise, []

    def counted(*arguments, **how):
        calls.append(1)
        if len(calls) == most:
            raise KeyboardInterrupt
        return pairwise(*arguments, **how)

    monkeypatch.setattr(repsim, "pairwise", counted)
    most = None
    measure("smoke", name)
    whole = len(calls)
    shutil.rmtree(tmp_path / "results" / "smoke" / expected.path.parent.name)
    calls.clear()
    most = whole
    with pytest.raises(KeyboardInterrupt):
        measure("smoke", name)
    calls.clear()
    most = None
    found = measure("smoke", name)
    assert 0 < len(calls) < whole
    for index, table in found.arrays().items():
        np.testing.assert_allclose(table, expected.arrays()[index], atol=1e-6)
    assert not list((tmp_path / "cache" / "unfinished").glob("*"))


def test_interrupted_probes_go_on_with_the_next_layer(made, tmp_path, monkeypatch):
    expected = properties.probes("smoke", "plain10").arrays()
    shutil.copytree(made / "results" / "smoke" / "networks", tmp_path / "results" / "smoke" / "networks")
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path / "cache"))
    module, calls = sys.modules["repsim.lab.measurements.properties"], []
    fit = module.fit_probe

    def counted(*arguments, **how):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fit(*arguments, **how)

    monkeypatch.setattr(module, "fit_probe", counted)
    with pytest.raises(KeyboardInterrupt):
        properties.probes("smoke", "plain10")
    found = properties.probes("smoke", "plain10")
    assert len(calls) == 1 + 9, "of nine layers three were kept, and the fourth was begun twice"
    for name, values in found.arrays().items():
        np.testing.assert_allclose(values, expected[name], atol=0.02)
    assert not list((tmp_path / "cache" / "unfinished").glob("*"))


def test_an_interrupted_path_of_ridge_goes_on_with_the_next_layer(made, tmp_path, monkeypatch):
    expected = properties.ridge("smoke").arrays()
    shutil.copytree(made / "results" / "smoke" / "networks", tmp_path / "results" / "smoke" / "networks")
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path / "cache"))
    module, calls = sys.modules["repsim.lab.measurements.properties"], []
    factorise = module.factorise

    def counted(x):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return factorise(x)

    monkeypatch.setattr(module, "factorise", counted)
    with pytest.raises(KeyboardInterrupt):
        properties.ridge("smoke")
    found = properties.ridge("smoke")
    assert len(calls) == 1 + 3 * 9, "of three networks' nine layers eleven were kept, and the twelfth was begun twice"
    for name, values in found.arrays().items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6)
    assert not list((tmp_path / "cache" / "unfinished").glob("*"))


def test_within_class_averages_over_classes():
    arrays = similarities.within_class("smoke", "plain10").arrays()
    assert arrays["counts_200"].sum() == 200
    assert arrays["counts_100"].sum() == 100
    labels = data.load_dataset("synthetic").test
    chosen = labels.labels[labels.examples(200)]
    first, second = (representations(one, "test", 200) for one in members("smoke", ["plain10"])[0].networks)
    each = [repsim.cka(first["conv2"][chosen == c], second["pool"][chosen == c]) for c in range(4)]
    assert arrays["class_cka_linear_200"][0, 1, 1, 8] == pytest.approx(np.mean(each), abs=1e-4)
    assert arrays["all_cka_linear_200"][0, 1, 1, 8] == pytest.approx(
        repsim.cka(first["conv2"], second["pool"]), abs=1e-4
    )


def test_probes_score_every_layer():
    arrays = properties.probes("smoke", "plain10").arrays()
    assert arrays["accuracy"].shape == arrays["strength"].shape == (1, 9)
    assert (arrays["accuracy"][0, :3] > 0.6).all()  # four classes of coloured blobs


def test_null_stands_beside_the_values():
    arrays = similarities.null_between("smoke", "widths").arrays()
    x, y = (representations(some.networks[0], "test", 100)["conv3"] for some in members("smoke", ["width*"]))
    assert arrays["cka_linear_value"].shape == (18, 18)
    assert arrays["cka_linear_value"][2, 9 + 2] == pytest.approx(repsim.cka(x, y), abs=1e-4)
    assert (arrays["cka_linear_level"] >= arrays["cka_linear_mean"]).all()
    within = similarities.null_within("smoke", "plain10")
    assert within.arrays()["cka_linear_debiased_p"].shape == (9, 9)
    assert within.record["permutations"] == 50


def test_chance_of_two_layers_is_that_of_each_with_itself():
    own = similarities.chance("smoke", "datasets-cifar10").arrays()
    first, second = members("smoke", ["plain10", "plain10-cifar100"])
    assert own["plain10"].shape == (len(first.networks), 9)
    pairs = [
        [repsim.chance(*(layers[layer] for layers in (a, b))).mean for layer in first.layers]
        for one in first.networks
        for two in second.networks
        for a, b in [[representations(network, "test", 200, dataset="synthetic") for network in (one, two)]]
    ]
    level = tables.chance_level(own, "plain10", "plain10-cifar100")
    assert level == pytest.approx(np.mean(pairs, axis=0), rel=1e-4)


def test_chance_in_a_map_is_that_of_the_layers_of_its_network():
    own = similarities.chance_within("smoke", "plain10").arrays()
    (group,) = members("smoke", ["plain10"], 1)
    arrays = representations(group.networks[0], "test", 200)
    expected = [repsim.chance(arrays[layer], arrays[layer]).mean for layer in group.layers]
    assert own["plain10"] == pytest.approx(np.reshape(expected, (1, 9)), rel=1e-4)
    asked = similarities.chances_within("smoke", ["plain10", "plain10-untrained"])
    assert list(asked) == ["plain10"]  # that of the other is not asked for
    assert asked["plain10"] == pytest.approx(own["plain10"])


def test_ranks_are_what_svcca_keeps():
    arrays = similarities.svcca_ranks("smoke", "tiny10", "train", 100).arrays()
    x = representations(members("smoke")[0].networks[0], "train", 100)["conv3"].astype(np.float64)
    squares = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    for threshold in (0.5, 0.9, 0.99):
        expected = np.searchsorted(squares.cumsum() / squares.sum(), threshold) + 1
        assert arrays[f"{threshold:g}"][0, 2] == expected


@pytest.mark.parametrize(
    "measurement",
    [
        similarities.within,
        similarities.within_class,
        properties.probes,
        similarities.null_within,
        similarities.chance_within,
    ],
)
def test_a_profile_without_the_entry_is_named(monkeypatch, measurement):
    bare = replace(PROFILE, within=None, within_class=None, probes=None, shuffles=None)
    for place in ("similarities", "properties"):
        monkeypatch.setattr(sys.modules[f"repsim.lab.measurements.{place}"], "load_profile", lambda _: bare)
    with pytest.raises(ProfileError, match="profile smoke has no entry"):
        measurement("smoke", "plain10")


def test_patterns_of_groups():
    assert matching(["b*", "a"], ["a", "b1", "b2"]) == ["b1", "b2", "a"]
    with pytest.raises(ProfileError, match="unknown group of networks 'c'; known are: a"):
        matching(["c"], ["a"])
    with pytest.raises(ProfileError, match="known are: architectures, correspondence"):
        PROFILE.comparison("nothing")


def test_every_measurement_has_a_name():
    found = measurements.steps("smoke")
    assert {
        "tables/train",
        "ridge",
        "subspace",
        "between/widths",
        "within/plain18",
        "probes/plain10",
        "null/widths",
        "chance/within-plain18",
        "ranks/tiny10-train-200",
    } <= set(found)
    assert list(measurements.steps("smoke", "within_class/*")) == ["within_class/plain10"]
    assert {"within/plain10-untrained", "null/within-plain10"} <= set(found)
    assert not {"null/within-plain10-untrained", "null/deeper"} & set(found), "no claim rests on them"
    with pytest.raises(ProfileError, match="unknown measurement 'x'"):
        measurements.steps("smoke", "x")
