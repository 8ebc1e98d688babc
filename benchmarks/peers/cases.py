"""The pairs of representations that every library gets, made from fixed seeds."""

import hashlib
from pathlib import Path

import numpy as np

WORDS = {
    "golden": "the authors' example: two noisy copies, {n} × {p} and {n} × {q}",
    "wide": "more features than examples, {n} × {p} and {n} × {q}",
    "convolutional": "ReLU feature maps with dead units, flattened, {n} × {p} and {n} × {q}",
    "offset": "means far above the spread, {n} × {p} and {n} × {q}",
    "constant": "one constant column on each side, {n} × {p} and {n} × {q}",
    "unrelated": "small and unrelated, {n} × {p} and {n} × {q}",
    "large": "more examples and features, in float32, {n} × {p} and {n} × {q}",
}
STREAMED = "convolutional"  # the case whose batch size is varied


def make(n, large):
    """Return name -> (x, y) of n examples; "golden" and "unrelated" have sizes of their own, "large" has `large`."""
    return {
        "golden": _golden(),
        "wide": _related(1, n, 2 * n, 3 * n // 2),
        "convolutional": _convolutional(2, n),
        "offset": tuple(100 + z for z in _related(3, n, 40, 30)),
        "constant": tuple(np.hstack([z, np.full((n, 1), 3.0)]) for z in _related(4, n, 20, 15)),
        "unrelated": _unrelated(1),
        "large": tuple(z.astype(np.float32) for z in _related(5, large, large // 2, 3 * large // 8)),
    }


def batch_sizes(n):
    """Batch sizes to stream with: a short last batch among them, and all at once."""
    return sorted({max(4, n // 20), n // 10, n // 5, 3 * n // 10, n // 2, n})


def write(folder, arrays):
    """Write each array as .npy, unless it is there already, and describe what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {}
    for name, pair in arrays.items():
        for side, values in zip("xy", pair, strict=True):
            np.save(Path(folder) / f"{name}-{side}.npy", np.ascontiguousarray(values))
        x, y = pair
        described[name] = {
            "words": WORDS[name].format(n=x.shape[0], p=x.shape[1], q=y.shape[1]),
            "shapes": [list(x.shape), list(y.shape)],
            "dtype": str(x.dtype),
            "sha256": hashlib.sha256(b"".join(np.ascontiguousarray(z).tobytes() for z in pair)).hexdigest(),
        }
    return described


def _golden():
    state = np.random.RandomState(1337)  # noqa: NPY002 -- the authors' own generator
    x = state.randn(100, 10)
    return x, state.randn(100, 10) + x


def _related(seed, n, p, q):
    """Two mixtures of the same eight signals, with noise."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n, 8)) * np.linspace(3, 0.5, 8)
    return tuple(signal @ rng.standard_normal((8, width)) / 3 + rng.standard_normal((n, width)) for width in (p, q))


def _unrelated(seed):
    """Independent noise; the seed is one that makes the debiased CKA negative, as an unbiased estimate of 0 may be."""
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((40, width)) / 20 for width in (6, 5))


def _convolutional(seed, n):
    """Maps of 4 × 4 positions whose neighbours are alike; one channel in eight never fires."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n, 12)) * np.linspace(3, 0.5, 12)
    pair = []
    for channels in (8, 16):
        weights = rng.standard_normal((12, 1, channels)) + rng.standard_normal((12, 16, channels)) / 2
        maps = np.einsum("ns,spc->npc", signal, weights) + rng.standard_normal((n, 16, channels)) - 1
        maps[:, :, ::8] = -1
        pair.append(np.maximum(maps, 0).reshape(n, -1))
    return tuple(pair)
