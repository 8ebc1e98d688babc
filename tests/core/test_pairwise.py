import numpy as np
import pytest

from repsim import INDEXES, RankSaturationWarning, errors, get_index, pairwise
from repsim.engine.features import features_are_cheaper
from repsim.engine.operators import LinearGram, Operator
from repsim.engine.representation import Representation
from repsim.engine.tiles import inner_products
from repsim.engine.tiling import tile_block

from .hard_cases import saturation_expected

N = 23
NAMES = [*INDEXES, "hsic_rbf_0.3", "hsic_rbf_0.3_debiased", "cka_rbf_3", "svcca_r2_0.5", "svcca_mean_0.7"]


@pytest.fixture(scope="module")
def layers():
    """Representations of several kinds: narrow, wide, convolutional, rank-deficient, offset, large."""
    rng = np.random.default_rng(4)
    return [
        rng.standard_normal((N, 3)),
        rng.standard_normal((N, 40)) * 1e6,
        np.maximum(rng.standard_normal((N, 3, 2, 2)), 0),
        np.repeat(rng.standard_normal((N, 5)), 3, axis=1),
        rng.standard_normal((N, 15)) + 50,
    ]


@pytest.fixture(scope="module")
def others(layers):
    rng = np.random.default_rng(5)
    return [layers[0] @ rng.standard_normal((3, 4)) + rng.standard_normal((N, 4)), layers[1][:, :18], layers[4]]


def one_by_one(name, xs, ys):
    with saturation_expected():
        return np.array([[get_index(name)(x, y) for y in ys] for x in xs])


@pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")
@pytest.mark.parametrize("block", [1, 7, N, None])
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_pair_functions(layers, others, name, block):
    table = pairwise(layers, index=name, block=block)
    assert table.dtype == np.float64
    np.testing.assert_allclose(table, one_by_one(name, layers, layers), rtol=1e-10, atol=1e-13)
    table = pairwise(layers, others, index=name, block=block)
    assert table.shape == (5, 3)
    np.testing.assert_allclose(table, one_by_one(name, layers, others), rtol=1e-10, atol=1e-13)


@pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")
@pytest.mark.parametrize("block", [5, None])
def test_several_indexes_share_one_pass(layers, others, block):
    tables = pairwise(layers, others, index=NAMES, block=block)
    assert list(tables) == NAMES
    for name in NAMES:
        np.testing.assert_allclose(
            tables[name], pairwise(layers, others, index=name), rtol=1e-10, atol=1e-13, err_msg=name
        )


@pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_single_precision_is_close(layers, name):
    singles = [x.astype(np.float32) for x in layers]
    expected = pairwise([x.astype(np.float64) for x in singles], index=name)
    if get_index(name).x.needs_basis or get_index(name).y.needs_basis:
        expected = one_by_one(name, singles, singles)  # the rank depends on the stored precision
    table = pairwise(singles, index=name, block=6)
    np.testing.assert_allclose(table, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")
def test_reads_files_block_by_block(tmp_path, layers):
    paths = []
    for i, x in enumerate(layers):
        np.save(tmp_path / f"{i}.npy", x)
        paths.append(tmp_path / f"{i}.npy")
    mapped = [np.load(path, mmap_mode="r") for path in paths]
    for name in ("cka_linear", "cka_rbf_0.4", "cca_mean", "pwcca"):
        np.testing.assert_array_equal(pairwise(mapped, index=name, block=8), pairwise(layers, index=name, block=8))


class Lazy:
    """Something that only has a shape and slices, and remembers the longest slice."""

    def __init__(self, x):
        self._x, self.shape, self.dtype, self.longest = x, x.shape, x.dtype, 0

    def __getitem__(self, rows):
        out = self._x[rows]
        self.longest = max(self.longest, len(out))
        return out


def test_lazy_producers_are_never_read_whole(monkeypatch):
    monkeypatch.setattr("repsim.engine.representation._SCAN_ELEMENTS", 1000)
    rng = np.random.default_rng(0)
    xs = [Lazy(rng.standard_normal((120, p))) for p in (100, 200)]
    table = pairwise(xs, index=["cka_linear", "hsic_linear_debiased"], block=10)
    assert max(x.longest for x in xs) == 10
    np.testing.assert_allclose(table["cka_linear"], pairwise([x._x for x in xs]), rtol=1e-12)


def test_a_producer_that_breaks_its_promise_is_refused():
    class Short(Lazy):
        def __getitem__(self, rows):
            return self._x[rows][:, :-1]

    with pytest.raises(errors.DimensionError, match=r"^xs\[0\].*promises"):
        pairwise([Short(np.random.default_rng(0).standard_normal((10, 3)))])


@pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")
def test_memory_bounds_the_block(layers):
    views = [Representation(x, "x") for x in layers]
    families = {LinearGram(): [Operator(v) for v in views]}
    assert tile_block(families, 80_000) == 12
    assert tile_block(families, 2**30) == N
    assert pairwise(layers, memory=80_000)[0, 1] == pytest.approx(pairwise(layers)[0, 1], rel=1e-12)
    with pytest.raises(errors.ParameterError, match=r"memory leaves 5,000 bytes; tiles of 16 examples of 5 operators"):
        pairwise(layers, memory=5_000)


@pytest.mark.parametrize("index", ["cka_linear", "cka_linear_debiased", "cka_rbf_0.4"])
def test_where_all_examples_are_one_tile_wide_rows_are_not_held(index):
    """Arrays in memory are then read some features at a time; what is computed is read row by row, as before."""
    rng = np.random.default_rng(0)
    xs = [(rng.standard_normal((40, p)) * np.linspace(0.1, 3, p)).astype(np.float32) for p in (20_001, 4_096)]
    xs[0][:, :5000] = 1
    views = [Representation(x, "x") for x in xs]
    families = {LinearGram(): [Operator(view) for view in views]}
    memory = 6_000_000
    assert tile_block(families, memory) == 40
    assert 2 * views[0].block(0, 40).nbytes > memory
    assert tile_block({LinearGram(): [Operator(Representation(Lazy(x), "x")) for x in xs]}, memory) < 40
    table = pairwise(xs, index=index, memory=memory)
    np.testing.assert_allclose(table, pairwise([Lazy(x) for x in xs], index=index), rtol=1e-6, atol=1e-7)
    doubles = [x.astype(np.float64) for x in xs]
    np.testing.assert_allclose(table[0, 1], get_index(index)(*doubles), rtol=1e-5, atol=1e-6)


def test_features_and_tiles_agree(monkeypatch):
    rng = np.random.default_rng(1)
    views = [Representation(rng.standard_normal((60, p)) + 3, "x") for p in (2, 5)]
    families, products = {LinearGram(): [Operator(v) for v in views]}, [(LinearGram(), LinearGram())]
    assert features_are_cheaper(families, products, 2**30)
    assert not features_are_cheaper(families, products, 1000)
    fast = inner_products(families, products, block=13, memory=2**30)
    monkeypatch.setattr("repsim.engine.tiles.features_are_cheaper", lambda *_: False)
    slow = inner_products(families, products, block=13, memory=2**30)
    for debiased in (False, True):
        a, b = (sums.centred(LinearGram(), LinearGram(), debiased) for sums in (fast, slow))
        np.testing.assert_allclose(a, b, rtol=1e-11)


def test_one_warning_for_all_pairs(layers):
    with pytest.warns(RankSaturationWarning, match=r"22 reached by xs\[1\] \(40 features\): by Theorem 1") as caught:
        pairwise(layers, index=["cca_r2", "cca_mean", "pwcca", "cka_linear"])
    caught = [one for one in caught if one.category is RankSaturationWarning]
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_regression_warns_for_predictors_only(layers, others):
    pairwise(layers, others[:2], index="linear_regression")
    with pytest.warns(RankSaturationWarning):
        pairwise(others, layers, index="linear_regression")


def test_progress(layers):
    calls = []
    with pytest.warns(RankSaturationWarning):
        pairwise(
            layers,
            index=["cka_rbf_0.4", "cca_mean", "pwcca"],
            block=10,
            progress=lambda done, total: calls.append((done, total)),
        )
    done = [done for done, _ in calls]
    assert done == sorted(done)
    assert len(set(done)) > 10
    assert done[-2] < done[-1] == calls[-1][1]
    assert len({total for _, total in calls}) == 1


def test_undefined_debiased_cka_is_named(rng):
    with pytest.raises(errors.UndefinedSimilarityError, match=r"^xs\[1\]: every two different examples"):
        pairwise([rng.standard_normal((6, 2)), np.eye(6)], index="cka_linear_debiased")
    for dtype in (np.float32, np.float64):
        with pytest.raises(errors.UndefinedSimilarityError, match=r"^xs\[1\]: every two different examples"):
            pairwise([rng.standard_normal((6, 2)).astype(dtype), np.eye(6, dtype=dtype)], index="cka_rbf_0.4_debiased")


def test_hsic_overflow_is_named(rng):
    x = rng.standard_normal((10, 2))
    with pytest.raises(errors.NonFiniteError, match=r"the HSIC of xs\[1\] and xs\[1\]"):
        pairwise([x, x * 1e90], index="hsic_linear")
    assert pairwise([x, x * 1e90], index="cka_linear")[0, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("options", [{"block": 0}, {"memory": 0}, {"index": []}])
def test_options_are_checked(layers, options):
    with pytest.raises(errors.ParameterError):
        pairwise(layers, **options)
    with pytest.raises(errors.ParameterError, match="nothing to compare"):
        pairwise([])
    with pytest.raises(errors.UnknownIndexError):
        pairwise(layers, index=["cka_linear", "cka_cubic"])


@pytest.mark.parametrize("block", [None, 64])
@pytest.mark.parametrize("index", ["cka_rbf_0.8", "cka_rbf_1.9", "cka_rbf_3", "cka_rbf_0.4_debiased"])
def test_kernels_beside_outlying_examples_in_single_precision(index, block):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(700, 300))
    y = x[:, :150] + rng.normal(size=(700, 150))
    x[:5] *= 100
    y[:1] *= 100
    x, y = x.astype(np.float32), y.astype(np.float32)
    assert pairwise([x, y], index=index, block=block)[0, 1] == pytest.approx(get_index(index)(x, y), abs=1e-5)


def test_a_block_fits_into_memory_whatever_the_number_of_cores(rng):
    xs = [rng.standard_normal((2000, 300)).astype(np.float32) for _ in range(3)]
    expected = pairwise(xs, index="cka_rbf_0.4")
    for memory in (36_000_000, 44_000_000):
        np.testing.assert_allclose(pairwise(xs, index="cka_rbf_0.4", block=1000, memory=memory), expected, rtol=1e-6)
