"""Profiles: known names, and clear errors for everything that is not a profile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repsim.lab.errors import ProfileError
from repsim.lab.profiles import NAMES, load_profile, parse_profile


@pytest.mark.parametrize("name", NAMES)
def test_profiles_load(name):
    profile = load_profile(name)
    assert profile.name == name
    assert profile.networks[0].recipe.epochs > 0
    assert profile.measure("train").split == "train"


def test_unknown_profile_lists_the_known_ones():
    with pytest.raises(ProfileError, match="'desktop'; known are: laptop, paper, smoke"):
        load_profile("desktop")


def test_unknown_measure_lists_the_known_ones():
    with pytest.raises(ProfileError, match="known are: singular, test, train"):
        load_profile("smoke").measure("all")


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
