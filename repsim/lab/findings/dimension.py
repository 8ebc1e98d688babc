"""Where each index stops meaning anything: related beside unrelated representations, against their width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repsim.lab.findings.theory import index_values
from repsim.lab.measurements import DIMENSION_INDEXES

Array = NDArray[np.float64]

MEANINGFUL = 0.1  # the least by which related representations must score above unrelated ones


def random_widths(
    n: int = 200,
    ratios: Sequence[float] = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 1.1, 1.5, 2, 4),
    draws: int = 3,
    indexes: Sequence[str] = DIMENSION_INDEXES,
) -> dict[str, Array]:
    """Measure each index on random data of growing width, at a fixed number of examples.

    Returns
    -------
    dict
        "ratio" (k,), features per example; "related_<index>" (k,), X with X plus as much noise; and
        "unrelated_<index>" (k,), X with independent data; means over the draws.
    """
    rng = np.random.default_rng(200)
    widths = [max(1, round(ratio * n)) for ratio in ratios]
    found = {f"{kind}_{name}": np.zeros(len(widths)) for kind in ("related", "unrelated") for name in indexes}
    for place, width in enumerate(widths):
        for _ in range(draws):
            x, noise, unrelated = rng.normal(size=(3, n, width))
            for name, (high, low) in index_values(x, [x + noise, unrelated], indexes).items():
                found[f"related_{name}"][place] += high / draws
                found[f"unrelated_{name}"][place] += low / draws
    return {"ratio": np.array(widths) / n, **found}


def contrast(arrays: Mapping[str, Array], index: str) -> Array:
    """Return (layers, examples): by how much an index tells two networks' same layer from shuffled examples."""
    return np.asarray(arrays[f"same_{index}"] - arrays[f"shuffled_{index}"])


def meaningful_range(arrays: Mapping[str, Array], indexes: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per index: share of cells where it tells related from shuffled, and up to which width.

    `features_per_example` is the largest ratio up to which the index is meaningful in every cell, 0 if there is
    none.
    """
    ratio = arrays["features"][:, None] / arrays["examples"][None]
    rows = []
    for index in indexes:
        good = contrast(arrays, index) >= MEANINGFUL
        failing = ratio[~good].min() if not good.all() else np.inf
        below = ratio[ratio < failing]
        rows.append(
            {
                "index": index,
                "meaningful": float(good.mean()),
                "features_per_example": float(below.max()) if below.size else 0.0,
                "largest_shuffled": float(np.max(arrays[f"shuffled_{index}"])),
            }
        )
    return rows
