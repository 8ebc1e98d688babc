"""The similarity of every layer of every network with every layer of every network: Figure 2 and Table 2."""

from __future__ import annotations

from typing import Any

import numpy as np

import repsim
from repsim.lab.layers import compared_layers
from repsim.lab.measurements.common import (
    GROUP,
    facts_of,
    made_from,
    networks,
    resumed,
    saturation_is_recorded,
    unfinished,
)
from repsim.lab.profiles import load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.store import Artefact, key, profile_store
from repsim.lab.streaming import sources


def saturated_layers(cca_r2: np.ndarray) -> list[int]:
    """Return the layers whose CCA R² (m, m, L, L) is 1 with every layer of every network: their rank is n - 1."""
    return [i for i in range(cca_r2.shape[2]) if (cca_r2[:, :, i, :] > 1 - 1e-6).all()]


def tables(profile_name: str, measure_name: str) -> Artefact:
    """Return the similarities of every layer of every network with every layer of every network.

    Returns
    -------
    Artefact
        One float64 array (m, m, L, L) per index of the measure, [a, b, i, j] being the index of layer i of network a
        with layer j of network b; the record names the layers, the split and the number of examples.
    """
    profile = load_profile(profile_name)
    measure = profile.measure(measure_name)
    trained = networks(profile_name)
    layers = compared_layers(profile.group(GROUP).architecture)

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = sources(trained, measure.split, measure.examples, layers)
        name = f"{measure_name}-{key(inputs)[:12]}"
        how: dict[str, Any] = {}
        facts: dict[str, Any] = resumed(name)
        with progress_bar(f"tables {measure_name}") as report, saturation_is_recorded():
            values = repsim.pairwise(
                arrays, index=list(measure.indexes), resume=unfinished(name), progress=report, record=how
            )
        shape = len(trained), len(layers), len(trained), len(layers)
        found = {name: value.reshape(shape).transpose(0, 2, 1, 3) for name, value in values.items()}
        features = [array.shape[1] for array in arrays[: len(layers)]]
        facts |= {"split": measure.split, "examples": measure.examples, "features": features}
        if "median" in how:
            facts |= {name: how[name] for name in ("median", "median_distances")}
        if "cca_r2" in found:
            facts["saturated"] = [layers[i] for i in saturated_layers(found["cca_r2"])]
        return found, {**facts_of(profile, layers, trained), **facts, "indexes": list(measure.indexes)}

    inputs = made_from(trained, split=measure.split, examples=measure.examples, indexes=list(measure.indexes))
    return profile_store(profile_name).get("tables", measure_name, inputs, make)
