"""Indexes made of two functions: RSA, mutual neighbours, predictivity, and what they have in common."""

import contextlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from threadpoolctl import threadpool_limits

import repsim
from repsim import Blocks, Index, errors, get_index, identification_accuracy, identify, linear_regression, pairwise
from repsim.engine.operators import LinearGram, Projector, RBFGram, ShrunkProjector
from repsim.engine.projectors import correlations
from repsim.neighbours import compare_mutual_knn, mutual_knn, prepare_mutual_knn
from repsim.predictivity import STRENGTHS, compare_linear_predictivity, linear_predictivity, prepare_linear_predictivity
from repsim.rsa import compare_rsa, prepare_rsa, rsa

INDEXES = {
    "rsa": (rsa, prepare_rsa, compare_rsa),
    "mutual_knn": (mutual_knn, prepare_mutual_knn, compare_mutual_knn),
    "linear_predictivity": (linear_predictivity, prepare_linear_predictivity, compare_linear_predictivity),
}


def related(rng, n, p, q):
    hidden = rng.standard_normal((n, 4))
    return (
        np.maximum(hidden @ rng.standard_normal((4, width)) + rng.standard_normal((n, width)), 0) for width in (p, q)
    )


# What they have in common.


@pytest.mark.parametrize("name", INDEXES)
def test_the_function_is_its_two_parts(rng, name):
    function, prepare, compare = INDEXES[name]
    x, y = related(rng, 30, 6, 50)
    value = function(x, y)
    assert type(value) is float
    assert value == compare(prepare(x), prepare(y))
    before = x.copy()
    state = prepare(x)
    compare(state, state)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", INDEXES)
def test_equal_representations_and_what_does_not_matter(rng, name):
    function = INDEXES[name][0]
    x, y = related(rng, 30, 6, 8)
    rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    assert function(x, x) == pytest.approx(1.0, abs=1e-12 if name != "linear_predictivity" else 1e-3)
    value = function(x, y)
    for other in (x @ rotation, 1e-170 * x, 1e150 * x, x.reshape(30, 3, 1, 2), Blocks(lambda i, j: x[i:j], (30, 6))):
        assert function(other, y) == pytest.approx(value, rel=1e-9)
    shift = 100 * np.ones(6)
    if name == "mutual_knn":  # cosines are not of centred features
        assert function(x + shift, y) != pytest.approx(value, rel=1e-2)
    else:
        assert function(x + shift, y) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("name", INDEXES)
def test_bad_representations_are_named(rng, name):
    function = INDEXES[name][0]
    x = rng.standard_normal((30, 3))
    with pytest.raises(errors.ConstantRepresentationError, match="^y "):
        function(x, np.ones((30, 2)))
    with pytest.raises(errors.NonFiniteError, match="^x "):
        function(np.where(x > 2, np.nan, x), x)
    with pytest.raises(errors.ShapeMismatchError, match="x has 30 examples"):
        function(x, x[:20])


# RSA.


def condensed(x):
    return cdist(x, x)[np.triu_indices(len(x), 1)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rsa_is_spearman_of_the_distances(rng, dtype):
    x, y = (z.astype(dtype) for z in related(rng, 40, 5, 70))
    expected = spearmanr(condensed(x.astype(float)), condensed(y.astype(float))).statistic
    assert rsa(x, y) == pytest.approx(expected, abs=1e-13)


def test_rsa_ties_share_their_rank(rng):
    x, y = rng.integers(0, 3, (25, 2)).astype(float), rng.integers(0, 3, (25, 3)).astype(float)
    assert rsa(x, y) == pytest.approx(spearmanr(condensed(x), condensed(y)).statistic, abs=1e-13)
    assert rsa(x, x + 1e6) == pytest.approx(1.0, abs=1e-15)


def test_rsa_by_hand():
    """Distances 1, 3, 2 and 1, 2, 3: ranks differ by 0, 1, 1, so rho is 1 - 6 * 2 / (3 * 8)."""
    assert rsa([[0.0], [1.0], [3.0]], [[1.0], [0.0], [3.0]]) == pytest.approx(0.5)
    assert rsa([[0.0], [1.0], [3.0]], [[0.0], [3.0], [1.0]]) == pytest.approx(-1.0)


def test_rsa_needs_distances_that_differ(rng):
    with pytest.raises(errors.UndefinedSimilarityError, match="^y: its 5 examples are all equally far"):
        rsa(rng.standard_normal((5, 2)), np.eye(5))
    with pytest.raises(errors.UndefinedSimilarityError, match="^x: its 2 examples"):
        rsa([[0.0], [1.0]], [[0.0], [1.0]])


# Mutual neighbours.


def brute_force(x, y, k):
    """Sorts every row of cosines, example by example; of equal ones the first."""
    n, common = len(x), 0
    for i in range(n):
        sets = []
        for z in (x, y):
            lengths = [np.linalg.norm(row) for row in z]
            cosines = [z[i] @ z[j] / (lengths[i] * lengths[j]) if lengths[i] * lengths[j] else 0.0 for j in range(n)]
            sets.append(set(sorted((j for j in range(n) if j != i), key=lambda j: -round(cosines[j], 12))[:k]))
        common += len(sets[0] & sets[1])
    return common / (n * k)


@pytest.mark.parametrize("k", [1, 3, 10, 29])
def test_mutual_knn_by_brute_force(rng, k):
    x, y = related(rng, 30, 4, 60)
    assert mutual_knn(x, y, k=k) == pytest.approx(brute_force(x, y, k))
    if k == 29:
        assert mutual_knn(x, y, k=k) == 1.0


def test_mutual_knn_ties_take_the_first():
    """Eight examples on two axes: cosines are exactly 1 or 0."""
    x = np.eye(2)[[0, 1, 0, 1, 0, 1, 0, 1]] * np.array([1, 2, 4, 8, 1, 2, 4, 8])[:, None]
    y = np.eye(2)[[0, 0, 0, 0, 1, 1, 1, 1]]
    for k in range(1, 8):
        assert mutual_knn(x, y, k=k) == pytest.approx(brute_force(x, y, k))
    assert mutual_knn(x, y, k=1) == 1 / 8  # that of example 2 is 0 in both


def test_mutual_knn_of_dead_examples(rng):
    x, y = related(rng, 12, 4, 4)
    x[[2, 5]] = 0
    assert mutual_knn(x, y, k=3) == pytest.approx(brute_force(x, y, 3))


def test_mutual_knn_is_of_directions_however_long(rng):
    x, y = rng.standard_normal((2, 60, 5))
    scaled = x * np.logspace(-170, 170, 60)[:, None]
    assert mutual_knn(scaled, y, k=3) == mutual_knn(x, y, k=3)


def test_mutual_knn_goes_through_blocks(rng, monkeypatch):
    import importlib

    x, y = related(rng, 37, 5, 9)
    expected = mutual_knn(x, y)
    monkeypatch.setattr(importlib.import_module("repsim.neighbours"), "_TILE", 37 * 5)
    assert mutual_knn(x, y) == expected


def test_mutual_knn_by_chance(rng):
    values = [mutual_knn(*rng.standard_normal((2, 101, 20)), k=10) for _ in range(20)]
    assert np.mean(values) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("k", [0, 20, 2.0, True, "3", None])
def test_mutual_knn_checks_k(rng, k):
    x = rng.standard_normal((20, 3))
    with pytest.raises(errors.ParameterError, match="^k is "):
        mutual_knn(x, x, k=k)


# Predictivity.


def held_out(x, y, folds, penalty):
    """Ridge of scikit-learn, with a penalty for each fold: predictions of the examples that it was not fitted to."""
    predicted = np.empty_like(x)
    for fold in range(folds):
        out = np.arange(len(x)) % folds == fold
        predicted[out] = Ridge(alpha=penalty(x[~out], y[~out])).fit(y[~out], x[~out]).predict(y[out])
    return r2_score(x, predicted, multioutput="variance_weighted")


def largest_eigenvalue(y):
    return np.linalg.norm(y - y.mean(axis=0), 2) ** 2


@pytest.mark.parametrize("strength", [1e-6, 1e-2, 3.0])
@pytest.mark.parametrize(("widths", "folds"), [((4, 5), 5), ((3, 60), 2), ((80, 6), 7), ((50, 60), 20)])
def test_predictivity_is_ridge_on_held_out_examples(rng, widths, folds, strength):
    x, y = related(rng, 40, *widths)
    expected = held_out(x, y, folds, lambda _, fitted_to: strength * largest_eigenvalue(fitted_to))
    assert linear_predictivity(x, y, folds=folds, strengths=[strength]) == pytest.approx(expected, rel=1e-8)


def best_penalty(x, y):
    """Generalised cross-validation with the hat matrix written out, of centred examples with an intercept."""
    n = len(x)
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    errors_ = []
    for strength in STRENGTHS:
        penalty = strength * largest_eigenvalue(y)
        hat = b @ np.linalg.solve(b.T @ b + penalty * np.eye(b.shape[1]), b.T) + 1 / n
        errors_.append(np.sum((a - hat @ a) ** 2) / np.trace(np.eye(n) - hat) ** 2)
    return STRENGTHS[int(np.argmin(errors_))] * largest_eigenvalue(y)


@pytest.mark.parametrize("noise", [0.01, 1.0, 5.0])
@pytest.mark.parametrize("widths", [(4, 5), (6, 25), (50, 10)])
def test_the_strength_is_chosen_among_the_other_examples(rng, widths, noise):
    x, y = related(rng, 40, *widths)
    x = x + noise * rng.standard_normal(x.shape)
    assert linear_predictivity(x, y) == pytest.approx(held_out(x, y, 5, best_penalty), rel=1e-6)


def test_unrelated_are_not_predicted_whatever_their_widths(rng):
    values = [linear_predictivity(*rng.standard_normal((2, 60, p))) for p in (3, 30, 59, 300)]
    assert all(-0.2 < value < 0.05 for value in values)
    x, y = rng.standard_normal((2, 60, 100))
    with pytest.warns(errors.RankSaturationWarning):
        assert linear_regression(x, y) == pytest.approx(1.0)


def test_sorted_by_class_is_predicted_all_the_same(rng):
    """Every fold has examples of every class: contiguous folds would hold out classes that were never seen."""
    classes = np.repeat(np.eye(5), 20, axis=0)
    x = classes @ rng.standard_normal((5, 8)) + 0.1 * rng.standard_normal((100, 8))
    y = classes @ rng.standard_normal((5, 6)) + 0.1 * rng.standard_normal((100, 6))
    assert linear_predictivity(x, y, folds=5) > 0.9


def test_predictors_that_do_not_vary_in_training(rng):
    """In the first fold all that varies is held out: the mean is predicted."""
    x, y = rng.standard_normal((6, 2)), np.zeros((6, 1))
    y[0] = 1.0
    expected = held_out(x, y, 2, lambda _, fitted_to: largest_eigenvalue(fitted_to) or 1.0)
    assert linear_predictivity(x, y, folds=2, strengths=[1.0]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("folds", [1, 21, 2.0, True, "5"])
def test_predictivity_checks_folds(rng, folds):
    x = rng.standard_normal((20, 3))
    with pytest.raises(errors.ParameterError, match="^folds is "):
        linear_predictivity(x, x, folds=folds)


@pytest.mark.parametrize("strengths", ["1.0", 0.1, [], [0.0], [-1.0], [np.inf], [np.nan], ["1"], [True], None])
def test_predictivity_checks_strengths(rng, strengths):
    x = rng.standard_normal((20, 3))
    with pytest.raises(errors.ParameterError, match="strengths.*positive numbers are needed"):
        linear_predictivity(x, x, strengths=strengths)


def test_predictivity_needs_four_examples(rng):
    x = rng.standard_normal((3, 2))
    with pytest.raises(errors.TooFewExamplesError, match="^x: there are 3 examples; at least 4"):
        linear_predictivity(x, x, folds=2)
    assert np.isfinite(linear_predictivity(x.repeat(2, axis=0), x.repeat(2, axis=0), folds=2))


@pytest.mark.parametrize("name", ["rsa", "mutual_knn", "mutual_knn_3", "linear_predictivity"])
def test_by_name_everywhere(rng, name):
    """The function, all pairs, identification: one value."""
    xs = list(related(rng, 40, 6, 9))
    index = get_index(name)
    table = pairwise(xs, index=name)
    for i, x in enumerate(xs):
        for j, y in enumerate(xs):
            assert table[i, j] == index(x, y)
    options = {"k": 3} if name.endswith("_3") else {}
    assert table[0, 1] == getattr(repsim, name.removesuffix("_3"))(*xs, **options)
    assert identification_accuracy(np.broadcast_to(table, (2, 2, 2, 2)), symmetrise=not index.symmetric) == 1


def test_an_index_of_ones_own(rng, tmp_path):
    """Prepared once a representation, whatever the number of pairs; refusals name the representation."""
    seen = []

    def prepare(x):
        seen.append(x)
        return x.mean(axis=0)

    index = Index.of("means", prepare, lambda a, b: float(a @ b), symmetric=True)
    xs = [rng.standard_normal((30, 4)).astype(np.float32) for _ in range(3)]
    table = pairwise(xs, index=[index, "cka_linear"], resume=tmp_path / "run")["means"]
    assert [x.shape for x in seen] == [(30, 4)] * 3
    assert {x.dtype for x in seen} == {np.dtype(np.float64)}
    assert table[0, 1] == index(xs[0], xs[1]) == pytest.approx(xs[0].mean(axis=0) @ xs[1].mean(axis=0), rel=1e-6)
    with pytest.raises(errors.ParameterError, match="needs a value or a compare"):
        replace(index, compare=None)
    with pytest.raises(errors.UndefinedSimilarityError, match=r"^xs\[1\]: its 4 examples are all equally far"):
        pairwise([rng.standard_normal((4, 2)), np.eye(4)], index="rsa")


@pytest.mark.parametrize(
    "index",
    [
        replace(repsim.INDEXES["cka_linear"], name="mixed", y=RBFGram(0.4), symmetric=False),
        replace(repsim.INDEXES["linear_regression"], name="unscaled", value=lambda m: m.xy),
        replace(repsim.INDEXES["cca_mean"], name="largest", compare=lambda a, b: float(correlations(a, b).max())),
        Index.of("signs", np.sign, lambda a, b: float(np.abs(a.T @ b).mean()), symmetric=True),
    ],
    ids=lambda index: index.name,
)
def test_one_entry_makes_an_index(rng, index):
    """With the function, in tables of several, and in the test of Table 2, of two networks of three layers each."""
    layers = [list(related(rng, 40, 5, 5)) for _ in range(3)]
    xs = [layer[network] for network in range(2) for layer in layers]
    tables = pairwise(xs, index=[index, "cka_linear"])
    expected = [[index(x, y) for y in xs] for x in xs]
    np.testing.assert_allclose(tables[index.name], expected, rtol=1e-12)
    similarities = tables[index.name].reshape(2, 3, 2, 3).swapaxes(1, 2)
    assert identify(similarities, symmetrise=not index.symmetric).decisions == 6


class Interrupted(Exception):
    pass


def after(steps):
    """A progress function that interrupts."""
    seen = []

    def progress(done, total):
        seen.append(done)
        if len(seen) > steps:
            raise Interrupted

    return progress


def scaled_mean(factor):
    def prepare(x):
        return x.mean() * factor

    return prepare


def test_a_resumed_run_whose_functions_have_changed_is_refused(rng, tmp_path, monkeypatch):
    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    xs = rng.standard_normal((4, 60, 5))
    first, other = (Index.of("mine", scaled_mean(factor), lambda a, b: a + b) for factor in (1, 100))
    with pytest.raises(Interrupted):
        pairwise(xs, index=first, resume=tmp_path / "run", progress=after(8))
    with pytest.raises(errors.ParameterError, match="resume: index 'mine' of .* was .* in the interrupted run"):
        pairwise(xs, index=other, resume=tmp_path / "run")
    with pytest.raises(errors.ParameterError, match=r"different: indexes"):
        pairwise(xs, index=replace(first, symmetric=False), resume=tmp_path / "run")
    prepared = []

    def prepare(x):
        prepared.append(len(x))
        return first.x.prepare(x)

    prepare.__qualname__ = first.x.prepare.__qualname__
    resumed = pairwise(xs, index=Index.of("mine", prepare, first.compare), resume=tmp_path / "run")
    assert len(prepared) <= len(xs), "what is made to look at some pairs again serves the others too"
    np.testing.assert_array_equal(resumed, pairwise(xs, index=first))


def test_a_resumed_run_of_another_comparison_of_the_same_bases_is_refused(rng, tmp_path, monkeypatch):
    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    xs = rng.standard_normal((4, 60, 5))
    first, other = (
        replace(repsim.INDEXES["procrustes"], name="mine", compare=lambda a, b, value=value: value)
        for value in (1.0, 2.0)
    )
    with pytest.raises(Interrupted):
        pairwise(xs, index=first, resume=tmp_path / "run", progress=after(8))
    with pytest.raises(errors.ParameterError, match="resume: index 'mine' of .* is 2.0 and was 1.0"):
        pairwise(xs, index=other, resume=tmp_path / "run")


def test_a_resumed_run_of_single_precision_goes_on(rng, tmp_path, monkeypatch):
    """Computed again with another number of threads, the last digits may be others."""
    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    xs = list(rng.standard_normal((4, 90, 70)).astype(np.float32))
    mine = replace(repsim.INDEXES["procrustes"], name="mine")
    with threadpool_limits(1), pytest.raises(Interrupted):
        pairwise(xs, index=mine, resume=tmp_path / "run", progress=after(8))
    expected = pairwise(xs, index=mine)
    np.testing.assert_allclose(pairwise(xs, index=mine, resume=tmp_path / "run"), expected, atol=1e-6)


def test_only_cka_has_the_chance_of_cka(rng):
    x, y = rng.standard_normal((2, 40, 5))
    dice = replace(repsim.INDEXES["cka_linear"], name="dice", value=lambda m: 2 * m.xy / (m.xx + m.yy))
    gram_x, gram_y = (repsim.centre_gram(repsim.gram_linear(z)) for z in (x, y))
    expected = 2 * (gram_x * gram_y).sum() / ((gram_x**2).sum() + (gram_y**2).sum())
    assert dice(x, y) == pytest.approx(expected)
    regression = replace(repsim.INDEXES["linear_regression"], name="mine", own=True)
    for index in (dice, regression):
        with pytest.raises(errors.ParameterError, match=f"chance is known for CKA only, not for {index.name}"):
            pairwise([x, y], index=index, chance=True)
    mixed = replace(repsim.INDEXES["cka_linear"], name="mixed", y=RBFGram(0.4), symmetric=False)
    assert pairwise([x], [y], index=mixed, chance=True)[1].mean.shape == (1, 1)


@pytest.mark.parametrize("value", [lambda m: 1, lambda m: m.xy[0], lambda m: [["a"]], lambda m: m.xy * np.nan])
def test_a_value_that_is_no_table_of_numbers_is_refused(rng, value):
    x, y = rng.standard_normal((2, 30, 5))
    index = replace(repsim.INDEXES["linear_regression"], name="mine", value=value)
    for call in (lambda: index(x, y), lambda: pairwise([x, y], index=index)):
        with pytest.raises(errors.ParameterError, match="(?s)index 'mine': its value returned .*none of them NaN"):
            call()


@pytest.mark.parametrize("y", [LinearGram(), RBFGram(0.4), Projector()])
def test_products_with_themselves_are_refused_unless_asked_for(rng, y):
    layers = rng.standard_normal((2, 30, 5))
    index = replace(repsim.INDEXES["cka_linear"], name="mine", y=y, symmetric=False, own=False)
    for call in (
        lambda: index(*layers),
        lambda: pairwise(layers, index=index),
        lambda: pairwise(layers, index=[index]),
    ):
        with pytest.raises(errors.ParameterError, match="^index 'mine': Moments.xx and Moments.yy .* needs own=True$"):
            call()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": "abc"}, "index 'mine': 'abc' is no function"),
        ({"value": None, "compare": 3}, "index 'mine': 3 is no function"),
        *(({"bounds": ends}, "bounds is ") for ends in (3, (1, 0), b"no", "no", (0, np.nan))),
        *(
            ({option: "no"}, f"{option} is 'no'; True or False")
            for option in ("orthogonal", "isotropic_scaling", "own")
        ),
        ({"invertible_linear": "maybe"}, "invertible_linear is 'maybe'; \"yes\""),
        *(({option: 3}, f"{option} is 3; text") for option in ("title", "symbol", "formula", "equation", "source")),
    ],
)
def test_what_an_index_says_of_itself_is_checked(change, said):
    with pytest.raises(errors.ParameterError, match=said):
        replace(repsim.INDEXES["cka_linear"], name="mine", **change)


def test_chance_is_not_known_where_a_projector_is_compared(rng):
    index = replace(repsim.INDEXES["cka_linear"], name="mine", y=Projector(), symmetric=False)
    with pytest.raises(errors.ParameterError, match="chance is known for CKA only"):
        pairwise(rng.standard_normal((2, 30, 20)), index=index, chance=True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: replace(repsim.INDEXES["cka_linear"], x="linear"), "x is 'linear'; what is made of it"),
        (lambda: replace(repsim.INDEXES["cka_linear"], y=None), "y is None; what is made of it"),
        (lambda: replace(repsim.INDEXES["cca_r2"], debiased=True), "debiased forms are of Gram matrices"),
        *((lambda f=f: RBFGram(f), "fraction is") for f in (0, -1, "a", np.nan, np.inf)),
        *((lambda f=f: Projector(*f), "threshold is|truncation is") for f in ((5,), (-1,), (0.5, "x"))),
        *((lambda f=f: ShrunkProjector(f), "kappa is") for f in (-3, "a", np.nan)),
    ],
)
def test_what_a_recipe_is_made_of_is_checked(make, said):
    with pytest.raises(errors.ParameterError, match=said):
        make()


def test_a_definition_is_the_same_in_every_process():
    """No address of a function in it, and of an array all of its numbers."""
    definitions = [
        Index.of("mine", partial(np.linalg.norm, scale=array, of=np.mean), max).definition
        for array in (np.arange(2000.0), np.arange(2000.0), np.append(np.arange(1999.0), 0))
    ]
    assert definitions[0] == definitions[1] != definitions[2]
    assert "0x" not in definitions[0]
    assert "mean" in definitions[0]


def test_a_prepare_that_writes_into_its_array_changes_no_other_index(rng):
    x = rng.standard_normal((50, 6)) + 2
    y = x[:, :4] + rng.standard_normal((50, 4))

    def centre(a):
        a -= a.mean(axis=0)
        return a

    own = Index.of("own", centre, lambda a, b: 1.0)
    assert pairwise([x], [y], index=[own, "mutual_knn_5"])["mutual_knn_5"][0, 0] == mutual_knn(x, y, k=5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"symmetric": "no"}, "symmetric is 'no'"),
        ({"prepare": None}, "prepare is None; a function"),
        ({"compare": 3}, "compare is 3; a function"),
        ({"name": ""}, "name is ''"),
        ({"name": 3}, "name is 3"),
        ({"title": 3}, "title is 3; text"),
        ({"bounds": "ab"}, "bounds is 'ab'; the least and the greatest"),
        ({"bounds": (1.0, 0.0)}, "bounds is .*the least and the greatest"),
    ],
)
def test_what_an_index_is_made_of_is_checked(options, said):
    with pytest.raises(errors.ParameterError, match=said):
        Index.of(**{"name": "mine", "prepare": np.mean, "compare": max, **options})


@pytest.mark.parametrize("returned", [None, "x", np.zeros(3)])
def test_a_compare_that_returns_no_number_is_named(rng, returned):
    x, y = rng.standard_normal((2, 30, 5))
    index = Index.of("mine", np.mean, lambda a, b: returned)
    with pytest.raises(errors.ParameterError, match="index 'mine' of x and y is .*; it must be a number"):
        index(x, y)
    with pytest.raises(errors.ParameterError, match=r"index 'mine' of xs\[0\] and ys\[0\] is .*; it must be a number"):
        pairwise([x], [y], index=index)
    with pytest.raises(errors.UndefinedSimilarityError, match="index 'nan' of x and y is not a number"):
        Index.of("nan", np.mean, lambda a, b: np.nan)(x, y)


def test_an_index_made_of_another_has_no_public_function():
    mixed = replace(get_index("cka_linear"), name="mixed", y=RBFGram(0.4))
    assert (mixed.function, mixed.parameters) == (None, {})
    with pytest.raises((ValueError, TypeError), match="parameters"):
        replace(get_index("cka_linear"), parameters={"debiased": True})


def test_an_index_that_is_not_symmetric_has_to_say_so(rng):
    xs = rng.standard_normal((3, 40, 5)) + np.arange(3)[:, None, None]
    parts = (np.mean, lambda a, b: a - b)
    with pytest.raises(
        errors.ParameterError, match=r"index 'mine' of xs\[1\] and xs\[0\] is .*it needs symmetric=False"
    ):
        pairwise(xs, index=Index.of("mine", *parts))
    table = pairwise(xs, index=Index.of("mine", *parts, symmetric=False))
    np.testing.assert_allclose(table, -table.T, atol=1e-12)


def test_that_is_seen_though_the_first_two_are_alike(rng):
    ratio = Index.of("ratio", lambda x: x.shape[1], lambda a, b: a / b)
    with pytest.raises(errors.ParameterError, match=r"of xs\[2\] and xs\[0\] is 0.8 and .* 1.25; it needs symmetric"):
        pairwise([rng.standard_normal((20, width)) for width in (5, 5, 4)], index=ratio)


@pytest.mark.parametrize("steps", range(1, 12))
def test_an_own_symmetric_index_resumes_beside_one_that_is_not(rng, tmp_path, monkeypatch, steps):
    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    xs = rng.standard_normal((3, 60, 5))
    own = Index.of("own", lambda x: x - x.mean(axis=0), lambda a, b: float(np.linalg.norm(a.T @ b)))
    expected = pairwise(xs, index=[own, "pwcca"])
    with contextlib.suppress(Interrupted):
        pairwise(xs, index=[own, "pwcca"], resume=tmp_path / "run", progress=after(steps))
    resumed = pairwise(xs, index=[own, "pwcca"], resume=tmp_path / "run")
    for name, table in expected.items():
        np.testing.assert_allclose(resumed[name], table, rtol=1e-12)
