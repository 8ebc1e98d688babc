"""Activations of PyTorch modules, as tensors: ``import repsim.torch``."""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np

try:
    import torch
except ImportError:
    raise ImportError("repsim.torch needs PyTorch, which is not installed: pip install torch") from None

from repsim.engine.progress import Progress
from repsim.errors import ParameterError
from repsim.pool import Pool
from repsim.tapping import selection
from repsim.tapping.batches import Inputs, Mask
from repsim.tapping.running import Feed, take
from repsim.tapping.stores import OnDevice, store_in
from repsim.tapping.torch import modules_of

__all__ = ["activations", "layers"]


def layers(model: torch.nn.Module, choice: Any = "*") -> list[str]:
    """Names of a module's layers.

    Parameters
    ----------
    model : torch.nn.Module
        Not run, and not changed.
    choice : str, type, or sequence of str
        A name, or a pattern with ``*`` for anything and ``?`` for one character; a class of modules, or a tuple of
        classes; or a list of names and patterns. By default all.

    Returns
    -------
    list of str
        In the order of ``model.named_modules()``, or in that of a list. A module that is in two places has both names.

    Raises
    ------
    ParameterError
        If the model is none, or there is no layer of a name or pattern; the message has close matches.

    See Also
    --------
    repsim.torch.activations : Takes the same as its `layers`.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
    >>> layers(model, torch.nn.Conv2d)
    ['0', '2']
    """
    if not isinstance(model, torch.nn.Module):
        raise ParameterError(f"model is {type(model).__name__}; a torch.nn.Module is needed")
    return selection.names(modules_of(model), choice, "model")


def activations(
    model: torch.nn.Module,
    loader: Any,
    *,
    layers: Any = None,
    pool: Pool | None = None,
    to: str | os.PathLike[str] | None = None,
    device: Any = None,
    inputs: Inputs | None = None,
    mask: Mask | None = None,
    batch_size: int = 256,
    progress: Progress = False,
) -> dict[str, Any]:
    """Activations of a PyTorch module's layers, as tensors.

    `repsim.activations` with PyTorch's own arrays. The module is run where it is, in evaluation mode and without
    gradients, and is afterwards as it was before.

    Parameters
    ----------
    model : torch.nn.Module
        Batches are brought to its device.
    loader, layers, pool, inputs, mask, batch_size, progress
        As for `repsim.activations`.
    to : path, optional
        Folder to write to, one .npy file for each layer, in one pass.
    device : torch.device or str, optional
        Where the activations shall be; by default in the host's memory, wherever the module is.

    Returns
    -------
    dict of str to torch.Tensor
        (n, ...) for each layer, in the precision that it was computed in. Where `to` is given, NumPy's memory maps; a
        `Blocks` for bfloat16, which NumPy lacks.

    Raises
    ------
    ParameterError, ShapeMismatchError, DimensionError
        As for `repsim.activations`.

    See Also
    --------
    repsim.torch.layers : Names of layers.
    repsim.activations : The same as NumPy's arrays, of any model.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(inplace=True)).eval()
    >>> {name: tuple(rows.shape) for name, rows in activations(model, torch.eye(3)).items()}
    {'0': (3, 4), '1': (3, 4)}
    """
    if not isinstance(model, torch.nn.Module):
        raise ParameterError(f"model is a {type(model).__name__}; a PyTorch module is needed")
    if to is not None and device is not None:
        raise ParameterError("to and device are both given; activations go either to files or to a device")
    store = store_in(to) if device is None else functools.partial(OnDevice, _usable(device))
    feed = Feed(loader, pool, inputs, mask, batch_size, progress)
    (taken,) = take([(model, layers, "model")], feed, [store])
    return {name: torch.from_numpy(rows) if type(rows) is np.ndarray else rows for name, rows in taken.items()}


def _usable(device: Any) -> torch.device:
    """Return a device that was asked for, or say why PyTorch cannot use it."""
    try:
        return torch.empty(0, device=device).device
    except Exception as error:  # of as many kinds as there are devices
        why = str(error).partition("\n")[0]
        raise ParameterError(
            f"device is {device!r}, which PyTorch cannot use here ({why}); one such as 'cpu' is needed"
        ) from None
