"""Progress bars with the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress


@contextmanager
def progress_bar(title: str, *, quiet: bool = False) -> Iterator[Callable[[float, int], None]]:
    """Show a bar while the block runs; yields a function that takes the steps done and the total."""
    with Progress(disable=quiet) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
