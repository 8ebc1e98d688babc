"""The similarities of the layers of networks, and what they would be if examples were shuffled.

Figures 2 to 7, F.3 to F.8 and Table 2. One file of arrays each, which :class:`repsim.lab.findings.Tables` and
:class:`repsim.lab.findings.Compared` read.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import repsim
from repsim.engine.bases import components_kept
from repsim.lab.data import load_dataset
from repsim.lab.errors import ProfileError
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
from repsim.lab.products import THRESHOLDS
from repsim.lab.profiles import Comparison, Shuffles, Within, load_profile, required
from repsim.lab.progress import progress_bar
from repsim.lab.shuffles import against_shuffles, unit_grams
from repsim.lab.store import Artefact

WITHIN_INDEXES = ("cka_linear", "cka_linear_debiased")


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


def null_between(profile_name: str, comparison_name: str) -> Artefact:
    """Return linear CKA of a comparison's networks beside that of shuffled examples, as the entry ``shuffles`` says.

    (R, C) float32 arrays ``<index>_<quantity>``, for biased and debiased linear CKA and the quantities of
    :func:`repsim.lab.shuffles.against_shuffles`; rows and columns as those of the comparison.
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

    def make(scratch: Scratch) -> Made:
        of = partial(_chance_of_layers, scratch, compared, count)
        arrays = {
            group.group.name: np.stack(
                [
                    scratch.finished(network.record["name"], partial(of, replace(group, networks=(network,))))["mean"]
                    for network in group.networks
                ]
            )
            for group in compared.rows
        }
        return arrays, {**compared.facts(), **asked}

    return measured(profile_name, "chance", name, compared.made_from(**asked), make)


def _chance_of_layers(scratch: Scratch, compared: Sides, count: int, member: Members) -> dict[str, np.ndarray]:
    """Return (L,) of one network, whose representations go before the next network's come."""
    layers = gather(scratch, [member], compared.split, count, compared.dataset)
    with saturation_is_recorded():
        means = [repsim.pairwise([layer], chance=True)[1].mean.item() for layer in layers]
    shutil.rmtree(scratch.stored, ignore_errors=True)
    return {"mean": np.array(means)}


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
