"""What the similarities of the figures would be if examples were shuffled, which leaves nothing in common but shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from repsim.lab.measurements.common import made_from, required
from repsim.lab.measurements.gathering import Members, files, gather, members
from repsim.lab.profiles import Shuffles, load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.representations import passing
from repsim.lab.shuffles import against_shuffles, unit_grams
from repsim.lab.store import Artefact, profile_store

_KINDS = {"cka_linear": False, "cka_linear_debiased": True}


def null_between(profile_name: str, comparison_name: str) -> Artefact:
    """Return linear CKA of a comparison's networks beside that of shuffled examples.

    Parameters
    ----------
    profile_name, comparison_name
        As for :func:`repsim.lab.measurements.between`; the profile's entry ``shuffles`` says how many networks of
        each group.

    Returns
    -------
    Artefact
        (R, C) float32 arrays ``<index>_<quantity>``, for biased and debiased linear CKA and the quantities of
        :func:`repsim.lab.shuffles.against_shuffles`; rows and columns as those of the comparison.
    """
    profile = load_profile(profile_name)
    comparison, settings = profile.comparison(comparison_name), required(profile.shuffles, profile_name, "shuffles")
    rows = members(profile_name, comparison.groups, settings.networks)
    columns = members(profile_name, comparison.columns, settings.networks) if comparison.columns else rows
    return _null(profile_name, comparison_name, rows, columns, comparison.split, comparison.dataset)


def null_within(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA of the layers of one network of a group beside that of shuffled examples.

    The arrays are those of :func:`null_between`; the network is the group's first.
    """
    within = required(load_profile(profile_name).within, profile_name, "within")
    some = members(profile_name, (group_name,), 1)
    return _null(profile_name, f"within-{group_name}", some, some, within.split, "")


def _null(
    profile_name: str, name: str, rows: Sequence[Members], columns: Sequence[Members], split: str, dataset: str
) -> Artefact:
    settings = required(load_profile(profile_name).shuffles, profile_name, "shuffles")

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        with passing(files([*rows, *columns]), split, settings.examples, dataset or None):
            found = _shuffle(name, rows, columns, settings, split, dataset)
        facts = {
            "profile": profile_name,
            "rows": [some.facts() for some in rows],
            "columns": [some.facts() for some in columns],
            "split": split,
            "dataset": dataset or rows[0].group.dataset,
            "examples": settings.examples,
            "permutations": settings.permutations,
            "indexes": list(_KINDS),
        }
        return found, facts

    inputs = made_from(
        files(rows),
        columns=None if columns is rows else [network.sha256 for network in files(columns)],
        split=split,
        images=dataset or None,
        examples=settings.examples,
        permutations=settings.permutations,
    )
    return profile_store(profile_name).get("null", name, inputs, make)


def _shuffle(
    name: str, rows: Sequence[Members], columns: Sequence[Members], settings: Shuffles, split: str, dataset: str
) -> dict[str, np.ndarray]:
    first = gather(rows, split, settings.examples, dataset)
    second = first if columns is rows else gather(columns, split, settings.examples, dataset)
    found: dict[str, np.ndarray] = {}
    for index, debiased in _KINDS.items():
        left = unit_grams(first, debiased=debiased)
        right = left if columns is rows else unit_grams(second, debiased=debiased)
        with progress_bar(f"shuffles {name} {index}") as report:
            values = against_shuffles(left, right, settings.permutations, progress=report)
        found |= {f"{index}_{quantity}": array for quantity, array in values.items()}
    return found
