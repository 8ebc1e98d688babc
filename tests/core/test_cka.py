import numpy as np
import pytest

from repsim import (
    centre_gram,
    chance,
    cka,
    cka_from_grams,
    errors,
    gram_linear,
    gram_rbf,
    hsic,
    hsic_from_grams,
    pairwise,
    squared_distances,
    u_centre_gram,
)
from repsim.cka import LINEAR
from repsim.engine.moments import Plan, Wanted, _by_grams, pair_moments
from repsim.engine.prepared import Prepared
from repsim.engine.representation import pair


def test_golden_values(golden):
    x, y = golden
    assert round(cka(x, y), 5) == 0.55761
    assert round(cka(x, y, kernel="rbf", bandwidth=0.5), 5) == 0.65483
    assert round(cka(x, y, debiased=True), 5) == 0.51346


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("widths", [(3, 4), (30, 50), (2, 60)])
def test_features_grams_and_tiles_agree(rng, debiased, widths, monkeypatch):
    a, b = pair(rng.standard_normal((40, widths[0])), np.exp(rng.standard_normal((40, widths[1]))))
    wanted, prepared = Wanted(LINEAR, LINEAR, debiased, own=True), [Prepared(view, 2**30) for view in (a, b)]
    plan, by_grams = Plan([wanted], [0], [1]), _by_grams(wanted, prepared, 2**30)
    assert plan.by_features(prepared, 2**30) == (max(widths) == 4)
    (chosen,) = plan.moments(prepared, memory=2**30)
    monkeypatch.setattr("repsim.engine.tiles.features_are_cheaper", lambda *_: False)
    (by_tiles,) = plan.moments(prepared, memory=2**30)
    for form in (chosen, by_tiles, pair_moments(a.matrix(), b.matrix(), LINEAR, LINEAR, debiased=debiased, own=True)):
        for part in ("xy", "xx", "yy"):
            assert getattr(form, part) == pytest.approx(getattr(by_grams, part), rel=1e-11)


@pytest.mark.parametrize("debiased", [False, True])
def test_from_grams_equals_from_features(golden, debiased):
    x, y = golden
    k, m = gram_linear(x), gram_linear(y)
    assert cka_from_grams(k, m, debiased=debiased) == pytest.approx(cka(x, y, debiased=debiased), rel=1e-12)
    assert hsic_from_grams(k, m, debiased=debiased) == pytest.approx(hsic(x, y, debiased=debiased), rel=1e-12)
    options = {"kernel": "rbf", "bandwidth": 0.3, "debiased": debiased}
    k, m = gram_rbf(x, 0.3), gram_rbf(y, 0.3)
    assert cka_from_grams(k, m, debiased=debiased) == pytest.approx(cka(x, y, **options), rel=1e-11)
    assert hsic_from_grams(k, m, debiased=debiased) == pytest.approx(hsic(x, y, **options), rel=1e-11)


def test_debiased_hsic_is_the_product_of_u_centred_grams(golden):
    x, y = golden
    product = np.vdot(u_centre_gram(gram_linear(x)), u_centre_gram(gram_linear(y))) / (100 * 97)
    assert hsic(x, y, debiased=True) == pytest.approx(product, rel=1e-12)


def test_debiased_hsic_is_unbiased_and_unclamped():
    rng = np.random.default_rng(0)
    draws = [(rng.standard_normal((12, 20)), rng.standard_normal((12, 20))) for _ in range(400)]
    values = np.array([hsic(x, y, debiased=True) for x, y in draws])
    assert (values < 0).any()
    assert abs(values.mean()) < 4 * values.std() / 20
    assert min(cka(x, y, debiased=True) for x, y in draws) < 0
    assert np.mean([cka(x, y) for x, y in draws[:20]]) > 0.5


def test_default_bandwidth_is_0_4(golden):
    x, y = golden
    assert cka(x, y, kernel="rbf") == cka(x, y, kernel="rbf", bandwidth=0.4)


def test_rbf_tends_to_linear(golden):
    x, y = golden
    for debiased in (False, True):
        linear = cka(x, y, debiased=debiased)
        near = [abs(cka(x, y, kernel="rbf", bandwidth=b, debiased=debiased) - linear) for b in (1, 10, 100, 1e4, 1e6)]
        assert near[2] < 1e-3
        assert near[0] > near[1] > near[2] > near[3]
        assert near[3] < 1e-7
        assert near[4] < 1e-7


def test_options_are_checked(golden):
    x, y = golden
    with pytest.raises(errors.ParameterError, match="kernel is 'cosine'"):
        cka(x, y, kernel="cosine")
    with pytest.raises(errors.ParameterError, match="bandwidth is 0.4, but"):
        cka(x, y, bandwidth=0.4)
    with pytest.raises(errors.ParameterError, match="bandwidth is 0"):
        hsic(x, y, kernel="rbf", bandwidth=0)


def test_undefined_similarities_are_named(rng):
    simplex = np.eye(6)
    other = rng.standard_normal((6, 2))
    assert 0 < cka(simplex, other) < 1
    for options in ({}, {"kernel": "rbf"}):
        with pytest.raises(errors.UndefinedSimilarityError, match="^x: every two different examples"):
            cka(simplex, other, debiased=True, **options)
        with pytest.raises(errors.UndefinedSimilarityError, match="^y: every two different examples"):
            cka(other, simplex, debiased=True, **options)
    with pytest.raises(errors.ConstantRepresentationError, match="^l: its centred Gram matrix is 0"):
        cka_from_grams(np.eye(4), np.ones((4, 4)))
    with pytest.raises(errors.ShapeMismatchError):
        cka_from_grams(np.eye(4), np.eye(5))


def test_hsic_scale(golden):
    x, y = golden
    assert hsic(x * 1e30, y) == pytest.approx(hsic(x, y) * 1e60, rel=1e-12)
    assert hsic(x * 1e-60, y * 1e60) == pytest.approx(hsic(x, y), rel=1e-12)
    with pytest.raises(errors.NonFiniteError, match="rescale"):
        hsic(x * 1e100, y * 1e100)


def test_hsic_of_two_examples():
    assert hsic([[0.0], [1.0]], [[0.0], [2.0]]) == pytest.approx(1.0)
    assert cka([[0.0], [1.0]], [[2.0], [0.0]]) == 1.0


def test_many_examples_go_through_tiles(rng):
    n = 4500
    x = rng.standard_normal((n, 3))
    y = x[:, :2] ** 2 + rng.standard_normal((n, 2))
    grams = gram_rbf(x, 0.4), gram_rbf(y, 0.4)
    for debiased in (False, True):
        value = cka(x, y, kernel="rbf", bandwidth=0.4, debiased=debiased)
        assert value == pytest.approx(cka_from_grams(*grams, debiased=debiased), rel=1e-11)


def test_large_offsets_do_not_matter(golden):
    x, y = golden
    assert cka(x + 1e6, y - 1e6) == pytest.approx(cka(x, y), rel=1e-8)
    single = (x + 1000).astype(np.float32)
    assert cka(single, y) == pytest.approx(cka(single.astype(float) - 1000, y), rel=1e-10)


def test_a_negative_alignment_is_not_clamped(rng):
    """Of a matrix that is no kernel, such as squared distances, CKA is negative by definition."""
    x = rng.standard_normal((50, 6))
    distances, gram = squared_distances(x), gram_linear(x)
    centred = [centre_gram(matrix) for matrix in (distances, gram)]
    expected = np.vdot(*centred) / np.sqrt(np.vdot(centred[0], centred[0]) * np.vdot(centred[1], centred[1]))
    assert expected < -0.8
    value = cka_from_grams(distances, gram)
    assert value == pytest.approx(expected, rel=1e-12)
    assert value >= -1, "rounding past the bound is removed"


@pytest.mark.parametrize("value", ["no", 1, None])
def test_only_true_and_false_are_truth_values(golden, value):
    for function in (cka, hsic, chance):
        with pytest.raises(errors.ParameterError, match="debiased is .*; True or False is needed"):
            function(*golden, debiased=value)


def test_most_values_near_chance_are_said_to_be():
    x, y = np.random.default_rng(0).standard_normal((2, 100, 10_000))
    with pytest.warns(errors.BiasWarning, match=r"1 of 1 values .* 100 examples with 10,000 features"):
        assert cka(x, y) == pytest.approx(0.990, abs=1e-3)
    with pytest.warns(errors.BiasWarning, match=r"cka_from_grams: 1 of 1 values .* 100 examples; take"):
        assert cka_from_grams(x @ x.T, y @ y.T) == pytest.approx(0.990, abs=1e-3)
    with pytest.warns(errors.BiasWarning, match=r"cka_linear: 2 of 2 values"):
        _, by_chance = pairwise([x, y], chance=True)
    assert abs(by_chance.z[0, 1]) < 5 < by_chance.z[0, 0]
    assert by_chance.mean[0, 1] == pytest.approx(chance(x, y).mean, rel=1e-9)
    assert by_chance.standard_deviation[0, 1] == pytest.approx(chance(x, y).standard_deviation, rel=1e-6)


@pytest.mark.parametrize("share", [5e-7, 1e-8, 1e-10])
@pytest.mark.filterwarnings("ignore::repsim.errors.BiasWarning")
def test_a_small_negative_value_of_an_indefinite_matrix_is_its_own(share, rng):
    q = rng.standard_normal((30, 2))
    q = np.linalg.qr(q - q.mean(axis=0))[0]
    k, m = (np.outer(column, column) for column in q.T)
    assert cka_from_grams(k, m - share * k) == pytest.approx(-share, rel=1e-2)
    assert cka_from_grams(k, m) == pytest.approx(0, abs=1e-14)
    assert cka_from_grams(k, k) == 1
