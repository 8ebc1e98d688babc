"""Linear CKA as a loss: in the arrays of the library that trains the network."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

import array_api_compat
import numpy as np

from repsim.engine.arrays import full_precision
from repsim.errors import DimensionError, DTypeError, RepresentationError, ShapeMismatchError, TooFewExamplesError
from repsim.options import flag
from repsim.pool import wide


def alignment(x: Any, y: Any, *, debiased: bool = False) -> Any:
    """Linear CKA of two batches, in their own library, so that it can be differentiated.

    Equal to `repsim.cka` but for rounding: it is computed in the precision of `x`, half precision in single, whatever
    ``torch.autocast`` says. Gradients flow to both under PyTorch and JAX, and it can be part of what ``jax.jit`` or
    ``torch.compile`` compiles.

    Parameters
    ----------
    x, y : array
        (n, ...) of one library that follows the Array API, the same n examples; further dimensions are flattened.
    debiased : bool
        The form of `repsim.cka` that is 0 in the mean for unrelated data; it is the one to use in batches, which have
        more features than examples.

    Returns
    -------
    array
        A single number as an array without dimensions, of x's library and device.

    Raises
    ------
    RepresentationError
        If the two are no arrays of one library.
    DTypeError
        If they do not hold real numbers of floating point.
    ShapeMismatchError
        If the numbers of examples differ.
    TooFewExamplesError
        If there are fewer than 2, or 4 for the debiased form.

    Notes
    -----
    Values are not looked at, since a compiled function has none: where a representation is constant, or too large to be
    centred in its precision, the result is NaN.

    See Also
    --------
    repsim.cka : Its value, without gradients.

    References
    ----------
    1. Kornblith et al. (2019), equation 4, doi:10.48550/arXiv.1905.00414.
    2. Song et al. (2007), doi:10.1145/1273496.1273600, for the debiased form.

    Examples
    --------
    Batches of 30 examples that have nothing to do with each other, and why the debiased form is the one to use:

    >>> import numpy as np
    >>> x, y = np.random.default_rng(0).standard_normal((2, 30, 100))
    >>> print(f"{alignment(x, y):.2f}, debiased {alignment(x, y, debiased=True):.2f}")
    0.77, debiased 0.01
    """
    xp, x, y = _checked_arrays(x, y)
    n = _examples_of_both(x, y, 4 if flag("debiased", debiased) else 2)
    with _in_its_precision(x):
        k, l = _centred(xp, x), _centred(xp, y)  # noqa: E741
        # Once it is small: y itself may be beyond the precision of x.
        l = xp.astype(l, k.dtype)  # noqa: E741
        if not debiased and max(k.shape[1], l.shape[1]) < n:
            between, *own = (a.T @ b for a, b in ((k, l), (k, k), (l, l)))
            return xp.sum(between * between) / xp.sqrt(xp.sum(own[0] * own[0]) * xp.sum(own[1] * own[1]))
        k, l = k @ k.T, l @ l.T  # noqa: E741
        if debiased:
            k, l = _u_centred(xp, k), _u_centred(xp, l)  # noqa: E741
        return xp.sum(k * l) / xp.sqrt(xp.sum(k * k) * xp.sum(l * l))


def _in_its_precision(x: Any) -> AbstractContextManager[Any]:
    """Keep a library from multiplying in half precision, in which what `_centred` returns would vanish."""
    if array_api_compat.is_torch_array(x):
        import torch

        autocast: AbstractContextManager[Any] = torch.autocast(x.device.type, enabled=False)
        return autocast
    return full_precision()


def _checked_arrays(x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return the library of two arrays, and them as arrays of floating point."""
    x, y = (np.asarray(a) if isinstance(a, np.matrix) else a for a in (x, y))
    for name, a in (("x", x), ("y", y)):
        if isinstance(a, np.ma.MaskedArray):
            raise RepresentationError(f"{name} is a masked array; fill or drop what is masked")
        if not array_api_compat.is_array_api_obj(a):
            raise RepresentationError(
                f"{name} is a {type(a).__name__}; an array of a library such as NumPy, PyTorch or JAX is needed"
            )
    try:
        xp = array_api_compat.array_namespace(x, y)
    except TypeError:
        raise RepresentationError(
            f"x is a {type(x).__module__} array and y one of {type(y).__module__}; both must be of one library"
        ) from None
    for name, a in (("x", x), ("y", y)):
        if not xp.isdtype(a.dtype, "real floating"):
            raise DTypeError(f"{name} has dtype {a.dtype}; real numbers of floating point are needed")
    return xp, x, y


def _examples_of_both(x: Any, y: Any, least: int) -> int:
    """Return the number of examples, checked to be the same of both and enough."""
    for name, values in (("x", x), ("y", y)):
        if len(values.shape) < 2 or math.prod(values.shape[1:]) == 0:
            raise DimensionError(f"{name} has shape {tuple(values.shape)}; (examples, features) is needed")
    n = int(x.shape[0])
    if n != y.shape[0]:
        raise ShapeMismatchError(f"x has {n} examples and y has {y.shape[0]}; both must be of the same examples")
    if n < least:
        raise TooFewExamplesError(f"x and y have {n} example(s); at least {least} are needed")
    return n


def _centred(xp: Any, x: Any) -> Any:
    """Return features without their means, brought to a size whose fourth power neither overflows nor vanishes."""
    x = wide(xp, xp.reshape(x, (x.shape[0], math.prod(x.shape[1:]))))
    x = x - xp.mean(x, axis=0)
    x = x - xp.mean(x, axis=0)  # what rounding left of large means
    return x / xp.max(xp.abs(x)) / math.sqrt(math.prod(x.shape))


def _u_centred(xp: Any, gram: Any) -> Any:
    """U-centre a Gram matrix (Szekely and Rizzo 2014)."""
    n = int(gram.shape[0])
    ones = xp.ones_like(gram)
    others = xp.tril(ones, k=-1) + xp.triu(ones, k=1)
    gram = gram * others
    means = xp.sum(gram, axis=0) / (n - 2)
    means = means - xp.sum(means) / (2 * (n - 1))
    return (gram - means - means[:, None]) * others
