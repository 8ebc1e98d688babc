"""Work that several threads share: the same values, errors, limits and readers as with one."""

import contextlib
import gc
import importlib
import math
import threading
import time
import weakref

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from repsim import Blocks, errors, pairwise
from repsim.engine.threads import crew
from repsim.engine.tiling import there_and_back

pytestmark = pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")
# `repsim.pairwise` is the function of that name.
DECIDING = {
    importlib.import_module(f"repsim.{module}"): name
    for module, name in {
        "engine.tiling": "_SHARED_TILE",
        "engine.prepared": "_SHARED_MEDIANS",
        "pairwise": "_SHARED_SCAN",
    }.items()
}
SHARING = [
    importlib.import_module(f"repsim.{name}")
    for name in ("engine.tiles", "engine.prepared", "engine.pairs", "pairwise")
]
INDEXES = ["cka_linear", "cka_rbf_0.4", "cka_linear_debiased", "hsic_linear", "linear_regression", "cca_r2"]


def blas_threads():
    return {one["num_threads"] for one in ThreadpoolController().info() if one["user_api"] == "blas"}


@pytest.fixture
def two_cores():
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.fixture
def shared(monkeypatch, two_cores):
    """Small work is shared too."""
    for module, name in DECIDING.items():
        monkeypatch.setattr(module, name, 0)


@pytest.fixture
def layers(rng):
    signal = rng.standard_normal((60, 8))
    return [np.maximum(signal @ rng.standard_normal((8, p)), 0) + rng.standard_normal((60, p)) for p in (30, 25, 40, 7)]


@pytest.fixture
def seen(monkeypatch):
    """The sizes of all crews that were made."""
    found = []

    @contextlib.contextmanager
    def recorded(most, operations=math.inf):
        with crew(most, operations) as threads:
            found.append(threads.size)
            yield threads

    for module in SHARING:
        monkeypatch.setattr(module, "crew", recorded)
    return found


def test_results_come_in_order_from_threads_with_one_core_each(two_cores):
    def slow_first(number):
        time.sleep(0.05 if number == 0 else 0)
        return number, threading.get_ident(), blas_threads()

    with crew(8, math.inf) as threads:
        assert threads.size == 2
        found = list(threads.map(slow_first, range(6)))
    assert [number for number, _, _ in found] == list(range(6))
    assert threading.get_ident() not in {thread for _, thread, _ in found}
    assert all(limits == {1} for _, _, limits in found)
    assert blas_threads() == {2}


def test_what_was_not_begun_after_an_error_never_is(two_cores):
    begun = []

    def work(number):
        begun.append(number)
        if number == 1:
            raise errors.ParameterError("number 1")
        for _ in range(1000 if number else 0):  # until it is told to stop
            time.sleep(0.01)
            threads.go_on()

    with pytest.raises(errors.ParameterError, match="number 1"), crew(2, math.inf) as threads:
        list(threads.map(work, range(100)))
    assert len(begun) <= 4
    assert blas_threads() == {2}


@pytest.mark.parametrize("closed", ["before", "after"])
def test_only_what_was_begun_is_waited_for_and_told_to_stop(two_cores, closed):
    """Also where whoever goes through the results holds the iterator longer than the crew lives."""
    begun, ended = [], []

    def work(number):
        begun.append(number)
        for _ in range(1000 if number else 0):
            time.sleep(0.01)
            threads.go_on()
        ended.append(number)

    with crew(2, math.inf) as threads:
        results = threads.map(work, range(20))
        next(results)
        if closed == "before":
            results.close()
    results.close()
    assert ended == [0]
    assert len(begun) <= 4


def test_nothing_is_held_after_an_error(two_cores):
    """Arrays that were in use are freed at once, not when the collector of cycles comes by."""

    class Held:
        pass

    def fail():
        mine = Held()
        held.append(weakref.ref(mine))
        with crew(2, math.inf) as threads:
            for _ in threads.map(lambda number: 1 / number, [1, 0, 1]):
                pass

    held = []
    gc.disable()
    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert held[0]() is None
    finally:
        gc.enable()


def test_few_threads_leave_many_cores_to_linear_algebra(monkeypatch):
    class Many(ThreadpoolController):
        def info(self):
            return [{"user_api": "blas", "num_threads": 16}]

        def limit(self, **_):
            return contextlib.nullcontext()  # it would leave sixteen threads to all tests that follow

    monkeypatch.setattr("repsim.engine.threads._libraries", lambda _: Many())
    before = blas_threads()
    with crew(4, math.inf) as threads:
        assert (threads.size, blas_threads()) == (1, before)
    with crew(12, math.inf) as threads:
        assert threads.size == 12
    assert blas_threads() == before


@pytest.mark.parametrize("index", ["cka_rbf_0.4", "cka_linear"])
def test_an_error_between_two_steps_does_not_hang(shared, layers, index, tmp_path):
    def fail(done, total):
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        pairwise(layers, index=index, block=16, progress=fail, resume=tmp_path / "run")
    np.testing.assert_array_equal(
        pairwise(layers, index=index, block=16, resume=tmp_path / "run"), pairwise(layers, index=index, block=16)
    )


def test_threads_handle_floating_point_errors_as_the_caller_does(two_cores):
    with np.errstate(divide="ignore"), crew(2, math.inf) as threads:
        assert list(threads.map(lambda x: np.float64(1) / x, np.zeros(2))) == [np.inf, np.inf]
    with np.errstate(divide="raise"), crew(2, math.inf) as threads, pytest.raises(FloatingPointError):
        list(threads.map(lambda x: np.float64(1) / x, np.zeros(2)))


@pytest.mark.parametrize("most", [0, 1])
def test_the_calling_thread_works_alone_where_there_is_nothing_to_share(two_cores, most):
    with crew(most, math.inf) as threads:
        assert list(threads.map(lambda _: threading.get_ident(), range(2))) == [threading.get_ident()] * 2
        assert blas_threads() == {2}


def test_one_core_is_not_shared():
    with threadpool_limits(1, user_api="blas"), crew(4, math.inf) as threads:
        assert threads.size == 1


def test_a_second_crew_leaves_the_limits_alone(two_cores):
    with crew(2, math.inf), crew(2, math.inf) as second:
        assert second.size == 1
    assert blas_threads() == {2}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tables_do_not_depend_on_threads(shared, seen, layers, dtype):
    layers = [x.astype(dtype) for x in layers]
    found = pairwise(layers, index=INDEXES, block=16)
    again = pairwise(layers, index=INDEXES, block=16)
    assert max(seen) == 2
    with threadpool_limits(1, user_api="blas"):
        alone = pairwise(layers, index=INDEXES, block=16)
    for name in INDEXES:
        np.testing.assert_allclose(found[name], alone[name], rtol=1e-12 if dtype is np.float64 else 1e-5)
        np.testing.assert_array_equal(again[name], found[name])


def test_files_are_read_by_threads_too(shared, seen, layers, tmp_path):
    for number, x in enumerate(layers):
        np.save(tmp_path / f"{number}.npy", x)
    mapped = [np.load(tmp_path / f"{number}.npy", mmap_mode="r") for number in range(len(layers))]
    np.testing.assert_array_equal(pairwise(mapped, block=16), pairwise(layers, block=16))
    assert max(seen) == 2


def test_other_peoples_code_is_called_in_their_any_thread(shared, seen, layers):
    callers = set()

    def read(start, stop):
        callers.add(threading.get_ident())
        return layers[0][start:stop]

    pairwise([Blocks(read, layers[0].shape), *layers[1:]], index=["cka_rbf_0.4", "cca_r2"], block=16)
    assert callers == {threading.get_ident()}
    assert set(seen) == {1}


@pytest.mark.parametrize("index", ["cka_linear", "cka_rbf_0.4"])
def test_the_first_array_at_fault_is_named(shared, layers, index):
    layers[1][3, 2] = np.nan
    layers[3] = layers[3][:-1]
    with pytest.raises(errors.NonFiniteError, match=r"^xs\[1\]"):
        pairwise(layers, index=index)


@pytest.mark.parametrize(("n", "block"), [(10, 3), (10, 10), (7, 1), (12, 4)])
def test_all_tiles_come_once_and_a_row_begins_where_the_one_before_ended(n, block):
    found = there_and_back(n, block)
    entries = np.zeros((n, n), int)
    for first, second in found:
        entries[first, second] += 1
        entries[second, first] += first != second
    assert (entries == 1).all()
    turns = [(one[1], other[1]) for one, other in zip(found, found[1:], strict=False) if one[0] != other[0]]
    assert all(one == other for one, other in turns[::2])
