r"""Table 2, Figure 2 and Figure F.3 on the paper's 50,000 training images: one small artefact per pair of layers.

Each is made in minutes and committed by itself, so that another machine goes on where one stopped. Bases, which take
most of the disk and are made again in an hour a network, stay in the cache.

With centred representations :math:`X = U_X S_X V_X^T` and :math:`Y = U_Y S_Y V_Y^T`, everything is in
:math:`M = U_X^T U_Y`, whose singular values are the cosines between the two spaces: CCA is their mean or mean square,
SVCCA that of the leading block of M that a threshold keeps, so that all thresholds need one basis and one product;
:math:`\|S_X M S_Y\|_F^2` is HSIC, :math:`\|S_X M\|_F^2` linear regression, and PWCCA weights the left singular
vectors of M. That is what makes the paper's 50,000 examples affordable: a layer takes one decomposition of as many rows
as it has features, and a pair of layers one product and the eigenvalues of another such matrix.

Cosines are the square roots of the eigenvalues of the smaller of :math:`M M^T` and :math:`M^T M`, in float32. Only the
values are asked for, and one side is half of the work: LAPACK's singular values of M in float32 take three times, in
float64 seven times as long. Squaring costs half of the digits of small cosines, which add little to a mean:
:data:`TOLERANCE` bounds the error of every index here against LAPACK's singular values in float64, which a test proves
at 2,048 features.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, fields
from functools import partial
from itertools import combinations, product
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from scipy.linalg import eigh

from repsim.lab.errors import LabError
from repsim.lab.measurements.common import Made, made_from, measured, members
from repsim.lab.repository import cache_root
from repsim.lab.representations import sources
from repsim.lab.store import Artefact, clear, write_atomically

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
TOLERANCE = 1e-4  # of every index, absolute
ROWS = 2000  # of a representation in memory in float64
LEAST = 1e-6  # of the largest singular value: below, the eigenvalues of a Gram matrix in float64 are rounding
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.99)


@dataclass(frozen=True)
class Basis:
    """The singular value decomposition of a centred representation, by falling singular values.

    `left` is (n, r) and orthonormal, `right` (r, p) with orthonormal rows, p counting the features that vary; both
    float32.
    """

    left: Float32
    singular: Float64
    right: Float32

    def kept(self, threshold: float) -> int:
        """Return the fewest leading components that hold a share of the variance."""
        reached = np.cumsum(self.singular**2)
        return min(int(np.searchsorted(reached, threshold * (1 - 1e-13) * reached[-1])) + 1, len(reached))


def basis(x: Any) -> Basis:
    """Return the basis of a representation (n, p), or of what gives slices of its rows, read in blocks of examples.

    From the eigenvectors of its Gram matrix over features, in float64: squaring is safe where no singular value of the
    features that vary is below :data:`LEAST` of the largest. LabError if one is, or if p >= n.
    """
    n, p = x.shape
    if p >= n:
        raise LabError(f"a basis needs more examples than features, found {n} examples of {p} features")
    starts = range(0, n, ROWS)
    total, first = np.zeros(p), np.asarray(x[:1])[0]
    varies = np.zeros(p, bool)
    for start in starts:
        block = np.asarray(x[start : start + ROWS])
        total += block.sum(axis=0, dtype=np.float64)
        varies |= (block != first).any(axis=0)
    mean = (total / n)[varies]

    def centred(start: int) -> Float64:
        return np.asarray(x[start : start + ROWS])[:, varies].astype(np.float64) - mean

    gram = np.zeros((len(mean), len(mean)))
    for start in starts:
        rows = centred(start)
        gram += rows.T @ rows
    eigenvalues, vectors = eigh(gram, driver="evd", overwrite_a=True, check_finite=False)
    if not len(mean) or eigenvalues[0] <= LEAST**2 * eigenvalues[-1]:
        raise LabError(
            f"the Gram matrix of {len(mean)} features that vary has eigenvalues from {eigenvalues.min():.1e} to "
            f"{eigenvalues.max():.1e}; one below {LEAST**2:g} of the largest is rounding, and the rank cannot be told"
        )
    singular, vectors = np.sqrt(eigenvalues[::-1]), vectors[:, ::-1]
    left = np.empty((n, len(singular)), np.float32)
    for start in starts:
        left[start : start + ROWS] = centred(start) @ vectors / singular
    return Basis(left, singular, np.ascontiguousarray(vectors.T, np.float32))


def cosines(m: Float32) -> Float64:
    """Return the singular values of M, as many as its smaller side, rising."""
    gram = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    eigenvalues = eigh(gram, eigvals_only=True, driver="evd", overwrite_a=True, check_finite=False)
    return np.sqrt(np.clip(eigenvalues.astype(np.float64), 0.0, 1.0))


def weighted(x: Basis, m: Float32) -> float:
    """Return PWCCA of the representation on the rows of M with that on its columns, weighted by the former."""
    rank, other = m.shape
    if rank <= other:
        squares, directions = eigh(m @ m.T, driver="evd", overwrite_a=True, check_finite=False)
    else:
        squares, right = eigh(m.T @ m, driver="evd", overwrite_a=True, check_finite=False)
        directions = m @ right
        directions /= np.maximum(np.linalg.norm(directions, axis=0), np.finfo(np.float32).tiny)
    rho = np.sqrt(np.clip(squares.astype(np.float64), 0.0, 1.0))
    scaled = x.singular.astype(np.float32)[:, None] * x.right
    weights = np.abs(directions.T @ scaled).sum(axis=1, dtype=np.float64)
    numerator, beyond = float(weights @ rho), 0.0
    if rank > other:  # correlations of 0, whose canonical variables are the principal axes of what is left of x
        rest = x.singular.astype(np.float32)[:, None] * (np.eye(rank, dtype=np.float32) - directions @ directions.T)
        _, axes = eigh(rest.T @ rest, driver="evd", overwrite_a=True, check_finite=False)
        beyond = float(np.abs(axes[:, other:].T @ scaled).sum(dtype=np.float64))
    return numerator / (float(weights.sum()) + beyond)


def compare(x: Basis, y: Basis) -> dict[str, tuple[float, float]]:
    """Return every index of x with y and of y with x, by the names of :data:`repsim.INDEXES`."""
    m, n = np.asarray(x.left.T @ y.left), len(x.left)
    least = min(m.shape)
    m2, sx, sy = np.square(m, dtype=np.float64), x.singular**2, y.singular**2
    hsic = float(sx @ m2 @ sy)
    symmetric = {
        "cca_r2": float(m2.sum()) / least,
        "cca_mean": float(cosines(m).sum()) / least,
        "hsic_linear": hsic / (n - 1) ** 2,
        "cka_linear": hsic / float(np.linalg.norm(sx) * np.linalg.norm(sy)),
    }
    for threshold in THRESHOLDS:
        block = m[: x.kept(threshold), : y.kept(threshold)]
        ending = "" if threshold == 0.99 else f"_{threshold:g}"
        symmetric[f"svcca_r2{ending}"] = float(np.square(block, dtype=np.float64).sum()) / min(block.shape)
        symmetric[f"svcca_mean{ending}"] = float(cosines(block).sum()) / min(block.shape)
    both = {name: (value, value) for name, value in symmetric.items()}
    both["linear_regression"] = (
        float(sx @ m2.sum(axis=1)) / float(sx.sum()),
        float(m2.sum(axis=0) @ sy) / float(sy.sum()),
    )
    both["pwcca"] = weighted(x, m), weighted(y, np.ascontiguousarray(m.T))
    return both


STEP = "layer-pairs"
NETWORKS, EXAMPLES, SPLIT = 3, 50_000, "train"
VERSION = 1  # of the arithmetic: raise it when the same inputs would give other values

Place = tuple[Artefact, str]  # a network and one of its layers


def layer_pairs(profile_name: str, networks_compared: int = NETWORKS, examples: int = EXAMPLES) -> Artefact:
    """Return every layer of some Tiny-10 networks compared with every layer of the others, by subspace indexes.

    As :func:`repsim.lab.measurements.tables`, which readers of tables take, with the numerical rank of each layer as
    ``ranks`` (m, L). Of a network with itself everything is NaN. Each pair of networks takes hours.
    """
    (group,) = members(profile_name, most=networks_compared)
    networks, layers = range(len(group.networks)), range(len(group.layers))

    def make(_: Any) -> Made:
        tables: dict[str, np.ndarray] = {}
        ranks = np.zeros((len(networks), len(layers)), np.int64)
        for (a, b), (i, j) in product(combinations(networks, 2), product(layers, layers)):
            places = [(group.networks[network], group.layers[layer]) for network, layer in ((a, i), (b, j))]
            arrays = layer_pair(profile_name, *places, examples=examples).arrays()
            ranks[a, i], ranks[b, j] = arrays.pop("ranks")
            for index, (forth, back) in arrays.items():
                table = tables.setdefault(index, np.full((len(networks),) * 2 + (len(layers),) * 2, np.nan))
                table[a, b, i, j], table[b, a, j, i] = forth, back
        facts = {"split": SPLIT, "examples": examples, "indexes": sorted(tables)}
        return {**tables, "ranks": ranks}, {**group.facts(), **facts}

    return measured(profile_name, "tables", "papers-n", group.made_from(**_asked(examples)), make)


def _asked(examples: int) -> dict[str, Any]:
    return {"split": SPLIT, "examples": examples, "thresholds": list(THRESHOLDS), "products": VERSION}


def layer_pair(profile_name: str, first: Place, second: Place, *, examples: int) -> Artefact:
    """Return the similarities of two layers by each index: of one with the other, and of the other with the one."""
    networks, layers = [first[0], second[0]], [first[1], second[1]]

    def make(_: Any) -> Made:
        x, y = (kept_basis(*place, examples) for place in (first, second))
        arrays = {name: np.array(values) for name, values in compare(x, y).items()}
        arrays["ranks"] = np.array([len(x.singular), len(y.singular)])
        return arrays, {"examples": examples}

    name = "-".join(f"seed{network.record['inputs']['seed']}-{layer}" for network, layer in (first, second))
    return measured(profile_name, STEP, name, made_from(networks, **_asked(examples), layers=layers), make)


def kept_basis(network: Artefact, layer: str, examples: int) -> Basis:
    """Return the basis of a layer on so many training images, from the cache or made and kept there."""
    folder = cache_root() / "bases" / f"v{VERSION}-{network.sha256[:16]}-{SPLIT}-{examples}-{layer}"
    paths = [folder / f"{field.name}.npy" for field in fields(Basis)]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not paths[-1].exists():  # which is written last
            clear(folder)
            made = basis(sources([network], SPLIT, examples, (layer,), folder=folder / "representations")[0])
            shutil.rmtree(folder / "representations", ignore_errors=True)
            for path in paths:
                write_atomically(path, partial(np.save, arr=getattr(made, path.stem), allow_pickle=False))
    return Basis(*(np.load(path, mmap_mode="r", allow_pickle=False) for path in paths))
