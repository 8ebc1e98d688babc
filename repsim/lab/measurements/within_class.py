"""Linear CKA on the images of one class at a time: Figure F.7."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import repsim
from repsim.lab.data import load_dataset
from repsim.lab.measurements.common import finished, forget, made_from, required, resumed
from repsim.lab.measurements.gathering import Members, beginnings, gather, members
from repsim.lab.measurements.within import WITHIN_INDEXES
from repsim.lab.profiles import load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.representations import passing, selected_labels
from repsim.lab.store import Artefact, key, profile_store


def within_class(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA of all layers of all networks of a group on the images of each class, averaged over classes.

    Parameters
    ----------
    profile_name, group_name
        Of which profile, and which group of its networks.

    Returns
    -------
    Artefact
        Per index and number of examples two float32 arrays (m, m, L, L): ``all_<index>_<n>`` of all images, and
        ``class_<index>_<n>``, the mean over classes of that of the images of one class; and "counts_<n>" (classes,),
        images of each class.

    Raises
    ------
    ProfileError
        If the profile does not say on how many images.
    """
    settings = required(load_profile(profile_name).within_class, profile_name, "within_class")
    counts, split = settings.examples, settings.split
    (some,) = members(profile_name, (group_name,))

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        found: dict[str, np.ndarray] = {}
        before = resumed(address)
        with passing(some.networks, split, max(counts)):
            arrays = gather([some], split, max(counts))
            for count in counts:
                found |= finished(f"{address}-{count}", partial(_tables, some, arrays, split, count))
        facts = {"profile": profile_name, **some.facts(), "split": split, "examples": list(counts)}
        return found, {**facts, "indexes": list(WITHIN_INDEXES), **before}

    inputs = made_from(list(some.networks), split=split, examples=list(counts), indexes=list(WITHIN_INDEXES))
    address = f"within-class-{key(inputs)[:12]}"
    artefact = profile_store(profile_name).get("within-class", group_name, inputs, make)
    forget(address)
    return artefact


def _tables(some: Members, arrays: list[Any], split: str, count: int) -> dict[str, np.ndarray]:
    labels = selected_labels(load_dataset(some.group.dataset), split, count)
    classes, counts = np.unique(labels, return_counts=True)
    shape = len(some.networks), len(some.layers), len(some.networks), len(some.layers)
    found = {name: np.zeros(shape) for index in WITHIN_INDEXES for name in (f"all_{index}", f"class_{index}")}
    with progress_bar(f"all classes of {some.group.name}, n = {count}") as report:
        whole = repsim.pairwise(beginnings(arrays, count), index=list(WITHIN_INDEXES), progress=report)
        for index, table in whole.items():
            found[f"all_{index}"] += table.reshape(shape)
    with progress_bar(f"each class of {some.group.name}, n = {count}") as report:
        for done, label in enumerate(classes, start=1):
            chosen = np.flatnonzero(labels == label)
            parts = [array[:count][chosen] for array in arrays]  # a tenth of the images fits into memory
            for index, table in repsim.pairwise(parts, index=list(WITHIN_INDEXES)).items():
                found[f"class_{index}"] += table.reshape(shape) / len(classes)
            report(done, len(classes))
    tables = {f"{name}_{count}": table.transpose(0, 2, 1, 3).astype(np.float32) for name, table in found.items()}
    return tables | {f"counts_{count}": counts}
