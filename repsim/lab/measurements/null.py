"""What the similarities of the figures would be if examples were shuffled, which leaves nothing in common but shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from repsim.lab.measurements.common import Members, Scratch, files, gather, made_from, measured, members, required
from repsim.lab.profiles import Shuffles, load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.shuffles import against_shuffles, unit_grams
from repsim.lab.store import Artefact

_DEBIASED = {"cka_linear": False, "cka_linear_debiased": True}


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
    return _null(profile_name, comparison_name, settings, rows, columns, comparison.split, comparison.dataset)


def null_within(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA of the layers of one network of a group beside that of shuffled examples.

    The arrays are those of :func:`null_between`; the network is the group's first.
    """
    profile = load_profile(profile_name)
    within, settings = (required(getattr(profile, name), profile_name, name) for name in ("within", "shuffles"))
    some = members(profile_name, (group_name,), 1)
    return _null(profile_name, f"within-{group_name}", settings, some, some, within.split, "")


def _null(
    profile_name: str,
    name: str,
    settings: Shuffles,
    rows: Sequence[Members],
    columns: Sequence[Members],
    split: str,
    dataset: str,
) -> Artefact:
    def make(scratch: Scratch) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        first = gather(scratch, rows, split, settings.examples, dataset)
        second = first if columns is rows else gather(scratch, columns, split, settings.examples, dataset)
        arrays: dict[str, np.ndarray] = {}
        for index, debiased in _DEBIASED.items():
            left = unit_grams(first, debiased=debiased)
            right = left if columns is rows else unit_grams(second, debiased=debiased)
            with progress_bar(f"shuffles {name} {index}") as report:
                values = against_shuffles(left, right, settings.permutations, progress=report)
            arrays |= {f"{index}_{quantity}": array for quantity, array in values.items()}
        return arrays, {
            "rows": [some.facts() for some in rows],
            "columns": [some.facts() for some in columns],
            "split": split,
            "dataset": dataset or rows[0].group.dataset,
            "examples": settings.examples,
            "permutations": settings.permutations,
            "indexes": list(_DEBIASED),
        }

    inputs = made_from(
        files(rows),
        columns=None if columns is rows else [network.sha256 for network in files(columns)],
        split=split,
        images=dataset or None,
        examples=settings.examples,
        permutations=settings.permutations,
    )
    return measured(profile_name, "null", name, inputs, make)
