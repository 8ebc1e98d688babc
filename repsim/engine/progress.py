"""A bar with the time left, for computations that take a while."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

Progress = bool | Callable[[int, int], None]
Tick = Callable[[float], None]  # is told the operations done since the last call
_WIDTH = 30
_SECONDS_BETWEEN = 0.5


@contextlib.contextmanager
def reporter(progress: Progress, total: float) -> Iterator[Tick]:
    """Yield a function that is told what has been done since the last call; at the end all of it has been."""
    report = progress if callable(progress) else _bar() if progress else lambda done, total: None
    whole = max(1, round(total))
    done = 0.0

    def tick(more: float) -> None:
        nonlocal done
        done = min(done + more, float(whole))
        report(min(round(done), whole - 1), whole)

    yield tick
    report(whole, whole)


def _bar() -> Callable[[int, int], None]:
    started, drawn = time.monotonic(), 0.0

    def report(done: int, total: int) -> None:
        nonlocal drawn
        now = time.monotonic()
        if done < total and now - drawn < _SECONDS_BETWEEN:
            return
        drawn, fraction = now, done / total
        left = (now - started) * (1 - fraction) / fraction if fraction > 0 else 0.0
        blocks = "#" * round(_WIDTH * fraction)
        end = "\n" if done == total else ""
        clock = f"{int(left) // 3600}:{int(left) // 60 % 60:02}:{int(left) % 60:02}"
        print(f"\r[{blocks:<{_WIDTH}}] {fraction:4.0%}  {clock} left ", end=end, file=sys.stderr, flush=True)

    return report
