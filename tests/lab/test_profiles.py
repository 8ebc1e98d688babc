"""Profiles: known names, and clear errors for everything that is not a profile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsim.lab.data import classes_of
from repsim.lab.errors import ProfileError, UnknownNetworkError
from repsim.lab.families import describe
from repsim.lab.profiles import NAMES, load_profile, parse_profile

RECIPE = (
    "{epochs: 4, batch: 32, peak_rate: 0.1, warmup_epochs: 1, momentum: 0.9, weight_decay: 0, shift: 2, flip: true, "
    "precision: float32}"
)
GROUP = f"architecture: plain10, dataset: cifar10, seeds: [0, 1], recipe: {RECIPE}, minutes: 1, megabytes: 2"
REST = """
title: mine
measures: []
dimension_examples: [10]
components_examples: 10
subspace_examples: 10
"""


def profile_of(*groups):
    return parse_profile("mine", "networks: [" + ", ".join(f"{{{group}}}" for group in groups) + "]" + REST)


@pytest.mark.parametrize("name", NAMES)
def test_profiles_load(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.group("tiny10").recipe.epochs > 0
    assert profile.measure("train").split == "train"


def test_unknown_profile_lists_the_known_ones():
    with pytest.raises(ProfileError, match="'desktop'; known are: laptop, paper, smoke"):
        load_profile("desktop")


def test_unknown_measure_lists_the_known_ones():
    with pytest.raises(ProfileError, match="known are: singular, test, train"):
        load_profile("smoke").measure("all")


def test_a_group_is_called_by_its_name_or_else_its_architecture():
    profile = profile_of(
        GROUP, f"{GROUP}, name: hundred, dataset: cifar100", f"{GROUP}, name: narrow, channels: [4, 8]"
    )
    assert profile.group("plain10").dataset == "cifar10"
    assert profile.group("hundred").dataset == "cifar100"
    assert profile.group("narrow").channels == (4, 8)
    with pytest.raises(ProfileError, match="in profile mine: 'plain18'; known are: hundred, narrow, plain10"):
        profile.group("plain18")


def test_a_new_size_is_one_line():
    more = (
        "networks: [&one {" + GROUP + "}, {<<: *one, architecture: plain26}, {<<: *one, architecture: width7}]" + REST
    )
    assert [group.name for group in parse_profile("mine", more).networks] == ["plain10", "plain26", "width7"]


def test_jobs_are_all_or_those_asked_for():
    profile = profile_of(GROUP, f"{GROUP}, name: other, seeds: [1, 2]")
    pairs = [(group.name, seed) for group, seed in profile.jobs()]
    assert pairs == [("plain10", 0), ("plain10", 1), ("other", 1), ("other", 2)]
    assert [(group.name, seed) for group, seed in profile.jobs(seeds=[1])] == [("plain10", 1), ("other", 1)]
    assert [(group.name, seed) for group, seed in profile.jobs(["other"], [2])] == [("other", 2)]
    with pytest.raises(ProfileError, match="profile mine has no seed 2; known are plain10: 0, 1"):
        profile.jobs(["plain10"], [2])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ("architecture: vgg", UnknownNetworkError, r"mine: networks\[1\]: unknown network 'vgg'; known are: nano10,"),
        ("architecture: width0", UnknownNetworkError, "unknown network 'width0'; known are: .*width1 width2"),
        ("architecture: 10", ProfileError, "architecture must be str, found 10"),
        ("channels: [16]", UnknownNetworkError, r"networks\[1\]: plain10: its table has 2 numbers of channels"),
        ("channels: 16", ProfileError, r"channels must be tuple\[int, ...\], found 16"),
        ("seeds: 3", ProfileError, r"seeds must be tuple\[int, ...\], found 3"),
        ("seeds: [0, a]", ProfileError, r"seeds must be tuple\[int, ...\]"),
        ("seeds: []", ProfileError, "seeds must not be empty"),
        ("minutes: soon", ProfileError, "minutes must be float, found 'soon'"),
        ("recipe: " + RECIPE.replace("epochs: 4", "epochs: 1.5"), ProfileError, r"\.recipe: epochs must be int"),
        ("recipe: " + RECIPE.replace("peak_rate: 0.1", "peak_rate: 1e-1"), ProfileError, "peak_rate must be float"),
        ("recipe: " + RECIPE.replace("epochs: 4", "epochs: 1"), ProfileError, "1 epochs leave none after 1 of warm-up"),
        ("minutes: 2", ProfileError, r"more than one group of networks is called \['plain10'\]; give each a name"),
    ],
)
def test_groups_that_cannot_be_trained(change, error, message):
    with pytest.raises(error, match=message):
        profile_of(GROUP, f"{GROUP}, {change}")


@pytest.mark.parametrize("name", NAMES)
def test_representations_take_what_the_profile_says(name):
    profile = load_profile(name)
    for group in profile.networks:
        if group.name != "tiny10":  # whose representations serve more measurements
            features = describe(group.architecture, group.channels).features(classes_of(group.dataset))
            megabytes = 4 * sum(features.values()) * profile.measure("test").examples / 1e6
            assert group.megabytes == pytest.approx(megabytes, rel=0.05), group.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not YAML"),
        ("", "expected a mapping, found NoneType"),
        ("- 1", "expected a mapping, found list"),
        ("title: x", "networks must be a list"),
        ("networks: [3]\nmeasures: []", r"networks\[0\]: expected a mapping"),
        ("networks: [{}]\nmeasures: []", r"networks\[0\].recipe: expected a mapping"),
        ("networks: [{recipe: {epochs: 3}}]\nmeasures: []", "missing"),
        ("networks: [{recipe: {epoch: 3}}]\nmeasures: []", "unknown"),
        ("networks: []\nmeasures: [{name: x}]", r"measures\[0\]"),
    ],
)
def test_what_is_no_profile(text, message):
    with pytest.raises(ProfileError, match=message):
        parse_profile("mine", text)


@given(st.text())
def test_any_text_ends_in_a_profile_error(text):
    with pytest.raises(ProfileError):
        parse_profile("fuzzed", text)
