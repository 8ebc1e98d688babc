"""Pieces of work side by side: a thread each, and one core of the linear algebra library for every thread.

A matrix product keeps all cores busy; reading, centring and adding up keep one. With a thread for each representation
all of it goes on at once.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")
_LIMITED = threading.Lock()  # the limit is one for the process: a second crew at the same time works in its own thread


class Crew:
    """Threads that work through a list together, or none, and then the calling thread does it."""

    def __init__(self, size: int = 1, pool: ThreadPoolExecutor | None = None) -> None:
        self.size, self._pool = size, pool

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield the function of each item, in their order. After an error what has not been begun never is."""
        if self._pool is None:
            yield from map(function, items)
            return
        # NumPy's handling of floating-point errors belongs to the context, which a thread does not inherit.
        waiting: list[Future[Result]] = [self._pool.submit(copy_context().run, function, item) for item in items]
        try:
            for future in waiting:
                yield future.result()
        finally:
            for future in waiting:
                future.cancel()
            wait(waiting)


@contextlib.contextmanager
def crew(most: int) -> Iterator[Crew]:
    """Yield a crew of as many threads as linear algebra may take, `most` at most; it takes its share in each."""
    if most < 2 or not _LIMITED.acquire(blocking=False):
        yield Crew()
        return
    try:
        libraries = ThreadpoolController()
        cores = max((one["num_threads"] for one in libraries.info() if one["user_api"] == "blas"), default=1)
        size = min(most, cores)
        if size < 2:
            yield Crew()
            return
        with libraries.limit(limits=cores // size, user_api="blas"):
            pool = ThreadPoolExecutor(size)
            try:
                yield Crew(size, pool)
            finally:
                pool.shutdown(cancel_futures=True)
    finally:
        _LIMITED.release()
