"""All pairs of many representations at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from repsim.cka import chance_of
from repsim.engine.arrays import NUMPY, Float64, check_dense
from repsim.engine.memory import budget
from repsim.engine.progress import Progress
from repsim.engine.representation import Representation, check_same_examples
from repsim.engine.run import run
from repsim.engine.tables import Moments
from repsim.engine.threads import crew
from repsim.errors import ParameterError
from repsim.indexes import Index, get_index
from repsim.notices import warn_of_ranks
from repsim.options import check_progress, choice, flag, path_option, whole_number

_SHARED_SCAN = 2**22  # values from which on threads share the work of looking through them
_SCAN_BYTES = 128  # a feature, that looking through an array takes


def pairwise(
    xs: Iterable[Any],
    ys: Iterable[Any] | None = None,
    *,
    index: str | Index | Sequence[str | Index] = "cka_linear",
    chance: bool = False,
    block: int | None = None,
    memory: int | None = None,
    median: str = "exact",
    resume: str | os.PathLike[str] | None = None,
    progress: Progress = False,
    record: dict[str, Any] | None = None,
) -> Any:
    """Similarity of every representation in one list with every one in another.

    Each representation's own work is done once, not once per pair. Indexes that are inner products of operators
    (CKA, HSIC, R² of CCA and SVCCA, regression, canonical ridge) visit pairs of blocks of at most 2,048 examples, so
    that of more no (n, n) matrix is held: the value is exact and does not depend on the block. CCA first makes a basis
    of each representation, regression of each that predicts; SVCCA, PWCCA and canonical ridge take its singular values;
    the mean forms, PWCCA and Procrustes take those of each pair.

    If all representations are NumPy arrays or files, and the work is large, they are read and multiplied side by side,
    in as many threads as the linear algebra library may have cores, of which it takes one in each meanwhile. There are
    no more threads than the features of all are times those of the widest, nor than `memory` allows; where that is less
    than half of the cores, or one representation is computed (`Blocks`) or another library's, the caller's thread does
    everything.
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
    chance : bool
        Also return what CKA is by chance, and how far above that the values are; see `repsim.chance`.
    block : int, optional
        Number of examples in a block, where the examples are visited in blocks; by default as many as `memory` allows.
    memory : int, optional
        Bytes that the computation may take; by default half of those available, 64 MiB at least. Bases that do not fit
        go to a temporary folder.
    median : {"exact", "sample"}
        For RBF kernels: the median over all n² pairs of examples, each with itself included, or over those of at most
        4,000 evenly spaced examples.
    resume : path, optional
        Folder for what is finished, made if it is missing. A call that is interrupted leaves its work there, the
        same call goes on from it, and one that comes to its end removes it. It needs the space of all bases, and
        of products of few features. What is under way is lost: some seconds of tables, one basis, one median, the
        singular values of one pair, and what an index of one's own has prepared.
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
        `index` is a sequence. With `chance` a tuple, of this and of a `Chance` of such arrays or a dict of these.

    Raises
    ------
    RepresentationError
        As the index's own function does; the message names the one at fault, as in ``xs[3]``.
    UnknownIndexError
        If there is no such index.
    ParameterError
        If there is nothing to compare, `chance` is asked of another index than CKA, `block` or `memory` is not
        positive, the memory is too small for the smallest step or for the `block` asked for, or `resume` names a folder
        with something else in it.

    Warns
    -----
    RankSaturationWarning
        Once, if the ranks of two representations leave an index of those that were asked for too little room; see
        `repsim.cca`.
    BiasWarning
        If most values of biased CKA are no more than chance; see `repsim.chance`.

    See Also
    --------
    repsim.compare : Of the layers of two models.
    repsim.get_index : What can be computed.

    References
    ----------
    1. Kornblith et al. (2019), Table 1, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    Layers that lose what the first one holds, and what that is beside chance:

    >>> import numpy as np
    >>> signal, *noise = np.random.default_rng(0).standard_normal((4, 200, 20))
    >>> layers = [signal + depth * noise[depth] for depth in range(3)]
    >>> pairwise(layers).round(2)
    array([[1.  , 0.55, 0.25],
           [0.55, 1.  , 0.17],
           [0.25, 0.17, 1.  ]])
    >>> pairwise(layers, chance=True)[1].mean.round(2)[0, 1:]
    array([0.09, 0.09])
    >>> sorted(pairwise(layers[:1], layers[1:], index=["cca_r2", "procrustes"]))
    ['cca_r2', 'procrustes']
    """
    indexes = chosen_indexes(index, chance)
    first, second = named(xs, "xs"), None if ys is None else named(ys, "ys")
    _check_options(block, progress, record)
    folder = None if resume is None else path_option("resume", resume)
    minimum = 4 if chance or any(index.debiased for index in indexes) else 2
    allowed = budget(memory, sum(getattr(x, "nbytes", np.inf) for x in (first | (second or {})).values()))
    views, rows, columns = _views(first, second, minimum, allowed, folder is not None)
    call = {
        "indexes": [index.definition for index in indexes],
        "median": choice("median", median, "exact", "sample"),
        "block": block,
        "rows": rows,
        "columns": columns,
        "representations": [view.fingerprint() for view in views] if folder is not None else [],
    }
    asked = [index.asked for index in indexes]
    how: dict[str, Any] = {"memory": allowed, "median": median, "block": block, "resume": folder}
    results, medians = run(views, rows, columns, asked, call=call, progress=progress, **how)
    if record is not None:
        record |= {"examples": views[0].n, "memory": allowed}
        if medians:
            places = rows if second is None else [*rows, *columns]
            record |= {"median": median, "median_distances": [medians[i] for i in places]}
    tables, chances = _values(indexes, results)
    if isinstance(index, str | Index):
        return (tables[indexes[0].name], chances[indexes[0].name]) if chance else tables[indexes[0].name]
    return (tables, chances) if chance else tables


def chosen_indexes(index: Any, chance: Any) -> list[Index]:
    """Look the indexes up, and refuse what would be lost or is not defined."""
    if isinstance(index, bytes) or not isinstance(index, str | Index | Iterable):
        raise ParameterError(f"index is {index!r}; the name of an index, an Index, or a sequence of these is needed")
    indexes = [get_index(name) for name in ([index] if isinstance(index, str | Index) else index)]
    if not indexes:
        raise ParameterError("nothing to compare: index must not be empty")
    names = [index.name for index in indexes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ParameterError(f"index: two are called {twice[0]!r}, of which one would be lost; give each its own name")
    without = [index.name for index in indexes if not index.has_known_chance]
    if flag("chance", chance) and without:
        raise ParameterError(f"chance is known for CKA only, not for {', '.join(without)}; ask for those by themselves")
    return indexes


class Named(dict[str, Any]):
    """Representations by what messages shall call them."""


def named(arrays: Any, label: str) -> Named:
    """Return representations by what messages call them: those of a mapping, as of an .npz file, by its names."""
    alone = hasattr(arrays, "shape") and len(arrays.shape) < 3 and str(getattr(arrays, "dtype", "")) != "object"
    if alone or not isinstance(arrays, Iterable):
        what = f"an array of shape {tuple(arrays.shape)}" if hasattr(arrays, "shape") else repr(arrays)
        raise ParameterError(f"{label} is {what}; a list of representations is needed")
    items = arrays.items() if isinstance(arrays, Mapping) else enumerate(arrays)
    found = arrays if isinstance(arrays, Named) else Named({f"{label}[{key!r}]": x for key, x in items})
    if not found:
        raise ParameterError(f"nothing to compare: {label} must not be empty")
    for name, x in found.items():
        check_dense(x, name)
    return found


def _check_options(block: Any, progress: Any, record: Any) -> None:
    if block is not None:
        whole_number("block", block, 1)
    check_progress(progress)
    if not (record is None or isinstance(record, dict)):
        raise ParameterError(f"record is {record!r}; a dict to be filled is needed")


def _views(
    first: Named, second: Named | None, minimum: int, memory: int, recognised: bool
) -> tuple[list[Representation], list[int], list[int]]:
    """Check each distinct array once; return the views and where each list finds its own among them."""
    distinct: dict[int, tuple[Any, str]] = {}
    sides = [first, first if second is None else second]
    for name, x in [*sides[0].items(), *sides[1].items()]:
        distinct.setdefault(id(x), (x, name))
    number = {identity: i for i, identity in enumerate(distinct)}
    rows, columns = ([number[id(x)] for x in side.values()] for side in sides)
    arrays = list(distinct.values())
    views: list[Representation] = []
    with crew(_hands([x for x, _ in arrays], memory), 0) as threads:
        for view in threads.map(lambda args: Representation(*args, minimum=minimum, recognised=recognised), arrays):
            views.append(view)
            check_same_examples([views[0], view])
    if len({(id(view.xp), str(view.device)) for view in views}) > 1:
        views = [view if view.xp is NUMPY else view.on_host() for view in views]
    return views, rows, columns


def _hands(arrays: list[Any], memory: int) -> int:
    """Return how many threads may look through arrays: one where that is little, or where others' code is called."""
    if not all(isinstance(x, np.ndarray) and x.size for x in arrays) or sum(x.size for x in arrays) < _SHARED_SCAN:
        return 1
    widest: int = max(x.size // (len(x) if x.ndim else 1) for x in arrays)
    return min(len(arrays), memory // (_SCAN_BYTES * widest))


def _values(indexes: Sequence[Index], results: Sequence[Any]) -> tuple[dict[str, Float64], dict[str, Any]]:
    """Return the values of each index and the chance of CKA; once all are known, warn of what says little."""
    found = list(zip(indexes, results, strict=True))
    tables = {index.name: index.values(result) if index.value else result[0] for index, result in found}
    cka = [(index.name, result) for index, result in found if index.has_known_chance]
    chances = {name: chance_of(name, result, tables[name]) for name, result in cka}
    warn_of_ranks(*(result if isinstance(result, Moments) else result[1] for result in results))
    return tables, chances
