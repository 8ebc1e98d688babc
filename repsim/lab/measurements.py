"""What the figures are drawn from: each measurement is an artefact made from the trained networks of a profile.

Every function asks the store first, so a figure can be drawn from committed results without any data or network.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import repsim
from repsim.lab.data import load_dataset
from repsim.lab.layers import compared_layers
from repsim.lab.paths import cache_root
from repsim.lab.profiles import Networks, Profile, load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.representations import VERSION as REPRESENTATIONS_VERSION
from repsim.lab.representations import representations, selected_labels
from repsim.lab.store import Artefact, Store, key, profile_store
from repsim.lab.streaming import sources
from repsim.lab.weights import find_network

VERSION = 1
GROUP = "tiny10"  # of whose networks these measurements are made
COMPONENTS_LAYER = "conv5"
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
MEDIAN = "sample"  # of the distances of 4,000 examples, as the RBF bandwidths of all committed tables
EIGENVECTORS = 512  # the widest count that claim F8c needs is a tenth of the features of most layers


def networks(profile: str, name: str = GROUP) -> list[Artefact]:
    """Return the networks of one group of a profile in the order of their seeds, training those that are missing."""
    store, group = profile_store(profile), load_profile(profile).group(name)
    return [find_network(store, group, seed) or _train(store, group, seed) for seed in group.seeds]


def _train(store: Store, group: Networks, seed: int) -> Artefact:
    from repsim.lab.training import train_network  # only now is a backend needed

    return train_network(store, group, seed)


def _inputs(trained: list[Artefact], **more: Any) -> dict[str, Any]:
    versions = {"version": VERSION, "representations": REPRESENTATIONS_VERSION}
    return {**versions, "networks": [network.sha256 for network in trained], **more}


def _facts(profile: Profile, layers: tuple[str, ...], trained: list[Artefact]) -> dict[str, Any]:
    return {
        "profile": profile.name,
        "layers": list(layers),
        "network_files": [network.path.name for network in trained],
        "dataset": profile.group(GROUP).dataset,
    }


@contextmanager
def saturation_is_recorded() -> Iterator[None]:
    """Silence the warning about rank n - 1, which these measurements exist to show and whose layers they mark."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", repsim.RankSaturationWarning)
        yield


def saturated_layers(cca_r2: np.ndarray) -> list[int]:
    """Return the layers whose CCA R² (m, m, L, L) is 1 with every layer of every network: their rank is n - 1."""
    return [i for i in range(cca_r2.shape[2]) if (cca_r2[:, :, i, :] > 1 - 1e-6).all()]


def tables(profile_name: str, measure_name: str) -> Artefact:
    """Return the similarities of every layer of every network with every layer of every network.

    Returns
    -------
    Artefact
        One float64 array (m, m, L, L) per index of the measure, [a, b, i, j] being the index of layer i of network a
        with layer j of network b; the record names the layers, the split and the number of examples.
    """
    profile = load_profile(profile_name)
    measure = profile.measure(measure_name)
    trained = networks(profile_name)
    layers = compared_layers(profile.group(GROUP).architecture)

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = sources(trained, measure.split, measure.examples, layers)
        unfinished = cache_root() / "pairwise" / f"{measure_name}-{key(inputs)[:12]}"
        how: dict[str, Any] = {}
        with progress_bar(f"tables {measure_name}") as report, saturation_is_recorded():
            values = repsim.pairwise(
                arrays, index=list(measure.indexes), median=MEDIAN, resume=unfinished, progress=report, record=how
            )
        shape = len(trained), len(layers), len(trained), len(layers)
        found = {name: value.reshape(shape).transpose(0, 2, 1, 3) for name, value in values.items()}
        features = [array.shape[1] for array in arrays[: len(layers)]]
        facts: dict[str, Any] = {"split": measure.split, "examples": measure.examples, "features": features}
        if "median" in how:
            facts |= {name: how[name] for name in ("median", "median_distances")}
        if "cca_r2" in found:
            facts["saturated"] = [layers[i] for i in saturated_layers(found["cca_r2"])]
        return found, {**_facts(profile, layers, trained), **facts, "indexes": list(measure.indexes)}

    inputs = _inputs(trained, split=measure.split, examples=measure.examples, indexes=list(measure.indexes))
    return profile_store(profile_name).get("tables", measure_name, inputs, make)


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
    trained = networks(profile_name)[:2]
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
        return found, {**_facts(profile, layers, trained), "indexes": list(DIMENSION_INDEXES), "split": "train"}

    inputs = _inputs(trained, split="train", examples=list(counts), indexes=list(DIMENSION_INDEXES))
    return profile_store(profile_name).get("dimension", "first-two-networks", inputs, make)


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
        return found, {**_facts(profile, (COMPONENTS_LAYER,), trained), **facts}

    inputs = _inputs(trained, split="test", examples=count, layer=COMPONENTS_LAYER)
    return profile_store(profile_name).get("components", COMPONENTS_LAYER, inputs, make)


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
            features.append(stack[0].shape[1])
            shared = repsim.shared_subspaces(stack, pairs, k=min(EIGENVECTORS, features[-1], count - 1))
            found[f"eigenvalues_{layer}"] = shared.eigenvalues.astype(np.float32)
            found[f"scaling_{layer}"] = shared.scales.astype(np.float32)
            found[f"cosine_{layer}"] = shared.cosines.astype(np.float32)
        return found | {"features": np.array(features)}, {
            **_facts(profile, layers, trained),
            "split": "test",
            "examples": count,
        }

    inputs = _inputs(trained, split="test", examples=count, eigenvectors=EIGENVECTORS)
    return profile_store(profile_name).get("subspace", "all-pairs", inputs, make)
