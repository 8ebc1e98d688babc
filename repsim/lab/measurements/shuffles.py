"""What linear CKA gives when the examples of one side are shuffled: over all shuffles, exactly, or over some of them.

Shuffling the examples of Y turns its centred Gram matrix L into P L P', which leaves its norm as it is. So with Gram
matrices of unit norm, computed once, each shuffle of all pairs of layers is one matrix product.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import repsim
from repsim.lab.errors import LabError
from repsim.lab.measurements.common import (
    Made,
    Members,
    Scratch,
    Sides,
    gather,
    measured,
    members,
    saturation_is_recorded,
    sides,
)
from repsim.lab.measurements.similarities import WITHIN_INDEXES
from repsim.lab.profiles import Shuffles, load_profile, required
from repsim.lab.progress import progress_bar
from repsim.lab.store import Artefact

Gram = NDArray[np.float32]
LEVEL = 0.999  # of the shuffles, which a similarity has to exceed


class ShuffleError(LabError):
    """Something that cannot be shuffled; the message says what and why."""


def unit_grams(arrays: Sequence[Any], *, debiased: bool = False) -> Gram:
    """Return the centred Gram matrices of representations (n, p) of the same examples at unit norm, (R, n, n) float32.

    Inner products of two of them are linear CKA, `debiased` or not. ShuffleError if there is none, the numbers of
    examples differ, or one does not vary or is not finite.
    """
    counts = sorted({int(array.shape[0]) for array in arrays})
    if len(counts) != 1:
        raise ShuffleError(f"representations of the same examples are needed, found numbers of examples {counts}")
    grams = np.empty((len(arrays), counts[0], counts[0]), np.float32)
    centre = repsim.u_centre_gram if debiased else repsim.centre_gram
    for place, array in enumerate(arrays):
        try:
            gram = centre(repsim.gram_linear(np.asarray(array[: counts[0]], np.float64)))
        except repsim.RepresentationError as error:
            raise ShuffleError(f"representation {place} of {len(arrays)}: {error}") from None
        norm = float(np.linalg.norm(gram))
        if not norm > 0:
            raise ShuffleError(f"representation {place} of {len(arrays)} is the same for all examples")
        grams[place] = gram / norm
    return grams


def shuffled(
    rows: Gram,
    columns: Gram,
    permutations: int,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return linear CKA of every row with every column after shuffling the columns' examples, (permutations, R, C).

    `rows` and `columns` are of :func:`unit_grams`; each shuffle is used for all pairs. ShuffleError if numbers of
    examples differ, or `permutations` is not positive.
    """
    if rows.shape[1:] != columns.shape[1:] or permutations < 1:
        raise ShuffleError(
            f"rows {rows.shape} and columns {columns.shape} need as many examples each, and a positive number of "
            f"permutations, not {permutations}"
        )
    n, rng = rows.shape[1], np.random.default_rng(seed)
    left = np.stack([gram[np.triu_indices(n)] for gram in rows])
    # Symmetric: entries beside the diagonal count twice. All columns' lie side by side, and are moved together.
    right = np.ascontiguousarray(np.moveaxis(columns, 0, -1))
    right *= np.where(np.eye(n, dtype=bool), 1, 2).astype(np.float32)[:, :, None]
    moved = np.empty((left.shape[1], len(columns)), np.float32)
    null = np.empty((permutations, len(rows), len(columns)), np.float32)
    for number in range(permutations):
        order, start = rng.permutation(n), 0
        for place, example in enumerate(order.tolist()):
            stop = start + n - place
            np.take(right[example], order[place:], axis=0, out=moved[start:stop], mode="clip")
            start = stop
        null[number] = left @ moved
        if progress:
            progress(number + 1, permutations)
    return null


def against_shuffles(rows: Gram, columns: Gram, permutations: int, **more: Any) -> dict[str, NDArray[np.float32]]:
    """Return each similarity beside what shuffles give, as :func:`shuffled` takes them; (R, C) each.

    "value"; "mean" and "deviation" of the shuffles; "level", their 99.9th percentile; "p", the share of the shuffles
    and the value itself that reach the value.
    """
    value = rows.reshape(len(rows), -1) @ columns.reshape(len(columns), -1).T
    null = shuffled(rows, columns, permutations, **more)
    return {
        "value": value,
        "mean": null.mean(axis=0),
        "deviation": null.std(axis=0),
        "level": np.quantile(null, LEVEL, axis=0).astype(np.float32),
        "p": (((null >= value).sum(axis=0) + 1) / (permutations + 1)).astype(np.float32),
    }


def null_between(profile_name: str, comparison_name: str) -> Artefact:
    """Return linear CKA of a comparison's networks beside that of shuffled examples, as the entry ``shuffles`` says.

    (R, C) float32 arrays ``<index>_<quantity>``, for biased and debiased linear CKA and the quantities of
    :func:`repsim.lab.measurements.shuffles.against_shuffles`; rows and columns as those of the comparison.
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
