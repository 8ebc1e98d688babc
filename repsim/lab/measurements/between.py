"""Layer-by-layer similarity of the networks of several groups: Figures 5, 6, 7, F.4, F.6 and F.8."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import repsim
from repsim.lab.errors import ProfileError
from repsim.lab.measurements.common import finished, forget, made_from, resumed, saturation_is_recorded, unfinished
from repsim.lab.measurements.gathering import Members, beginnings, files, gather, members
from repsim.lab.profiles import Comparison, load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.representations import passing
from repsim.lab.store import Artefact, key, profile_store


def between(profile_name: str, comparison_name: str) -> Artefact:
    """Return the similarities of the layers of all networks of a comparison's groups, for nested sets of examples.

    Parameters
    ----------
    profile_name, comparison_name
        Of which profile, and the name of one of its comparisons.

    Returns
    -------
    Artefact
        One float32 array per index and number of examples, ``<index>_<n>``. Its rows are the layers of the first
        network of the first group, of its second network, and so on; its columns likewise, and the same unless the
        comparison names other groups. Of a diagonal comparison: (networks, networks, L), same layers only. The record
        names groups, seeds and layers in that order; :class:`repsim.lab.findings.compared.Compared` reads both.

    Raises
    ------
    ProfileError
        If there is no such comparison, or it is diagonal and its networks differ in their number of layers.
    """
    comparison = load_profile(profile_name).comparison(comparison_name)
    rows = members(profile_name, comparison.groups, comparison.networks)
    columns = members(profile_name, comparison.columns, comparison.networks) if comparison.columns else rows
    if comparison.diagonal and len({len(some.layers) for some in (*rows, *columns)}) > 1:
        raise ProfileError(f"comparison {comparison.name}: same layers need networks with as many layers each")

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        some, most = files([*rows, *columns]), max(comparison.examples)
        before = resumed(name)
        with passing(some, comparison.split, most, comparison.dataset or None):
            found = _tables(comparison, rows, columns, name)
        facts = {
            "profile": profile_name,
            "rows": [some.facts() for some in rows],
            "columns": [some.facts() for some in columns],
            "split": comparison.split,
            "dataset": comparison.dataset or rows[0].group.dataset,
            "examples": list(comparison.examples),
            "indexes": list(comparison.indexes),
            "diagonal": comparison.diagonal,
        }
        return found, facts | before

    inputs = made_from(
        files(rows),
        columns=[network.sha256 for network in files(columns)] if comparison.columns else None,
        split=comparison.split,
        images=comparison.dataset or None,
        examples=list(comparison.examples),
        indexes=list(comparison.indexes),
        diagonal=comparison.diagonal,
    )
    name = f"{comparison.name}-{key(inputs)[:12]}"
    artefact = profile_store(profile_name).get("between", comparison.name, inputs, make)
    forget(name)
    return artefact


def _tables(
    comparison: Comparison, rows: Sequence[Members], columns: Sequence[Members], name: str
) -> dict[str, np.ndarray]:
    share = 0.5 if comparison.columns else 1.0
    most = max(comparison.examples)
    first = gather(rows, comparison.split, most, comparison.dataset, share)
    second = gather(columns, comparison.split, most, comparison.dataset, share) if comparison.columns else None

    def of(count: int) -> dict[str, np.ndarray]:
        xs = beginnings(first, count)
        ys = None if second is None else beginnings(second, count)
        with progress_bar(f"between {comparison.name} n = {count}") as report, saturation_is_recorded():
            values = repsim.pairwise(
                xs,
                ys,
                index=list(comparison.indexes),
                resume=unfinished(f"{name}-{count}"),
                progress=report,
            )
        if comparison.diagonal:
            values = {index: same_layers(table, len(rows[0].layers)) for index, table in values.items()}
        return {f"{index}_{count}": table.astype(np.float32) for index, table in values.items()}

    found: dict[str, np.ndarray] = {}
    for count in comparison.examples:
        found |= finished(f"{name}-{count}", partial(of, count))
    return found


def same_layers(table: NDArray[Any], layers: int) -> NDArray[Any]:
    """Return (networks, networks, L), the diagonals of the (L, L) blocks of a table of all layers of all networks."""
    shape = table.shape[0] // layers, layers, table.shape[1] // layers, layers
    return np.ascontiguousarray(np.einsum("aibi->abi", table.reshape(shape)))
