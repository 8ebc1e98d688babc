"""What is measured of the Tiny-10 networks beside their similarities: Figures 1 and 8, and where indexes fail."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import repsim
from repsim.lab.data import load_dataset
from repsim.lab.measurements.common import Scratch, made_from, measured, members, saturation_is_recorded
from repsim.lab.profiles import load_profile
from repsim.lab.representations import selected_labels
from repsim.lab.store import Artefact

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
COMPONENTS_LAYER = "conv5"
_EIGENVECTORS = "a tenth of the features and one more, 64 at least"


def dimension(profile_name: str) -> Artefact:
    """Return every index between the same layer of the first two networks, against the number of examples.

    Returns
    -------
    Artefact
        "examples" (k,), "features" (L,), and for each index in the record "same_<index>" (L, k), and
        "shuffled_<index>" (L, k) with the examples of the second network in another order: what unrelated
        representations of the same shape and spectrum score.
    """
    (some,), counts = members(profile_name, most=2), load_profile(profile_name).dimension_examples

    def make(scratch: Scratch) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        first, second = (scratch.representations(one, "train", max(counts), some.layers) for one in some.networks)
        shape, orders = (len(some.layers), len(counts)), ("same", "shuffled")
        arrays = {f"{order}_{name}": np.empty(shape) for order in orders for name in DIMENSION_INDEXES}
        for (row, layer), (column, count) in itertools.product(enumerate(some.layers), enumerate(counts)):
            x, y = first[layer][:count], second[layer][:count]
            shuffled = y[np.random.default_rng(count).permutation(count)]
            with saturation_is_recorded():
                values = repsim.pairwise([x], [y, shuffled], index=list(DIMENSION_INDEXES))
            for (position, order), name in itertools.product(enumerate(orders), DIMENSION_INDEXES):
                arrays[f"{order}_{name}"][row, column] = values[name][0, position]
        arrays |= {"examples": np.array(counts), "features": np.array(some.features)}
        return arrays, {**some.facts(), "indexes": list(DIMENSION_INDEXES), "split": "train"}

    inputs = made_from(some.networks, split="train", examples=list(counts), indexes=list(DIMENSION_INDEXES))
    return measured(profile_name, "dimension", "first-two-networks", inputs, make)


def components(profile_name: str) -> Artefact:
    """Return the first two principal components of the fifth convolution of every network on test images.

    Returns
    -------
    Artefact
        "scores" (m, n, 2) float32, "explained" (m, 2) fraction of the total variance, "labels" (n,).
    """
    (some,), count = members(profile_name), load_profile(profile_name).components_examples

    def make(scratch: Scratch) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        scores, explained = [], []
        for network in some.networks:
            (x,) = scratch.representations(network, "test", count, (COMPONENTS_LAYER,)).values()
            projected = repsim.principal_components(x, 2)
            scores.append(projected.astype(np.float32))
            total = float(np.var(x, axis=0, dtype=np.float64).sum())
            explained.append(np.var(projected, axis=0) / total)
        labels = selected_labels(load_dataset(some.group.dataset), "test", count)
        arrays = {"scores": np.stack(scores), "explained": np.stack(explained), "labels": labels}
        return arrays, {**some.facts(), "split": "test", "examples": count, "layer": COMPONENTS_LAYER}

    inputs = made_from(some.networks, split="test", examples=count, layer=COMPONENTS_LAYER)
    return measured(profile_name, "components", COMPONENTS_LAYER, inputs, make)


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
    (some,), count = members(profile_name), load_profile(profile_name).subspace_examples
    pairs = list(itertools.permutations(range(len(some.networks)), 2))

    def make(scratch: Scratch) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {"pairs": np.array(pairs), "features": np.array(some.features)}
        for layer, p in zip(some.layers, some.features, strict=True):
            stack = [scratch.representations(one, "test", count, (layer,))[layer] for one in some.networks]
            shared = repsim.shared_subspaces(stack, pairs, k=min(eigenvectors(p), p, count - 1))
            arrays[f"eigenvalues_{layer}"] = shared.eigenvalues.astype(np.float32)
            arrays[f"scaling_{layer}"] = shared.scales.astype(np.float32)
            arrays[f"cosine_{layer}"] = shared.cosines.astype(np.float32)
        return arrays, {**some.facts(), "split": "test", "examples": count}

    inputs = made_from(some.networks, split="test", examples=count, eigenvectors=_EIGENVECTORS)
    return measured(profile_name, "subspace", "all-pairs", inputs, make)
