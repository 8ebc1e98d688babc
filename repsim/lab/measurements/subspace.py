"""How one network acts on the eigenvectors of another: Figure 8."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import repsim
from repsim.lab.layers import compared_layers
from repsim.lab.measurements.common import GROUP, facts_of, made_from, networks
from repsim.lab.profiles import load_profile
from repsim.lab.representations import representations
from repsim.lab.store import Artefact, profile_store

_EIGENVECTORS = "a tenth of the features and one more, 64 at least"


def eigenvectors(features: int) -> int:
    """Return how many show whether the shared dimension is below a tenth of the features, as claim F8c says."""
    return max(64, features // 10 + 1)


def subspace(profile_name: str) -> Artefact:
    """Return how each network's Gram matrix acts on the eigenvectors of each other network's (section 6.4).

    Representations are scaled to unit Frobenius norm, so that the two can be drawn on one axis.

    Returns
    -------
    Artefact
        "pairs" (P, 2), and per layer "eigenvalues_<layer>" (m, k), "scaling_<layer>" (P, k) and "cosine_<layer>"
        (P, k) for the k largest eigenvectors of the first network of each pair; "features" (L,).
    """
    profile = load_profile(profile_name)
    trained = networks(profile_name)
    layers = compared_layers(profile.group(GROUP).architecture)
    count = profile.subspace_examples
    pairs = list(itertools.permutations(range(len(trained)), 2))

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        found: dict[str, np.ndarray] = {"pairs": np.array(pairs)}
        features = []
        for layer in layers:
            stack = [representations(network, "test", count, (layer,))[layer] for network in trained]
            features.append(p := stack[0].shape[1])
            shared = repsim.shared_subspaces(stack, pairs, k=min(eigenvectors(p), p, count - 1))
            found[f"eigenvalues_{layer}"] = shared.eigenvalues.astype(np.float32)
            found[f"scaling_{layer}"] = shared.scales.astype(np.float32)
            found[f"cosine_{layer}"] = shared.cosines.astype(np.float32)
        return found | {"features": np.array(features)}, {
            **facts_of(profile, layers, trained),
            "split": "test",
            "examples": count,
        }

    inputs = made_from(trained, split="test", examples=count, eigenvectors=_EIGENVECTORS)
    return profile_store(profile_name).get("subspace", "all-pairs", inputs, make)
