"""Comparison of the layers of two models on the same images."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from threadpoolctl import threadpool_limits

from repsim.chance import Chance
from repsim.comparison import Comparison, scale_of
from repsim.engine.arrays import Float64
from repsim.engine.memory import budget
from repsim.engine.progress import Progress
from repsim.errors import (
    ConstantRepresentationError,
    NonFiniteError,
    ParameterError,
    UndefinedSimilarityError,
)
from repsim.indexes import Index
from repsim.options import choice, path_option
from repsim.pairwise import Named, chosen_indexes, pairwise
from repsim.pool import Pool
from repsim.tapping.batches import Inputs, Mask
from repsim.tapping.running import Feed, take
from repsim.tapping.stores import store_in

__all__ = ["Comparison", "activations", "compare"]

Path_ = str | os.PathLike[str]
_Computed = tuple[dict[str, Float64], dict[str, Chance[Float64]]]
_LEAST_MEMORY = 2**26  # bytes for the comparison beside the activations, unless told otherwise
_MEMORY_OF_THREADS = 2**28  # bytes, below which one thread takes less time than several
_SHARE = 6  # or this fraction of what they take
# What one layer is at fault for, whatever it is compared with.
_UNDEFINED = (ConstantRepresentationError, UndefinedSimilarityError, NonFiniteError)


@overload
def compare(
    model_a: Any, model_b: Any, images: Any = ..., *, index: str | Index = ..., **options: Any
) -> Comparison: ...
@overload
def compare(
    model_a: Any, model_b: Any, images: Any = ..., *, index: Sequence[str | Index], **options: Any
) -> dict[str, Comparison]: ...
def compare(  # type: ignore[misc]
    model_a: Any,
    model_b: Any,
    images: Any = None,
    *,
    index: str | Index | Sequence[str | Index] = "cka_linear",
    layers: Any = None,
    layers_b: Any = None,
    pool: Pool | None = None,
    inputs: Inputs | None = None,
    mask: Mask | None = None,
    batch_size: int = 256,
    chance: bool = False,
    undefined: str = "raise",
    to: Path_ | None = None,
    memory: int | None = None,
    resume: Path_ | None = None,
    progress: Progress = False,
) -> Comparison | dict[str, Comparison]:
    """Compare every layer of one model with every layer of another.

    Both models see the same batches, and a loader is gone through once, so that a shuffling loader or a generator
    works too. The value does not depend on the batches.

    Parameters
    ----------
    model_a, model_b : PyTorch module, Keras model, callable, or mapping of str to array_like
        A function takes a batch and returns a mapping of layer name to activations. A mapping holds activations that
        were taken before, (n, p) or (n, h, w, c) by layer. The same model may be given twice.
    images, layers, pool, inputs, mask, batch_size
        As for `repsim.activations`; `layers` are those of both models.
    index : str, Index or sequence of these
        What to compute; see `repsim.get_index`. Several at once share their work and the models' runs.
    layers_b
        The second model's layers where they differ.
    chance : bool
        Also compute what CKA is by chance; see `repsim.chance`.
    undefined : {"raise", "nan"}
        What to do about a layer that no similarity is defined for, such as one whose units are all dead.
    to : path, optional
        Folder for the activations, as .npy files in the folders `a` and `b`; otherwise they are held in memory.
    memory : int, optional
        Bytes that activations and computation may take; activations that would take more than half of that go to a
        temporary folder. By default what the activations take, and a sixth of that, 64 MiB at least, or as
        much as the index needs; half of what is available where none are held.
    resume : path, optional
        As for `repsim.pairwise`: what of the comparison is finished is kept. The models are run again.
    progress : bool or callable
        As for `repsim.pairwise`: first over the examples, where their number is known, then over the comparison.

    Returns
    -------
    Comparison or dict of str to Comparison
        Values and the layers' names; a dict by name where `index` is a sequence.

    Raises
    ------
    ParameterError
        As for `repsim.activations`, or if an option is not what it may be.
    RepresentationError
        If the activations of a layer are not a representation; the message names the layer.
    UnknownIndexError
        If there is no such index.

    Warns
    -----
    RankSaturationWarning, BiasWarning
        As `repsim.pairwise`.

    See Also
    --------
    repsim.activations : What layers give, to be kept or changed before they are compared.
    repsim.pairwise : The same of arrays that are there.
    repsim.Comparison : What is returned, drawn and saved.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).standard_normal((200, 4, 4, 3))
    >>> model = lambda batch: {"pixels": batch, "mean": batch.mean(axis=(1, 2))}
    >>> compare(model, model, images).values.round(2)
    array([[1.  , 0.29],
           [0.29, 1.  ]])
    """
    layers, layers_b = (list(chosen) if isinstance(chosen, Iterator) else chosen for chosen in (layers, layers_b))
    indexes = chosen_indexes(index, chance)
    tables = _Tables(chance, undefined, memory, None if resume is None else path_option("resume", resume), progress)
    models = [(model_a, layers, "model_a")]
    if model_b is not model_a or layers_b is not None:
        models.append((model_b, layers if layers_b is None else layers_b, "model_b"))
    feed = Feed(images, pool, inputs, mask, batch_size, progress)
    with tempfile.TemporaryDirectory() as folder:
        taken = take(models, feed, [store_in(to, name) for name in "ab"[: len(models)]], memory, Path(folder))
        compared = tables.comparisons(indexes, taken, _held(models, taken))
    return compared[indexes[0].name] if isinstance(index, str | Index) else compared


def activations(
    model: Any,
    images: Any,
    *,
    layers: Any = None,
    pool: Pool | None = None,
    inputs: Inputs | None = None,
    mask: Mask | None = None,
    batch_size: int = 256,
    to: Path_ | None = None,
    progress: Progress = False,
) -> dict[str, Any]:
    """Activations of a model's layers.

    A model is run in evaluation mode and without gradients; afterwards it is as it was before.

    Parameters
    ----------
    model : PyTorch module, Keras model or callable
        A Keras model must be built. A function takes a batch and returns a mapping of layer name to activations.
    images : array_like, mapping or tuple of array_like, or iterable
        Examples, (n, ...), in the order in which rows shall be; several inputs by name or in their order; or a loader
        of batches: of PyTorch, of ``tf.data``, a generator, a list of arrays. Of tuples the first is the input.
    layers : str, type, or sequence of str, optional
        Names; patterns with ``*`` and ``?``; a class of layers. Layers in a nested Keras model are ``backbone/conv``. A
        layer's second use is ``name#2``, by the first of its names where it has several; parts of tuples and mappings
        are ``name[0]`` and ``name[key]``. By default all modules of PyTorch that have none inside, all Keras layers
        that are no models and in no other layer, where they give a row for each input and what `pool` is for; all that
        a function returns.
    pool : str or callable, optional
        How tokens or positions become rows; see `repsim.pool`. Padding is left out by the inputs' ``attention_mask``.
    inputs : callable, optional
        Function from a batch to what the model takes: an array, or a tuple or mapping of arguments.
    mask : callable, optional
        Function from a batch to its mask of tokens, (examples, tokens), where that is not ``attention_mask``.
    batch_size : int
        Images in a batch, where images are not a loader.
    to : path, optional
        Folder to write the activations to, one .npy file for each layer.
    progress : bool or callable
        As for `repsim.pairwise`, over the examples; nothing where a loader does not tell how many there are.

    Returns
    -------
    dict of str to array
        (n, ...) for each layer, as NumPy arrays, in the model's order or in that of `layers`; memory maps where `to` is
        given. bfloat16 of PyTorch, which NumPy lacks, stays a tensor, or a `Blocks` that reads the file, where its bits
        are in a field of the name bfloat16.

    Raises
    ------
    ParameterError
        If a layer does not exist (the message has those that do, and close matches), a model is not one, or not built.
    ShapeMismatchError
        If a layer does not give one row for each input.
    DimensionError
        If activations are neither (n, p) nor (n, h, w, c) and `pool` does not make them so.

    Warns
    -----
    UserWarning
        If a PyTorch module is in training mode.

    See Also
    --------
    repsim.compare : Takes activations and compares them in one go.
    repsim.torch.activations : The same for PyTorch, with a loader and a device.
    repsim.pool : Of tokens or places, before or after.

    Examples
    --------
    >>> import numpy as np
    >>> model = lambda batch: {"half": batch / 2, "sum": batch.sum(axis=1, keepdims=True)}
    >>> activations(model, np.arange(6.0).reshape(3, 2), batch_size=2, layers="sum")["sum"]
    array([[1.],
           [5.],
           [9.]])
    """
    feed = Feed(images, pool, inputs, mask, batch_size, progress)
    (taken,) = take([(model, layers, "model")], feed, [store_in(to)])
    return taken


class _UndefinedLayer(Exception):
    """A layer that may be left out, by what messages call it."""


@dataclass
class _Tables:
    """Tables of the layers in one or two sets of activations; options are checked before models are run."""

    chance: bool
    undefined: str
    memory: int | None
    folder: Path | None
    progress: Progress
    attempts: int = 0
    held: int = 0  # bytes of the activations that are in memory and were taken here

    def __post_init__(self) -> None:
        choice("undefined", self.undefined, "raise", "nan")
        if self.memory is not None:
            budget(self.memory)

    def comparisons(
        self, indexes: Sequence[Index], taken: Sequence[Mapping[str, Any]], held: int
    ) -> dict[str, Comparison]:
        """Return the comparison by each index."""
        self.held = held
        sides = [
            Named({f"layer {name!r} of {owner}": x for name, x in arrays.items()})
            for owner, arrays in zip(("model_a", "model_b"), taken, strict=False)
        ]
        tables, chances = self._compute(indexes, sides)
        if self.attempts:
            with contextlib.suppress(OSError):  # it stays if it holds something else
                (self.folder or Path()).rmdir()
        a, b = tuple(taken[0]), tuple(taken[-1])
        record = {"examples": int(np.shape(taken[0][a[0]])[0])}
        return {
            index.name: Comparison(
                tables[index.name], a, b, index.name, chances.get(index.name), dict(record), *scale_of(index)
            )
            for index in indexes
        }

    def _compute(self, indexes: Sequence[Index], sides: Sequence[Named]) -> _Computed:
        """Return a table of each index and, if it is asked for, its chance; undefined layers are NaN if they may be."""
        with contextlib.suppress(_UndefinedLayer):
            return self._pairwise(indexes, sides)
        whole = {index.name: self._without_undefined(index, sides) for index in indexes}
        chances = {name: Chance(*tables[1:]) for name, tables in whole.items() if len(tables) > 1}
        return {name: tables[0] for name, tables in whole.items()}, chances

    def _without_undefined(self, index: Index, sides: Sequence[Named]) -> Float64:
        """Return the values, and what they are by chance, one above the other, with NaN where a layer has none."""
        kept = [Named(side) for side in sides]
        whole = np.full([4 if self.chance else 1, len(sides[0]), len(sides[-1])], np.nan)
        while all(kept):
            try:
                tables, chances = self._pairwise([index], kept)
            except _UndefinedLayer as left_out:
                for side in kept:
                    side.pop(str(left_out), None)
            else:
                levels = [(c.mean, c.standard_deviation, c.z) for c in chances.values()]
                places = [np.isin(list(sides[i]), list(kept[i])) for i in (0, -1)]
                whole[np.ix_(np.ones(len(whole), bool), *places)] = [tables[index.name], *sum(levels, ())]
                break
        return whole

    def _pairwise(self, indexes: Sequence[Index], sides: Sequence[Named]) -> _Computed:
        """Return `pairwise` of one or two lists, or raise the one layer that it refuses if that may be left out."""
        folder = self.folder
        if folder is not None and self.undefined == "nan":  # with fewer layers it is another computation
            self.attempts += 1
            folder /= f"attempt-{self.attempts}"
        compute = functools.partial(
            pairwise, *sides, index=indexes, chance=self.chance, resume=folder, progress=self.progress
        )
        try:
            tables = self._beside_activations(compute)
        except _UNDEFINED as error:
            layer = next((name for side in sides for name in side if str(error).startswith(name)), None)
            if layer is None:
                raise
            if self.undefined == "raise":
                raise type(error)(f"{error}; or undefined='nan', which leaves it out") from error
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise _UndefinedLayer(layer) from error
        return tables if self.chance else (tables, {})

    def _beside_activations(self, compute: Callable[..., Any]) -> Any:
        """Call something within the memory that there is beside the activations."""
        if self.memory is not None:
            return compute(memory=max(1, self.memory - self.held))
        if not self.held:
            return compute()
        modest = max(_LEAST_MEMORY, self.held // _SHARE)
        # Tiles are small then, and threads of the linear algebra would wait for each other.
        threads = 1 if modest < _MEMORY_OF_THREADS else None
        try:
            with threadpool_limits(threads, "blas"):
                return compute(memory=modest)
        except ParameterError as error:  # an index that needs more
            if not str(error).startswith("memory"):
                raise
        return compute()


def _held(models: Sequence[tuple[Any, Any, str]], taken: Sequence[Mapping[str, Any]]) -> int:
    """Return the bytes in memory of what was taken from models; what was there before is its owner's."""
    return sum(
        int(getattr(x, "nbytes", 0))  # a `Blocks` has none
        for arrays, (model, *_) in zip(taken, models, strict=True)
        for x in ([] if isinstance(model, Mapping) else arrays.values())
        if not isinstance(x, np.memmap)
    )
