"""Linear CKA of float32 representations in several ways, which differ in where they round.

The two naive ways, each also with one of their steps done in float64 at a time, so that the step which is at fault
shows: the value then comes near that of float64. "Offset" representations have means far above their spread.
"""

import math

import numpy as np

from benchmarks.engine.data import rectified
from repsim import pairwise

OFFSET = 30.0  # added to each feature, whose spread is about 1
SIDE = 1000  # of the naive ways' tiles, as a first version of the engine had
_ROWS = 2048


def representations(folder, kind, n, p):
    """Return two related representations in files, made if they are missing."""
    return [_stored(folder / "accuracy" / f"{kind}-{side}-{n}-{p}.npy", kind, n, p, side) for side in range(2)]


def _stored(path, kind, n, p, side):
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        out = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=(n, p))
        start = 0
        for block in rectified(n, p, 10**6 + side):
            out[start : start + len(block)] = block + np.float32(OFFSET if kind == "offset" else 0)
            start += len(block)
        if kind == "centred":
            mean = sum(out[rows].sum(axis=0, dtype=np.float64) for rows in _slices(n, _ROWS)) / n
            for rows in _slices(n, _ROWS):
                out[rows] -= mean.astype(np.float32)
        out.flush()
        del out
        partial.replace(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


class Rows:
    """Some rows of an array in another order, or in another precision, read as they are needed."""

    def __init__(self, x, order=None, dtype=None):
        self._x, self._order, self._dtype, self.shape = x, order, dtype, x.shape

    def __getitem__(self, rows):
        selected = self._x[rows] if self._order is None else self._x[self._order[rows]]
        return np.array(selected, dtype=self._dtype or selected.dtype)


def values(way, x, y, *, memory, block=None):
    """Return by name what a way gives; NaN is None."""
    cka = WAYS[way](x, y, memory=memory, block=block)
    cka = cka if isinstance(cka, dict) else {way: cka}
    return {name: value if math.isfinite(value) else None for name, value in cka.items()}


def _slices(n, step):
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def engine(x, y, *, memory, block):
    """Ours, on what was stored."""
    return _cka(x, y, memory, block)


def engine_in_float64(x, y, *, memory, block):
    """Ours, on the same numbers in float64."""
    return _cka(Rows(x, dtype=np.float64), Rows(y, dtype=np.float64), memory, block)


def _cka(x, y, memory, block):
    return float(pairwise([x], [y], index="cka_linear", memory=memory, block=block)[0, 0])


def reference(x, y, *, memory, block):
    """By the definition in float64, <K, L> / (||K|| ||L||) of centred columns, all sums exactly rounded per tile."""
    means = [
        sum(z[rows].sum(axis=0, dtype=np.float64) for rows in _slices(_count(z), _ROWS)) / _count(z) for z in (x, y)
    ]
    products = {"xy": [], "xx": [], "yy": []}
    for first in _slices(_count(x), SIDE):
        left = [z[first].astype(np.float64) - mean for z, mean in zip((x, y), means, strict=True)]
        for second in _slices(_count(x), SIDE):
            if second.start < first.start:
                continue
            weight = 1 if first == second else 2
            k, m = (a @ (z[second].astype(np.float64) - mean).T for a, z, mean in zip(left, (x, y), means, strict=True))
            for name, a, b in (("xy", k, m), ("xx", k, k), ("yy", m, m)):
                products[name].append(weight * float(np.vdot(a, b)))
    return _ratio(*(math.fsum(products[name]) for name in ("xy", "xx", "yy")))


def _ratio(xy, xx, yy):
    """Return the index, or NaN where rounding has left a norm that is not positive."""
    squared = float(xx) * float(yy)
    return float(xy) / math.sqrt(squared) if squared > 0 and xx > 0 else math.nan


def _count(x):
    """Return the number of examples."""
    return x.shape[0]


def tiles(x, y, *, memory, block, means="float32", sums="float32", table="float32"):
    """Tiles as the engine has them, without its care.

    Columns are centred by means that were summed in a precision, or (None) the operators afterwards by their row sums.
    The entries of a tile are summed by one product (`sums`), and the tiles are added up (`table`), in float32 too.
    """
    a, b = (_centred(z, means) for z in (x, y))
    n = len(a)
    total, rows = np.zeros((2, 2), table), np.zeros((2, n), table)
    for first in _slices(n, SIDE):
        for second in _slices(n, SIDE):
            if second.start < first.start:
                continue
            weight = 1 if first == second else 2
            pair = [z[first] @ z[second].T for z in (a, b)]
            stacked = np.stack([tile.ravel() for tile in pair]).astype(sums, copy=False)
            total += (weight * (stacked @ stacked.T)).astype(table)
            for i, tile in enumerate(pair):
                rows[i, first] += tile.sum(axis=1, dtype=table)
                if first != second:
                    rows[i, second] += tile.sum(axis=0, dtype=table)
    if means is None:
        totals = rows.sum(axis=1)
        total = total - 2 / np.dtype(table).type(n) * (rows @ rows.T)
        total = total + np.outer(totals, totals) / np.dtype(table).type(n) ** 2
    return _ratio(total[0, 1], total[0, 0], total[1, 1])


def textbook(x, y, *, memory, block, means="float32"):
    """||Y'X||² / (||X'X|| ||Y'Y||) of centred columns, by what the squares are summed with.

    They are summed by a dot product in float32, as np.linalg.norm does, in pairs in float32, as np.sum does, or in
    float64.
    """
    a, b = (_centred(z, means) for z in (x, y))
    sums = {name: [] for name in SUMS}
    for s, t in ((b, a), (a, a), (b, b)):
        cross = s.T @ t
        for name, summed in SUMS.items():
            sums[name].append(summed(cross))
    prefix = "textbook" if means == "float32" else "textbook_exact_means"
    return {prefix + name: _ratio(*squares) for name, squares in sums.items()}


SUMS = {
    "": lambda cross: np.linalg.norm(cross) ** 2,
    "_summed_in_pairs": lambda cross: np.sum(np.square(cross)),
    "_summed_in_float64": lambda cross: math.fsum(
        float(np.sum(np.square(strip, dtype=np.float64))) for strip in np.array_split(cross, 64)
    ),
}


def textbook_in_float64(x, y, *, memory, block):
    """The same formula in float64, a strip of columns at a time, so that it fits into memory."""
    a, b = (_centred(z, "float64") for z in (x, y))

    def squares(s, t):
        strips = (s[:, columns].T.astype(np.float64) @ t.astype(np.float64) for columns in _slices(s.shape[1], SIDE))
        return math.fsum(float(np.vdot(strip, strip)) for strip in strips)

    return _ratio(*(squares(s, t) for s, t in ((b, a), (a, a), (b, b))))


def _centred(z, means):
    """Return an array in float32, centred by means that were summed in a precision; None: as it is."""
    centred = np.array(z[0 : _count(z)], dtype=np.float32)
    if means is not None:
        centred -= centred.mean(axis=0, dtype=means).astype(np.float32)
    return centred


def _with(function, **options):
    return lambda x, y, **others: function(x, y, **others, **options)


WAYS = {
    "reference": reference,
    "engine": engine,
    "engine_in_float64": engine_in_float64,
    "tiles": tiles,
    "tiles_exact_means": _with(tiles, means="float64"),
    "tiles_summed_in_float64": _with(tiles, sums="float64"),
    "tiles_added_in_float64": _with(tiles, table="float64"),
    "tiles_all_sums_in_float64": _with(tiles, means="float64", sums="float64", table="float64"),
    "tiles_centred_after": _with(tiles, means=None),
    "tiles_centred_after_in_float64": _with(tiles, means=None, sums="float64", table="float64"),
    "textbook": textbook,
    "textbook_exact_means": _with(textbook, means="float64"),
    "textbook_in_float64": textbook_in_float64,
}
