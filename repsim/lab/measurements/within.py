"""Linear CKA among all layers of one network: Figures 3, 4 and F.5."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import repsim
from repsim.lab.measurements.common import finished, forget, made_from, required, resumed, unfinished
from repsim.lab.measurements.gathering import Members, beginnings, gather, members
from repsim.lab.profiles import Within, load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.representations import passing
from repsim.lab.store import Artefact, key, profile_store

WITHIN_INDEXES = ("cka_linear", "cka_linear_debiased")


def within(profile_name: str, group_name: str) -> Artefact:
    """Return linear CKA, biased and debiased, of every two layers of each network of a group.

    Parameters
    ----------
    profile_name, group_name
        Of which profile, and which group of its networks.

    Returns
    -------
    Artefact
        Per index and number of examples one float32 array ``<index>_<n>``, (m, L, L), each symmetric.
    """
    settings = required(load_profile(profile_name).within, profile_name, "within")
    (some,) = members(profile_name, (group_name,), settings.networks)

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        tables: dict[str, list[np.ndarray]] = {}
        before = resumed(address)
        for network in some.networks:
            one = replace(some, networks=(network,))
            with passing([network], settings.split, max(settings.examples)):
                part = finished(f"{address}-{network.record['name']}", partial(_tables, one, settings, address))
            for name, table in part.items():
                tables.setdefault(name, []).append(table)
        facts = {
            "profile": profile_name,
            **some.facts(),
            "split": settings.split,
            "examples": list(settings.examples),
            "indexes": list(WITHIN_INDEXES),
        }
        return {name: np.stack(stack) for name, stack in tables.items()}, facts | before

    inputs = made_from(
        list(some.networks),
        split=settings.split,
        examples=list(settings.examples),
        indexes=list(WITHIN_INDEXES),
    )
    address = f"within-{key(inputs)[:12]}"
    artefact = profile_store(profile_name).get("within", group_name, inputs, make)
    forget(address)
    return artefact


def _tables(one: Members, settings: Within, address: str) -> dict[str, np.ndarray]:
    """Return the (L, L) tables of one network, by index and number of examples."""
    found: dict[str, np.ndarray] = {}
    arrays = gather([one], settings.split, max(settings.examples))
    name = one.networks[0].record["name"]
    for count in settings.examples:
        with progress_bar(f"within {name} n = {count}") as report:
            values = repsim.pairwise(
                beginnings(arrays, count),
                index=list(WITHIN_INDEXES),
                resume=unfinished(f"{address}-{name}-{count}"),
                progress=report,
            )
        found |= {f"{index}_{count}": table.astype(np.float32) for index, table in values.items()}
    return found
