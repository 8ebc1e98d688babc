"""Profiles: known names, and clear errors for everything that is not a profile."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsim.lab.errors import ProfileError
from repsim.lab.profiles import NAMES, load_profile, parse_profile

RECIPE = (
    "{epochs: 4, batch: 32, peak_rate: 0.1, warmup_epochs: 1, momentum: 0.9, weight_decay: 0, shift: 2, flip: true, "
    "precision: float32}"
)
GROUP = f"architecture: plain10, dataset: cifar10, seeds: [0, 1], recipe: {RECIPE}, minutes: 1"
REST = """
title: mine
measures: [{name: test, split: test, examples: 10, indexes: [cka_linear]}]
dimension_examples: [10]
components_examples: 10
subspace_examples: 10
"""


def profile_of(*groups):
    """A profile of groups, each as written or changed, as in "GROUP, name: other"."""
    networks = ", ".join(group.replace(GROUP, f"{{<<: {{{GROUP}}}", 1) + "}" for group in groups)
    return parse_profile("mine", f"networks: [{networks}]{REST}")


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
    ("change", "message"),
    [
        ("architecture: vgg", r"mine: networks\[1\]: unknown network 'vgg'; known are: nano10,"),
        ("architecture: width0", "unknown network 'width0'; known are: .*width1 width2"),
        ("architecture: 10", r"networks\[1\].architecture: Input should be a valid string, found 10"),
        ("channels: [16]", r"networks\[1\]: plain10: its table has 2 numbers of channels"),
        ("channels: 16", r"channels: Input should be a valid array, found 16"),
        ("seeds: [0, a]", r"networks\[1\].seeds\[1\]: Input should be a valid integer, found 'a'"),
        ("seeds: []", "seeds: Tuple should have at least 1 item"),
        ("minutes: soon", "minutes: Input should be a valid number, found 'soon'"),
        ("minutes: .inf", "minutes: Input should be a finite number"),
        ("committed: 1", "committed: Input should be a valid boolean, found 1"),
        ("minute: 1", "minute: Unexpected keyword argument"),
        ("minutes: 2", r"more than one group of networks is called \['plain10'\]; give each a name"),
    ],
)
def test_groups_that_cannot_be_trained(change, message):
    with pytest.raises(ProfileError, match=message):
        profile_of(GROUP, f"{GROUP}, {change}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("epochs: 1.5", "epochs: Input should be a valid integer"),
        ("peak_rate: 1e-1", "peak_rate: Input should be a valid number, found '1e-1'"),  # YAML wants 1.0e-1
        ("optimizer: rmsprop", "optimizer: Input should be 'sgd' or 'adam', found 'rmsprop'"),
        ("coupled_decay: biases", "coupled_decay: Input should be '', 'kernels' or 'all'"),
        ("border: white", "border: Input should be 'mean', 'zero' or 'reflect'"),
        ("scaling: none", "scaling: Input should be 'colour' or 'unit'"),
        ("initialisation: zeros", "initialisation: Input should be 'he_normal' or 'fan_in'"),
        ("epochs: 1", "1 epochs leave none after 1 of warm-up"),
        ("optimizer: adam", "optimizer adam has no momentum, which is 0.9; it must be 0"),
        ("optimizer: adam, momentum: 0", "optimizer adam excludes nesterov; it must be false"),
        ("coupled_decay: all", "coupled_decay is 'all', but weight_decay is 0"),
        ("steps: [0.5]", "steps exclude warmup_epochs, which are 1; they must be 0"),
        ("steps: [0.5, 0.5], warmup_epochs: 0", r"steps must rise, found \[0.5, 0.5\]"),
        ("steps: [0.5, 1], warmup_epochs: 0", r"steps\[1\]: Input should be less than 1, found 1"),
        ("steps: [0, 0.5], warmup_epochs: 0", r"steps\[0\]: Input should be greater than 0, found 0"),
    ],
)
def test_recipes_whose_options_exclude_each_other(options, message):
    recipe = f"{{<<: {RECIPE}, {options}}}"
    with pytest.raises(ProfileError, match=rf"^profile mine: networks\[0\].recipe.*{message}"):
        profile_of(f"{GROUP}, recipe: {recipe}")


def test_a_whole_number_is_the_same_recipe_however_it_is_written():
    ways = profile_of(GROUP, f"{GROUP}, name: other, recipe: {{<<: {RECIPE}, weight_decay: 0.0}}").networks
    assert ways[0].recipe.inputs() == ways[1].recipe.inputs()
    assert [type(group.recipe.inputs()["weight_decay"]) for group in ways] == [float, float]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not YAML"),
        ("title: x\ntitle: y", "the key 'title' comes twice"),
        ("networks: []" + REST.replace("name: test", "name: train"), "unknown measure 'test'; known are: train"),
        ("&a [*a]", "not YAML"),
        ("2001-01-01: 3", "not YAML"),
        ("", "Input should be an object, found None"),
        ("- 1", r"Input should be an object, found \[1\]"),
        ("title: x", "networks: Field required; measures: Field required"),
        ("networks: [3]", r"networks\[0\]: Input should be an object, found 3"),
        ("networks: [{}]", r"networks\[0\].recipe: Field required"),
        ("networks: [{recipe: {epochs: 3}}]", r"networks\[0\].recipe.batch: Field required"),
        ("networks: [{recipe: {epoch: 3}}]", r"networks\[0\].recipe.epoch: Unexpected keyword argument"),
        ("measures: [{name: x}]", r"measures\[0\].split: Field required"),
        (
            "within: {groups: [a], examples: [5, 2]}",
            r"within.examples: examples must rise, found \[5, 2\]",
        ),
        ("within: {groups: [a], examples: [0]}", r"within.examples\[0\]: Input should be greater than or equal to 1"),
        (
            "networks: []\nwithin: {groups: [a*], examples: [2]}" + REST,
            r"mine: unknown group of networks 'a\*'; known are: ",
        ),
    ],
)
def test_what_is_no_profile(text, message):
    with pytest.raises(ProfileError, match=message):
        parse_profile("mine", text)


def test_what_else_the_laptop_compares_is_compared_on_fewer_images():
    own, laptop = load_profile("smoke").comparisons, load_profile("laptop").comparisons
    assert {comparison.name for comparison in own} == {comparison.name for comparison in laptop}
    widths = load_profile("smoke").comparison("widths")
    assert widths == replace(load_profile("laptop").comparison("widths"), examples=(50, 200))
    assert load_profile("smoke").comparison("datasets-cifar100").dataset == "", "its own images"
    with pytest.raises(ProfileError, match=r"profile mine: unknown group of networks 'plain10'"):
        parse_profile("mine", f"networks: []\nlaptop_examples: [5]{REST}")


SMOKE = (files("repsim.lab") / "profiles" / "smoke.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("seeds: [0, 1, 2]", "seeds: [0, 1, 1]", r"seeds must differ, found \[0, 1, 1\]"),
        ("seeds: [0, 1, 2]", "seeds: [-1]", "greater than or equal to 0"),
        ("epochs: 6,", "epochs: -6,", "greater than or equal to 0"),
        ("batch: 32, peak", "batch: 0, peak", "greater than or equal to 1"),
        ("momentum: 0.9", "momentum: 1.5", "less than 1"),
        ("precision: float32", "precision: float64", "'float32' or 'mixed_bfloat16'"),
        ("cka_rbf_0.2", "cka_rbf_x", "'cka_rbf_x'"),
        ("- name: singular", "- name: train", r"more than one measure is called \['train'\]"),
        ("{name: deeper,", "{name: architectures,", r"more than one comparison is called \['architectures'\]"),
    ],
)
def test_values_that_would_give_wrong_results_are_refused(was, becomes, message):
    assert was in SMOKE
    with pytest.raises(ProfileError, match=message):
        parse_profile("mine", SMOKE.replace(was, becomes, 1))


@given(st.text())
def test_any_text_ends_in_a_profile_error(text):
    with pytest.raises(ProfileError):
        parse_profile("fuzzed", text)
