"""Weights: what a network's address depends on, pinned to the networks that are committed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from repsim.lab.profiles import load_profile
from repsim.lab.repository import REPOSITORY
from repsim.lab.store import Store, key
from repsim.lab.weights import STEP, artefact_name, inputs

LAPTOP, SMOKE = load_profile("laptop"), load_profile("smoke")
TINY = LAPTOP.group("tiny10")


def address(group, seed):
    return Store(REPOSITORY).path(STEP, artefact_name(group, seed), inputs(group, seed)).name


# Of the first network of each group. An address that changes makes a network be trained anew.
ADDRESSES = {
    "tiny10": "e08b1d9039c9",
    "recipe-r0": "700d97e4b72a",
    "recipe-r1": "4e4c5e7eb9f8",
    "recipe-r2": "dfd7a5361565",
    "recipe-r3": "ab62dbbb38d9",
    "recipe-r4": "ce41d42d423f",
    "recipe-r5": "8b7e5c8e01cb",
    "recipe-r6": "0dad78b3222b",
    "recipe-r7": "e5a7eefbceca",
    "recipe-r8": "aa9b99a73a54",
    "plain10": "0b095410df76",
    "plain18": "48dbcb2433d9",
    "plain34": "7d577d410f80",
    "plain66": "63ccf94fd56d",
    "plain10-nobn": "43b5b1def3ac",
    "plain10-cifar100": "30c718f1ca21",
    "plain10-untrained": "f43bbeaa94d6",
    "plain18-untrained": "55c0cbce8cfa",
    "plain34-untrained": "11478fcf3cd2",
    "plain66-untrained": "8f1d78e90865",
    "resnet62-untrained": "f15b0be88e0f",
    "resnet14": "7fa41dbcf917",
    "resnet32": "e7e3e223d8a0",
    "resnet62": "6ecac6d9a247",
    "width4": "52545df66b39",
    "width8": "da6cfcf687d3",
    "width16": "74a4cea36507",
    "width32": "39f83fd6ac17",
    "width64": "2463979b3b09",
}


@pytest.mark.parametrize("group", ADDRESSES)
def test_addresses_stay(group):
    assert address(LAPTOP.group(group), 0).endswith(f"-seed0-{ADDRESSES[group]}.npz")


def test_the_whole_address_is_readable():
    assert address(TINY, 0) == "tiny10-cifar10-seed0-e08b1d9039c9.npz"
    assert address(SMOKE.group("tiny10"), 0) == "nano10-synthetic-seed0-449cc7de1e0a.npz"


@pytest.mark.parametrize("seed", TINY.seeds)
def test_committed_networks_are_those_of_the_profile(seed):
    path = REPOSITORY / "results/laptop/networks" / address(TINY, seed)
    assert json.loads(path.with_suffix(".json").read_text())["inputs"] == inputs(TINY, seed)


def test_only_what_differs_from_the_default_enters_the_address():
    assert not {"channels", "clip_norm", "name", "minutes"} & {*inputs(TINY, 0), *inputs(TINY, 0)["recipe"]}
    plain = LAPTOP.group("plain10")
    assert inputs(plain, 0)["channels"] == [16, 32]
    assert inputs(plain, 0)["recipe"]["clip_norm"] == 1.0


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "plain18"},
        {"channels": (16, 64)},
        {"channels": ()},
        {"dataset": "cifar100"},
        {"recipe": replace(LAPTOP.group("plain10").recipe, clip_norm=2.0)},
        {"recipe": replace(LAPTOP.group("plain10").recipe, epochs=0)},
    ],
)
def test_every_change_of_what_is_trained_changes_the_address(change):
    plain = LAPTOP.group("plain10")
    assert key(inputs(plain, 0)) != key(inputs(replace(plain, **change), 0))


def test_how_to_train_does_not_matter_to_the_untrained():
    untrained = LAPTOP.group("plain10-untrained")
    other = replace(untrained, recipe=replace(untrained.recipe, peak_rate=3.0))
    assert inputs(untrained, 4) == inputs(other, 4)
    assert inputs(untrained, 4)["recipe"] == {"epochs": 0, "held_out": 0}
    assert artefact_name(untrained, 4) == "plain10-cifar10-untrained-seed4"


@pytest.mark.parametrize("profile", [LAPTOP, SMOKE, load_profile("paper")], ids=lambda profile: profile.name)
def test_every_network_of_a_profile_has_its_own_address(profile):
    addresses = [address(group, seed) for group, seed in profile.jobs()]
    assert len(set(addresses)) == len(addresses)
