"""What linear CKA gives when the examples of one side are shuffled some times.

Shuffling the examples of Y turns its centred Gram matrix L into P L P', which leaves its norm as it is. So with Gram
matrices of unit norm, computed once, each shuffle of all pairs of layers is one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import repsim
from repsim.lab.errors import LabError

Gram = NDArray[np.float32]
LEVEL = 0.999  # of the shuffles, which a similarity has to exceed


def unit_grams(arrays: Sequence[Any], *, debiased: bool = False) -> Gram:
    """Return the centred Gram matrices of representations (n, p) of the same examples at unit norm, (R, n, n) float32.

    Inner products of two of them are linear CKA, `debiased` or not. LabError if their numbers of examples differ, or
    one does not vary or is not finite.
    """
    n = arrays[0].shape[0]
    if len(counts := {len(array) for array in arrays}) > 1:
        raise LabError(f"representations of the same examples are needed, found numbers of examples {sorted(counts)}")
    grams = np.empty((len(arrays), n, n), np.float32)
    centre = repsim.u_centre_gram if debiased else repsim.centre_gram
    for place, array in enumerate(arrays):
        try:
            gram = centre(repsim.gram_linear(np.asarray(array[:n], np.float64)))
        except repsim.RepresentationError as error:
            raise LabError(f"representation {place} of {len(arrays)}: {error}") from None
        norm = float(np.linalg.norm(gram))
        if not norm > 0:
            raise LabError(f"representation {place} of {len(arrays)} is the same for all examples")
        grams[place] = gram / norm
    return grams


def shuffled(
    rows: Gram, columns: Gram, permutations: int, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> NDArray[np.float32]:
    """Return linear CKA of every row with every column after shuffling the columns' examples, (permutations, R, C).

    `rows` and `columns` are of :func:`unit_grams` and of the same examples; each shuffle is used for all pairs.
    """
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
