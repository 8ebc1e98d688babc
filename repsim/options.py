"""Options that are numbers, truth values, words, folders or progress: what is wrong is said by name."""

from __future__ import annotations

import contextlib
import math
import operator
import os
from pathlib import Path
from typing import Any

import numpy as np

from repsim.errors import ParameterError


def whole_number(name: str, value: Any, least: int, why: str = "") -> int:
    """Return an option as an int, or say that it is no whole number of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ParameterError(f"{name} is {value!r}; a whole number of at least {least} is needed{why}")
    return number


def as_number(value: Any) -> float:
    """Return a real number as a float; TypeError for text, bytes and truth values, some of which `float` would take."""
    dtype = getattr(value, "dtype", None)
    if isinstance(value, str | bytes | bytearray | bool) or np.iscomplexobj(value):
        raise TypeError
    if getattr(dtype, "kind", "") in tuple("bUSOMm") or "bool" in str(dtype):
        raise TypeError
    return float(value)


def real_number(name: str, value: Any, needed: str, least: float = -math.inf) -> float:
    """Return an option as a float, or say what is needed; any other range than from a least value is the caller's."""
    try:
        number = as_number(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not number >= least:
        raise ParameterError(f"{name} is {value!r}; {needed}")
    return number


def flag(name: str, value: Any) -> bool:
    """Return an option that is true or false, or say that it is neither."""
    if not isinstance(value, bool | np.bool_):
        raise ParameterError(f"{name} is {value!r}; True or False is needed")
    return bool(value)


def choice(name: str, value: Any, *allowed: str) -> str:
    """Return an option that is one of some words, or say which these are."""
    if not (isinstance(value, str) and value in allowed):
        words = [f'"{word}"' for word in allowed]
        raise ParameterError(f"{name} is {value!r}; {', '.join(words[:-1])} or {words[-1]} is needed")
    return value


def path_option(name: str, value: Any, of: str = "a folder") -> Path:
    """Return an option that is a path, "~" being the user's folder, or say that it is none."""
    if not (isinstance(value, str | os.PathLike) and isinstance(os.fspath(value), str)):
        raise ParameterError(f"{name} is {value!r}; the path of {of} is needed")
    path = os.path.expanduser(value)
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            os.lstat(path)
    except (OSError, ValueError) as error:  # too long, or with a character that no path has
        raise ParameterError(f"{name} is {value!r:.100}, which is no path: {error!s:.100}") from None
    return Path(path)


def check_progress(progress: Any) -> None:
    """Say that `progress` is neither a truth value nor a function."""
    if not (callable(progress) or isinstance(progress, bool)):
        raise ParameterError(f"progress is {progress!r}; True, False or a function of (done, total) is needed")
