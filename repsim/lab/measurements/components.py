"""The first two principal components of one layer: Figure 1."""

from __future__ import annotations

from typing import Any

import numpy as np

import repsim
from repsim.lab.data import load_dataset
from repsim.lab.measurements.common import GROUP, facts_of, made_from, networks
from repsim.lab.profiles import load_profile
from repsim.lab.representations import representations, selected_labels
from repsim.lab.store import Artefact, profile_store

COMPONENTS_LAYER = "conv5"


def components(profile_name: str) -> Artefact:
    """Return the first two principal components of the fifth convolution of every network on test images.

    Returns
    -------
    Artefact
        "scores" (m, n, 2) float32, "explained" (m, 2) fraction of the total variance, "labels" (n,).
    """
    profile = load_profile(profile_name)
    trained = networks(profile_name)
    count = profile.components_examples

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        scores, explained = [], []
        for network in trained:
            (x,) = representations(network, "test", count, (COMPONENTS_LAYER,)).values()
            projected = repsim.principal_components(x, 2)
            scores.append(projected.astype(np.float32))
            total = float(np.var(x, axis=0, dtype=np.float64).sum())
            explained.append(np.var(projected, axis=0) / total)
        labels = selected_labels(load_dataset(profile.group(GROUP).dataset), "test", count)
        found = {"scores": np.stack(scores), "explained": np.stack(explained), "labels": labels}
        facts = {"split": "test", "examples": count, "layer": COMPONENTS_LAYER}
        return found, {**facts_of(profile, (COMPONENTS_LAYER,), trained), **facts}

    inputs = made_from(trained, split="test", examples=count, layer=COMPONENTS_LAYER)
    return profile_store(profile_name).get("components", COMPONENTS_LAYER, inputs, make)
