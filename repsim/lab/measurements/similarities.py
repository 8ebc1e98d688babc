"""The similarities of the layers of networks: Figures 2 to 7, F.3 to F.8, Table 2, recipes, and networks of others.

One file of arrays each, which :class:`repsim.lab.findings.Tables` and :class:`repsim.lab.findings.Compared` read.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

import repsim
from repsim.engine.bases import components_kept
from repsim.lab.data import load_dataset
from repsim.lab.errors import MissingArtefactError, ProfileError
from repsim.lab.measurements.common import (
    Made,
    Members,
    Scratch,
    Sides,
    beginnings,
    gather,
    made_from,
    measured,
    members,
    saturation_is_recorded,
    sides,
)
from repsim.lab.measurements.layer_pairs import THRESHOLDS
from repsim.lab.profiles import Comparison, Measure, Within, load_profile, required
from repsim.lab.progress import progress_bar
from repsim.lab.published import NETWORKS, SHA256, published_networks
from repsim.lab.representations import BATCH, sources
from repsim.lab.store import Artefact, profile_store
from repsim.lab.weights import find_network

WITHIN_INDEXES = ("cka_linear", "cka_linear_debiased")
TEST = "test"  # the measure on whose images recipes and networks of others are compared
RECIPES = "recipe-"  # how the names of groups that differ in their training begin
RECIPE_INDEXES = ("cka_linear", "cka_linear_debiased", "hsic_linear")
FEWEST = 2  # networks that can be compared
MEDIAN = "sample"  # of distances, for RBF kernels: the exact one takes as long as all the rest


def by_network(table: NDArray[Any], layers: int) -> NDArray[Any]:
    """Return (m, m, L, L) of a table (m L, m L) of all layers of all networks."""
    shape = table.shape[0] // layers, layers, table.shape[1] // layers, layers
    return table.reshape(shape).transpose(0, 2, 1, 3)


def same_layers(table: NDArray[Any], layers: int) -> NDArray[Any]:
    """Return (m, m, L), the diagonals of the (L, L) blocks of a table of all layers of all networks."""
    return np.ascontiguousarray(np.einsum("abii->abi", by_network(table, layers)))


def tables(profile_name: str, measure_name: str) -> Artefact:
    """Return the similarities of every layer of every Tiny-10 network with every layer of every other.

    One float64 array (m, m, L, L) per index of the measure, [a, b, i, j] being that of layer i of network a with layer
    j of network b.
    """
    measure = load_profile(profile_name).measure(measure_name)
    (group,) = members(profile_name)
    asked = {"split": measure.split, "examples": measure.examples, "indexes": list(measure.indexes)}

    def make(scratch: Scratch) -> Made:
        how: dict[str, Any] = {}
        arrays = gather(scratch, [group], measure.split, measure.examples)
        values = scratch.pairwise(f"tables {measure_name}", arrays, index=list(measure.indexes), record=how)
        by_index = {name: by_network(value, len(group.layers)) for name, value in values.items()}
        facts = asked | {name: how[name] for name in ("median", "median_distances") if "median" in how}
        return by_index, {**group.facts(), **facts}

    return measured(profile_name, "tables", measure_name, made_from(group.networks, **asked), make)


def svcca_ranks(profile_name: str, group_name: str, split: str, examples: int) -> Artefact:
    """Return how many principal components SVCCA keeps of each layer of a group: by threshold, as "0.5", (m, L)."""
    (group,) = members(profile_name, (group_name,))
    asked = {"split": split, "examples": examples, "thresholds": list(THRESHOLDS)}

    def make(scratch: Scratch) -> Made:
        singular = [centred_singular_values(array[:examples]) for array in gather(scratch, [group], split, examples)]
        shape = len(group.networks), len(group.layers)
        kept = {
            f"{threshold:g}": [components_kept(values, threshold, "variance") for values in singular]
            for threshold in THRESHOLDS
        }
        return {name: np.reshape(counts, shape) for name, counts in kept.items()}, {**group.facts(), **asked}

    return measured(profile_name, "ranks", f"{group_name}-{split}-{examples}", made_from(group.networks, **asked), make)


def centred_singular_values(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the singular values of centred columns, by falling size, from the Gram matrix of the examples."""
    eigenvalues = np.linalg.eigvalsh(repsim.centre_gram(repsim.gram_linear(np.asarray(x, np.float64))))
    return np.sqrt(np.maximum(eigenvalues[::-1], 0))


def between(profile_name: str, comparison_name: str) -> Artefact:
    """Return the similarities of the layers of all networks of a comparison's groups, for nested sets of examples.

    One float32 array per index and number of examples, ``<index>_<n>``. Its rows are the layers of the first network of
    the first group, of its second network, and so on; its columns likewise, and the same unless the comparison names
    other groups. Of a diagonal comparison, whose networks need as many layers each, (networks, networks, L): same
    layers only. :class:`repsim.lab.findings.Compared` reads it by the record, which names groups, seeds and layers in
    that order.
    """
    comparison = load_profile(profile_name).comparison(comparison_name)
    compared = sides(profile_name, comparison, comparison.networks)
    if comparison.diagonal and len({len(group.layers) for group in (*compared.rows, *compared.columns)}) > 1:
        raise ProfileError(f"comparison {comparison.name}: same layers need networks with as many layers each")

    asked = {
        "examples": list(comparison.examples),
        "indexes": list(comparison.indexes),
        "diagonal": comparison.diagonal,
    }
    if comparison.median != "exact":
        asked["median"] = comparison.median

    def make(scratch: Scratch) -> Made:
        return _between(scratch, comparison, compared), {**compared.facts(), **asked}

    return measured(profile_name, "between", comparison.name, compared.made_from(**asked), make)


def _between(scratch: Scratch, comparison: Comparison, compared: Sides) -> dict[str, np.ndarray]:
    first, second = compared.gather(scratch, max(comparison.examples))

    def on(count: int) -> dict[str, np.ndarray]:
        ys = None if second is None else beginnings(second, count)
        title = f"between {comparison.name} n = {count}"
        how = {"index": list(comparison.indexes), "median": comparison.median}
        values = scratch.pairwise(title, beginnings(first, count), ys, **how)
        if comparison.diagonal:
            values = {index: same_layers(table, len(compared.rows[0].layers)) for index, table in values.items()}
        return {f"{index}_{count}": table.astype(np.float32) for index, table in values.items()}

    arrays: dict[str, np.ndarray] = {}
    for count in comparison.examples:
        arrays |= scratch.finished(str(count), partial(on, count))
    return arrays


def within(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA, also debiased, of every two layers of each network of a group: ``<index>_<n>``, (m, L, L)."""
    settings = required(load_profile(profile_name).within, profile_name, "within")
    (group,) = members(profile_name, (group_name,), settings.networks)
    asked = _asked(settings)

    def make(scratch: Scratch) -> Made:
        per_network = [
            scratch.finished(network.record["name"], partial(_within, scratch, member, settings))
            for network in group.networks
            for member in [replace(group, networks=(network,))]
        ]
        return (
            {name: np.stack([tables[name] for tables in per_network]) for name in per_network[0]},
            {**group.facts(), **asked},
        )

    return measured(profile_name, "within", group_name, made_from(group.networks, **asked), make)


def _asked(settings: Within) -> dict[str, Any]:
    return {"split": settings.split, "examples": list(settings.examples), "indexes": list(WITHIN_INDEXES)}


def _within(scratch: Scratch, member: Members, settings: Within) -> dict[str, np.ndarray]:
    """Return the (L, L) tables of one network, whose representations go before the next network's come."""
    tables: dict[str, np.ndarray] = {}
    arrays = gather(scratch, [member], settings.split, max(settings.examples))
    for count in settings.examples:
        title = f"within {member.networks[0].record['name']} n = {count}"
        values = scratch.pairwise(title, beginnings(arrays, count), index=list(WITHIN_INDEXES))
        tables |= {f"{index}_{count}": table.astype(np.float32) for index, table in values.items()}
    shutil.rmtree(scratch.stored, ignore_errors=True)
    return tables


def within_class(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA of all layers of all networks of a group on the images of each class, averaged over classes.

    Two float32 arrays (m, m, L, L) per index and number of examples, ``all_<index>_<n>`` of all images and
    ``class_<index>_<n>``, the mean over classes; and "counts_<n>" (classes,), images of each class.
    """
    settings = required(load_profile(profile_name).within_class, profile_name, "within_class")
    (group,) = members(profile_name, (group_name,), settings.networks)
    asked = _asked(settings)

    def make(scratch: Scratch) -> Made:
        arrays = gather(scratch, [group], settings.split, max(settings.examples))
        tables: dict[str, np.ndarray] = {}
        for count in settings.examples:
            tables |= scratch.finished(str(count), partial(_classes, scratch, group, arrays, settings.split, count))
        return tables, {**group.facts(), **asked}

    return measured(profile_name, "within-class", group_name, made_from(group.networks, **asked), make)


def _classes(scratch: Scratch, group: Members, arrays: list[Any], split: str, count: int) -> dict[str, np.ndarray]:
    labels = load_dataset(group.group.dataset).first(split, count).labels
    classes, counts = np.unique(labels, return_counts=True)
    title = f"classes of {group.group.name} n = {count}"
    whole = scratch.pairwise(f"all {title}", beginnings(arrays, count), index=list(WITHIN_INDEXES))
    mean = {index: np.zeros_like(table) for index, table in whole.items()}
    with progress_bar(f"each of the {title}") as report:
        for done, label in enumerate(classes, start=1):
            chosen = np.flatnonzero(labels == label)
            class_arrays = [array[:count][chosen] for array in arrays]  # a tenth of the images fits into memory
            with saturation_is_recorded():
                tables = repsim.pairwise(class_arrays, index=list(WITHIN_INDEXES))
            for index, table in tables.items():
                mean[index] += table / len(classes)
            report(done, len(classes))
    tables = {
        f"{images}_{index}_{count}": by_index[index]
        for images, by_index in (("all", whole), ("class", mean))
        for index in WITHIN_INDEXES
    }
    shaped = {name: by_network(table, len(group.layers)).astype(np.float32) for name, table in tables.items()}
    return shaped | {f"counts_{count}": counts}


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
    inputs = made_from(list(members.networks), **_of_measure(measure, RECIPE_INDEXES))
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
    inputs = made_from([], **_of_measure(measure, measure.indexes)) | {"networks": list(SHA256)}

    def find() -> Members:
        return Members(NETWORKS, tuple(published_networks()))

    return _among(profile_name, "published", NETWORKS.name, inputs, find, measure.indexes)


def _of_measure(measure: Measure, indexes: Sequence[str]) -> dict[str, Any]:
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
