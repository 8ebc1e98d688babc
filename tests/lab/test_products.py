"""All subspace indexes from one product per pair of layers, against the package's own functions and LAPACK."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import svdvals

import repsim
from repsim.lab.errors import LabError
from repsim.lab.measurements.layer_pairs import TOLERANCE, basis, compare, cosines

NAMES = ["cca_r2", "cca_mean", "hsic_linear", "cka_linear", "linear_regression", "pwcca", "svcca_r2", "svcca_mean"]
NAMES += [f"svcca_{statistic}_{threshold:g}" for statistic in ("r2", "mean") for threshold in (0.5, 0.6, 0.7, 0.8, 0.9)]


def layers(n, *widths, seed=0):
    """Representations that share part of a latent signal of falling strength, after a ReLU; float32."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, max(widths))) / np.sqrt(1 + np.arange(max(widths)))
    found = []
    for width in widths:
        own = 0.3 * rng.standard_normal((n, width))
        mixed = latent @ rng.standard_normal((max(widths), width)) / 3
        found.append(np.maximum(mixed + own, 0).astype(np.float32))
    return found


def test_every_index_is_the_packages():
    x, y, z = layers(900, 60, 90, 200)
    bases = [basis(array) for array in (x, y, z)]
    for (a, first), (b, second) in (((x, bases[0]), (y, bases[1])), ((z, bases[2]), (y, bases[1]))):
        found = compare(first, second)
        assert set(found) == set(NAMES)
        for name, (forth, back) in found.items():
            index = repsim.get_index(name)
            for value, expected in ((forth, index(a, b)), (back, index(b, a))):
                assert value == pytest.approx(expected, rel=1e-4, abs=TOLERANCE), name


def test_a_basis_is_the_singular_value_decomposition():
    (x,) = layers(700, 50)
    x[:, 7] = 3.5  # a unit that does not vary
    found, centred = basis(x), x - x.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(found.singular, svdvals(centred)[:49], rtol=1e-6)
    np.testing.assert_allclose(found.left.T @ found.left, np.eye(49), atol=1e-5)
    rebuilt = found.left * found.singular @ found.right
    np.testing.assert_allclose(rebuilt, np.delete(centred, 7, axis=1), atol=1e-4)


def test_what_a_gram_matrix_cannot_tell_is_refused():
    (x,) = layers(300, 20)
    with pytest.raises(LabError, match="20 features that vary .* the rank cannot be told"):
        basis(np.hstack([x[:, :19], x[:, :1]]))
    with pytest.raises(LabError, match="found 15 examples of 20 features"):
        basis(x[:15])


@pytest.mark.parametrize("shape", [(30, 30), (20, 40), (40, 20)])
def test_cosines_of_known_subspaces(shape):
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((side, side)))[0] for side in shape)
    known = np.linspace(0, 1, min(shape))
    m = (left[:, : len(known)] * known @ right[:, : len(known)].T).astype(np.float32)
    np.testing.assert_allclose(cosines(m), known, atol=1e-3)
    assert cosines(m).mean() == pytest.approx(known.mean(), abs=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["related", "random", "half orthogonal"])
def test_the_tolerance_holds_against_lapack_at_2048_features(kind):
    p, rng = 2048, np.random.default_rng(0)
    if kind == "half orthogonal":  # the worst case: squaring leaves least of cosines that are 0
        left, right = (np.linalg.qr(rng.standard_normal((p, p)))[0] for _ in range(2))
        m = ((left[:, : p // 2] * np.linspace(0.1, 1, p // 2)) @ right[:, : p // 2].T).astype(np.float32)
    elif kind == "random":
        x, y = (np.linalg.qr(rng.standard_normal((3 * p, p)))[0].astype(np.float32) for _ in range(2))
        m = x.T @ y
    else:
        first, second = (basis(array) for array in layers(3 * p, p, p))
        m = first.left.T @ second.left
    exact = svdvals(m.astype(np.float64))
    assert cosines(m).mean() == pytest.approx(exact.mean(), abs=TOLERANCE)
