"""What is measured of networks beside the similarities of their layers.

Principal components (Figure 1), shared subspaces (Figure 8), where indexes fail, linear classifiers (Figure 3), and the
path of canonical ridge from CCA over linear regression to linear CKA.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

import repsim
from repsim.lab.data import load_dataset
from repsim.lab.errors import LabError
from repsim.lab.measurements.common import Members, Scratch, gather, measured_of, members, saturation_is_recorded
from repsim.lab.profiles import load_profile, required
from repsim.lab.progress import progress_bar
from repsim.lab.store import Arrays, Artefact

DIMENSION_INDEXES = (
    "cca_r2",
    "cca_mean",
    "svcca_r2",
    "pwcca",
    "linear_regression",
    "cka_linear",
    "cka_rbf_0.4",
    "cka_linear_debiased",
)
COMPONENTS_LAYER = "conv5"
_WHOLE = 3  # networks whose eigenvectors are all found


def dimension(profile_name: str) -> Artefact:
    """Return every index between the same layer of the first two networks, against the number of examples.

    "examples" (k,), "features" (L,), and for each index "same_<index>" (L, k) and "shuffled_<index>" (L, k), with the
    examples of the second network in another order: what unrelated representations of the same spectrum score.
    """
    (group,), counts = members(profile_name, most=2), load_profile(profile_name).dimension_examples

    def make(scratch: Scratch) -> Arrays:
        first, second = (
            scratch.representations(network, "train", max(counts), group.layers) for network in group.networks
        )
        values = np.empty((2, len(DIMENSION_INDEXES), len(group.layers), len(counts)))
        for (row, layer), (column, count) in itertools.product(enumerate(group.layers), enumerate(counts)):
            x, y = first[layer][:count], second[layer][:count]
            shuffled = y[np.random.default_rng(count).permutation(count)]
            with saturation_is_recorded():
                tables = repsim.pairwise([x], [y, shuffled], index=list(DIMENSION_INDEXES))
            values[:, :, row, column] = np.transpose([tables[name][0] for name in DIMENSION_INDEXES])
        names = [f"{order}_{name}" for order in ("same", "shuffled") for name in DIMENSION_INDEXES]
        arrays = dict(zip(names, itertools.chain(*values), strict=True))
        return arrays | {"examples": np.array(counts), "features": np.array(group.features)}

    asked = {"split": "train", "indexes": list(DIMENSION_INDEXES)}
    return measured_of(profile_name, "dimension", "first-two-networks", group, asked, make, examples=list(counts))


def components(profile_name: str) -> Artefact:
    """Return "scores" (m, n, 2) on two principal components of the fifth convolution, "explained" (m, 2), "labels"."""
    (group,), count = members(profile_name), load_profile(profile_name).components_examples

    def make(scratch: Scratch) -> Arrays:
        scores, explained = [], []
        for network in group.networks:
            (x,) = scratch.representations(network, "test", count, (COMPONENTS_LAYER,)).values()
            projected = repsim.principal_components(x, 2)
            scores.append(projected.astype(np.float32))
            total = float(np.var(x, axis=0, dtype=np.float64).sum())
            explained.append(np.var(projected, axis=0) / total)
        labels = load_dataset(group.group.dataset).first("test", count).labels
        return {"scores": np.stack(scores), "explained": np.stack(explained), "labels": labels}

    asked = {"split": "test", "examples": count, "layer": COMPONENTS_LAYER}
    return measured_of(profile_name, "components", COMPONENTS_LAYER, group, asked, make)


def _shared(
    scratch: Scratch, group: Members, count: int, most: Callable[[int], int]
) -> Iterator[tuple[str, repsim.SharedSubspace]]:
    """Yield each layer and how the networks of each ordered pair share subspaces of it, on test images.

    Of as many eigenvectors at `most` as it says for a number of features.
    """
    pairs = list(itertools.permutations(range(len(group.networks)), 2))
    with progress_bar("eigenvectors of each layer") as report:
        for number, (layer, p) in enumerate(zip(group.layers, group.features, strict=True), 1):
            stack = [scratch.representations(network, "test", count, (layer,))[layer] for network in group.networks]
            yield layer, repsim.shared_subspaces(stack, pairs, k=min(most(p), p, count - 1))
            report(number, len(group.layers))


def subspace(profile_name: str) -> Artefact:
    """Return how each network's Gram matrix acts on the eigenvectors of each other network's (section 6.4).

    Representations are scaled to unit Frobenius norm, so that the two can be drawn on one axis. "pairs" (P, 2), and per
    layer "eigenvalues_<layer>" (m, k), "scaling_<layer>" (P, k) and "cosine_<layer>" (P, k) for the k largest
    eigenvectors of the first network of each pair; "features" (L,).
    """
    (group,), count = members(profile_name), load_profile(profile_name).subspace_examples

    def make(scratch: Scratch) -> Arrays:
        pairs = list(itertools.permutations(range(len(group.networks)), 2))
        arrays = {"pairs": np.array(pairs), "features": np.array(group.features)}
        # So many show whether the shared dimension is below a tenth of the features, as claim F8c says.
        for layer, shared in _shared(scratch, group, count, lambda features: max(64, features // 10 + 1)):
            arrays[f"eigenvalues_{layer}"] = shared.eigenvalues.astype(np.float32)
            arrays[f"scaling_{layer}"] = shared.scales.astype(np.float32)
            arrays[f"cosine_{layer}"] = shared.cosines.astype(np.float32)
        return arrays

    asked, rule = {"split": "test", "examples": count}, "a tenth of the features and one more, 64 at least"
    return measured_of(profile_name, "subspace", "all-pairs", group, asked, make, eigenvectors=rule)


def spectra(profile_name: str) -> Artefact:
    """Return how far Figure 8's cosines fall over all eigenvectors, and what turns the leading ones, of few networks.

    Per layer "cosine_<layer>" (1, k), medians over ordered pairs, k being the features or one less than the examples.
    Of the pooling layer "within" (P, 20 at most): the squared length of each eigenvector of the first network of a pair
    in the span of the second one's leading ten, as many as there are classes. "features" (L,).
    """
    (group,), count = members(profile_name, most=_WHOLE), load_profile(profile_name).subspace_examples

    def make(scratch: Scratch) -> Arrays:
        arrays = {"features": np.array(group.features)}
        for layer, shared in _shared(scratch, group, count, lambda features: features):
            arrays[f"cosine_{layer}"] = np.median(shared.cosines, axis=0, keepdims=True).astype(np.float32)
        (*_, last), networks = group.layers, group.networks
        pools = [scratch.representations(network, "test", count, (last,))[last] for network in networks]
        vectors = [repsim.principal_components(pool, min(20, pool.shape[1])) for pool in pools]
        vectors = [scores / np.maximum(np.linalg.norm(scores, axis=0), 1e-30) for scores in vectors]  # some may be 0
        pairs = itertools.permutations(vectors, 2)
        arrays["within"] = np.array([((other[:, :10].T @ own) ** 2).sum(axis=0) for own, other in pairs])
        return arrays

    asked = {"split": "test", "examples": count}
    return measured_of(profile_name, "subspace", "whole-spectra", group, asked, make, eigenvectors="all")


def probes(profile_name: str, group_name: str) -> Artefact:
    """Return the test "accuracy" (m, L) of l2-regularised logistic regression on every layer, and its "strength"."""
    settings = required(load_profile(profile_name).probes, profile_name, "probes")
    (group,) = members(profile_name, (group_name,), settings.networks)
    sizes = {name: getattr(settings, name) for name in ("examples", "held_out", "test_examples")}

    def make(scratch: Scratch) -> Arrays:
        dataset = load_dataset(group.group.dataset)
        counts = {"train": settings.examples, "test": settings.test_examples}
        labels = {split: dataset.first(split, count).labels for split, count in counts.items()}
        layers = {split: gather(scratch, [group], split, count, share=0.5) for split, count in counts.items()}

        def fit(place: int) -> dict[str, np.ndarray]:
            x, other = (layers[split][place][:count] for split, count in counts.items())
            probe = fit_probe(x, labels["train"], held_out=settings.held_out)
            values = {"accuracy": probe.accuracy(other, labels["test"]), "strength": probe.strength}
            return {name: np.array(value) for name, value in values.items()}

        fitted = []
        with progress_bar(f"probes {group_name}") as report:
            for place in range(len(layers["train"])):
                fitted.append(scratch.finished(str(place), partial(fit, place)))
                report(place + 1, len(layers["train"]))
        shape = len(group.networks), len(group.layers)
        return {name: np.reshape([values[name] for values in fitted], shape) for name in fitted[0]}

    fitting = {"strengths": list(STRENGTHS), "patience": PATIENCE, "steps": STEPS, "tolerance": TOLERANCE}
    return measured_of(profile_name, "probes", group_name, group, sizes, make, **fitting)


# Kappa, as a fraction of the largest eigenvalue of the Gram matrix.
KAPPAS = (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, math.inf)
# Of x and of y: CCA comes first, linear regression where x alone has no bound, linear CKA last.
PATH = (*((kappa, 0.0) for kappa in KAPPAS), *((math.inf, kappa) for kappa in KAPPAS[1:]))


def ridge(profile_name: str) -> Artefact:
    """Return canonical ridge of all layers of every two networks along a path of strengths.

    The normaliser is the cosine throughout (equation 27): the CKA of the regularised operators. It is that of
    :func:`repsim.canonical_ridge`, which would decompose each layer once more for each other one. "pairs" (P, 2), of
    different networks in both orders; "cosine" (P, S, L, L), [., s, i, j] of layer i of the first with layer j of the
    second at step s; "kappa_x" and "kappa_y" (S,), as fractions of the largest eigenvalue of the Gram matrix.
    """
    settings = required(load_profile(profile_name).ridge, profile_name, "ridge")
    (group,) = members(profile_name, most=settings.networks)
    pairs = list(itertools.combinations(range(len(group.networks)), 2))

    def make(scratch: Scratch) -> Arrays:
        of = settings.split, settings.examples, group.layers
        stacks = [scratch.representations(network, *of) for network in group.networks]

        def factors(place: int) -> list[Arrays]:
            return [
                scratch.finished(f"factor-{place}-{layer}", partial(factorise, stacks[place][layer]))
                for layer in group.layers
            ]

        def both_orders(pair: tuple[int, int]) -> Arrays:
            return _cosines(*map(factors, pair))

        cosines = []
        with progress_bar("ridge") as report:
            for number, pair in enumerate(pairs):
                orders = scratch.finished(f"pair-{pair[0]}-{pair[1]}", partial(both_orders, pair))
                cosines += [orders["cosine"], orders["exchanged"]]
                report(number + 1, len(pairs))
        kappa_x, kappa_y = np.array(PATH).T
        return {
            "pairs": np.array([order for pair in pairs for order in (pair, pair[::-1])]),
            "cosine": np.stack(cosines).astype(np.float32),
            "kappa_x": kappa_x,
            "kappa_y": kappa_y,
        }

    asked = {"split": settings.split, "examples": settings.examples}
    return measured_of(profile_name, "ridge", "path", group, asked, make, strengths=[str(kappa) for kappa in KAPPAS])


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
    weights = [share if math.isinf(kappa) else share / (share + kappa) for kappa in KAPPAS]
    return {"left": left.astype(np.float32), "weights": np.stack(weights, axis=1)}


def _cosines(first: list[Arrays], second: list[Arrays]) -> Arrays:
    """Return both orders of two networks, (S, L, L) each."""
    steps = np.array([[KAPPAS.index(kappa) for kappa in step] for step in PATH]).T
    cosines = np.empty((2, len(PATH), len(first), len(second)))
    for (i, x), (j, y) in itertools.product(enumerate(first), enumerate(second)):
        a, b = x["weights"], y["weights"]
        overlaps = np.square(x["left"].T @ y["left"])
        cosine = (a.astype(np.float32).T @ overlaps).astype(np.float64) @ b
        cosine /= np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
        cosines[:, :, i, j] = cosine[steps[0], steps[1]], cosine[steps[1], steps[0]]
    return {"cosine": cosines[0], "exchanged": cosines[1].transpose(0, 2, 1)}


if TYPE_CHECKING:  # else loaded when a probe is fitted: it takes a second
    from sklearn.linear_model import LogisticRegression

Features = NDArray[np.float32]
STRENGTHS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)  # of the penalty, examples having mean squared norm 1
PATIENCE = 2  # weaker penalties are not tried once the held-out accuracy has been below its best this often
STEPS = 100
TOLERANCE = 1e-5  # largest entry of the gradient


@dataclass(frozen=True)
class Probe:
    """A linear classifier of features, which are centred and scaled first."""

    model: LogisticRegression
    centre: Features
    scale: float
    strength: float

    def accuracy(self, x: Features, labels: NDArray[Any]) -> float:
        """Return the share of the rows of `x` that get their label."""
        return float(self.model.score((x - self.centre) * np.float32(self.scale), labels))


def fit_probe(x: Any, labels: Any, *, held_out: int, strengths: Sequence[float] = STRENGTHS) -> Probe:
    """Fit a probe on features (n, p) and labels, after choosing the strength of its penalty on the last of them.

    From the strongest on, each fit starts from the one before; of equally good strengths `s`, in mean cross-entropy + s
    / 2 times the sum of squared weights, the strongest counts. With it all examples are fitted. One number scales all
    features, so that the penalty does not depend on their unit. LabError if examples and labels do not fit together,
    features do not vary or are not finite, a part would be empty, or a class is only among the examples that are held
    out.
    """
    from sklearn.linear_model import LogisticRegression

    x, labels = np.array(x, np.float32, copy=True), np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1] or not 0 < held_out < len(x) or not strengths:
        raise LabError(
            f"features {x.shape} and labels {labels.shape} are needed as (n, p) and (n,), with 0 < held_out < n, "
            f"not {held_out}, and at least one strength"
        )
    fitted = len(x) - held_out
    if not 1 < len(np.unique(labels)) == len(np.unique(labels[:fitted])):
        raise LabError(f"at least two classes are needed, each of them among the first {fitted} examples")
    centre = x.mean(axis=0)
    x -= centre
    size = float(np.sqrt(np.einsum("ij,ij->", x, x, dtype=np.float64) / len(x)))
    if not (np.isfinite(size) and size > 0):
        raise LabError("features that are not finite, or the same for all examples, cannot be classified")
    x /= np.float32(size)
    model = LogisticRegression(tol=TOLERANCE, max_iter=STEPS, warm_start=True)
    scores: dict[float, float] = {}
    starts, falls = {}, 0
    for strength in sorted(map(float, strengths), reverse=True):
        _fit(model, x[:fitted], labels[:fitted], strength)
        score = float(model.score(x[fitted:], labels[fitted:]))
        falls = falls + 1 if scores and score < max(scores.values()) else 0
        scores[strength], starts[strength] = score, (model.coef_, model.intercept_)
        if falls >= PATIENCE:
            break
    chosen = max(scores, key=lambda strength: scores[strength])
    model.coef_, model.intercept_ = starts[chosen]
    return Probe(_fit(model, x, labels, chosen), centre, 1 / size, chosen)


def _fit(model: LogisticRegression, x: Features, labels: NDArray[Any], strength: float) -> LogisticRegression:
    """Fit from where the model is; what has not converged after so many steps is good enough to compare layers."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.set_params(C=1 / (strength * len(x))).fit(x, labels)
