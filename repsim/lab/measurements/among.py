"""The networks of one group among each other on test images: those of each recipe, and those that others trained.

What the measure `test` of a profile is for Tiny-10, with what tells one training from another: accuracies, and how much
of its first layer a network puts into one direction.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from repsim.lab.data import load_dataset
from repsim.lab.errors import MissingArtefactError
from repsim.lab.measurements.common import Made, Members, Scratch, Sides, made_from, measured
from repsim.lab.profiles import Measure, load_profile
from repsim.lab.published import NETWORKS, SHA256, published_networks
from repsim.lab.representations import BATCH, sources
from repsim.lab.store import Artefact, profile_store
from repsim.lab.weights import find_network

TEST = "test"  # the measure whose images these are
RECIPES = "recipe-"  # how the names of their groups begin
RECIPE_INDEXES = ("cka_linear", "cka_linear_debiased", "hsic_linear")
FEWEST = 2  # networks that can be compared
MEDIAN = "sample"  # of distances, for RBF kernels: the exact one takes as long as all the rest


def recipe_groups(profile_name: str) -> list[str]:
    """Return the names of the groups of a profile that differ in how they were trained, in its order."""
    return [group.name for group in load_profile(profile_name).networks if group.name.startswith(RECIPES)]


def trained_members(profile_name: str, group_name: str) -> Members:
    """Return the networks of a group that have been trained and whose weights are here; none is trained."""
    store, group = profile_store(profile_name), load_profile(profile_name).group(group_name)
    trained = {seed: network for seed in group.seeds if (network := find_network(store, group, seed))}
    here = {seed: network for seed, network in trained.items() if not network.is_away}
    return Members(replace(group, seeds=tuple(here) or group.seeds), tuple(here.values()))


def recipe(profile_name: str, group_name: str) -> Artefact:
    """Return the similarities among the trained networks of a group; MissingArtefactError if there are under two.

    ``<index>_<n>``, float32, of all layers as in :func:`repsim.lab.measurements.between`; and for each network its
    ``accuracy`` on those images and ``first_share``, that of the first eigenvalue of the first convolution's Gram
    matrix in the sum of squares of all.
    """
    members = trained_members(profile_name, group_name)
    if len(members.networks) < FEWEST:
        raise MissingArtefactError(
            f"{group_name}: {len(members.networks)} of its networks are trained, and {FEWEST} are needed; "
            f"`repsim-lab train {profile_name} --group {group_name}` trains them"
        )
    measure = load_profile(profile_name).measure(TEST)
    inputs = made_from(list(members.networks), **_asked(measure, RECIPE_INDEXES))
    return _among(profile_name, "recipes", group_name, inputs, lambda: members, RECIPE_INDEXES)


def measured_recipes(profile_name: str) -> dict[str, Artefact]:
    """Return the same of all groups of `recipe_groups` that have enough trained networks, by name."""
    artefacts = {}
    for name in recipe_groups(profile_name):
        with contextlib.suppress(MissingArtefactError):
            artefacts[name] = recipe(profile_name, name)
    return artefacts


def published(profile_name: str) -> Artefact:
    """Return the same of the ten networks that others trained, by all indexes of the measure `test`.

    The networks are asked for, and fetched if they are not there, only if this has not been measured.
    """
    measure = load_profile(profile_name).measure(TEST)
    inputs = made_from([], **_asked(measure, measure.indexes)) | {"networks": list(SHA256)}

    def find() -> Members:
        return Members(NETWORKS, tuple(published_networks()))

    return _among(profile_name, "published", NETWORKS.name, inputs, find, measure.indexes)


def _asked(measure: Measure, indexes: Sequence[str]) -> dict[str, Any]:
    return {"split": measure.split, "examples": measure.examples, "indexes": list(indexes), "median": MEDIAN}


def _among(
    profile_name: str, step: str, name: str, inputs: dict[str, Any], find: Callable[[], Members], indexes: Sequence[str]
) -> Artefact:
    measure = load_profile(profile_name).measure(TEST)
    n = measure.examples

    def make(scratch: Scratch) -> Made:
        members = find()
        layers = (*members.layers, "logits")
        read = sources(list(members.networks), measure.split, n, layers, folder=scratch.stored)
        logits, first = read[len(layers) - 1 :: len(layers)], read[:: len(layers)]
        compared = [array for place, array in enumerate(read) if (place + 1) % len(layers)]
        labels = load_dataset(members.group.dataset).first(measure.split, n).labels
        tables = scratch.pairwise(f"among {members.group.name}", compared, index=list(indexes), median=MEDIAN)
        squares = np.diag(tables["hsic_linear"])[:: len(members.layers)] * (n - 1) ** 2
        shares = [first_eigenvalue(x) ** 2 / total for x, total in zip(first, squares, strict=True)]
        arrays = {f"{index}_{n}": tables[index].astype(np.float32) for index in indexes}
        arrays["accuracy"] = np.array([(np.argmax(array[:n], axis=1) == labels).mean() for array in logits])
        facts = {"examples": [n], "indexes": list(indexes), "median": MEDIAN}
        return arrays | {"first_share": np.array(shares)}, Sides([members], (), measure.split).facts() | facts

    return measured(profile_name, step, name, inputs, make)


def first_eigenvalue(x: Any) -> float:
    """Return the largest eigenvalue of the centred Gram matrix of a representation (n, p), which is read in blocks."""
    n = x.shape[0]
    blocks = range(0, n, BATCH)

    def times(vector: np.ndarray) -> np.ndarray:
        centred = (vector.ravel() - vector.mean()).astype(np.float32)
        features = sum(x[start : start + BATCH].T @ centred[start : start + BATCH] for start in blocks)
        product = np.concatenate([x[start : start + BATCH] @ features for start in blocks]).astype(np.float64)
        return np.asarray(product - product.mean())

    operator = LinearOperator((n, n), matvec=times, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(n)
    return float(eigsh(operator, k=1, v0=start, tol=1e-6, return_eigenvectors=False)[0])
