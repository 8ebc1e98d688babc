import numpy as np
import pytest

from repsim import centre_gram, errors, gram_linear, gram_rbf, hsic, pairwise, squared_distances, u_centre_gram
from repsim.engine.arrays import NUMPY
from repsim.engine.distances import distances_of, shifted_rbf
from repsim.engine.median import median_of


def test_linear_gram_is_not_centred(rng):
    x = rng.standard_normal((6, 4)) + 2
    np.testing.assert_allclose(gram_linear(x), x @ x.T)


def test_squared_distances(rng):
    x = rng.standard_normal((7, 3)) * 1e-3 + 5
    expected = ((x[:, None] - x) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared_distances(x), expected, rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10, 63, 64, 65, 66])
def test_median_is_over_all_entries_with_the_diagonal(rng, n):
    x = rng.standard_normal((n, 3))
    distances = distances_of(x)
    assert median_of(distances, "x", 0.0) == pytest.approx(np.median(distances), rel=1e-14)


def test_rbf_gram_as_in_the_released_notebook(golden):
    x, _ = golden
    distances = squared_distances(x)
    expected = np.exp(-distances / (2 * 0.5**2 * np.median(distances)))
    np.testing.assert_allclose(gram_rbf(x, 0.5), expected, rtol=1e-12)


def test_a_median_of_zero_is_refused():
    x = np.zeros((10, 2))
    x[0] = 1
    with pytest.raises(errors.UndefinedSimilarityError, match="x: the median distance between its 10 examples is 0"):
        gram_rbf(x)


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, np.nan, np.inf, 1e-7])
def test_bandwidth_is_checked(golden, bandwidth):
    with pytest.raises(errors.ParameterError, match="bandwidth"):
        gram_rbf(golden[0], bandwidth)


@pytest.mark.parametrize("n", [5, 60])
@pytest.mark.parametrize("bandwidth", [1e3, 1e5, 1e6])
def test_the_widest_kernels_are_linear(rng, bandwidth, n):
    """Of a median distance m, a kernel this wide is 1 - d / (2 (bandwidth m)²), of which centring leaves -2 x'y."""
    x, y = rng.standard_normal((2, n, 5))
    name = f"cka_rbf_{bandwidth:.0f}"
    values = pairwise([x], [y], index=["cka_linear", name, name.replace("cka", "hsic")])
    assert values[name] == pytest.approx(values["cka_linear"], rel=10 / bandwidth**2 + 1e-9)
    hsic_of_both = hsic(x, y, kernel="rbf", bandwidth=bandwidth)
    assert values[name.replace("cka", "hsic")][0, 0] == pytest.approx(hsic_of_both, rel=1e-9)


@pytest.mark.parametrize("bandwidth", [0.1, 0.4, 1.9, 2.0, 100.0])
def test_shifted_kernel_differs_by_a_constant(rng, bandwidth):
    x = rng.standard_normal((20, 3))
    rows = x - x.mean(axis=0)
    distances = distances_of(rows)
    difference = gram_rbf(x, bandwidth) - shifted_rbf(NUMPY, distances, median_of(distances, "x", 0.0), bandwidth)
    np.testing.assert_allclose(difference, np.exp(-1 / (2 * bandwidth**2)), rtol=1e-13, atol=1e-15)


def test_centring(rng):
    gram = gram_linear(rng.standard_normal((9, 3)) + 1)
    h = np.eye(9) - 1 / 9
    np.testing.assert_allclose(centre_gram(gram), h @ gram @ h, atol=1e-13)
    before = gram.copy()
    u = u_centre_gram(gram)
    np.testing.assert_array_equal(gram, before)
    np.testing.assert_allclose(u.sum(axis=0), 0, atol=1e-13)
    assert (np.diag(u) == 0).all()


@pytest.mark.parametrize(
    ("gram", "error"),
    [
        (np.zeros((3, 4)), errors.DimensionError),
        (np.arange(9.0).reshape(3, 3), errors.DimensionError),
        (np.full((3, 3), np.nan), errors.NonFiniteError),
        (np.zeros((1, 1)), errors.TooFewExamplesError),
        (np.zeros((3, 3), bool), errors.DTypeError),
    ],
)
def test_what_is_not_a_gram_matrix(gram, error):
    with pytest.raises(error, match="^gram "):
        centre_gram(gram)


def test_overflow_is_an_error():
    with pytest.raises(errors.NonFiniteError, match="rescale"):
        gram_linear([[1e200], [0.0]])
    with pytest.raises(errors.NonFiniteError, match="rescale"):
        squared_distances([[1e200], [0.0]])


@pytest.mark.parametrize("centre", [centre_gram, u_centre_gram])
def test_entries_whose_sums_overflow_are_centred(centre):
    gram = np.diag([1.5, 1.0, 0.5, 0.25])
    np.testing.assert_allclose(centre(gram * 2.0**1022) * 2.0**-1022, centre(gram), rtol=1e-14)
    assert np.isfinite(centre(np.full((5, 5), 1.5e308))).all()
