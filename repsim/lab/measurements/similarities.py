"""The similarities of the layers of networks: Figures 2 to 7, F.3 to F.8, Table 2, shuffles, recipes, others' networks.

One file of arrays each, which :class:`repsim.lab.findings.Tables` and :class:`repsim.lab.findings.Compared` read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
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
    measured_of,
    members,
    one_by_one,
    saturation_is_recorded,
    sides,
)
from repsim.lab.measurements.layer_pairs import THRESHOLDS
from repsim.lab.measurements.shuffles import against_shuffles, unit_grams
from repsim.lab.profiles import Shuffles, Within, load_profile, required
from repsim.lab.progress import progress_bar
from repsim.lab.published import NETWORKS, SHA256, published_networks
from repsim.lab.representations import BATCH, sources
from repsim.lab.store import Arrays, Artefact, profile_store
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
        medians = {name: how[name] for name in ("median", "median_distances") if "median" in how}
        return by_index, {**group.facts(), **asked, **medians}

    return measured(profile_name, "tables", measure_name, group.made_from(**asked), make)


def svcca_ranks(profile_name: str, group_name: str, split: str, examples: int) -> Artefact:
    """Return how many principal components SVCCA keeps of each layer of a group: by threshold, as "0.5", (m, L)."""
    (group,) = members(profile_name, (group_name,))
    asked = {"split": split, "examples": examples, "thresholds": list(THRESHOLDS)}

    def singular_values(x: NDArray[Any]) -> NDArray[np.float64]:
        eigenvalues = np.linalg.eigvalsh(repsim.centre_gram(repsim.gram_linear(np.asarray(x, np.float64))))
        return np.sqrt(np.maximum(eigenvalues[::-1], 0))

    def make(scratch: Scratch) -> Arrays:
        singular = [singular_values(array[:examples]) for array in gather(scratch, [group], split, examples)]
        return {
            f"{threshold:g}": np.reshape(
                [components_kept(values, threshold, "variance") for values in singular],
                (len(group.networks), len(group.layers)),
            )
            for threshold in THRESHOLDS
        }

    return measured_of(profile_name, "ranks", f"{group_name}-{split}-{examples}", group, asked, make)


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

    def make(scratch: Scratch) -> Arrays:
        first, second = compared.gather(scratch, max(comparison.examples))

        def on(count: int) -> Arrays:
            ys = None if second is None else beginnings(second, count)
            title = f"between {comparison.name} n = {count}"
            how = {"index": list(comparison.indexes), "median": comparison.median}
            values = scratch.pairwise(title, beginnings(first, count), ys, **how)
            if comparison.diagonal:
                layers = len(compared.rows[0].layers)
                values = {index: np.einsum("abii->abi", by_network(table, layers)) for index, table in values.items()}
            return {f"{index}_{count}": table.astype(np.float32, order="C") for index, table in values.items()}

        return scratch.each(comparison.examples, on)

    return measured_of(profile_name, "between", comparison.name, compared, asked, make)


def within(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA, also debiased, of every two layers of each network of a group: ``<index>_<n>``, (m, L, L)."""
    settings = required(load_profile(profile_name).within, profile_name, "within")
    (group,) = members(profile_name, (group_name,), settings.networks)

    def tables_of(scratch: Scratch, member: Members) -> Arrays:
        tables: Arrays = {}
        arrays = gather(scratch, [member], settings.split, max(settings.examples))
        for count in settings.examples:
            title = f"within {member.networks[0].record['name']} n = {count}"
            values = scratch.pairwise(title, beginnings(arrays, count), index=list(WITHIN_INDEXES))
            tables |= {f"{index}_{count}": table.astype(np.float32) for index, table in values.items()}
        return tables

    def make(scratch: Scratch) -> Arrays:
        return one_by_one(scratch, group, partial(tables_of, scratch))

    return measured_of(profile_name, "within", group_name, group, _asked(settings), make)


def _asked(settings: Within) -> dict[str, Any]:
    return {"split": settings.split, "examples": list(settings.examples), "indexes": list(WITHIN_INDEXES)}


def within_class(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA of all layers of all networks of a group on the images of each class, averaged over classes.

    Two float32 arrays (m, m, L, L) per index and number of examples, ``all_<index>_<n>`` of all images and
    ``class_<index>_<n>``, the mean over classes; and "counts_<n>" (classes,), images of each class.
    """
    settings = required(load_profile(profile_name).within_class, profile_name, "within_class")
    (group,) = members(profile_name, (group_name,), settings.networks)

    def make(scratch: Scratch) -> Arrays:
        arrays = gather(scratch, [group], settings.split, max(settings.examples))
        return scratch.each(settings.examples, partial(_classes, scratch, group, arrays, settings.split))

    return measured_of(profile_name, "within-class", group_name, group, _asked(settings), make)


def _classes(scratch: Scratch, group: Members, arrays: list[Any], split: str, count: int) -> Arrays:
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


def null_between(profile_name: str, comparison_name: str) -> Artefact:
    """Return linear CKA of a comparison's networks beside that of shuffled examples, as the entry ``shuffles`` says.

    (R, C) float32 arrays ``<index>_<quantity>``, for biased and debiased linear CKA and the quantities of
    :func:`repsim.lab.measurements.against_shuffles`; rows and columns as those of the comparison.
    """
    profile = load_profile(profile_name)
    comparison, settings = profile.comparison(comparison_name), required(profile.shuffles, profile_name, "shuffles")
    compared = sides(profile_name, comparison, settings.networks)
    return _null(profile_name, comparison_name, settings, compared)


def null_within(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA of the layers of one network of a group beside that of shuffled examples.

    The arrays are those of :func:`null_between`; the network is the group's first.
    """
    profile = load_profile(profile_name)
    within, settings = (required(getattr(profile, name), profile_name, name) for name in ("within", "shuffles"))
    first = members(profile_name, (group_name,), 1)
    return _null(profile_name, f"within-{group_name}", settings, Sides(first, (), within.split))


def chance(profile_name: str, comparison_name: str) -> Artefact:
    """Return what linear CKA of layers is on shuffled examples, over all shuffles, of a comparison's trained networks.

    That of two layers is the geometric mean of what it is of each with itself, see :func:`repsim.chance`. So (m, L), of
    each layer with itself, is all that is kept, by group; of as many examples as the comparison has at most.
    """
    comparison = load_profile(profile_name).comparison(comparison_name)
    every = sides(profile_name, comparison, comparison.networks)
    trained = [group for group in every.rows if group.group.recipe.epochs]
    compared = Sides(trained, (), every.split, every.dataset)
    return _chance(profile_name, comparison.name, compared, max(comparison.examples))


def chance_within(profile_name: str, group_name: str) -> Artefact:
    """Return :func:`chance` of the first network of a group, on the images of the maps of single networks."""
    within = required(load_profile(profile_name).within, profile_name, "within")
    compared = Sides(members(profile_name, (group_name,), 1), (), within.split)
    return _chance(profile_name, f"within-{group_name}", compared, max(within.examples))


def chances_within(profile_name: str, group_names: Iterable[str]) -> dict[str, np.ndarray]:
    """Return what :func:`chance_within` measures, of those groups for whose maps the profile asks for it."""
    profile = load_profile(profile_name)
    asked = [group.name for group in profile.groups(profile.chance)]
    return {name: chance_within(profile_name, name).arrays()[name] for name in group_names if name in asked}


def _chance(profile_name: str, name: str, compared: Sides, count: int) -> Artefact:
    asked = {"examples": count, "indexes": ["cka_linear"]}

    def of_layers(scratch: Scratch, member: Members) -> Arrays:
        layers = gather(scratch, [member], compared.split, count, compared.dataset)
        with saturation_is_recorded():
            means = [repsim.pairwise([layer], chance=True)[1].mean.item() for layer in layers]
        return {"mean": np.array(means)}

    def make(scratch: Scratch) -> Arrays:
        of = partial(of_layers, scratch)
        return {group.group.name: one_by_one(scratch, group, of)["mean"] for group in compared.rows}

    return measured_of(profile_name, "chance", name, compared, asked, make)


def _null(profile_name: str, name: str, settings: Shuffles, compared: Sides) -> Artefact:
    asked = {"examples": settings.examples, "permutations": settings.permutations}

    def make(scratch: Scratch) -> Made:
        first, second = compared.gather(scratch, settings.examples)
        arrays: dict[str, np.ndarray] = {}
        for index in WITHIN_INDEXES:
            debiased = index.endswith("_debiased")
            left = unit_grams(first, debiased=debiased)
            right = left if second is None else unit_grams(second, debiased=debiased)
            with progress_bar(f"shuffles {name} {index}") as report:
                values = against_shuffles(left, right, settings.permutations, progress=report)
            arrays |= {f"{index}_{quantity}": array for quantity, array in values.items()}
        return arrays, {**compared.facts(), **asked, "indexes": list(WITHIN_INDEXES)}

    return measured(profile_name, "null", name, compared.made_from(**asked), make)


def recipe_groups(profile_name: str) -> list[str]:
    """Return the names of the groups of a profile that differ in how they were trained, in its order."""
    return [group.name for group in load_profile(profile_name).networks if group.name.startswith(RECIPES)]


def trained_members(profile_name: str, group_name: str) -> Members:
    """Return the networks of a group that have been trained and whose weights are here; none is trained."""
    store, group = profile_store(profile_name), load_profile(profile_name).group(group_name)
    trained = {seed: find_network(store, group, seed) for seed in group.seeds}
    here = {seed: network for seed, network in trained.items() if network and not network.is_away}
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
    hashes = [network.sha256 for network in members.networks]
    return _among(profile_name, "recipes", group_name, hashes, lambda: members, RECIPE_INDEXES)


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

    def find() -> Members:
        return Members(NETWORKS, tuple(published_networks()))

    indexes = load_profile(profile_name).measure(TEST).indexes
    return _among(profile_name, "published", NETWORKS.name, list(SHA256), find, indexes)


def _among(
    profile_name: str, step: str, name: str, hashes: list[str], find: Callable[[], Members], indexes: Sequence[str]
) -> Artefact:
    """Measure networks, by the hashes of their files, that are looked for only if this has not been done."""
    measure = load_profile(profile_name).measure(TEST)
    n, asked = measure.examples, {"indexes": list(indexes), "median": MEDIAN}
    inputs = made_from([], split=measure.split, examples=n, **asked) | {"networks": hashes}

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
        arrays["first_share"] = np.array(shares)
        return arrays, {**Sides([members], (), measure.split).facts(), "examples": [n], **asked}

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
