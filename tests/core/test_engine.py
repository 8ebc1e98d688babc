"""Long runs: resumed after an interruption, on disk when memory is short, and never beyond the memory allowed."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from repsim import Blocks, errors, gram_linear, pairwise
from repsim.engine import tiles

pytestmark = pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")
INDEXES = ["cka_linear", "cka_rbf_0.4", "cka_linear_debiased", "linear_regression", "cca_r2"]
SCAN = 3  # reads before that
SINGULAR = ["cca_mean", "svcca_r2", "pwcca", "procrustes"]


@pytest.fixture(autouse=True)
def saved_at_once(monkeypatch):
    """Save after every step, not once in some seconds, which these runs do not take."""
    monkeypatch.setattr("repsim.engine.checkpoint._SECONDS_BETWEEN_SAVES", 0.0)


@pytest.fixture
def layers(rng):
    return [rng.standard_normal((60, p)).astype(np.float32) for p in (5, 20, 40, 12)]


class Failing:
    """Rows that cannot be read any more after some reads."""

    def __init__(self, x, reads):
        self.x, self.reads, self.shape, self.blocks = x, reads, x.shape, 0

    def __getitem__(self, rows):
        self.reads -= 1
        self.blocks += rows.stop - rows.start > 1
        if self.reads < 0:
            raise OSError("the disk is gone")
        return self.x[rows]


def count_reads(layers, **options):
    counter = Failing(layers[-1], 10**9)
    pairwise([*layers[:-1], counter], block=10, **options)
    return 10**9 - counter.reads


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("index", [INDEXES, SINGULAR, INDEXES + SINGULAR])
def test_an_interrupted_run_goes_on_where_it_was(tmp_path, layers, index, part):
    whole = pairwise(layers, index=index, block=10)
    folder = tmp_path / "run"
    failing = Failing(layers[-1], max(SCAN, int(part * count_reads(layers, index=index))))
    with pytest.raises(errors.RepresentationError, match=r"xs\[3\]: examples .* could not be read: OSError: the"):
        pairwise([*layers[:-1], failing], index=index, block=10, resume=folder)
    assert (folder / "about.json").exists()
    resumed = pairwise(layers, index=index, block=10, resume=folder)
    for name in index:
        np.testing.assert_array_equal(resumed[name], whole[name])
    assert not folder.exists()


def test_what_was_done_is_not_done_again(tmp_path, layers):
    whole = Failing(layers[-1], 10**9)
    pairwise([*layers[:-1], whole], index=INDEXES, block=10)
    reads = 10**9 - whole.reads
    failing = Failing(layers[-1], reads - 3)
    with pytest.raises(errors.RepresentationError):
        pairwise([*layers[:-1], failing], index=INDEXES, block=10, resume=tmp_path / "run")
    again = Failing(layers[-1], 10**9)
    pairwise([*layers[:-1], again], index=INDEXES, block=10, resume=tmp_path / "run")
    assert again.blocks < whole.blocks / 4


def test_a_killed_run_resumes(tmp_path):
    code = textwrap.dedent(
        """
        import os, signal, sys
        import numpy as np
        import repsim
        from repsim.engine import checkpoint
        checkpoint._SECONDS_BETWEEN_SAVES = 0
        xs = [np.random.default_rng(i).standard_normal((80, p)) for i, p in enumerate((90, 3, 30))]
        def kill(done, total):
            if len(sys.argv) > 2 and done / total > float(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
        names = ["cka_rbf_0.4", "linear_regression", "procrustes"]
        found = repsim.pairwise(xs, index=names, block=16, progress=kill, resume=sys.argv[1])
        sys.stdout.write(repr({name: table.tolist() for name, table in found.items()}))
        """
    )

    def run(folder, *arguments):
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, str(folder), *arguments], capture_output=True, text=True
        )

    whole = run(tmp_path / "whole")
    for part in ("0.2", "0.5", "0.8", "0.95"):
        assert run(tmp_path / "killed", part).returncode == -signal.SIGKILL
    resumed = run(tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == whole.stdout != ""


def test_the_folder_of_another_run_is_refused(tmp_path, layers):
    folder = tmp_path / "run"
    with pytest.raises(errors.RepresentationError):
        pairwise([layers[0], Failing(layers[1], SCAN)], index="cca_r2", resume=folder)
    with pytest.raises(errors.ParameterError, match=r"another computation \(different: indexes"):
        pairwise(layers[:2], index="linear_regression", resume=folder)
    with pytest.raises(errors.ParameterError, match=r"another computation \(different: representations"):
        pairwise([layers[0], layers[1] + 1], index="cca_r2", resume=folder)
    (folder / "about.json").write_text("{")
    with pytest.raises(errors.ParameterError, match=r"about.json is damaged"):
        pairwise(layers[:2], index="cca_r2", resume=folder)


def test_a_folder_with_something_else_is_left_alone(tmp_path, layers):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(errors.ParameterError, match="not empty and holds no unfinished run"):
        pairwise(layers, resume=tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_bases_go_to_disk_when_memory_is_short(layers, monkeypatch):
    made = []
    monkeypatch.setattr("repsim.engine.checkpoint.tempfile.TemporaryDirectory", _spy(made))
    expected = pairwise(layers, index=INDEXES + SINGULAR)
    assert not made
    monkeypatch.setattr("repsim.engine.prepared._KEPT", 1e-9)
    found = pairwise(layers, index=INDEXES + SINGULAR)
    assert len(made) == 1
    assert not os.path.exists(made[0].name)
    for name, table in expected.items():
        np.testing.assert_array_equal(found[name], table)


def _spy(made):
    import tempfile

    original = tempfile.TemporaryDirectory

    def make(**options):
        made.append(original(**options))
        return made[-1]

    return make


def test_blocks_are_computed_not_stored(layers):
    asked = []

    def read(start, stop):
        asked.append(stop - start)
        return layers[1][start:stop]

    rows = Blocks(read, layers[1].shape)
    found = pairwise([layers[0], rows], index=INDEXES, block=16)
    expected = pairwise(layers[:2], index=INDEXES, block=16)
    for name in INDEXES:
        np.testing.assert_array_equal(found[name], expected[name])
    assert asked


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda a, b: np.ones((b - a - (a > 0), 4)), r"^xs\[0\]\[.*promises"),
        (lambda a, b: np.ones((b - a, 4 + (a > 0))), r"^xs\[0\]\[.*promises"),
        (lambda a, b: 1 / 0, r"^xs\[0\]: examples 0 to 1 could not be read: ZeroDivisionError"),
        (lambda a, b: None, r"^xs\[0\]"),
    ],
)
def test_blocks_that_break_their_promise(monkeypatch, read, message):
    monkeypatch.setattr("repsim.engine.representation._SCAN_ELEMENTS", 40)
    with pytest.raises(errors.RepresentationError, match=message):
        pairwise([Blocks(read, (50, 4))])


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda a, b: 1 / 0, r"^x: examples 0 to 50 could not be read: ZeroDivisionError"),
        (lambda a, b: np.ones((b, 3)), r"^x\[0:50\] has shape \(50, 3\); its shape \(50, 4\) promises \(50, 4\)"),
    ],
)
def test_gram_matrices_of_blocks_that_break_their_promise(read, message):
    with pytest.raises(errors.RepresentationError, match=message):
        gram_linear(Blocks(read, (50, 4)))


@pytest.mark.parametrize(("read", "shape"), [(None, (3, 2)), (len, (0, 2)), (len, (3, 2.5)), (len, ())])
def test_blocks_are_checked(read, shape):
    with pytest.raises(errors.ParameterError):
        Blocks(read, shape)


def test_only_stretches_of_blocks_are_read():
    with pytest.raises(errors.DimensionError, match="consecutive"):
        Blocks(lambda a, b: np.ones((b - a, 1)), (9, 1))[::2]


@pytest.mark.parametrize("part", [slice(None), slice(10, 50), (slice(None), slice(2, 9)), slice(None, None, 2)])
def test_memory_maps_and_their_parts(tmp_path, layers, part):
    np.save(tmp_path / "x.npy", layers[2])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        pairwise([mapped[part]], index="hsic_linear"), pairwise([layers[2][part]], index="hsic_linear")
    )


@pytest.mark.parametrize("fault", ["cut", "gone"])
def test_a_memory_map_that_disappears(tmp_path, layers, fault):
    path = tmp_path / "x.npy"
    np.save(path, layers[2])
    mapped = np.load(path, mmap_mode="r")

    def damage(done, total):
        if fault == "cut":
            os.truncate(path, 5000)
        elif path.exists():
            path.unlink()

    message = "ends too early" if fault == "cut" else "cannot be read: No such file"
    with pytest.raises(errors.RepresentationError, match=message):
        pairwise([mapped], index="cka_rbf_0.4", block=16, progress=damage)


def test_the_bar(layers, capsys):
    pairwise(layers, progress=True)
    shown = capsys.readouterr().err
    assert shown.endswith("100%  0:00:00 left \n")


@pytest.mark.parametrize(
    ("index", "megabytes"), [("cka_linear", 100), ("cka_rbf_0.4", 100), ("linear_regression", 250)]
)
def test_memory_is_kept(tmp_path, index, megabytes):
    """The resident memory of a process of its own grows by no more than what is allowed and a tenth of it."""
    memory = megabytes * 2**20
    code = textwrap.dedent(
        f"""
        import numpy as np
        import repsim, repsim.engine.qr, scipy.linalg
        scipy.linalg.qr(np.ones((300, 300))); np.ones((300, 300)) @ np.ones((300, 300))
        for i in range(6):
            out = np.lib.format.open_memmap(f"{tmp_path}/{{i}}.npy", "w+", np.float32, (6000, 2500 - 400 * i))
            for start in range(0, 6000, 500):
                out[start:start + 500] = np.random.default_rng([i, start]).standard_normal((500, out.shape[1]))
            del out
        xs = [np.load(f"{tmp_path}/{{i}}.npy", mmap_mode="r") for i in range(6)]
        repsim.pairwise([x[:100] for x in xs], index="{index}")
        open("/proc/self/clear_refs", "w").write("5")
        def status(name):
            return int(next(l for l in open("/proc/self/status") if l.startswith(name)).split()[1])
        base = status("VmRSS")
        repsim.pairwise(xs, index="{index}", memory={memory})
        print(status("VmHWM") - base)
        """
    )
    if not os.path.exists("/proc/self/clear_refs"):
        pytest.skip("needs Linux's /proc to reset the peak")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) * 1024 <= 1.1 * memory


def test_a_flag_that_blas_raises_over_finite_numbers_is_no_warning(monkeypatch):
    layers = [np.random.default_rng(i).normal(size=(12, 20)) for i in range(2)]
    expected = pairwise(layers, index="cka_rbf_0.4")
    row_sums = tiles._row_sums

    def flagged(*arguments):
        np.subtract(np.float32(np.inf), np.float32(np.inf))
        return row_sums(*arguments)

    monkeypatch.setattr(tiles, "_row_sums", flagged)
    np.testing.assert_array_equal(pairwise(layers, index="cka_rbf_0.4"), expected)


def test_sums_that_are_not_finite_never_leave(monkeypatch):
    layers = [np.random.default_rng(i).normal(size=(12, 20)) for i in range(2)]
    row_sums = tiles._row_sums
    monkeypatch.setattr(tiles, "_row_sums", lambda *arguments: row_sums(*arguments) * np.nan)
    with pytest.raises(errors.NonFiniteError, match="not finite, though all their values are"):
        pairwise(layers, index="cka_rbf_0.4")
