"""What models are given: arrays that are cut into batches, or loaders that give them."""

from __future__ import annotations

import copy
import numbers
import sys
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from repsim.errors import ParameterError, ShapeMismatchError

Inputs = Callable[[Any], Any]  # from a batch to what a model takes
Mask = Callable[[Any], Any]  # from a batch to where its tokens are


def batches(images: Any, batch_size: int) -> tuple[Iterator[tuple[Any, Any]], int | None]:
    """Return an iterator of batches with what a model is given of each, and the number of examples if it is known.

    Arrays, mappings and tuples of arrays, and lists of examples are cut; of what a loader gives, the first is the
    input where it is a tuple or a list.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(images, torch.utils.data.Dataset):
        images = torch.utils.data.DataLoader(images, batch_size=batch_size)
    if isinstance(images, Mapping | tuple) or _is_array(images) or _holds_examples(images):
        n = _count_examples(images)
        if n == 0:
            raise ParameterError("images is empty; there must be an example to run the models on")
        pieces = (_cut(images, start, start + batch_size) for start in range(0, n, batch_size))
        return ((piece, piece) for piece in pieces), n
    try:
        if isinstance(images, str | bytes):
            raise TypeError
        given = iter(images) if hasattr(images, "__iter__") else (images[i] for i in range(len(images)))
    except TypeError:
        raise ParameterError(
            f"images is a {type(images).__name__}; an array, a mapping or tuple of arrays, or a loader of batches is "
            "needed"
        ) from None
    return ((batch, _first(batch)) for batch in given), _promised(images)


def count(given: Any) -> int | None:
    """Return the number of examples in what a model is given; None if that cannot be told."""
    if _is_array(given):
        return int(given.shape[0]) if len(given.shape) else None
    if isinstance(given, Mapping) or (isinstance(given, tuple | list) and any(map(_holds_arrays, given))):
        return next((n for n in map(count, _members(given)) if n is not None), None)
    return len(given) if isinstance(given, tuple | list) else None


def changed(given: Any, change: Callable[[Any, Any], Any]) -> Any:
    """Return a mapping, tuple or list whose values a function of key and value makes anew, of the same kind."""
    if isinstance(given, dict | UserDict):
        other = copy.copy(given)
        for key, value in given.items():
            other[key] = change(key, value)
        return other
    if isinstance(given, Mapping):  # such as an open file, which is not to be written to
        return {key: change(key, value) for key, value in given.items()}
    values = [change(i, value) for i, value in enumerate(given)]
    if isinstance(given, tuple):
        return given._make(values) if hasattr(given, "_make") else tuple(values)
    return values


def copied(given: Any) -> Any:
    """Copy a batch, or activations, that a function may change while others have them too."""
    if hasattr(given, "detach"):  # PyTorch copies deeply nothing that gradients go through
        return given.clone()
    if isinstance(given, Mapping | tuple | list):
        return changed(given, lambda _, value: copied(value))
    try:
        return copy.deepcopy(given)
    except Exception:  # what cannot be copied, such as an open file
        return given


def _holds_arrays(x: Any) -> bool:
    return _is_array(x) or (isinstance(x, Mapping | tuple | list) and any(map(_holds_arrays, _members(x))))


def holds_numbers(x: Any) -> bool:
    """Whether something is a list of numbers, or lists of these, as tokenizers make them."""
    first = x
    while isinstance(first, list) and first:
        first = first[0]
    return isinstance(x, list) and isinstance(first, numbers.Real)


def _members(x: Any) -> Any:
    return x.values() if isinstance(x, Mapping) else x


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape") and hasattr(x, "__getitem__")


def _holds_examples(images: Any) -> bool:
    """Whether a list holds examples, such as sentences or rows of numbers, rather than batches."""
    return isinstance(images, list) and not any(_is_array(x) or isinstance(x, Mapping | tuple) for x in images[:1])


def _count_examples(images: Any) -> int:
    if _is_array(images):
        if not len(images.shape):
            raise ParameterError("images is, or holds, a single number; an array of (examples, ...) is needed")
        return int(images.shape[0])
    if isinstance(images, list):
        return len(images)
    if not isinstance(images, Mapping | tuple):
        raise ParameterError(
            f"images holds a {type(images).__name__}; a mapping or tuple is of arrays of the same examples, and a "
            "loader is given by itself"
        )
    items = images.items() if isinstance(images, Mapping) else enumerate(images)
    counts = {name: _count_examples(values) for name, values in items}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name!r} {n}" for name, n in counts.items())
        raise ShapeMismatchError(f"the inputs in images are of different numbers of examples: {said}")
    return next(iter(counts.values()), 0)


def _cut(images: Any, start: int, stop: int) -> Any:
    if isinstance(images, Mapping | tuple):
        return changed(images, lambda _, values: _cut(values, start, stop))
    return images[start:stop]


def _first(batch: Any) -> Any:
    """Return the inputs of a loader's batch, which may be (inputs, labels, ...)."""
    paired = isinstance(batch, tuple | list) and batch and not isinstance(batch[0], str | bytes | int | float)
    first = batch[0] if paired else batch
    # PyTorch makes tuples of texts, which are not several arguments.
    return list(first) if isinstance(first, tuple) and all(isinstance(text, str) for text in first) else first


def _promised(loader: Any) -> int | None:
    """Return the number of examples that a loader is to give, where that can be told."""
    try:
        return min(len(loader.dataset), len(loader) * int(loader.batch_size))
    except (AttributeError, TypeError):
        return None
