"""Weights: what a network's address depends on, pinned to the networks that are committed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from repsim.lab.paths import REPOSITORY
from repsim.lab.profiles import load_profile
from repsim.lab.store import Store, key
from repsim.lab.weights import STEP, artefact_name, inputs

LAPTOP, SMOKE = load_profile("laptop"), load_profile("smoke")
TINY = LAPTOP.group("tiny10")


def address(group, seed):
    return Store(REPOSITORY).path(STEP, artefact_name(group, seed), inputs(group, seed)).name


def test_the_address_of_tiny10_stays():
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
