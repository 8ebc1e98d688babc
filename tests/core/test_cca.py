import numpy as np
import pytest

import repsim
from repsim import (
    INDEXES,
    RankSaturationWarning,
    canonical_correlations,
    cca,
    errors,
    orthonormal_basis,
    pairwise,
    pwcca,
    svcca,
)
from repsim.engine.bases import _by_gram, components_kept, factorise
from repsim.engine.representation import Representation

from . import oracle


def test_golden_value(golden):
    """The notebook does not centre. Data mirrored at the origin has mean 0 and the same uncentred correlations."""
    x, y = golden
    assert round(cca(np.vstack([x, -x]), np.vstack([y, -y])), 5) == 0.54312
    q, r = (np.linalg.qr(z - z.mean(axis=0))[0] for z in (x, y))
    assert cca(x, y) == pytest.approx(((q.T @ r) ** 2).sum() / 10, rel=1e-12)


def test_correlations_are_those_of_the_definition(golden):
    x, y = golden
    q, r = (np.linalg.qr(z - z.mean(axis=0))[0] for z in (x, y[:, :6]))
    rho = canonical_correlations(x, y[:, :6])
    np.testing.assert_allclose(rho, np.linalg.svd(q.T @ r, compute_uv=False), rtol=1e-12)
    assert cca(x, y[:, :6], statistic="mean") == pytest.approx(rho.mean(), rel=1e-12)
    assert cca(x, y[:, :6]) == pytest.approx((rho**2).mean(), rel=1e-12)


@pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")
@pytest.mark.parametrize(("p", "q"), [(20, 15), (25, 12), (28, 3), (15, 15)])
def test_complement_gives_the_same_correlations(rng, p, q):
    """With ranks adding up to more than n - 1 the surplus is exactly 1."""
    x, y = rng.standard_normal((30, p)), rng.standard_normal((30, q))
    u, v = orthonormal_basis(x), orthonormal_basis(y)
    direct = np.minimum(np.linalg.svd(u.T @ v, compute_uv=False), 1)
    rho = canonical_correlations(x, y)
    np.testing.assert_allclose(rho, direct, atol=1e-12)
    ones = max(0, p + q - 29)
    assert (rho[:ones] == 1).all()
    assert cca(x, y) == pytest.approx((direct**2).mean(), rel=1e-12)


def test_dead_and_duplicated_units_do_not_count(rng):
    x, y = rng.standard_normal((60, 5)), rng.standard_normal((60, 7))
    x[:, 4] += y[:, 0]
    messy = np.hstack([x, x[:, :2], np.full((60, 2), 7.0), x @ rng.standard_normal((5, 3))])
    assert orthonormal_basis(messy).shape == (60, 5)
    assert orthonormal_basis(messy.astype(np.float32)).shape == (60, 5)
    for statistic in ("r2", "mean"):
        assert cca(messy, y, statistic=statistic) == pytest.approx(cca(x, y, statistic=statistic), rel=1e-9)


@pytest.mark.parametrize("shape", [(50, 8), (20, 60)])
def test_basis_is_orthonormal_and_orthogonal_to_constants(rng, shape):
    x = rng.standard_normal(shape) + 10
    q = orthonormal_basis(x)
    assert q.shape[1] == min(shape[1], shape[0] - 1)
    np.testing.assert_allclose(q.T @ q, np.eye(q.shape[1]), atol=1e-12)
    np.testing.assert_allclose(q.sum(axis=0), 0, atol=1e-11)
    centred = x - x.mean(axis=0)
    np.testing.assert_allclose(q @ (q.T @ centred), centred, atol=1e-11)


def test_stored_precision_decides_the_rank(rng):
    exact = rng.standard_normal((100, 4)) @ rng.standard_normal((4, 40))
    assert factorise(Representation(exact, "x"), 2**30).rank == 4
    rounded = exact.astype(np.float32)
    assert factorise(Representation(rounded, "x").in_double(), 2**30).rank == 4
    assert factorise(Representation(rounded.astype(np.float64), "x"), 2**30).rank == 40


def test_theorem_1(rng):
    """T1: s(X, Z) = s(Y, Z) for X, Y of full rank; p = 200 > n = 100."""
    n, p = 100, 200
    zs = [
        rng.standard_normal((n, 4)),
        np.exp(rng.standard_normal((n, 30))),
        np.eye(10)[rng.integers(0, 10, n)],
        rng.standard_normal((n, 150)),
        rng.standard_normal((n, 3)) @ rng.standard_normal((3, 20)),
    ]
    for _ in range(4):
        x, y = rng.standard_normal((n, p)), rng.standard_normal((n, p)) ** 3
        for z in zs:
            for statistic in ("r2", "mean"):
                with pytest.warns(RankSaturationWarning, match="Theorem 1") as caught:
                    values = [cca(w, z, statistic=statistic) for w in (x, y)]
                assert len(caught) == 2
                assert values[0] == pytest.approx(values[1], abs=1e-8)
                assert values[0] == pytest.approx(1.0, abs=1e-8)


def test_cca_of_unrelated_saturated_data_is_1(rng):
    """T2."""
    x, y = rng.standard_normal((40, 39)), rng.standard_normal((40, 80))
    for measure in (cca, lambda a, b: cca(a, b, statistic="mean"), pwcca, lambda a, b: svcca(a, b, threshold=1.0)):
        said = r"39 reached by x \(39 features\), y \(80 features\): by Theorem 1"
        with pytest.warns(RankSaturationWarning, match=said) as caught:
            assert measure(x, y) == pytest.approx(1.0, abs=1e-8)
        assert len(caught) == 1


def test_warning_points_at_the_caller(rng):
    x = rng.standard_normal((5, 9))
    for index in (cca, INDEXES["cca_r2"]):
        with pytest.warns(RankSaturationWarning) as caught:
            index(x, x)
        assert [warning.filename for warning in caught] == [__file__]


def test_no_warning_as_long_as_no_correlation_is_certain(rng):
    x = rng.standard_normal((40, 37))
    assert 0 < cca(x, rng.standard_normal((40, 2))) <= 1
    said = r"1 of the 3 canonical correlations of x \(rank 37 of 37 features\) and y .*n = 40"
    with pytest.warns(RankSaturationWarning, match=said):
        cca(x, rng.standard_normal((40, 3)))


def test_a_pair_is_warned_of_once_whatever_the_indexes(rng):
    x, y, z = rng.standard_normal((3, 40, 30))
    said = r"of xs\[0\] \(rank 30 of 30 features\) and .*, and some of 2 more pairs"
    with pytest.warns(RankSaturationWarning, match=said) as caught:
        pairwise([x, y, z], index=["cca_r2", "cca_mean", "svcca_r2", "pwcca"])
    assert len(caught) == 1


@pytest.mark.parametrize("index", [cca, pwcca])
def test_unrelated_representations_of_nearly_full_rank_are_said_to_be(rng, index):
    x, y = rng.standard_normal((2, 100, 98))
    with pytest.warns(RankSaturationWarning, match=r"97 of the 98 .* 1 whatever the data, as there are n = 100 .*197"):
        assert index(x, y) > 0.97


def test_components_kept():
    singular = np.array([2.0, 1.0, 1.0])
    assert [components_kept(singular, t, "variance") for t in (0.5, 4 / 6, 0.7, 5 / 6, 0.99, 1.0)] == [1, 1, 2, 2, 3, 3]
    assert [components_kept(singular, t, "singular_values") for t in (0.5, 0.51, 0.75, 0.76)] == [1, 2, 2, 3]


def test_svcca_at_threshold_1_is_cca(golden):
    x, y = golden
    for statistic in ("r2", "mean"):
        assert svcca(x, y, statistic=statistic, threshold=1.0) == pytest.approx(
            cca(x, y, statistic=statistic), rel=1e-12
        )


def test_equation_10(rng):
    """T8: with squared weights and correlations PWCCA is linear regression."""
    from repsim import linear_regression

    x = rng.standard_normal((15, 3)) * [1, 4, 0.3]
    y = rng.standard_normal((15, 4)) + x[:, :1]
    assert float(oracle.pwcca(x, y, squared=True)) == pytest.approx(linear_regression(x, y), rel=1e-10)


def test_pwcca_with_fewer_dimensions_in_y(rng):
    """The correlations beyond the rank of y are 0, and count in the weights."""
    x = rng.standard_normal((50, 6)) * [1, 2, 3, 4, 5, 6]
    y = rng.standard_normal((50, 2))
    value = pwcca(x, y)
    assert 0 < value < cca(x, y, statistic="mean")
    shuffled = rng.permutation(50)
    assert pwcca(x[shuffled], y[shuffled]) == pytest.approx(value, rel=1e-10)
    assert pwcca(x[:, ::-1], y[:, ::-1]) == pytest.approx(value, rel=1e-10)
    assert pwcca(y, x) > value


def test_pwcca_with_tied_correlations_is_a_function_of_the_data(rng):
    shared = rng.standard_normal((50, 3)) * [1, 3, 9]
    x = np.hstack([shared, rng.standard_normal((50, 2))])
    y = np.hstack([shared @ rng.standard_normal((3, 3)), rng.standard_normal((50, 3))])
    value = pwcca(x, y)
    for _ in range(5):
        assert pwcca(x, y @ rng.standard_normal((6, 6))) == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize(
    "options", [{"statistic": "median"}, {"threshold": 0.0}, {"threshold": 1.5}, {"truncation": "rank"}]
)
def test_options_are_checked(golden, options):
    with pytest.raises(errors.ParameterError, match=next(iter(options))):
        svcca(*golden, **options)
    with pytest.raises(errors.ParameterError, match="statistic"):
        cca(*golden, statistic="max")


@pytest.mark.parametrize(("n", "p"), [(60, 20), (60, 59), (60, 60), (20, 60)])
def test_numbers_stored_in_single_precision_go_through_their_gram_matrix(rng, n, p):
    x = (np.maximum(rng.standard_normal((n, p)), 0) * rng.uniform(0.1, 3, p)).astype(np.float32)
    x[:, 3] = 1  # a unit that does not vary
    view = Representation(x, "x", dtype=np.float64)
    found = factorise(view, 2**30)
    left, singular, _ = np.linalg.svd(view.matrix(), full_matrices=False)
    assert found.rank == min(n - 1, p - 1)
    np.testing.assert_allclose(found.singular, singular[: found.rank], rtol=1e-9)
    expected = left[:, : found.rank]
    np.testing.assert_allclose(found.left @ found.left.T, expected @ expected.T, atol=1e-9)


def test_dependent_columns_in_single_precision_do_not(rng):
    x = rng.standard_normal((40, 6)).astype(np.float32)
    assert _by_gram(Representation(np.hstack([x, x]), "x").in_double().matrix(), rounding=0.0) is None
    assert factorise(Representation(np.hstack([x, x]), "x").in_double(), 2**30).rank == 6


@pytest.mark.parametrize(
    ("n", "p", "rank", "name"), [(50, 200, 10, "bfloat16"), (100, 20, 5, "bfloat16"), (400, 5, 4, "float16")]
)
def test_rounding_to_few_digits_is_no_rank(rng, n, p, rank, name):
    import ml_dtypes

    exact = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, p))
    y = rng.standard_normal((n, 3))
    stored = exact.astype(ml_dtypes.bfloat16 if name == "bfloat16" else np.float16)
    assert repsim.orthonormal_basis(stored).shape[1] == rank
    assert repsim.cca(stored, y) == pytest.approx(repsim.cca(exact, y), abs=2e-3)
    table = repsim.pairwise([stored, y], index=["cca_r2", "linear_regression", "cka_linear"])
    assert table["cca_r2"][0, 1] == pytest.approx(repsim.cca(exact, y), abs=2e-3)
    assert table["linear_regression"][1, 0] == pytest.approx(repsim.linear_regression(y, exact), abs=2e-3)
    assert table["cka_linear"][0, 1] == pytest.approx(repsim.cka(exact, y), abs=2e-3)


def test_little_memory_gives_the_same_value(rng, monkeypatch):
    x = rng.standard_normal((420, 160))
    y = 0.5 * x + rng.standard_normal((420, 160))
    expected = cca(x, y)
    assert expected == pytest.approx(pairwise([x], [y], index="cca_r2")[0, 0])
    monkeypatch.setattr("repsim.engine.moments.features_are_cheaper", lambda *_: False)  # as if they did not fit
    assert cca(x, y) == pytest.approx(expected, rel=1e-10)
    assert repsim.linear_regression(x, y) == pytest.approx(pairwise([x], [y], index="linear_regression")[0, 0])


def test_all_of_the_kind_warn_alike(rng):
    x, y = rng.standard_normal((2, 50, 40))
    said = r"31 of the 40 canonical correlations of x \(rank 40 of 40 features\) and y .* Use at least 81 examples"
    for measure in (cca, canonical_correlations, lambda a, b: repsim.canonical_ridge(a, b, kappa_x=0, kappa_y=0)):
        with pytest.warns(RankSaturationWarning, match=said):
            measure(x, y)
    with pytest.warns(RankSaturationWarning, match="49 reached by y .*Use more examples than both have features"):
        repsim.linear_regression(x[:, :5], np.hstack([x, y]))


def test_units_whose_squares_vanish_count_as_any(rng):
    x = rng.standard_normal((60, 4))
    y = x @ rng.standard_normal((4, 5)) + 0.5 * rng.standard_normal((60, 5))
    x = np.hstack([x, x[:, 1:2]])  # dependent, so that the rank has to be found
    tiny = (x - x.mean(axis=0)) * [1e-162, 1, 1, 1, 1]
    assert cca(tiny, y) == pytest.approx(cca(x, y), rel=1e-9)
    assert orthonormal_basis(tiny).shape == (60, 4)
    with pytest.raises(errors.RepresentationError, match="x: feature 0 is so small beside the largest"):
        cca(x * [1e-160, 1, 1e160, 1, 1], y)


def test_of_several_indexes_the_one_with_least_room_is_told(rng):
    x, y = rng.standard_normal((2, 50, 40))
    for names in (["cca_r2", "svcca_r2_0.7"], ["svcca_r2_0.7", "cca_r2"]):
        with pytest.warns(RankSaturationWarning, match="31 of the 40 canonical correlations"):
            pairwise([x], [y], index=names)
