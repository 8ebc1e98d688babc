"""Standard errors against the spread over new samples; the naive bootstrap's bias; the best of many by chance."""

import sys
import warnings

import numpy as np
import pytest

from repsim import Blocks, Index, cka, errors, pairwise
from repsim.uncertainty import Calibration, Uncertainty, calibrate, convergence, uncertainty

MIX = np.random.default_rng(5).normal(size=(10, 10))


def sample(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    return x, x @ MIX + 4 * rng.normal(size=(n, 10))


X, Y = sample(60, 0)


@pytest.mark.parametrize("method", ["jackknife", "subsample"])
def test_the_standard_error_is_the_spread_over_new_samples(method):
    true = np.std([cka(*sample(200, seed), debiased=True) for seed in range(1000, 1400)], ddof=1)
    estimates = [
        uncertainty(*sample(200, seed), index="cka_linear_debiased", method=method).standard_error for seed in range(12)
    ]
    assert np.mean(estimates) == pytest.approx(true, rel=0.2)


def test_intervals_hold_the_value_of_the_population_as_often_as_they_say():
    population = cka(*sample(100_000, 99), debiased=True)
    found = [uncertainty(*sample(150, seed), index="cka_linear_debiased", groups=10) for seed in range(60)]
    ends = np.array([one.interval(0.9) for one in found])
    inside = ((ends[:, 0] <= population) & (population <= ends[:, 1])).mean()
    assert 0.78 <= inside <= 0.99  # 0.9, and three standard errors of a share of 60


def test_the_naive_bootstrap_is_biased_upwards_by_more_than_its_error():
    rng = np.random.default_rng(0)
    values, bootstraps = [], []
    for seed in range(20):
        x, y = np.random.default_rng(seed).normal(size=(2, 60, 40))  # unrelated: the right value is 0
        values.append(cka(x, y, debiased=True))
        drawn = [rng.integers(0, 60, 60) for _ in range(20)]
        bootstraps.append(np.mean([cka(x[rows], y[rows], debiased=True) for rows in drawn]))
    error = uncertainty(x, y, index="cka_linear_debiased").standard_error
    assert abs(np.mean(values)) < error
    assert np.mean(bootstraps) > 5 * error


def test_whole_tables():
    x, y = sample(100, 0)
    z = np.random.default_rng(1).normal(size=(100, 4, 4, 2))
    whole = uncertainty([x, z], {"y": y, "z": z}, groups=10)
    assert whole.standard_error.shape == (2, 2)
    np.testing.assert_allclose(whole.value, pairwise([x, z], [y, z]))
    one = uncertainty(x, y, groups=10)
    assert one.value == pytest.approx(whole.value[0, 0], rel=1e-12)
    assert one.standard_error == pytest.approx(whole.standard_error[0, 0], rel=1e-9)
    assert whole.standard_error[1, 1] == pytest.approx(0, abs=1e-12)
    within = uncertainty([x, z], groups=10)
    np.testing.assert_allclose(within.value, within.value.T)
    assert one.replicates.shape == (10,)


def test_the_curve_of_unrelated_data_is_the_known_chance():
    x, y = np.random.default_rng(0).normal(size=(2, 400, 20))
    curve = convergence(x, y, sizes=[20, 80, 400])
    chance = []
    for n in curve.sizes:  # the mean over shuffles: sqrt(b b) / (n - 1), b = tr(K)^2 / tr(K^2)
        traces = [np.linalg.eigvalsh(np.cov(z[:n].T)) for z in (x, y)]
        chance.append(np.sqrt(np.prod([t.sum() ** 2 / (t**2).sum() for t in traces])) / (n - 1))
    np.testing.assert_allclose(curve.mean, chance, rtol=0.12)
    assert curve.mean[-1] == pytest.approx(cka(x, y), rel=1e-12)
    assert curve.standard_deviation[-1] == 0
    assert convergence([x, y]).mean.shape == (6, 2, 2)


def test_the_best_of_many_unrelated_pairs_is_seldom_significant():
    significant = 0
    for seed in range(20):
        layers = np.random.default_rng(seed).normal(size=(8, 30, 5))
        found = calibrate(list(layers[:4]), list(layers[4:]), permutations=19, seed=seed)
        significant += found.p_values.min() <= 0.05
    assert significant <= 4  # of 20, each with probability 0.05; for 16 pairs one by one it would be half of them


def test_a_related_pair_is_told_among_wide_ones():
    rng = np.random.default_rng(0)
    x, wide = rng.normal(size=(60, 5)), rng.normal(size=(60, 2000))
    found = calibrate(
        [x, wide], {"y": x + rng.normal(size=(60, 5)), "wide": rng.normal(size=(60, 2000))}, permutations=99
    )
    assert found.values[1, 1] > found.values[0, 0]  # the wide ones are more similar, by chance
    assert found.p_values[0, 0] == pytest.approx(0.01)
    assert found.p_values[1, 1] > 0.05


@pytest.mark.parametrize("function", [uncertainty, calibrate])
def test_the_record_is_of_all_examples(function):
    x, y = np.random.default_rng(3).normal(size=(2, 60, 5))
    expected, record = {}, {}
    options = {"groups": 3} if function is uncertainty else {"permutations": 3}
    pairwise([x], [y], index="cka_rbf_0.4", record=expected)
    function([x], [y], index="cka_rbf_0.4", record=record, **options)
    assert record == expected
    with pytest.raises(errors.ParameterError, match="record is given"):
        convergence(x, y, record=record)


def test_of_shuffles_and_parts_of_the_examples_it_is_not_warned():
    """They are near chance because they are meant to show what chance is, or how few examples do."""
    x, y = np.random.default_rng(3).normal(size=(2, 60, 200))
    with pytest.warns(errors.BiasWarning) as caught:
        calibrate([x], [y], permutations=5)
    assert len(caught) == 1  # of the values themselves
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        convergence(x, y, repeats=2)


def test_what_is_wrong():
    x, y = sample(30, 0)
    with pytest.raises(errors.ParameterError, match='method is \'bootstrap\'; "jackknife" or "subsample" is needed'):
        uncertainty(x, y, method="bootstrap")
    with pytest.raises(errors.ParameterError, match="groups is 20 and there are 30"):
        uncertainty(x, y)
    with pytest.raises(errors.ParameterError, match="y is missing"):
        uncertainty(x)
    with pytest.raises(errors.ParameterError, match="x is one representation and y is a list; both must be one"):
        uncertainty(x, [y, y])
    with pytest.raises(errors.ParameterError, match="x is a list and y is one representation; both must be one"):
        uncertainty([x, x], y)
    with pytest.raises(errors.ShapeMismatchError, match="x has 30 examples and y has 29; all must be of the same"):
        uncertainty(x, y[:29], groups=5)
    with pytest.raises(errors.ShapeMismatchError, match=r"xs\[0\] has 30 examples and ys\['b'\] has 29"):
        calibrate([x], {"a": y, "b": y[:29]})
    for sizes in ([31], [], 10, np.array(10)):
        with pytest.raises(errors.ParameterError, match="sizes is .*; numbers from 2 to the 30 examples are needed"):
            convergence(x, y, sizes=sizes)
    for function in (uncertainty, convergence, calibrate):
        for seed in (-1, "a", None):
            with pytest.raises(errors.ParameterError, match=f"seed is {seed!r}; a whole number of at least 0"):
                function([x], [y], seed=seed)
    with pytest.raises(errors.ParameterError, match="confidence is 95"):
        uncertainty(x, y, groups=5).interval(95)


def test_a_pair_that_every_order_gives_the_same_value_stands_out_nowhere_and_takes_nothing_from_others():
    rng = np.random.default_rng(1)
    wide, narrow, signal = rng.normal(size=(30, 40)), rng.normal(size=(30, 4)), rng.normal(size=(30, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.RankSaturationWarning)
        found = calibrate([wide, signal], [wide, narrow, signal], index="cca_r2", permutations=39).p_values
    assert found[0].tolist() == [1, 1, 1]
    assert found[1, 1] > 0.1
    assert found[1, 2] == 1 / 40


@pytest.mark.parametrize("function", [uncertainty, convergence])
def test_messages_have_the_names_that_were_given(function):
    x, y = sample(100, 0)
    dead, flash = np.ones((100, 3)), np.zeros((100, 3))
    flash[7] = 1
    for args, said in (
        (({"conv": x}, {"dead": dead}), r"^ys\['dead'\] \(shape .*\) is constant"),
        (([x, dead],), r"^xs\[1\] .*is constant"),
        ((x, dead), "^y .*is constant"),
    ):
        with pytest.raises(errors.ConstantRepresentationError, match=said):
            function(*args)
    said = r"^xs\['flash'\] \(shape \((95|12), 3\)\) is constant.*\(here (5|88) of the 100 examples are left out\)$"
    with pytest.raises(errors.ConstantRepresentationError, match=said):
        function({"flash": flash}, [y])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function({"conv": x}, {"wide": np.random.default_rng(0).normal(size=(100, 200))}, index="cca_r2")
    assert "reached by ys['wide']" in str(caught[0].message)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "function",
    [
        lambda **options: uncertainty({"a": X, "b": Y}, groups=4, **options),
        lambda **options: uncertainty({"a": X, "b": Y}, groups=4, method="subsample", **options),
        lambda **options: convergence(X, Y, sizes=[20, 60], repeats=3, **options),
        lambda **options: calibrate([X], [Y], permutations=3, **options),
    ],
)
@pytest.mark.parametrize("index", ["cka_linear", "procrustes"])
def test_resume_goes_on_from_the_tables_that_are_finished(function, index, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def table(*lists, **options):
        calls.append(options["resume"])
        if len(calls) == 3:
            options["progress"] = kill
        return pairwise(*lists, **options)

    def kill(*_):
        raise Killed

    calls, expected = [], function(index=index)
    folder = tmp_path / "unfinished"
    monkeypatch.setattr(sys.modules["repsim.uncertainty"], "pairwise", table)
    with pytest.raises(Killed):
        function(index=index, resume=folder)
    with pytest.raises(errors.ParameterError, match=r"an unfinished run of another computation \(different: seed\)"):
        function(index=index, resume=folder, seed=1)
    assert function(index=index, resume=folder) == expected
    assert calls[3] == calls[2]  # the first two are not made again
    assert len(set(calls)) == len(calls) - 1
    assert not folder.exists()
    with pytest.raises(errors.ParameterError, match="resume is 3; the path of a folder is needed"):
        function(index=index, resume=3)


def test_where_every_order_gives_the_same_value_z_is_0_and_a_result_equals_itself():
    for rows in (np.eye(10), np.eye(10) * np.pi):
        found = calibrate([rows], [rows], permutations=5)
        assert found.z.tolist() == [[0.0]]
        assert found.p_values.tolist() == [[1.0]]
        assert found == calibrate([rows], [rows], permutations=5)
    made = [Calibration(*(np.full((1, 1), value),) * 5) for value in (np.nan, np.nan, 0.0)]
    assert made[0] == made[1] != made[2]
    sure = [Uncertainty(value, 0.0, np.zeros(2)) for value in (np.nan, np.nan, 0.0)]
    assert sure[0] == sure[1] != sure[2]


def test_whatever_pairwise_takes():
    pandas = pytest.importorskip("pandas")
    x, y = sample(60, 0)
    right = uncertainty(x, y, groups=5).standard_error
    for given in (pandas.DataFrame(x), Blocks(lambda start, stop: x[start:stop], x.shape), x.tolist()):
        assert uncertainty({"x": given}, {"y": y}, groups=5).standard_error[0, 0] == pytest.approx(right, rel=1e-6)
    for call, said in (
        (lambda: uncertainty(np.float64(3), y), r"x has shape \(\): 0 dimensions. A representation is"),
        (lambda: calibrate([x], None), "ys is a NoneType; a list"),
        (lambda: uncertainty(x, y, index=["cka_linear"]), "one index is needed"),
    ):
        with pytest.raises((errors.ParameterError, errors.DimensionError), match=said):
            call()


@pytest.mark.parametrize(
    "function",
    [
        lambda **options: uncertainty(X, Y, groups=4, **options),
        lambda **options: convergence(X, Y, sizes=[20, 40], repeats=3, **options),
        lambda **options: calibrate([X], [Y], permutations=3, **options),
    ],
)
def test_a_resumed_run_whose_own_functions_have_changed_is_refused(function, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def table(*lists, **options):
        calls.append(lists)
        if len(calls) == 3:
            raise Killed
        return pairwise(*lists, **options)

    calls = []
    first, other = (Index.of("own", np.mean, lambda a, b, value=value: value) for value in (1.0, 2.0))
    monkeypatch.setattr(sys.modules["repsim.uncertainty"], "pairwise", table)
    with pytest.raises(Killed):
        function(index=first, resume=tmp_path / "run")
    with pytest.raises(errors.ParameterError, match="resume: index 'own' has other values than in the interrupted run"):
        function(index=other, resume=tmp_path / "run")
    assert function(index=first, resume=tmp_path / "run") == function(index=first)


def curve_of(x, y, **options):
    return convergence(x, y, sizes=[20, 40], repeats=3, **options)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y, **options: uncertainty(x, y, groups=4, **options),
        lambda x, y, **options: calibrate([x], [y], permutations=3, **options),
        curve_of,
    ],
)
def test_what_says_little_is_said_once_for_all_tables(function):
    x, y = np.random.default_rng(0).normal(size=(2, 40, 50))
    for index, category in (("cca_r2", errors.RankSaturationWarning), ("cka_linear", errors.BiasWarning)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function(x, y, index=index)
        assert {(warning.category, warning.filename) for warning in caught} <= {(category, __file__)}
        assert len(caught) == (0 if function is curve_of and category is errors.BiasWarning else 1)


def test_a_changed_index_of_small_values_is_refused(tmp_path, monkeypatch):
    first, other = (Index.of("own", np.mean, lambda a, b, value=value: value) for value in (1e-6, 9e-6))
    calls = []

    def table(*lists, **options):
        calls.append(lists)
        if len(calls) == 3:
            raise RuntimeError
        return pairwise(*lists, **options)

    monkeypatch.setattr(sys.modules["repsim.uncertainty"], "pairwise", table)
    with pytest.raises(RuntimeError):
        uncertainty(X, Y, groups=4, index=first, resume=tmp_path / "run")
    with pytest.raises(errors.ParameterError, match="other values than in the interrupted run"):
        uncertainty(X, Y, groups=4, index=other, resume=tmp_path / "run")


def test_other_warnings_and_the_callers_filters_are_left_alone():
    def compare(a, b):
        warnings.warn("mine", UserWarning, stacklevel=1)
        return 1.0

    x, y = np.random.default_rng(0).normal(size=(2, 40, 50))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        uncertainty(x, y, groups=3, index=Index.of("own", np.mean, compare))
    assert [str(warning.message) for warning in caught] == ["mine"] * 4
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", module=__name__.replace(".", r"\."))
        uncertainty(x, y, groups=3, index="cca_r2")
    assert caught == []
    with warnings.catch_warnings():
        warnings.simplefilter("error", errors.RankSaturationWarning)
        with pytest.raises(errors.RankSaturationWarning):
            uncertainty(x, y, groups=3, index="cca_r2")
