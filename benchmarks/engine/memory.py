"""The largest resident memory of this process, and which processor it runs on."""

import resource
import sys
from pathlib import Path

from repsim.lab.store import machine


def peak_mib():
    """Return it in MiB: VmHWM, which starts anew with a program, while what getrusage says begins at its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 2**10, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def described_machine():
    """Return what a result says of the machine: also the processor, its memory and the linear algebra library."""
    import numpy  # noqa: F401 -- so that its library is loaded
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    pools.sort(key=lambda pool: "numpy" not in pool["filepath"])  # others may have been loaded, in any order
    blas = [
        {"library": pool["internal_api"], "version": pool["version"], "threads": pool["num_threads"]} for pool in pools
    ]
    return {**machine(), "processor": _first("/proc/cpuinfo", "model name"), "memory": _memory(), "blas": blas[:1]}


def _memory():
    text = _first("/proc/meminfo", "MemTotal")
    return None if text is None else round(int(text.split()[0]) / 2**20, 1)


def _first(path, key):
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), None)
