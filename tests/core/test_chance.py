"""Chance of CKA: every shuffle of few examples, very many shuffles of more, and what follows from the formula."""

import itertools
import warnings

import numpy as np
import pytest

from repsim import chance, cka, errors, gram_rbf, u_centre_gram
from repsim.chance import Chance, chance_of_biased, chance_of_debiased, warn_if_biased
from repsim.engine.tables import Side

FORMS = {
    "linear": {},
    "linear, debiased": {"debiased": True},
    "rbf": {"kernel": "rbf", "bandwidth": 0.5},
    "rbf, debiased": {"kernel": "rbf", "bandwidth": 0.5, "debiased": True},
}


def operator(x, kernel="linear", bandwidth=None, debiased=False):
    """The centred Gram matrix, from explicit matrices."""
    gram = gram_rbf(x, bandwidth) if kernel == "rbf" else x @ x.T
    centring = np.eye(len(x)) - 1 / len(x)
    return u_centre_gram(gram) if debiased else centring @ gram @ centring


def shuffled(x, y, orders, **form):
    """CKA for each of some orders of the examples of y, (orders,)."""
    k, m = operator(x, **form), operator(y, **form)
    products = np.concatenate(
        [np.einsum("ij,oij->o", k, m[some[:, :, None], some[:, None, :]]) for some in np.array_split(orders, 50)]
    )
    return products / np.linalg.norm(k) / np.linalg.norm(m)


def skewed(rng, n, p):
    """Activations with outliers, so that diagonals differ."""
    return np.exp(rng.standard_normal((n, p)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n", "widths"), [(6, (1, 2)), (6, (2, 20)), (7, (3, 4)), (7, (30, 1))])
def test_equals_all_shuffles_of_few_examples(rng, n, widths, form):
    x, y = (skewed(rng, n, p) for p in widths)
    values = shuffled(x, y, np.array(list(itertools.permutations(range(n)))), **FORMS[form])
    exact = chance(x, y, **FORMS[form])
    assert exact.mean == pytest.approx(values.mean(), abs=1e-14)
    assert exact.standard_deviation == pytest.approx(values.std(), rel=1e-12)
    value = cka(x, y, **FORMS[form])
    assert values[0] == pytest.approx(value, rel=1e-10)  # the first order is the one given
    assert exact.z == pytest.approx((value - values.mean()) / values.std(), rel=1e-8)


@pytest.mark.parametrize("form", ["linear", "rbf, debiased"])
def test_agrees_with_many_shuffles_of_forty(rng, form):
    x, y = skewed(rng, 40, 5), skewed(rng, 40, 60)
    orders = rng.permuted(np.tile(np.arange(40), (100_000, 1)), axis=1)
    values = shuffled(x, y, orders, **FORMS[form])
    exact = chance(x, y, **FORMS[form])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - exact.mean) < 4 * error
    assert values.std() == pytest.approx(exact.standard_deviation, rel=0.02)


def test_unrelated_and_wide(rng):
    x, y = rng.standard_normal((2, 100, 10_000))
    found = chance(x, y)
    assert found.mean == pytest.approx(0.990, abs=1e-3)
    assert abs(found.z) < 5
    assert chance(x, x).z > 50


@pytest.mark.parametrize("form", FORMS)
def test_what_changes_cka_changes_its_chance_and_nothing_else_does(rng, form):
    x, y = skewed(rng, 12, 4), skewed(rng, 12, 9)
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    order = rng.permutation(12)
    plain = chance(x, y, **FORMS[form])
    for other in (
        chance(3e4 * x @ rotation + 7, y, **FORMS[form]),
        chance(y, x, **FORMS[form]),
        chance(x[order], y[order], **FORMS[form]),
        chance(x.reshape(12, 2, 2, 1), y, **FORMS[form]),
    ):
        for field in ("mean", "standard_deviation", "z"):
            assert getattr(other, field) == pytest.approx(getattr(plain, field), rel=1e-9)
    alone = chance(x, y[order], **FORMS[form])
    assert (alone.mean, alone.standard_deviation) == pytest.approx((plain.mean, plain.standard_deviation), rel=1e-9)
    assert abs(alone.z - plain.z) > 0.01


def test_narrow_and_wide_forms_agree(rng):
    """Many examples go another way than few, and so do more features than examples."""
    x, y = rng.standard_normal((300, 3)), rng.standard_normal((300, 3)) ** 3
    zeros = np.zeros((300, 500))
    for kernel in ("linear", "rbf"):
        narrow = chance(x, y, kernel=kernel)
        wide = chance(np.hstack([x, zeros]), np.hstack([zeros, y]), kernel=kernel)
        assert (wide.mean, wide.standard_deviation) == pytest.approx((narrow.mean, narrow.standard_deviation), rel=1e-9)


def grams(xs, **form):
    """What the tables are made from, from explicit matrices."""
    matrices = np.array([operator(x, **form) for x in xs])
    diagonals = np.diagonal(matrices, axis1=1, axis2=2)
    squares = np.square(matrices).sum(axis=(1, 2)), np.square(diagonals).sum(axis=1)
    unused = np.zeros((4, len(xs)))
    return Side([f"xs[{i}]" for i in range(len(xs))], diagonals.sum(axis=1), *squares, *unused)


@pytest.mark.parametrize("form", ["linear", "rbf"])
def test_tables_are_the_function(rng, form):
    xs, ys = [skewed(rng, 9, p) for p in (2, 5, 30)], [skewed(rng, 9, p) for p in (4, 40)]
    single = [[chance(x, y, **FORMS[form]) for y in ys] for x in xs]
    values = np.array([[cka(x, y, **FORMS[form]) for y in ys] for x in xs])
    tables = chance_of_biased(values, 9, grams(xs, **FORMS[form]), grams(ys, **FORMS[form]))
    for field in ("mean", "standard_deviation", "z"):
        expected = [[getattr(one, field) for one in row] for row in single]
        np.testing.assert_allclose(getattr(tables, field), expected, rtol=1e-8)
    assert tables == tables
    assert tables != chance_of_debiased(values, 9)


def test_nothing_varies_where_examples_are_equally_far_apart(rng):
    """Of n examples at the corners of a simplex every order is the same: the deviation is 0 and z is not NaN."""
    corners = np.eye(8)
    for y in (corners, rng.standard_normal((8, 3))):
        found = chance(corners, y)
        assert (found.standard_deviation, found.z) == (0.0, 0.0)
        assert found.mean == pytest.approx(cka(corners, y), rel=1e-12)


def test_too_few_examples(rng):
    x = rng.standard_normal((3, 2))
    with pytest.raises(errors.TooFewExamplesError, match="x .*3 example.*at least 4"):
        chance(x, x)
    for tables in (lambda: chance_of_biased(np.ones((1, 1)), 3, grams([x]), grams([x])),
                   lambda: chance_of_debiased(np.ones((1, 1)), 3)):  # fmt: skip
        with pytest.raises(errors.TooFewExamplesError, match="there are 3 examples.*at least 4"):
            tables()


def test_arguments_are_those_of_cka(rng):
    x = rng.standard_normal((9, 2))
    with pytest.raises(errors.ParameterError, match="kernel is 'poly'"):
        chance(x, x, kernel="poly")
    with pytest.raises(errors.ParameterError, match="debiased is 'no'; True or False"):
        chance(x, x, debiased="no")
    with pytest.raises(errors.ConstantRepresentationError, match="^y "):
        chance(x, np.ones((9, 2)))
    with pytest.raises(errors.ShapeMismatchError, match="x has 9 examples"):
        chance(x, x[:8])


def test_the_warning_says_how_many_of_what_and_what_to_do():
    z = np.array([[0.1, -4.9], [5.1, 3.0]])
    with pytest.warns(errors.BiasWarning) as caught:
        warn_if_biased("cka_linear", z, n=100, widths=[4096, 512, 512])
    text = str(caught[0].message)
    assert caught[0].filename == __file__
    for words in ("cka_linear", "3 of 4 values", "5 standard deviations", "100 examples", "512 to 4,096 features"):
        assert words in text
    for way_out in ("more examples", "debiased", "repsim.chance"):
        assert way_out in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_biased("cka_linear", np.array([0.0, 6.0]), n=100, widths=[3])


def test_results_hold_floats(rng):
    found = chance(*rng.standard_normal((2, 9, 2)))
    assert isinstance(found, Chance)
    assert all(type(value) is float for value in (found.mean, found.standard_deviation, found.z))
