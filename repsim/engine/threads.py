"""Pieces of work side by side in a few threads, with one core of the linear algebra library for every thread.

A matrix product keeps all cores busy; reading, centring and adding up keep one. With several representations at a time,
one to a thread, all of it goes on at once.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache, partial
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
_WORTH_SHARING = 1e8  # operations of a matrix product or factorisation
_TINY = 2e5  # operations that the library leaves to one thread by itself
_LIMITED = threading.Lock()  # the limit is one for the process: a second crew at the same time works in its own thread


class StoppedError(Exception):
    """Nobody waits for this any more."""


class Crew:
    """Threads that work through a list together, or none, and then the calling thread does it."""

    def __init__(self, size: int = 1, pool: ThreadPoolExecutor | None = None) -> None:
        self.size, self._pool = size, pool
        self._stopped = threading.Event()

    def map(self, function: Callable[[Item], Outcome], items: Iterable[Item]) -> Iterator[Outcome]:
        """Yield the function of each item, in their order. After an error what has not been begun never is."""
        if self._pool is None:
            yield from map(function, items)
            return
        # NumPy's handling of floating-point errors belongs to the context, which a thread does not inherit.
        waiting: deque[Future[Outcome]] = deque(self._pool.submit(copy_context().run, function, item) for item in items)
        try:
            while waiting:
                yield waiting.popleft().result()
        finally:
            if waiting:
                self.stop()
            wait([future for future in waiting if not future.cancel()])
            waiting.clear()  # an error that one of them holds would hold this frame, and all arrays that are in use

    def stop(self) -> None:
        """Say that nobody waits any more."""
        self._stopped.set()

    def go_on(self) -> None:
        """Raise, in a piece of work that takes long, if nobody waits for it any more."""
        if self._stopped.is_set():
            raise StoppedError


@cache
def _libraries(_: bool) -> ThreadpoolController:
    """Return the libraries that are loaded; SciPy's own comes when it is first needed."""
    return ThreadpoolController()


@contextlib.contextmanager
def crew(most: int, operations: float) -> Iterator[Crew]:
    """Yield a crew of as many threads as linear algebra may take, `most` at most; it takes one core in each.

    Where they were less than half of the cores, the calling thread works alone, and linear algebra with all of them:
    calls from several threads at once are only safe, and fast, where each takes one core. It takes one, too, where a
    product is of few `operations`: more would only wait for each other on a busy machine.
    """
    small = operations < _WORTH_SHARING
    if (most < 2 and not _TINY < operations < _WORTH_SHARING) or not _LIMITED.acquire(blocking=False):
        yield Crew()
        return
    try:
        libraries = _libraries("scipy.linalg" in sys.modules)
        cores = max(
            (library["num_threads"] for library in libraries.info() if library["user_api"] == "blas"), default=1
        )
        size = min(most, cores)
        if size < 2 or 2 * size < cores:
            with libraries.limit(limits=1 if small else cores, user_api="blas"):
                yield Crew()
            return
        one_core = partial(libraries.limit, limits=1, user_api="blas")
        # OpenMP's limit holds for the thread that sets it, that of other libraries for all.
        with one_core():
            pool = ThreadPoolExecutor(size, initializer=one_core)
            threads = Crew(size, pool)
            try:
                yield threads
            finally:
                threads.stop()
                pool.shutdown(cancel_futures=True)
    finally:
        _LIMITED.release()
