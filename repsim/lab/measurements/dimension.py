"""Every index against the number of examples: where those that linear maps do not change stop saying anything."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import repsim
from repsim.lab.layers import compared_layers
from repsim.lab.measurements.common import GROUP, facts_of, made_from, networks, saturation_is_recorded
from repsim.lab.profiles import load_profile
from repsim.lab.representations import representations
from repsim.lab.store import Artefact, profile_store

DIMENSION_INDEXES = (
    "cca_r2",
    "cca_mean",
    "svcca_r2",
    "pwcca",
    "linear_regression",
    "cka_linear",
    "cka_rbf_0.4",
    "cka_linear_debiased",
)


def dimension(profile_name: str) -> Artefact:
    """Return every index between the same layer of the first two networks, against the number of examples.

    Returns
    -------
    Artefact
        "examples" (k,), "features" (L,), and for each index in the record "same_<index>" (L, k), and
        "shuffled_<index>" (L, k) with the examples of the second network in another order: what unrelated
        representations of the same shape and spectrum score.
    """
    profile = load_profile(profile_name)
    trained = networks(profile_name, most=2)
    layers = compared_layers(profile.group(GROUP).architecture)
    counts = profile.dimension_examples

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        first, second = (representations(network, "train", max(counts), layers) for network in trained)
        shape = len(layers), len(counts)
        kinds = ("same", "shuffled")
        found = {f"{kind}_{name}": np.empty(shape) for kind in kinds for name in DIMENSION_INDEXES}
        for (row, layer), (column, count) in itertools.product(enumerate(layers), enumerate(counts)):
            x, y = first[layer][:count], second[layer][:count]
            shuffled = y[np.random.default_rng(count).permutation(count)]
            with saturation_is_recorded():
                values = repsim.pairwise([x], [y, shuffled], index=list(DIMENSION_INDEXES))
            for (position, kind), name in itertools.product(enumerate(kinds), DIMENSION_INDEXES):
                found[f"{kind}_{name}"][row, column] = values[name][0, position]
        found["examples"] = np.array(counts)
        found["features"] = np.array([first[layer].shape[1] for layer in layers])
        return found, {**facts_of(profile, layers, trained), "indexes": list(DIMENSION_INDEXES), "split": "train"}

    inputs = made_from(trained, split="train", examples=list(counts), indexes=list(DIMENSION_INDEXES))
    return profile_store(profile_name).get("dimension", "first-two-networks", inputs, make)
