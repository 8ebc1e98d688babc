"""How much memory the engine may take."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from pathlib import Path

from repsim.errors import ParameterError
from repsim.options import whole_number

_ALWAYS, _SMALL = 2**26, 2**20
FRACTION = 0.5  # of what is available, unless told otherwise
_ASSUMED = 2**32  # where the system does not say what is available


def budget(memory: int | None, size: float = math.inf) -> int:
    """Return the number of bytes to stay within: as told, or half of what is available now.

    What is available is not looked up, which takes milliseconds, where the representations are of few bytes, `size`.
    """
    if memory is not None:
        return min(whole_number("memory", memory, 1, " (bytes)"), sys.maxsize)
    return _ALWAYS if size < _SMALL else max(_ALWAYS, int(FRACTION * available()))


def available() -> int:
    """Return the bytes that could be taken without swapping, within every limit of a container or a cluster's job."""
    return min([_free(), *_group_limits(Path("/"))])


def _group_limits(root: Path) -> list[int]:
    """Return what is left to this process of the limit of each control group that it is in, and of those above."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    limits = []
    for _, controllers, own in (line.split(":", 2) for line in lines):
        if not controllers:
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            mount, names = root / "sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        group = mount / own.lstrip("/")
        for folder in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):  # there is none, or it has no limit
                most, used = (int((folder / name).read_text(encoding="ascii")) for name in names)
                limits.append(max(0, most - used))
            if folder == mount:
                break
    return limits


def _free() -> int:
    """Return what the system says is available, or what it has where it does not say that."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _ASSUMED


def check_fits(name: str, what: str, size: float, memory: int) -> None:
    """Raise if what is to be made of a representation does not fit."""
    if size > memory:
        raise ParameterError(
            f"memory leaves {memory:,} bytes; {what} of {name} needs about {int(size):,}. "
            "Allow more, or take fewer examples"
        )
