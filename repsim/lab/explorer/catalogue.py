"""What the explorer's page knows before any similarity: networks, indexes, tables, scores, the drawing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import repsim
from repsim.lab.data import title_of
from repsim.lab.explorer import heatmap
from repsim.lab.explorer.tables import SimilarityTable
from repsim.lab.families import describe
from repsim.lab.findings import saturated_layers, score
from repsim.lab.findings.correspondence import ASYMMETRIC
from repsim.lab.findings.tables import CCA_TYPE
from repsim.lab.profiles import Networks, Profile
from repsim.lab.published import NETWORKS

DEBIASED = "_debiased"
RECIPE = "recipe-"  # begins the names of groups that differ in how they were trained
FAMILIES = {"resnet": "ResNet"}


def network_facts(group: Networks) -> dict[str, str]:
    """Return what the page calls a group of networks, and what it says of it."""
    kind, _, variant = group.architecture.partition("-")
    family = kind.rstrip("0123456789")
    shape = describe(group.architecture, group.channels)
    channels = sorted({one.channels for one in shape.convolutions})
    width = f"{channels[0]} to {channels[-1]} channels" if len(channels) > 1 else f"{channels[0]} channels"
    name = f"{FAMILIES.get(family, family.capitalize())}-{kind.removeprefix(family)}"
    name += {"nobn": " without batch normalisation", "valid": " without borders"}.get(variant, "")
    name += " of another group" if group.name == NETWORKS.name else ""
    images = title_of(group.dataset)
    trained = f"trained on {images} for {group.recipe.epochs} epochs"
    untrained = f"untrained, made for {images}"
    recipe = f", recipe {group.name.removeprefix(RECIPE).upper()}" if group.name.startswith(RECIPE) else ""
    return {
        "title": f"{name}, {width}, {images}" + ("" if group.recipe.epochs else ", untrained") + recipe,
        "facts": f"{name}: {len(shape.convolutions)} convolutions of {width}, pooling, logits; "
        + (trained if group.recipe.epochs else untrained),
    }


def identification(table: SimilarityTable, index: str, group: str) -> dict[str, Any] | None:
    """Return the identification score of an index over the networks of one group, None where there are no pairs.

    As :func:`repsim.lab.findings.score`, whose jackknife error needs a third network.
    """
    if table.own or group not in {side["group"] for side in table.columns}:
        return None
    block = np.asarray(table.block(index, group, group), np.float64)
    networks, layers = block.shape[0], block.shape[2]
    if networks < 2 or not np.isfinite(block[~np.eye(networks, dtype=bool)]).all():
        return None
    error = None
    if networks > 2:
        scored = score(block, index)
        accuracy, error = scored.estimate, scored.standard_error
    else:
        accuracy = repsim.identification_accuracy(block, symmetrise=index in ASYMMETRIC)
    return {"accuracy": accuracy, "error": error, "networks": networks, "layers": layers}


def _index(name: str) -> dict[str, Any]:
    """Return what the page says of an index; a debiased one is coloured on the scale of the biased one."""
    bounds = repsim.get_index(name.removesuffix(DEBIASED)).bounds
    return {
        "title": repsim.get_index(name).title,
        "bounds": [bound if math.isfinite(bound) else None for bound in bounds],
        "exchanged": name in ASYMMETRIC,
        "saturates": name in CCA_TYPE or name.startswith("svcca"),
    }


def catalogue(profile: Profile, tables: list[SimilarityTable]) -> dict[str, Any]:
    """Return what the page has to know before any similarity: networks, indexes, tables, scores, the drawing."""
    sides = {side["group"]: side for table in tables for side in (*table.columns, *table.rows)}
    names = {index for table in tables for index in table.indexes}
    known = [*repsim.INDEXES, *sorted(names - set(repsim.INDEXES))]
    ordered = sorted((name for name in known if name in names), key=lambda name: not name.startswith("cka"))
    return {
        "profile": profile.name,
        "spec": heatmap.specification(),
        "networks": {
            group.name: {**network_facts(group), "layers": sides[group.name]["layers"]}
            for group in (*profile.networks, NETWORKS)
            if group.name in sides
        },
        "indexes": {name: _index(name) for name in ordered},
        "tables": [_entry(table) for table in tables],
        "blocks": {},
    }


def _entry(table: SimilarityTable) -> dict[str, Any]:
    record = table.record
    images = title_of(record["dataset"])
    kind, groups = {"train": "training", "test": "test"}[record["split"]], [side["group"] for side in table.rows]
    return {
        "key": table.key,
        "title": f"{table.examples:,} {kind} images, {images} ({record['name']})",
        "file": f"{record['step']}/{table.path.name}",
        "data": f"data.html#data-{record['step']}",
        "own": table.own,
        "bytes": table.bytes,
        "indexes": table.indexes,
        "rows": {side["group"]: side["seeds"] for side in table.rows},
        "columns": {side["group"]: side["seeds"] for side in table.columns},
        "saturated": {
            side["group"]: saturated_layers(side["layers"], side["features"], table.examples)
            for side in (*table.rows, *table.columns)
        },
        "scores": {
            index: {group: scored for group in groups if (scored := identification(table, index, group))}
            for index in table.indexes
        },
    }
