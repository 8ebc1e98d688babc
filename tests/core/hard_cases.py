"""Representations that are hard to get right, drawn at random, and how far two values of an index may be apart."""

import warnings
from contextlib import contextmanager

import numpy as np
from hypothesis import strategies as st

from repsim import INDEXES, RankSaturationWarning, RepresentationError, get_index, pairwise

PUBLIC = [name for name, index in INDEXES.items() if index.function]  # each has its definition in oracle.py
SHAPES = {"tall": (20, 2), "square": (9, 9), "wide": (5, 50), "two": (2, 3), "three": (3, 1), "four": (4, 4)}
KINDS = ["plain", "low rank", "constant columns", "equal rows", "equal columns", "offset", "relu", "outlier"]
SCALES = {np.float64: [-100, -15, 0, 15, 100], np.float32: [-15, 0, 15]}


def made(rng, shape, kind):
    """One representation of a shape and kind."""
    n, p = shape
    x = rng.standard_normal((n, p))
    if kind == "low rank":
        rank = max(1, min(n, p) // 2)
        x = x[:, :rank] @ rng.standard_normal((rank, p))
    elif kind == "constant columns":
        x[:, ::2] = 3.0
        x[0, -1] += 1.0
    elif kind == "equal rows":
        x[1::3] = x[0]
    elif kind == "equal columns":
        x[:, 1::2] = x[:, :1]
    elif kind == "offset":
        x += 100.0
    elif kind == "relu":
        x = np.maximum(x, 0)
        x[0, 0] += 1.0
    elif kind == "outlier":
        x[0] *= 1e3
    return x


def laid_out(x, order, frozen):
    """Return the same numbers in another order in memory, every other row or column of something, or read-only."""
    out = np.asfortranarray(x) if order == "F" else np.ascontiguousarray(x)
    if order == "strided":
        out = np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2]
    elif order == "reversed":
        out = x[::-1].copy()[::-1]
    out.flags.writeable = not frozen
    return out


@st.composite
def pairs(draw, dtype=np.float64, shapes=tuple(SHAPES)):
    """Two representations of the same examples."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = SHAPES[draw(st.sampled_from(shapes))]
    found = []
    for _ in range(2):
        width = draw(st.sampled_from([shape[1], 1, max(1, shape[1] // 2)]))
        x = made(rng, (shape[0], width), draw(st.sampled_from(KINDS)))
        x = (x * 10.0 ** draw(st.sampled_from(SCALES[dtype]))).astype(dtype)
        found.append(laid_out(x, draw(st.sampled_from(["C", "F", "strided", "reversed"])), draw(st.booleans())))
    return tuple(found)


@contextmanager
def saturation_expected():
    """Let full rank pass: these cases have it on purpose, and the warning has tests of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankSaturationWarning)
        yield


def quietly(function):
    """Return the value, or the named error that came instead."""
    with saturation_expected():
        try:
            return function()
        except RepresentationError as error:
            return error


def one(name, x, y):
    """What an index says of a pair: its value or its error."""
    return quietly(lambda: get_index(name)(x, y))


def all_at_once(names, x, y, **options):
    """Return the same by name, from one call of `pairwise` for those that have a value."""
    found = quietly(lambda: pairwise([x], [y], index=list(names), **options))
    if isinstance(found, RepresentationError):
        each = {name: quietly(lambda n=name: pairwise([x], [y], index=n, **options)) for name in names}
        return {name: v if isinstance(v, RepresentationError) else float(v[0, 0]) for name, v in each.items()}
    return {name: float(table[0, 0]) for name, table in found.items()}


def size_of(name, x, y):
    """What an error is relative to: 1 for a similarity, the norms of the operators for HSIC."""
    index = get_index(name)
    if index.function.__name__ != "hsic":
        return 1.0
    size = 1.0
    for z in (x, y):
        z = np.asarray(z, dtype=np.float64)
        unit = float(np.abs(z - z.mean(axis=0)).max()) if "linear" in name else 1.0
        size *= unit**2 * float(np.sqrt(get_index(name.removesuffix("_debiased"))(z / unit, z / unit)))
    return size or 1.0  # also where it is below the smallest float64, as HSIC then is
