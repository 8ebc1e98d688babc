"""How much memory the engine may take."""

from __future__ import annotations

import os
from pathlib import Path

from repsim.errors import ParameterError

FRACTION = 0.5  # of what is available, unless told otherwise
_ASSUMED = 2**32  # where the system does not say what is available


def budget(memory: int | None) -> int:
    """Return the number of bytes to stay within: as told, or half of what is available now."""
    if memory is None:
        return max(2**24, int(FRACTION * available()))
    try:
        allowed = int(memory)
    except (TypeError, ValueError, OverflowError):
        allowed = 0
    if allowed < 1:
        raise ParameterError(f"memory is {memory!r}; a positive number of bytes is needed")
    return allowed


def available() -> int:
    """Return the bytes that could be taken without swapping, within the limit of a container if there is one."""
    free = _proc_available() or _physical() or _ASSUMED
    limits = [free]
    for limit, usage in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        most, used = _number(limit), _number(usage)
        if most is not None and used is not None:
            limits.append(max(0, most - used))
    return min(limits)


def _proc_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def needed(name: str, what: str, size: float, memory: int) -> str:
    """Say what does not fit."""
    return f"memory is {memory:,} bytes; {what} of {name} needs about {int(size):,}. Allow more, or take fewer examples"
