"""What a review of the engine found: inputs that are read wrongly, values that were not asked for, late failures."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import repsim
from repsim import Blocks, cka, errors, get_index, hsic, minibatch_cka, pairwise
from repsim.cca import SINGULAR
from repsim.engine.median import median_squared_distance
from repsim.engine.operators import Projector, RBFGram
from repsim.engine.projectors import project
from repsim.engine.representation import Representation
from repsim.engine.tiles import _Pass

from . import oracle

pytestmark = pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")


def custom(index, **changed):
    return replace(get_index(index), **{"name": "mine", **changed})


def test_the_order_of_bytes_does_not_change_the_precision(rng):
    x = (np.repeat(rng.standard_normal((30, 5)), 2, axis=1) @ rng.standard_normal((10, 10))).astype("<f4")
    y = rng.standard_normal((30, 4))
    assert pairwise([x.astype(">f4"), y], index="cca_r2")[0, 1] == pairwise([x, y], index="cca_r2")[0, 1]


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_maps_of_all_kinds(tmp_path, rng, mode, dtype, order):
    x = (rng.standard_normal((40, 12)) * 100).astype(dtype)
    (tmp_path / "x.bin").write_bytes(bytes(37) + x.tobytes(order))
    mapped = np.memmap(tmp_path / "x.bin", dtype, mode, offset=37, shape=x.shape, order=order)
    if mode != "r":
        mapped[3] = x[3] = 7
    for part in (slice(None), slice(5, 30), (slice(None), slice(2, 9)), slice(None, None, -1)):
        assert pairwise([mapped[part]], index="hsic_linear")[0, 0] == pytest.approx(hsic(x[part], x[part]), rel=1e-6)
    inner = mapped[4:36][3:20].reshape(17, 3, 2, 2)
    assert pairwise([inner], index="hsic_linear")[0, 0] == pytest.approx(hsic(x[7:24], x[7:24]), rel=1e-6)


def test_the_largest_single_precision_numbers(rng):
    x = np.where(rng.random((20, 3)) < 0.2, 3e38, -3e38).astype(np.float32)
    y = rng.standard_normal((20, 3))
    for name in ("cka_linear", "hsic_linear", "linear_regression", "cca_r2", "procrustes"):
        assert pairwise([x, y], index=name, block=7)[0, 1] == pytest.approx(get_index(name)(x, y), rel=1e-6)


@pytest.mark.parametrize("memory", [None, 150_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "equal"), [(300, 250), (51, 39)])
def test_equal_rows_are_at_no_distance_although_rounding_says_so(rng, n, equal, dtype, memory):
    x = rng.standard_normal((n, 37))
    x[:equal] = x[0]
    with pytest.raises(errors.UndefinedSimilarityError, match=r"^xs\[0\]: the median distance"):
        pairwise([x.astype(dtype)], index="cka_rbf_0.4", memory=memory)


def test_distances_in_single_precision_far_from_the_mean(rng):
    x, y = rng.standard_normal((200, 10)).astype(np.float32), rng.standard_normal((200, 5)).astype(np.float32)
    x[0] *= 1e5
    assert median_squared_distance(Representation(x, "x"), memory=10**8) == pytest.approx(
        median_squared_distance(Representation(x, "x", dtype=np.float64), memory=10**8), rel=1e-9
    )
    assert pairwise([x, y], index="cka_rbf_0.4", block=64)[0, 1] == pytest.approx(cka(x, y, kernel="rbf"), rel=1e-6)


@pytest.mark.parametrize("name", ["linear_regression", "cka_linear_debiased", "hsic_linear_debiased", "cka_linear"])
@pytest.mark.parametrize("tiles", [False, True])
def test_single_precision_far_from_zero(monkeypatch, rng, name, tiles):
    if tiles:
        monkeypatch.setattr("repsim.engine.tiles.features_are_cheaper", lambda *_: False)
    x = (rng.standard_normal((200, 10)) + 1e5).astype(np.float32)
    y = (x[:, :5] + rng.standard_normal((200, 5))).astype(np.float32)
    assert pairwise([x, y], index=name, block=64)[0, 1] == pytest.approx(get_index(name)(x, y), rel=1e-6)


@pytest.mark.parametrize("name", ["cka_linear_debiased", "hsic_linear_debiased", "cka_rbf_0.4_debiased"])
@pytest.mark.parametrize("width", [3, 90])
def test_single_precision_where_centring_leaves_little(rng, name, width):
    x, y = (rng.standard_normal((30, p)).astype(np.float32) for p in (width, 40))
    x[0] *= 1e4
    found = pairwise([x, y], index=[name, "cka_linear", "linear_regression"], block=8)
    assert found[name][0, 1] == pytest.approx(get_index(name)(x, y), rel=1e-6, abs=1e-7)
    assert found["linear_regression"][1, 0] == pytest.approx(get_index("linear_regression")(y, x), abs=1e-6)


@pytest.mark.parametrize("far", [1e3, 1e5])
@pytest.mark.parametrize("width", [3, 20, 60])
def test_bases_in_single_precision_with_one_example_far_away(rng, width, far):
    x, y = (rng.standard_normal((30, p)).astype(np.float32) for p in (width, 4))
    x[0] *= far
    for name in ("cca_r2", "linear_regression"):
        assert pairwise([y, x], index=name)[0, 1] == pytest.approx(get_index(name)(y, x), abs=1e-6)


def test_an_overflow_of_what_was_not_asked_for_is_no_error(rng):
    x = rng.standard_normal((10, 2))
    assert pairwise([x], [x * 1e90], index="hsic_linear")[0, 0] == pytest.approx(hsic(x, x * 1e90))


@pytest.mark.parametrize("block", [4, 7, None])
def test_biased_hsic_is_not_negative(block):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        q = np.linalg.qr(np.hstack([np.ones((30, 1)), rng.standard_normal((30, 20))]))[0][:, 1:]
        assert pairwise([q[:, :9], q[:, 10:19]], index="hsic_linear", block=block).min() >= 0


@pytest.mark.parametrize(
    "index",
    [
        custom("svcca_r2", x=Projector(0.7, "singular_values"), y=Projector(0.7, "singular_values")),
        custom("cca_r2", y=Projector(0.9)),
        custom("cka_linear", y=RBFGram(0.4)),
        custom("linear_regression", x=RBFGram(0.3)),
        custom("hsic_linear", debiased=True),
        custom("procrustes", x=SINGULAR, y=SINGULAR, compare=lambda a, b: a[0].rank / b.rank, symmetric=False),
    ],
    ids=lambda index: index.definition,
)
def test_an_index_with_options_of_its_own(rng, index):
    x = rng.standard_normal((40, 8)) * np.geomspace(1, 10, 8)
    y = x @ rng.standard_normal((8, 8)) + rng.standard_normal((40, 8))
    assert pairwise([x, y], index=index)[0, 1] == pytest.approx(index(x, y), rel=1e-10)


def test_the_record_has_a_median_for_each_representation(rng):
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 3)) * 5
    record = {}
    pairwise([x, x, y], index="cka_rbf_0.4", record=record)
    first, again, other = record["median_distances"]
    assert first == again < other
    pairwise([y], [x, y], index="cka_rbf_0.4", record=record)
    assert record["median_distances"] == [other, first, other]


@pytest.mark.parametrize("name", ["cca_r2", "cka_linear", "linear_regression", "cka_rbf_0.4", "procrustes"])
def test_rows_that_become_nan(rng, name):
    x, calls = rng.standard_normal((30, 4)), []

    def read(start, stop):
        calls.append(start)
        return x[start:stop] * (np.nan if len(calls) > 3 else 1)

    with pytest.raises(errors.NonFiniteError, match=r"^xs\[0\]: examples .* not there when they were first read"):
        pairwise([Blocks(read, x.shape), x], index=name, block=8)


def test_shapes_of_blocks():
    assert Blocks(len, (np.int64(3), np.int32(2))).shape == (3, 2)
    with pytest.raises(errors.ParameterError, match="positive whole numbers"):
        Blocks(len, 5)


@pytest.mark.parametrize("options", [{"block": 2.5}, {"memory": "1GB"}, {"memory": np.nan}, {"block": "8"}])
def test_options_of_the_wrong_type(rng, options):
    with pytest.raises(errors.ParameterError, match="needed"):
        pairwise([rng.standard_normal((9, 2))], **options)


def test_a_file_is_no_folder(tmp_path, rng):
    (tmp_path / "f").touch()
    with pytest.raises(errors.ParameterError, match="is a file"):
        pairwise([rng.standard_normal((9, 2))], resume=tmp_path / "f")
    with pytest.raises(errors.ParameterError, match="f is a file"):
        pairwise([rng.standard_normal((9, 2))], resume=tmp_path / "f" / "below")


def test_the_slow_way_to_a_projection_needs_memory_too(rng):
    x = rng.standard_normal((400, 60)) @ rng.standard_normal((60, 120))
    with pytest.raises(errors.ParameterError, match="the singular value decomposition of x needs"):
        project(Representation(x, "x"), 1_200_000)


def test_minibatches_of_a_simplex_are_undefined(rng):
    simplex = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    with pytest.raises(errors.UndefinedSimilarityError, match=r"^x: every two different examples"):
        minibatch_cka(simplex, rng.standard_normal((8, 3)), batch_size=8)


def test_numbers_beyond_float64_are_named():
    if np.finfo(np.longdouble).max == np.finfo(np.float64).max:
        pytest.skip("this machine has no larger numbers")
    x = np.array([[1, 2], [3, np.longdouble("1e4000")], [4, 3]], np.longdouble)
    with pytest.raises(errors.NonFiniteError, match="example 1, feature 1"):
        pairwise([x])


@pytest.mark.parametrize("line", ["result.tables[a, b] +=", "checkpoint.save(", "tick(weight"])
def test_interrupted_between_two_additions(tmp_path, monkeypatch, rng, line):
    """Ctrl-C may come at any line: what is half added is not taken for whole."""
    import inspect

    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    layers = [rng.standard_normal((60, p)) for p in (30, 40)]
    expected = pairwise(layers, index="cka_rbf_0.4", block=16)
    source, first = inspect.getsourcelines(_Pass.add_up)
    wanted = max(first + i for i, text in enumerate(source) if line in text)
    seen = 0

    def local(frame, event, argument):
        nonlocal seen
        if event == "line" and frame.f_lineno == wanted:
            seen += 1
            if seen == 3:
                raise KeyboardInterrupt
        return local

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: local if frame.f_code is _Pass.add_up.__code__ else None)
    try:
        with pytest.raises(KeyboardInterrupt):
            pairwise(layers, index="cka_rbf_0.4", block=16, resume=tmp_path / "run")
    finally:
        sys.settrace(before)
    np.testing.assert_array_equal(pairwise(layers, index="cka_rbf_0.4", block=16, resume=tmp_path / "run"), expected)


@pytest.mark.parametrize("index", [["linear_regression", "cca_r2"], ["cca_mean", "svcca_r2", "pwcca"]])
def test_a_resumed_run_with_saturated_representations(tmp_path, rng, index):
    layers = [rng.standard_normal((30, p)) for p in (60, 29, 28, 5)]
    expected = pairwise(layers, index=index, block=8)
    total = []

    def stop(done, whole):
        total.append(done)
        if done > 0.97 * whole:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pairwise(layers, index=index, block=8, resume=tmp_path / "run", progress=stop)
    resumed = pairwise(layers, index=index, block=8, resume=tmp_path / "run")
    for name in index:
        np.testing.assert_array_equal(resumed[name], expected[name])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["linear_regression", "cca_mean", "cca_r2", "svcca_r2", "pwcca", "procrustes"])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError])
def test_no_temporary_folder_is_left_behind(monkeypatch, tmp_path, rng, name, fault):
    monkeypatch.setattr("repsim.engine.prepared._KEPT", 0.0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen = []

    def stop(done, total):
        seen.append(len(list(tmp_path.iterdir())))
        if done > 0.9 * total:
            raise fault

    with pytest.raises(fault):
        pairwise([rng.standard_normal((40, p)) for p in (5, 30, 60)], index=name, progress=stop)
    assert max(seen) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("cka_linear", "tiles of 16 examples"),
        ("cka_rbf_0.4", "tiles of 16 examples"),
        ("linear_regression", "its QR factorisation"),
        ("cca_mean", "its QR factorisation"),
        ("svcca_r2", "the singular value decomposition"),
        ("procrustes", "its reduction"),
    ],
)
def test_too_little_memory_is_named_at_each_step(rng, name, step):
    layers = [rng.standard_normal((100, p)) for p in (90, 120)]
    with pytest.raises(errors.ParameterError, match=f"memory leaves (30,000|29,984) bytes; .*{step}.* need"):
        pairwise(layers, index=name, memory=30_000)


def test_products_of_features_go_on_where_they_were(tmp_path, rng, monkeypatch):
    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    x, reads = rng.standard_normal((101, 6)), []

    def rows(start, stop):
        reads.append((start, stop))
        return x[start:stop]

    def stop(done, total):
        if done > 0.6 * total:
            raise KeyboardInterrupt

    def run(**options):
        return pairwise(
            [Blocks(rows, x.shape), x[:, :3]], index=["cka_linear", "hsic_linear_debiased"], block=10, **options
        )

    expected, whole = run(), len(reads)
    with pytest.raises(KeyboardInterrupt):
        run(progress=stop, resume=tmp_path / "run")
    assert (tmp_path / "run" / "progress-features.npz").exists()
    reads.clear()
    found = run(resume=tmp_path / "run")
    assert len(reads) < whole - 4
    for name, table in expected.items():
        np.testing.assert_array_equal(found[name], table)


def test_progress_of_a_resumed_run_counts_what_was_done(tmp_path, rng):
    layers, names = [rng.standard_normal((60, p)) for p in (70, 5)], ["cka_rbf_0.4", "linear_regression", "pwcca"]
    whole, parts = [], []

    def stop(done, total):
        parts.append((done, total))
        if done > 0.8 * total:
            raise KeyboardInterrupt

    expected = pairwise(layers, index=names, block=16, progress=lambda *state: whole.append(state))
    with pytest.raises(KeyboardInterrupt):
        pairwise(layers, index=names, block=16, progress=stop, resume=tmp_path / "run")
    parts.clear()
    found = pairwise(layers, index=names, block=16, progress=lambda *s: parts.append(s), resume=tmp_path / "run")
    assert parts == whole
    assert parts[-1][0] == parts[-1][1]
    for name in names:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("change", [{"median": "sample"}, {"block": 8}, {"index": "cka_rbf_0.2"}])
def test_a_run_with_other_options_is_not_resumed(tmp_path, rng, change):
    layers = [rng.standard_normal((60, p)) for p in (20, 5)]
    options = {"index": "cka_rbf_0.4", "block": 16, "resume": tmp_path / "run"}

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pairwise(layers, progress=stop, **options)
    with pytest.raises(errors.ParameterError, match=r"another computation \(different: (median|block|indexes)\)"):
        pairwise(layers, **(options | change))
    assert pairwise(layers, memory=10**7, **options)[0, 1] == pairwise(layers, index="cka_rbf_0.4", block=16)[0, 1]


@pytest.fixture
def interrupted(monkeypatch, tmp_path, rng):
    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    layers, folder = [rng.standard_normal((40, p)) for p in (5, 30)], tmp_path / "run"

    def stop(done, total):
        if done > 0.9 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pairwise(layers, index=["cka_rbf_0.4", "cca_mean"], block=8, progress=stop, resume=folder)
    return layers, folder


@pytest.mark.parametrize("pattern", ["about.json", "progress-*.npz", "*.npy"])
@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"\x93NUMPY"])
def test_damage_to_what_an_interrupted_run_left_is_named(interrupted, pattern, content):
    layers, folder = interrupted
    damaged = sorted(folder.glob(pattern))
    assert damaged
    for path in damaged:
        path.write_bytes(content)
    with pytest.raises(errors.ParameterError, match=r"^resume: .* is damaged.*; remove the folder to begin again$"):
        pairwise(layers, index=["cka_rbf_0.4", "cca_mean"], block=8, resume=folder)


@pytest.mark.parametrize("name", ["median 0.value.npy", "projection 1.rows.npy", "projection 0.facts.npy"])
def test_a_byte_that_is_another_than_was_written_is_named(interrupted, name):
    layers, folder = interrupted
    saved = bytearray((folder / name).read_bytes())
    saved[-1] ^= 0x10
    (folder / name).write_bytes(saved)
    with pytest.raises(errors.ParameterError, match=f"^resume: .*{name} is damaged .its bytes are not those"):
        pairwise(layers, index=["cka_rbf_0.4", "cca_mean"], block=8, resume=folder)


@pytest.mark.parametrize("index", ["cka_linear", "cca_mean"])
def test_a_folder_that_another_run_has_removed_is_said_so(monkeypatch, tmp_path, rng, index):
    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    layers, begun = [rng.standard_normal((60, p)) for p in (5, 30)], []

    def meanwhile(done, total):
        if not begun:
            begun.append(pairwise(layers, index=index, block=20, resume=tmp_path / "run"))

    with pytest.raises(errors.ParameterError, match="run cannot be written into: .*; has another run ended there"):
        pairwise(layers, index=index, block=20, resume=tmp_path / "run", progress=meanwhile)


@pytest.mark.parametrize("path", ["a\0b", "long" * 2000])
def test_what_no_path_can_be_is_said(tmp_path, rng, path):
    layers = rng.standard_normal((2, 30, 5))
    for call in (lambda: pairwise(layers, resume=path), lambda: repsim.Comparison.load(path)):
        with pytest.raises(errors.ParameterError, match="(resume|path) is .*, which is no path"):
            call()


def test_the_user_s_folder_is_where_a_path_says(monkeypatch, tmp_path, rng):
    monkeypatch.setenv("HOME", str(tmp_path))
    repsim.Comparison(np.eye(2), ("a", "b"), ("a", "b"), "cka_linear").save("~/map.npz")
    assert (tmp_path / "map.npz").exists()
    assert repsim.Comparison.load("~/map.npz").index == "cka_linear"


def test_tiles_are_smaller_where_much_would_be_lost(monkeypatch, tmp_path, rng):
    layers, steps = [rng.standard_normal((120, p)) for p in (300, 400)], []
    options = {"index": "cka_rbf_0.4", "progress": lambda done, total: steps.append(done)}
    expected, whole = pairwise(layers, **options), len(steps)
    monkeypatch.setattr("repsim.engine.tiling._UNSAVED", 30**2 * 744.0)  # an entry of the tiles of both takes 744
    steps.clear()
    np.testing.assert_allclose(pairwise(layers, resume=tmp_path / "run", **options), expected, rtol=1e-9)
    assert len(steps) == whole - 1 + 4 * 5 // 2
    steps.clear()
    pairwise(layers, **options)
    assert len(steps) == whole


def test_no_room_for_a_resumed_run_is_one_sentence(monkeypatch, tmp_path, rng):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    layers = [rng.standard_normal((40, p)) for p in (5, 30)]
    for name in ("numpy.save", "numpy.savez", "os.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(name, full)
            with pytest.raises(errors.ParameterError, match="No space left on device"):
                pairwise(layers, index=["cka_rbf_0.4", "cca_mean"], block=8, resume=tmp_path / "run")
        assert not list((tmp_path / "run").glob("*.part"))
    assert pairwise(layers, index="cka_linear").shape == (2, 2)


@pytest.mark.parametrize("name", ["cca_r2", "svcca_mean", "cka_rbf_0.4"])
@pytest.mark.parametrize("removals", [1, 3, 5])
def test_a_run_that_is_killed_while_it_tidies_up_can_be_repeated(monkeypatch, tmp_path, rng, name, removals):
    layers = [rng.standard_normal((60, p)) for p in (5, 30, 80)]
    expected, unlink, removed = pairwise(layers, index=name), Path.unlink, []

    def killed(path, **options):
        if len(removed) == removals:
            raise KeyboardInterrupt
        removed.append(path)
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        pairwise(layers, index=name, resume=tmp_path / "run")
    monkeypatch.setattr(Path, "unlink", unlink)
    assert (tmp_path / "run").exists()
    np.testing.assert_array_equal(pairwise(layers, index=name, resume=tmp_path / "run"), expected)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_gone_at_the_end_does_not_cost_the_result(tmp_path, rng):
    layers = [rng.standard_normal((60, p)) for p in (5, 30)]

    def remove(done, total):
        if done == total:
            shutil.rmtree(tmp_path / "run")

    found = pairwise(layers, index="cca_r2", resume=tmp_path / "run", progress=remove)
    np.testing.assert_array_equal(found, pairwise(layers, index="cca_r2"))


def test_an_array_that_is_missing_is_damage(tmp_path, rng):
    layers = [rng.standard_normal((60, p)) for p in (5, 30)]

    def stop(done, total):
        if (tmp_path / "run" / "projection 1.done").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pairwise(layers, index="cca_r2", resume=tmp_path / "run", progress=stop)
    (tmp_path / "run" / "projection 1.rows.npy").unlink()
    with pytest.raises(errors.ParameterError, match="projection 1.rows.npy is damaged"):
        pairwise(layers, index="cca_r2", resume=tmp_path / "run")


@pytest.mark.parametrize("library", ["numpy", "jax"])
def test_a_run_of_other_data_with_the_same_means_is_not_resumed(tmp_path, rng, library):
    x, y = rng.integers(0, 5, (400, 6)).astype(np.float32), rng.standard_normal((400, 4)).astype(np.float32)
    looked_at = np.linspace(0, 399, 16).astype(int)
    free = np.setdiff1d(np.arange(400), looked_at)
    other = x.copy()
    other[free] = x[rng.permutation(free)]
    np.testing.assert_array_equal(x.mean(axis=0, dtype=np.float64), other.mean(axis=0, dtype=np.float64))
    if library == "jax":
        jnp = pytest.importorskip("jax.numpy")
        x, y, other = (jnp.asarray(z) for z in (x, y, other))

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pairwise([x, y], index="cka_rbf_0.4", resume=tmp_path / "run", progress=stop)
    with pytest.raises(errors.ParameterError, match=r"another computation \(different: representations\)"):
        pairwise([other, y], index="cka_rbf_0.4", resume=tmp_path / "run")
    found = pairwise([x, y], index="cka_rbf_0.4", resume=tmp_path / "run")
    np.testing.assert_array_equal(found, pairwise([x, y], index="cka_rbf_0.4"))


def test_a_file_that_another_has_replaced_is_not_read_for_its_map(tmp_path, rng):
    first, second, y = (rng.standard_normal((30, 4)) for _ in range(3))
    path = tmp_path / "x.npy"
    np.save(path, first)
    mapped = np.load(path, mmap_mode="r")
    np.save(tmp_path / "new.npy", second)
    os.replace(tmp_path / "new.npy", path)
    assert pairwise([mapped], [y])[0, 0] == pytest.approx(repsim.cka(first, y), rel=1e-12)


def test_a_file_that_is_replaced_meanwhile_is_said_to_be(tmp_path, rng):
    x = rng.standard_normal((60, 30)).astype(np.float32)
    path = tmp_path / "x.npy"
    np.save(path, x)
    mapped = np.load(path, mmap_mode="r")

    def replace(done, total):
        np.save(tmp_path / "new.npy", x + 1)
        os.replace(tmp_path / "new.npy", path)

    with pytest.raises(errors.RepresentationError, match="x.npy is another file than when it was first read"):
        pairwise([mapped], index="cka_rbf_0.4", block=16, progress=replace)


def test_a_block_that_the_memory_does_not_hold_is_refused(rng):
    layers = [rng.standard_normal((500, 300)) for _ in range(4)]
    with pytest.raises(errors.ParameterError, match="tiles of block=500 examples of 4 operators need about"):
        pairwise(layers, block=500, memory=4_000_000)
    np.testing.assert_allclose(pairwise(layers, block=100, memory=4_000_000), pairwise(layers), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"index": None}, "index is None; the name of an index"),
        ({"progress": None}, "progress is None; True, False or a function"),
        ({"record": True}, "record is True; a dict"),
        ({"resume": True}, "resume is True; the path of a folder"),
        ({"block": 2.5}, "block is 2.5; a whole number of at least 1"),
        ({"index": ["cka_linear", custom("cka_linear", name="cka_linear")]}, "two are called 'cka_linear'"),
        ({"index": ["cka_linear", "cca_r2"], "chance": True}, "chance is known for CKA only, not for cca_r2"),
        ({"chance": "no"}, "chance is 'no'; True or False is needed"),
    ],
)
def test_options_that_cannot_be_are_named_before_any_work(rng, options, message):
    def never(start, stop):
        raise AssertionError("it was read")

    with pytest.raises(errors.ParameterError, match=message):
        pairwise([Blocks(never, (30, 4))], **options)


@pytest.mark.parametrize("kind", ["duplicated columns", "duplicated rows", "nearly dead"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_that_are_all_but_dependent_have_their_rank(rng, kind, dtype):
    x, scale = rng.standard_normal((100, 30)), {np.float32: 1e-12, np.float64: 1e-100}[dtype]
    if kind == "duplicated columns":
        x = np.hstack([x, x])
    elif kind == "duplicated rows":
        x = np.vstack([np.hstack([x, rng.standard_normal((100, 230))])] * 2)
    else:
        x[:, 0] *= scale
    x, y = x.astype(dtype), rng.standard_normal((len(x), 4)).astype(dtype)
    table = pairwise([x, y], index=["cca_r2", "cca_mean", "linear_regression"])
    assert table["cca_r2"][0, 1] == pytest.approx(repsim.cca(x, y), abs=1e-6)
    assert table["cca_mean"][0, 1] == pytest.approx(repsim.cca(x, y, statistic="mean"), abs=1e-6)
    assert table["linear_regression"][1, 0] == pytest.approx(repsim.linear_regression(y, x), abs=1e-6)


@pytest.mark.parametrize("n", [8, 12, 20, 40])
def test_few_examples_in_single_precision_are_debiased_to_their_value(rng, n):
    x, y = (rng.standard_normal((n, 3000)).astype(np.float32) for _ in range(2))
    exact = repsim.cka(x.astype(np.float64), y.astype(np.float64), debiased=True)
    for block in (3, n):
        order = rng.permutation(n)
        found = pairwise([x[order], y[order]], index="cka_linear_debiased", block=block)[0, 1]
        assert found == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("factor", [1e2, 1e5, 1e7, 1e8])
@pytest.mark.parametrize("shape", [(40, 3), (12, 40), (16, 4), (5, 2)])
def test_one_outlying_example_does_not_cost_the_debiased_value(rng, factor, shape):
    """Neither where features are multiplied, nor examples, nor beside an index that needs tiles."""
    x, y = rng.standard_normal(shape), rng.standard_normal((shape[0], 4))
    x[2] *= factor
    y[2] *= factor
    for name in ("hsic_linear_debiased", "cka_linear_debiased"):
        index = get_index(name)
        exact = float(getattr(oracle, name.split("_")[0])(x, y, debiased=True))
        assert index(x, y) == pytest.approx(exact, rel=1e-8)
        assert pairwise([x], [y], index=name)[0, 0] == pytest.approx(exact, rel=1e-8)
        beside = pairwise([x, y], index=[name, "cka_rbf_0.4", "cka_linear", "linear_regression"])
        assert beside[name][0, 1] == pytest.approx(exact, rel=1e-8)
        assert beside["cka_linear"][0, 1] == pytest.approx(float(oracle.cka(x, y)), rel=1e-8)
        alone = pairwise([x], [y], index="linear_regression")[0, 0]
        assert beside["linear_regression"][0, 1] == pytest.approx(alone, rel=1e-8)


@pytest.mark.parametrize("shape", [(6, 5), (20, 5), (60, 3)])
def test_one_outlying_example_does_not_cost_the_others_their_distances(rng, shape):
    x, y = rng.standard_normal(shape), rng.standard_normal(shape)
    x[0] *= 3e8
    exact = float(oracle.cka(x, y, kernel="rbf", bandwidth=0.4))
    assert repsim.cka(x, y, kernel="rbf") == pytest.approx(exact, abs=1e-9)
    assert pairwise([x], [y], index="cka_rbf_0.4")[0, 0] == pytest.approx(exact, abs=1e-9)
    distances = repsim.squared_distances(x)[1:, 1:]
    np.testing.assert_allclose(distances, np.square(x[1:, None] - x[None, 1:]).sum(axis=2), rtol=1e-9, atol=1e-9)


def test_outliers_among_many_tiles(rng):
    x, y = rng.standard_normal((2, 300, 200))
    x[::97] *= 1e7
    exact = repsim.cka(x, y, debiased=True)
    found = pairwise([x, y], index="cka_linear_debiased", block=64)[0, 1]
    assert found == pytest.approx(exact, rel=1e-7)


def test_files_of_others_in_the_folder_of_a_resumed_run_stay(monkeypatch, tmp_path, rng):
    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)
    layers, run = list(rng.standard_normal((3, 60, 5))), tmp_path / "run"

    def interrupt(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pairwise(layers, index=["cca_r2", "cca_mean"], resume=run, progress=interrupt)
    others = [run / name for name in ("mine.npy", "progress-notes.txt", "about.md")]
    for path in others:
        path.write_bytes(b"mine")
    pairwise(layers, index=["cca_r2", "cca_mean"], resume=run)
    assert sorted(run.iterdir()) == sorted(others)
