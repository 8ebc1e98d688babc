"""Linear CKA on the images of one class at a time: Figure F.7."""

from __future__ import annotations

from typing import Any

import numpy as np

import repsim
from repsim.lab.data import load_dataset
from repsim.lab.errors import ProfileError
from repsim.lab.measurements.common import made_from
from repsim.lab.measurements.gathering import gather, members
from repsim.lab.measurements.within import WITHIN_INDEXES
from repsim.lab.profiles import load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.representations import passing, selected_labels
from repsim.lab.store import Artefact, profile_store


def within_class(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA of all layers of all networks of a group on the images of each class, averaged over classes.

    Parameters
    ----------
    profile_name, group_name
        Of which profile, and which group of its networks.

    Returns
    -------
    Artefact
        Per index two float32 arrays (m, m, L, L): ``all_<index>`` of all images, and ``class_<index>``, the mean over
        classes of that of the images of one class; "counts" (classes,), images of each class.

    Raises
    ------
    ProfileError
        If the profile does not say on how many images.
    """
    profile = load_profile(profile_name)
    if profile.within_class is None:
        raise ProfileError(f"profile {profile_name} has no entry within_class")
    count, split = profile.within_class.examples, profile.within_class.split
    (some,) = members(profile_name, (group_name,))

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        with passing(some.networks, split, count):
            return compare()

    def compare() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        labels = selected_labels(load_dataset(some.group.dataset), split, count)
        arrays = gather([some], split, count)
        classes = np.unique(labels)
        shape = len(some.networks), len(some.layers), len(some.networks), len(some.layers)
        found = {name: np.zeros(shape) for index in WITHIN_INDEXES for name in (f"all_{index}", f"class_{index}")}
        with progress_bar(f"all classes of {group_name}") as report:
            for index, table in repsim.pairwise(arrays, index=list(WITHIN_INDEXES), progress=report).items():
                found[f"all_{index}"] += table.reshape(shape)
        with progress_bar(f"each class of {group_name}") as report:
            for done, label in enumerate(classes, start=1):
                chosen = np.flatnonzero(labels == label)
                parts = [array[:count][chosen] for array in arrays]  # a tenth of the images fits into memory
                for index, table in repsim.pairwise(parts, index=list(WITHIN_INDEXES)).items():
                    found[f"class_{index}"] += table.reshape(shape) / len(classes)
                report(done, len(classes))
        tables = {name: table.transpose(0, 2, 1, 3).astype(np.float32) for name, table in found.items()}
        counts = np.array([np.count_nonzero(labels == label) for label in classes])
        facts = {"profile": profile_name, **some.facts(), "split": split, "examples": count}
        return tables | {"counts": counts}, {**facts, "indexes": list(WITHIN_INDEXES)}

    inputs = made_from(list(some.networks), split=split, examples=count, indexes=list(WITHIN_INDEXES))
    return profile_store(profile_name).get("within-class", group_name, inputs, make)
