import numpy as np
import pytest

from repsim import cka, errors, principal_components, shared_subspace, shared_subspaces


@pytest.mark.parametrize("shape", [(40, 6), (12, 50)])
def test_principal_components(rng, shape):
    x = rng.standard_normal(shape) * np.linspace(1, 5, shape[1]) + 7
    centred = x - x.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    scores = principal_components(x, 3)
    np.testing.assert_allclose(np.abs(scores), np.abs(u[:, :3] * s[:3]), atol=1e-9)
    assert (scores[np.abs(scores).argmax(axis=0), range(3)] > 0).all()
    assert (principal_components(-x, 3)[np.abs(scores).argmax(axis=0), range(3)] > 0).all()


def test_number_of_components_is_checked(rng):
    x = rng.standard_normal((10, 3))
    for k in (0, 4):
        with pytest.raises(errors.ParameterError, match="1 to 3"):
            principal_components(x, k)
    assert principal_components(np.repeat(x[:, :1], 3, axis=1), 3).shape == (10, 3)


@pytest.mark.parametrize(("p", "q"), [(5, 7), (60, 7), (5, 60), (60, 80)])
def test_shared_subspace_by_definition(rng, p, q):
    x = rng.standard_normal((20, p))
    y = rng.standard_normal((20, q)) + x[:, :1]
    result = shared_subspace(x, y, k=4)
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    values, vectors = np.linalg.eigh(a @ a.T)
    for i in range(4):
        u = vectors[:, -1 - i]
        acted = b @ b.T @ u
        assert result.eigenvalues[i] == pytest.approx(values[-1 - i], rel=1e-9)
        assert result.scales[i] == pytest.approx(np.linalg.norm(acted), rel=1e-9)
        assert result.cosines[i] == pytest.approx(u @ acted / np.linalg.norm(acted), rel=1e-9)


def test_link_to_cka(rng):
    """The numerator of linear CKA is the sum of eigenvalue times u' Y Y' u."""
    x, y = rng.standard_normal((30, 6)), rng.standard_normal((30, 4))
    r = shared_subspace(x, y)
    assert len(r.eigenvalues) == 6
    other = shared_subspace(y, x)
    value = (r.eigenvalues * r.scales * r.cosines).sum()
    value /= np.sqrt((r.eigenvalues**2).sum() * (other.eigenvalues**2).sum())
    assert value == pytest.approx(cka(x, y), rel=1e-10)


def test_normalised(rng):
    x = rng.standard_normal((30, 6)) * 100
    result = shared_subspace(x, 3 * x, normalise=True)
    assert result.eigenvalues.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(result.scales, result.eigenvalues, rtol=1e-9)
    np.testing.assert_allclose(result.cosines, 1.0)
    np.testing.assert_allclose(shared_subspace(x, 3 * x).scales, 9 * shared_subspace(x, x).scales, rtol=1e-9)


def test_nothing_in_common_is_not_nan():
    x = np.array([[1.0], [-1.0], [0.0], [0.0]])
    y = np.array([[0.0], [0.0], [1.0], [-1.0]])
    result = shared_subspace(x, y)
    assert result.scales[0] == pytest.approx(0, abs=1e-15)
    assert result.cosines[0] == 0.0


def test_k_is_checked(rng):
    x = rng.standard_normal((10, 3))
    with pytest.raises(errors.ParameterError):
        shared_subspace(x, x, k=0)
    with pytest.raises(errors.NonFiniteError):
        shared_subspace(x * 1e200, x)


def test_many_pairs_equal_one_by_one(rng):
    xs = [rng.standard_normal((20, p)) + 2 for p in (5, 8, 60)]
    pairs = [(0, 1), (2, 0), (1, 2), (0, 0)]
    many = shared_subspaces(xs, pairs, k=3)
    for row, (i, j) in enumerate(pairs):
        one = shared_subspace(xs[i], xs[j], k=3, normalise=True)
        np.testing.assert_allclose(many.eigenvalues[i], one.eigenvalues, rtol=1e-9)
        np.testing.assert_allclose(many.scales[row], one.scales, rtol=1e-9)
        np.testing.assert_allclose(many.cosines[row], one.cosines, rtol=1e-9)
    with pytest.raises(errors.ParameterError, match="1 to 5"):
        shared_subspaces(xs, pairs, k=6)
    with pytest.raises(errors.ShapeMismatchError, match=r"xs\[1\] has 10"):
        shared_subspaces([xs[0], xs[1][:10]], [(0, 1)], k=2)


def test_positions_and_counts_that_cannot_be_are_named(rng):
    x = rng.standard_normal((20, 3))
    with pytest.raises(errors.ParameterError, match="k is 2.0; a whole number"):
        principal_components(x, 2.0)
    with pytest.raises(errors.ParameterError, match="xs must not be empty"):
        shared_subspaces([], [], k=1)
    with pytest.raises(errors.ParameterError, match="pairs holds position 2; there are 2 representations"):
        shared_subspaces([x, x], [(0, 2)], k=1)
    with pytest.raises(errors.ParameterError, match="a position in pairs is -1"):
        shared_subspaces([x, x], [(-1, 0)], k=1)
    for pairs in ((0, 1), [(0, 1, 1)], None, 3):
        with pytest.raises(errors.ParameterError, match="pairs is .*; pairs of positions in xs are needed"):
            shared_subspaces([x, x], pairs, k=1)


def test_pairs_may_come_one_by_one(rng):
    xs = list(rng.standard_normal((2, 20, 5)))
    pairs = iter([(0, 1), (1, 0)])
    assert shared_subspaces(iter(xs), pairs, k=2) == shared_subspaces(xs, [(0, 1), (1, 0)], k=2)


def test_results_are_compared_by_their_values(rng):
    x, y = rng.standard_normal((2, 20, 3))
    assert shared_subspace(x, y) == shared_subspace(x, y)
    assert shared_subspace(x, y) != shared_subspace(y, x)
    assert shared_subspace(x, y, k=2) != shared_subspace(x, y, k=3)


def test_normalise_is_true_or_false(rng):
    x = rng.standard_normal((20, 3))
    for normalise in ("no", 1, None):
        with pytest.raises(errors.ParameterError, match="normalise is .*True or False is needed"):
            shared_subspace(x, x, normalise=normalise)
