"""All pairs of many representations at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as np

from repsim._factors import FactorTables
from repsim._operators import OperatorTables
from repsim._representation import Float64, Representation, check_same_examples
from repsim._tiles import DEFAULT_MEMORY
from repsim.errors import ParameterError
from repsim.indexes import Index, get_index

Progress = Callable[[int, int], None]


@overload
def pairwise(  # type: ignore[overload-overlap]
    xs: Iterable[Any],
    ys: Iterable[Any] | None = ...,
    *,
    index: str | Index = ...,
    block: int | None = ...,
    memory: int = ...,
    progress: Progress | None = ...,
) -> Float64: ...
@overload
def pairwise(
    xs: Iterable[Any],
    ys: Iterable[Any] | None = ...,
    *,
    index: Sequence[str | Index],
    block: int | None = ...,
    memory: int = ...,
    progress: Progress | None = ...,
) -> dict[str, Float64]: ...
def pairwise(
    xs: Iterable[Any],
    ys: Iterable[Any] | None = None,
    *,
    index: str | Index | Sequence[str | Index] = "cka_linear",
    block: int | None = None,
    memory: int = DEFAULT_MEMORY,
    progress: Progress | None = None,
) -> Float64 | dict[str, Float64]:
    """Similarity of every representation in one list with every one in another.

    Each representation's own work is done once, not once per pair. Kernel indexes visit pairs of blocks of
    examples and never hold an (n, n) matrix, so their memory does not grow with n; the value is exact and does not
    depend on the block. The others factorise each representation once and hold its basis, up to (n, n - 1) numbers
    each.

    Parameters
    ----------
    xs, ys : iterable of array_like
        Representations of the same n examples, (n, p) or (n, h, w, c), of any widths. Without `ys`, `xs` is
        compared with itself. Anything with ``shape`` and slicing along the first axis does, such as a memory-mapped
        file: it is read a block at a time. float32 is multiplied in float32 and summed in float64.
    index : str, Index or sequence of these
        What to compute, by name (see `repsim.get_index`). Several at once share their work.
    block : int, optional
        Number of examples in a block; by default as many as `memory` allows.
    memory : int
        Bytes that the blocks of kernel indexes may take together.
    progress : callable, optional
        Called as ``progress(done, total)`` after each step.

    Returns
    -------
    ndarray or dict of str to ndarray
        (len(xs), len(ys or xs)), float64: entry i, j is ``index(xs[i], ys[j])``. A dict by name where
        `index` is a sequence.

    Raises
    ------
    RepresentationError
        As the index's own function does; the message names the one at fault, as in ``xs[3]``.
    UnknownIndexError
        If there is no such index.
    ParameterError
        If there is nothing to compare, or `block` or `memory` is not positive.

    Warns
    -----
    RankSaturationWarning
        Once, if any representation has rank n - 1 and an index was asked for that is then meaningless.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> layers = [rng.standard_normal((100, p)) for p in (3, 5, 200)]
    >>> pairwise(layers, index="cka_linear").shape
    (3, 3)
    >>> sorted(pairwise(layers[:1], layers[:2], index=["cca_r2", "procrustes"]))
    ['cca_r2', 'procrustes']
    """
    single = isinstance(index, str | Index)
    indexes = [get_index(name) for name in ([index] if isinstance(index, str | Index) else index)]
    first = list(xs)
    second = first if ys is None else list(ys)
    if not (indexes and first and second):
        raise ParameterError("nothing to compare: xs, ys and index must not be empty")
    for name, value in (("block", block), ("memory", memory)):
        if value is not None and value < 1:
            raise ParameterError(f"{name} is {value!r}; a positive whole number is needed")
    views, rows, columns = _collect(first, second, 4 if any(i.parameters.get("debiased") for i in indexes) else 2)
    wanted = np.ix_(rows, columns)
    tables = _tables(views, rows, columns, indexes, block, memory, progress)
    cut = {i.name: np.ascontiguousarray(tables[i.name][wanted]) for i in indexes}
    return cut[indexes[0].name] if single else cut


def _collect(first: list[Any], second: list[Any], minimum: int) -> tuple[list[Representation], list[int], list[int]]:
    """Check each distinct array once; return the views and where each list finds its own among them."""
    places: dict[int, int] = {}
    views: list[Representation] = []
    found: list[list[int]] = []
    for label, arrays in (("xs", first), ("ys", second)):
        for i, x in enumerate(arrays):
            if id(x) not in places:
                views.append(Representation(x, f"{label}[{i}]", minimum=minimum))
                places[id(x)] = len(views) - 1
                check_same_examples([views[0], views[-1]])
        found.append([places[id(x)] for x in arrays])
    return views, found[0], found[1]


def _tables(
    views: list[Representation],
    rows: list[int],
    columns: list[int],
    indexes: list[Index],
    block: int | None,
    memory: int,
    progress: Progress | None,
) -> dict[str, Float64]:
    """Compute every index for all of the views that are needed."""
    factors = FactorTables(views, rows, columns, indexes)
    operators = OperatorTables(views, indexes, block, memory)
    total = len(operators.medians_needed) + factors.steps + operators.guess_steps()
    done = 0

    def tick() -> None:
        nonlocal done, total
        done += 1
        total = max(total, done)
        if progress is not None:
            progress(done, total)

    factors.factorise(tick)
    factors.warn()
    tables = operators.compute(factors.bases, tick)
    tables.update(factors.compute(tick))
    return tables
