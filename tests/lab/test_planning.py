"""Plans: operations, minutes, memory and disk, against sums worked out apart from the code."""

from __future__ import annotations

import re

import numpy as np
import pytest

from repsim.lab import planning
from repsim.lab.profiles import NAMES, load_profile
from repsim.lab.store import profile_store
from repsim.lab.weights import STEP, artefact_name, inputs


def finished(profile, group, seed):
    """Put something in the place of a trained network."""
    profile_store(profile).get(
        STEP, artefact_name(group, seed), inputs(group, seed), lambda: ({"w": np.zeros(1)}, {"test_accuracy": 0.0})
    )


def row(text, name):
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [name])


def test_operations_are_images_times_epochs_times_those_of_an_image():
    tiny = load_profile("laptop").group("tiny10")
    assert planning.multiply_adds(tiny) == 11_354_752 * 390 * 128 * 80  # 390 batches of 128 are in 50,000 images
    assert planning.multiply_adds(load_profile("laptop").group("plain66-untrained")) == 0


def test_a_row_holds_all_networks_of_a_group_and_the_minutes_of_the_missing():
    laptop = load_profile("laptop")
    plain = laptop.group("plain10")
    *done, _ = plain.seeds
    for seed in done:
        finished("laptop", plain, seed)
    text = planning.describe("laptop")
    count, operations = len(plain.seeds), 1.58e13 * len(plain.seeds)  # of each network, 40 epochs of 7.91e6 per image
    size = f"{count * 4e-5 * 57_642:.1f}"  # 10,000 images of float32 features
    assert row(text, "plain10") == [
        *("plain10", "cifar10", str(count), str(len(done)), "40"),
        *(f"{operations:.1e}", f"{plain.minutes:.1f}", "1,784", size),
    ]
    assert row(text, "plain10-cifar100")[3] == "0"
    every = [*laptop.networks, laptop.transformers]
    count = sum(len(group.seeds) for group in every)
    minutes = sum(len(group.seeds) * group.minutes for group in every) - len(done) * plain.minutes
    assert f"to train: {count - len(done)} of {count} networks, about {minutes:,.0f} minutes" in text
    assert f"disk: about {sum(len(group.seeds) * planning.gigabytes(laptop, group) for group in every):,.1f} GB" in text


@pytest.mark.parametrize("name", NAMES)
def test_sums_are_those_of_the_rows(name):
    text = planning.describe(name)
    rows = [row(text, group.name) for group in load_profile(name).networks]
    total = float(re.search(r"operations: (\S+) multiply-adds", text)[1])
    assert total == pytest.approx(sum(float(one[5]) for one in rows), rel=0.1)
    largest = max(int(one[7].replace(",", "")) for one in rows)
    assert f"memory: up to {largest:,} MiB for one network in training" in text


def test_the_laptop_profile_fits_into_twenty_hours_of_two_cores_and_its_recipes_into_as_many():
    minutes = {group.name: len(group.seeds) * group.minutes for group in load_profile("laptop").networks}
    recipes = sum(taken for name, taken in minutes.items() if name.startswith("recipe-"))
    assert recipes <= 2 * 20 * 60
    assert sum(minutes.values()) - recipes <= 2 * 20 * 60


def test_deeper_and_wider_networks_take_more_memory():
    group = load_profile("laptop").group
    assert planning.training_memory_mib(group("plain66")) > planning.training_memory_mib(group("plain10"))
    assert planning.training_memory_mib(group("width64")) > planning.training_memory_mib(group("width4"))
    # 596,298 features of Plain-66 at 16 and 32 channels, 128 images, three float32 numbers each.
    assert planning.training_memory_mib(group("plain66")) == 1700 + 596_298 * 128 * 12 // 2**20


def test_a_job_asks_for_what_its_network_takes_and_for_more_when_it_failed():
    paper = load_profile("paper")
    wide = paper.group("width1024")
    first = planning.training_job(paper, wide)
    assert first == planning.Job(cpus=8, gpus=1, memory_mib=planning.training_memory_mib(wide), minutes=10 + 3 * 488)
    assert first.again(1) == first
    assert first.again(3) == planning.Job(8, 1, 2 * first.memory_mib, 2 * first.minutes)
    smoke = load_profile("smoke")
    assert planning.training_job(smoke, smoke.networks[0]) == planning.Job(1, 0, 1700, 11)
    assert planning.measuring_job(paper).gpus == 0
