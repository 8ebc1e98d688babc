"""All pairs of many representations at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as np

from repsim._arrays import NUMPY, Float64
from repsim._checks import whole_number
from repsim._crew import crew
from repsim._factors import FactorTables, memory_for_bases
from repsim._median import check_median
from repsim._memory import budget
from repsim._operators import OperatorTables
from repsim._progress import reporter
from repsim._representation import Representation, check_same_examples
from repsim._workspace import Workspace
from repsim.errors import ParameterError
from repsim.indexes import Index, complete, get_index

Progress = bool | Callable[[int, int], None]
_SHARED = 2**22  # values from which on threads share the work of looking through them
_SCAN_BYTES = 128  # a feature, that looking through an array takes


@overload
def pairwise(  # type: ignore[overload-overlap]
    xs: Iterable[Any],
    ys: Iterable[Any] | None = ...,
    *,
    index: str | Index = ...,
    block: int | None = ...,
    memory: int | None = ...,
    median: str = ...,
    resume: str | os.PathLike[str] | None = ...,
    progress: Progress = ...,
    record: dict[str, Any] | None = ...,
) -> Float64: ...
@overload
def pairwise(
    xs: Iterable[Any],
    ys: Iterable[Any] | None = ...,
    *,
    index: Sequence[str | Index],
    block: int | None = ...,
    memory: int | None = ...,
    median: str = ...,
    resume: str | os.PathLike[str] | None = ...,
    progress: Progress = ...,
    record: dict[str, Any] | None = ...,
) -> dict[str, Float64]: ...
def pairwise(
    xs: Iterable[Any],
    ys: Iterable[Any] | None = None,
    *,
    index: str | Index | Sequence[str | Index] = "cka_linear",
    block: int | None = None,
    memory: int | None = None,
    median: str = "exact",
    resume: str | os.PathLike[str] | None = None,
    progress: Progress = False,
    record: dict[str, Any] | None = None,
) -> Float64 | dict[str, Float64]:
    """Similarity of every representation in one list with every one in another.

    Each representation's own work is done once, not once per pair. Indexes that are inner products of operators
    (CKA, HSIC, R² of CCA and SVCCA, regression, canonical ridge) visit pairs of blocks of examples and never hold an
    (n, n) matrix: the value is exact and does not depend on the block. CCA and regression first make a basis of each
    representation, SVCCA, PWCCA, Procrustes and canonical ridge take its singular values; the mean forms, PWCCA and
    Procrustes also take those of each pair.

    If all representations are NumPy arrays or files, and the work is large, they are read and multiplied side by side,
    in as many threads as the linear algebra library may have cores, of which it takes one in each meanwhile. There are
    no more threads than wide representations, nor than `memory` allows; where that is less than half of the cores, or
    one representation is computed (`Blocks`) or another library's, the caller's thread does everything.
    `OMP_NUM_THREADS=1` or threadpoolctl's limits keep to one.

    Parameters
    ----------
    xs, ys : iterable of array_like
        Representations of the same n examples, (n, p) or (n, h, w, c), of any widths. Without `ys`, `xs` is
        compared with itself. Anything with ``shape`` and slicing along the first axis does, such as a
        memory-mapped file or a `Blocks` that computes its rows: it is read a block at a time. Arrays of JAX,
        PyTorch and other Array API libraries are multiplied where they are. float32 is multiplied in float32 and
        summed in float64.
    index : str, Index or sequence of these
        What to compute, by name (see `repsim.get_index`). Several at once share their work.
    block : int, optional
        Number of examples in a block, where the examples are visited in blocks; by default as many as `memory` allows.
    memory : int, optional
        Bytes that the computation may take; by default half of those available. Bases that do not fit go to a
        temporary folder.
    median : {"exact", "sample"}
        For RBF kernels: the median over all n² pairs of examples, each with itself included, or over those of at most
        4,000 evenly spaced examples.
    resume : path, optional
        Folder for what is finished, made if it is missing. A call that is interrupted leaves its work there, the
        same call goes on from it, and one that comes to its end empties it. It needs the space of all bases.
    progress : bool or callable
        True draws a bar with the time left on standard error. A callable is called as ``progress(done, total)``,
        estimated operations, after each step.
    record : dict, optional
        Filled with how the values were computed: the number of examples, the memory, and for RBF kernels how the
        medians were found and the median distances themselves, one for each of `xs` and then of `ys`, in its units.

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
        If there is nothing to compare, `block` or `memory` is not positive, the memory is too small for the
        smallest step or for the `block` asked for, or `resume` names a folder with something else in it.

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
    if not (single or isinstance(index, Iterable)):
        raise ParameterError(f"index is {index!r}; the name of an index, an Index, or a sequence of these is needed")
    indexes = [complete(get_index(name)) for name in ([index] if isinstance(index, str | Index) else index)]
    first = list(xs)
    second = first if ys is None else list(ys)
    if not (indexes and first and second):
        raise ParameterError("nothing to compare: xs, ys and index must not be empty")
    if block is not None:
        block = whole_number("block", block, 1)
    if not (callable(progress) or isinstance(progress, bool)):
        raise ParameterError(f"progress is {progress!r}; True, False or a function of (done, total) is needed")
    if not (record is None or isinstance(record, dict)):
        raise ParameterError(f"record is {record!r}; a dict to be filled is needed")
    if not (resume is None or isinstance(resume, str | os.PathLike)):
        raise ParameterError(f"resume is {resume!r}; the path of a folder is needed")
    check_median(median)
    bytes_allowed = budget(memory)
    minimum = 4 if any(i.parameters.get("debiased") for i in indexes) else 2
    views, rows, columns = _collect(first, second, minimum, bytes_allowed, resume is not None)
    call = {
        "indexes": [f"{i.name}: {i.base} {sorted(i.parameters.items())}" for i in indexes],
        "median": median,
        "block": block,
        "tiles": "there and back",
        "rows": rows,
        "columns": columns,
        "representations": [view.fingerprint() for view in views] if resume is not None else [],
    }
    workspace = Workspace(resume, call, memory_for_bases(views, indexes, bytes_allowed))
    finished = False
    try:
        factors = FactorTables(views, rows, columns, indexes, memory=bytes_allowed, workspace=workspace)
        operators = OperatorTables(
            views, rows, columns, indexes, block=block, memory=bytes_allowed, median=median, workspace=workspace
        )
        with reporter(progress, factors.operations() + operators.operations()) as tick:
            operators.find_medians(tick)
            factors.factorise(tick)
            factors.warn()
            tables = operators.compute(factors.projections, factors.shrunk, tick)
            tables.update(factors.compute(tick))
        finished = True
    finally:
        workspace.close(finished=finished)
    if record is not None:
        record |= {"examples": views[0].n, "memory": bytes_allowed}
        if operators.medians:
            found = [float(np.ldexp(np.sqrt(m), v.exponent)) for m, v in zip(operators.medians, views, strict=True)]
            chosen = rows if ys is None else [*rows, *columns]
            record |= {"median": median, "median_distances": [found[i] for i in chosen]}
    wanted = np.ix_(rows, columns)
    cut = {i.name: np.ascontiguousarray(tables[i.name][wanted]) for i in indexes}
    return cut[indexes[0].name] if single else cut


def _collect(
    first: list[Any], second: list[Any], minimum: int, memory: int, recognised: bool
) -> tuple[list[Representation], list[int], list[int]]:
    """Check each distinct array once; return the views and where each list finds its own among them."""
    places: dict[int, int] = {}
    distinct: list[tuple[Any, str]] = []
    found: list[list[int]] = []
    for label, arrays in (("xs", first), ("ys", second)):
        for i, x in enumerate(arrays):
            if id(x) not in places:
                places[id(x)] = len(distinct)
                distinct.append((x, f"{label}[{i}]"))
        found.append([places[id(x)] for x in arrays])
    views: list[Representation] = []
    with crew(_hands([x for x, _ in distinct], memory)) as threads:
        for view in threads.map(lambda one: Representation(*one, minimum=minimum, recognised=recognised), distinct):
            views.append(view)
            check_same_examples([views[0], view])
    if len({(id(view.xp), str(view.device)) for view in views}) > 1:
        views = [view if view.xp is NUMPY else view.on_host() for view in views]
    return views, found[0], found[1]


def _hands(arrays: list[Any], memory: int) -> int:
    """Return how many threads may look through arrays: one where that is little, or where others' code is called."""
    if not all(isinstance(x, np.ndarray) and x.size for x in arrays) or sum(x.size for x in arrays) < _SHARED:
        return 1
    widest: int = max(x.size // (len(x) if x.ndim else 1) for x in arrays)
    return min(len(arrays), memory // (_SCAN_BYTES * widest))
