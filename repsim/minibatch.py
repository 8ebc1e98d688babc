"""Centred kernel alignment estimated from mini-batches, for comparison with what other packages report."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repsim.engine.arrays import Array, Float64, host, is_array
from repsim.engine.memory import budget
from repsim.engine.representation import Representation, pair
from repsim.engine.tables import centre_in_place
from repsim.errors import TooFewExamplesError
from repsim.kernels import raise_undefined
from repsim.options import whole_number

_LEAST_BATCH = 4  # examples, of an unbiased HSIC


def minibatch_cka(x: Any, y: Any, *, batch_size: int = 256, passes: int = 1, seed: int | None = None) -> float:
    r"""Mini-batch estimate of linear CKA (Nguyen et al. 2021).

    .. math:: \frac{\frac1k \sum_i \mathrm{HSIC}_1(K_i, L_i)}
              {\sqrt{\frac1k \sum_i \mathrm{HSIC}_1(K_i, K_i)}\,\sqrt{\frac1k \sum_i \mathrm{HSIC}_1(L_i, L_i)}}

    HSIC\ :sub:`1` is the unbiased estimator of Song et al. (2007) and :math:`K_i`, :math:`L_i` are the Gram matrices of
    the i-th batch. It estimates ``cka(x, y, debiased=True)``, not the biased CKA of the paper, with an error that
    depends on the batches; with a batch of all examples it is that value. `repsim.pairwise` gives the exact value
    in as little memory, so this is here to be compared with, not to be preferred.

    Parameters
    ----------
    x, y : array_like
        Representations of the same n examples, (n, p) or (n, h, w, c).
    batch_size : int
        Examples in a batch, at least 4; the examples that do not fill a last batch are left out of each pass.
    passes : int
        How often all examples are gone through.
    seed : int, optional
        Draw a new order for each pass; without it the order given is kept, and more passes change nothing.

    Returns
    -------
    float
        At most about 1; not clamped.

    Raises
    ------
    RepresentationError
        If an argument is not a representation, is constant, or has fewer examples than a batch.
    ParameterError
        If `batch_size` is below 4, `passes` not positive or `seed` negative, or one of them no whole number.

    See Also
    --------
    repsim.cka : The exact value.
    repsim.pairwise : The exact value, of many and in little memory.

    References
    ----------
    1. Nguyen, Raghu and Kornblith (2021), equation 3, doi:10.48550/arXiv.2010.15327.
    2. Song et al. (2007), doi:10.1145/1273496.1273600.

    Examples
    --------
    What the size of the batches makes of it:

    >>> import numpy as np
    >>> from repsim import cka
    >>> x = np.random.default_rng(0).standard_normal((100, 8))
    >>> y = x[:, :4] ** 2 + x[:, 4:]
    >>> print(f"{cka(x, y, debiased=True):.3f}", *(f"{minibatch_cka(x, y, batch_size=b):.3f}" for b in (100, 50, 10)))
    0.410 0.410 0.403 0.425
    """
    batch_size = whole_number("batch_size", batch_size, _LEAST_BATCH, " for an unbiased HSIC")
    a, b = pair(x, y, minimum=_LEAST_BATCH)
    held = [_array_of(view, z, shuffled=seed is not None) for view, z in ((a, x), (b, y))]
    sums, noise = np.zeros(3), np.zeros(2)
    for batch in _batches(a.n, batch_size, passes, seed):
        grams = [_gram_of_batch(_rows_of_batch(view, array, batch)) for view, array in zip((a, b), held, strict=True)]
        noise += [1e-24 * float(np.vdot(gram, gram)) for gram in grams]
        k, m = (centre_in_place(gram, debiased=True) for gram in grams)
        sums += [float(np.vdot(k, m)), float(np.vdot(k, k)), float(np.vdot(m, m))]
    for name, own, floor in (("x", sums[1], noise[0]), ("y", sums[2], noise[1])):
        if not own > floor:
            raise_undefined(name, debiased=True)
    return float(sums[0] / (math.sqrt(sums[1]) * math.sqrt(sums[2])))


def _array_of(view: Representation, x: Any, *, shuffled: bool) -> Array | None:
    """Return an array to gather batches from; of what is read for each, its rows if they are shuffled and fit."""
    if is_array(x):
        return host(x)
    size = 8 * view.n * view.p
    if not shuffled or 2 * size > budget(None, 2 * size):
        return None
    view.block(0, view.n)  # which says so if they are not those that were read before
    return host(view.raw(0, view.n))


def _batches(n: int, batch_size: int, passes: int, seed: int | None) -> Iterator[NDArray[np.intp]]:
    """Yield the examples of each batch, ascending."""
    rng = None if seed is None else np.random.default_rng(whole_number("seed", seed, 0))
    if batch_size > n:
        raise TooFewExamplesError(f"x has {n} examples, which do not fill one batch of {batch_size}")
    for _ in range(whole_number("passes", passes, 1)):
        order = np.arange(n) if rng is None else rng.permutation(n)
        for start in range(0, n - batch_size + 1, batch_size):
            yield np.sort(order[start : start + batch_size])


def _rows_of_batch(view: Representation, array: Array | None, batch: NDArray[np.intp]) -> Float64:
    """Return the rows of a batch in ascending order, centred and scaled as those of `view`.

    They are gathered in one go from an array, be it on the disk; what else there is is asked for consecutive rows.
    """
    stretches = np.split(batch, np.flatnonzero(np.diff(batch) > 1) + 1)
    if array is None or len(stretches) == 1:
        return np.concatenate([view.block(int(rows[0]), int(rows[-1]) + 1) for rows in stretches])
    rows: Float64 = array[batch].reshape(len(batch), view.p).astype(np.float64)
    rows -= view.mean
    rows[:, ~view.alive] = 0
    return np.ldexp(rows, -view.exponent)


def _gram_of_batch(rows: Float64) -> Float64:
    rows -= rows.mean(axis=0)
    gram: Float64 = rows @ rows.T
    return gram
