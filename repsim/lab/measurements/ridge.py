"""From CCA over linear regression to linear CKA: canonical ridge with more and more regularisation."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from repsim.lab.measurements.common import Scratch, made_from, measured, members, required
from repsim.lab.profiles import load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.store import Arrays, Artefact

# Kappa, as a fraction of the largest eigenvalue of the Gram matrix.
STRENGTHS = (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, math.inf)
# Of x and of y: CCA comes first, linear regression where x alone has no bound, linear CKA last.
PATH = (*((one, 0.0) for one in STRENGTHS), *((math.inf, one) for one in STRENGTHS[1:]))


def ridge(profile_name: str) -> Artefact:
    """Return canonical ridge of all layers of every two networks along a path of strengths.

    The normaliser is the cosine throughout (equation 27): the CKA of the regularised operators. It is that of
    :func:`repsim.canonical_ridge`, which would decompose each layer once more for each other one.

    Returns
    -------
    Artefact
        "pairs" (P, 2), of different networks in both orders; "cosine" (P, S, L, L), [., s, i, j] being that of layer i
        of the first network, x, with layer j of the second, y, at step s of the path; "kappa_x" and "kappa_y" (S,), as
        fractions of the largest eigenvalue of the Gram matrix of x and of y.
    """
    settings = required(load_profile(profile_name).ridge, profile_name, "ridge")
    (some,) = members(profile_name, most=settings.networks)
    pairs = list(itertools.combinations(range(len(some.networks)), 2))

    def make(scratch: Scratch) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        of = settings.split, settings.examples, some.layers
        stacks = [scratch.representations(network, *of) for network in some.networks]

        def factors(one: int) -> list[Arrays]:
            return [
                scratch.finished(f"factor-{one}-{layer}", partial(factorise, stacks[one][layer]))
                for layer in some.layers
            ]

        def both_orders(pair: tuple[int, int]) -> Arrays:
            return _cosines(*(factors(one) for one in pair))

        cosines = []
        with progress_bar("ridge") as report:
            for number, pair in enumerate(pairs):
                part = scratch.finished(f"pair-{pair[0]}-{pair[1]}", partial(both_orders, pair))
                cosines += [part["cosine"], part["exchanged"]]
                report(number + 1, len(pairs))
        kappa_x, kappa_y = np.array(PATH).T
        arrays = {
            "pairs": np.array([order for pair in pairs for order in (pair, pair[::-1])]),
            "cosine": np.stack(cosines).astype(np.float32),
            "kappa_x": kappa_x,
            "kappa_y": kappa_y,
        }
        return arrays, {**some.facts(), "split": settings.split, "examples": settings.examples}

    how = {"split": settings.split, "examples": settings.examples, "strengths": [str(one) for one in STRENGTHS]}
    return measured(profile_name, "ridge", "path", made_from(some.networks, **how), make)


def factorise(x: NDArray[Any]) -> Arrays:
    """Return "left" singular vectors (n, r) of the centred columns, and their "weights" (r, T) at each strength."""
    x = np.asarray(x, dtype=np.float64)
    x = x - x.mean(axis=0)
    wide = x.shape[1] > x.shape[0]
    values, vectors = scipy.linalg.eigh(x @ x.T if wide else x.T @ x, overwrite_a=True)
    kept = values > 10 * len(values) * np.finfo(np.float64).eps * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    left = vectors if wide else x @ (vectors / np.sqrt(values))
    share = values / values[-1]
    weights = [share if math.isinf(kappa) else share / (share + kappa) for kappa in STRENGTHS]
    return {"left": left.astype(np.float32), "weights": np.stack(weights, axis=1)}


def _cosines(first: list[Arrays], second: list[Arrays]) -> Arrays:
    """Return both orders of two networks, (S, L, L) each."""
    steps = np.array([[STRENGTHS.index(one) for one in step] for step in PATH]).T
    found = np.empty((2, len(PATH), len(first), len(second)))
    for (i, x), (j, y) in itertools.product(enumerate(first), enumerate(second)):
        a, b = x["weights"], y["weights"]
        overlaps = np.square(x["left"].T @ y["left"])
        cosine = (a.astype(np.float32).T @ overlaps).astype(np.float64) @ b
        cosine /= np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
        found[:, :, i, j] = cosine[steps[0], steps[1]], cosine[steps[1], steps[0]]
    return {"cosine": found[0], "exchanged": found[1].transpose(0, 2, 1)}
