"""Activations with tokens or positions, as rows that the indexes take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from repsim.blocks import whole
from repsim.engine.arrays import host, namespace
from repsim.errors import DimensionError, ParameterError, ShapeMismatchError
from repsim.options import choice

CHOICES = ("mean", "first", "last", "tokens", "flatten", "space")
Pool = str | Callable[[Any], Any]


def pool(h: Any, how: Pool, mask: Any = None, *, channels: str | None = None, name: str = "h") -> Any:
    """Turn activations of tokens, or of positions of an image, into rows.

    Parameters
    ----------
    h : array
        (n, tokens, d) of any Array API library, or (n, height, width, channels). (n, p) is returned as it is.
    how : {"mean", "first", "last", "tokens", "flatten", "space"} or callable
        Of tokens: their mean, the first (where a model keeps its class token) or last of each example; each token as
        a row of its own, so that rows are tokens, not examples; or all of an example's in one row. Of four dimensions:
        "space", the mean over height and width, or "flatten". A function is called with `h`.
    mask : array, optional
        (n, tokens), true or 1 where a token is, false or 0 where there is padding, which is then left out.
    channels : {"first", "last"}, optional
        Where (n, ., ., .) has its channels; by default first for tensors of PyTorch, last for everything else.
    name : str
        What messages call the activations.

    Returns
    -------
    array
        (n, d), of h's library; (all tokens, d) for "tokens", (n, tokens * d) for "flatten". Means of half precision are
        of single precision.

    Raises
    ------
    ParameterError
        If `how` or `channels` is none of these, `mask` holds other numbers, or "flatten" is to leave out padding.
    DimensionError
        If `h` does not have the dimensions that `how` is for.
    ShapeMismatchError
        If `mask` is not (n, tokens), or leaves an example without a token.

    See Also
    --------
    repsim.activations : Takes the same as its `pool`, batch by batch.
    repsim.compare : Likewise.

    Examples
    --------
    >>> import numpy as np
    >>> h = np.array([[[1.0], [2.0], [9.0]], [[3.0], [5.0], [7.0]]])  # two sentences, three tokens
    >>> mask = [[1, 1, 0], [1, 1, 1]]  # of which the first has two
    >>> pool(h, "mean", mask)
    array([[1.5],
           [5. ]])
    >>> pool(h, "last", mask)
    array([[2.],
           [7.]])
    >>> pool(h, "tokens", mask).shape
    (5, 1)
    """
    if callable(how):
        return how(h)
    if check_pool(how, "how") is None:
        raise ParameterError(f"how is None; {', '.join(map(repr, CHOICES))} or a function is needed")
    if channels is not None:
        choice("channels", channels, "first", "last")
    if mask is not None:
        _truth(mask)
    h = whole(h, name)
    if len(h.shape) == 2:
        return h if how != "tokens" or mask is None else _rows_of_tokens(h, mask)
    if how == "space":
        return _over_space(h, channels, name)
    return _flattened(h, mask, name) if how == "flatten" else _over_tokens(h, how, mask, name)


def _rows_of_tokens(h: Any, mask: Any) -> Any:
    """Leave padding out of rows that are tokens already, if there is one for each place of the mask."""
    real = _truth(mask).ravel()
    return h if len(real) != h.shape[0] else h[_beside(h, real)]


def _over_space(h: Any, channels: str | None, name: str) -> Any:
    if len(h.shape) != 4:
        raise DimensionError(f"{name} has shape {tuple(h.shape)}; 'space' needs (n, height, width, channels){_for(h)}")
    xp, first = namespace(h), channels == "first" if channels else array_api_compat.is_torch_array(h)
    return xp.mean(wide(xp, h), axis=(2, 3) if first else (1, 2))


def _flattened(h: Any, mask: Any, name: str) -> Any:
    if mask is not None and len(h.shape) == 3 and not bool(_checked(mask, h, name).all()):
        raise ParameterError(
            f"how is 'flatten' and {name} has padding, which would become features; choose 'mean', 'first', 'last' "
            "or 'tokens', or give no mask"
        )
    return namespace(h).reshape(h, (h.shape[0], -1))


def _over_tokens(h: Any, how: str, mask: Any, name: str) -> Any:
    if len(h.shape) != 3:
        raise DimensionError(f"{name} has shape {tuple(h.shape)}; {how!r} needs (n, tokens, d){_for(h)}")
    if h.shape[1] == 0:
        raise DimensionError(f"{name} has shape {tuple(h.shape)}; there are no tokens")
    xp, real = namespace(h), None if mask is None else _checked(mask, h, name)
    if how == "tokens":
        return xp.reshape(h, (-1, h.shape[2])) if real is None else h[real]
    return _mean(xp, wide(xp, h), real) if how == "mean" else _outermost(xp, h, how, real)


def _mean(xp: Any, h: Any, real: Any) -> Any:
    if real is None:
        return xp.mean(h, axis=1)
    kept = xp.where(real[:, :, None], h, xp.zeros_like(h))
    return xp.sum(kept, axis=1) / xp.astype(xp.sum(real, axis=1), h.dtype)[:, None]


def _outermost(xp: Any, h: Any, how: str, real: Any) -> Any:
    """Return the first or the last token of each example."""
    if real is None:
        return h[:, 0 if how == "first" else -1]
    counted = xp.astype(real, xp.int32)
    if how == "first":
        places = xp.argmax(counted, axis=1)
    else:
        places = h.shape[1] - 1 - xp.argmax(xp.flip(counted, axis=1), axis=1)
    return h[xp.arange(h.shape[0], device=array_api_compat.device(h)), places]


def check_pool(how: Any, option: str = "pool") -> Any:
    """Return how to pool, or raise if that is none of the choices."""
    if how is None or callable(how) or (isinstance(how, str) and how in CHOICES):
        return how
    raise ParameterError(f"{option} is {how!r}; {', '.join(map(repr, CHOICES))} or a function is needed")


def _for(h: Any) -> str:
    """Say what there is for activations of such a shape."""
    choices = {3: "'mean', 'first', 'last', 'tokens', 'flatten'", 4: "'space', 'flatten'"}
    return f"; {choices.get(len(h.shape), repr('flatten'))} or a function can be chosen for it"


def wide(xp: Any, h: Any) -> Any:
    """Return values in at least single precision, so that a mean is not rounded to half, or to whole numbers."""
    name = str(h.dtype).rpartition(".")[2]
    return xp.astype(h, xp.float32) if name in ("float16", "bfloat16") or "int" in name else h


def _checked(mask: Any, h: Any, name: str) -> Any:
    real = _truth(mask)
    if real.shape != tuple(h.shape[:2]):
        raise ShapeMismatchError(
            f"mask has shape {real.shape} and {name} {tuple(h.shape)}; a mask is (n, tokens), here {tuple(h.shape[:2])}"
        )
    if not real.any(axis=1).all():
        empty = int(np.argmin(real.any(axis=1)))
        raise ShapeMismatchError(f"mask leaves example {empty} of {name} without a token; drop it, or keep one token")
    return _beside(h, real)


def _beside(h: Any, real: NDArray[np.bool_]) -> Any:
    """Return truth values where the activations are."""
    return namespace(h).asarray(real, device=array_api_compat.device(h))


def _truth(mask: Any) -> NDArray[np.bool_]:
    """Return a mask as truth values, or raise if it is another kind, such as what is added to attention."""
    try:
        values = np.asarray(host(mask))
    except ValueError:  # of different lengths
        raise ParameterError("mask is no array; (n, tokens) truth values are needed, padding among them") from None
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise ParameterError(
            f"mask holds {values[~np.isin(values, (0, 1))][0]}; 1 for a token and 0 for padding is needed"
        )
    return values.astype(bool)
