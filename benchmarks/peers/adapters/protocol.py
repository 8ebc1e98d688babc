"""How an adapter is run: a job in, rows of measurements out.

An adapter runs in its library's own environment, so this file needs NumPy only. Each measurement has a process of its
own, forked after the imports: a crash, a leak or a hang ends that one only, and its peak memory is its own.
"""

import json
import math
import os
import resource
import statistics
import sys
import time
from contextlib import contextmanager
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path

import numpy as np

LONGEST_REPEAT = 5.0


def run(package, entries):
    """Measure what the job named on the command line asks for.

    Parameters
    ----------
    package
        The distribution whose version is reported.
    entries
        Name -> function of (x, y), or of (x, y, batch) if its ``streams`` attribute is true. A ``feeding`` attribute,
        a function of (n, batch), takes once the batches that a library wants instead of arrays: its time is ours.
    """
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    out = Path(job["out"])
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"] if out.exists() else []
    done = {(row["case"], row["entry"], row["batch"]) for row in rows}
    for case, batches in job["cases"].items():
        for name, call in entries.items():
            sizes = batches if getattr(call, "streams", False) else [None]
            for batch in sizes:
                if (case, name, batch) not in done:
                    measured = _isolated(call, Path(job["arrays"]) / case, batch, job["repeats"], job["timeout"])
                    rows.append({"case": case, "entry": name, "batch": batch, **measured})
                    _write(out, {"version": _version(package), "rows": rows})
    _write(out, {"version": _version(package), "rows": rows})


def streaming(call):
    """Mark an entry that takes a batch size."""
    call.streams = True
    return call


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _write(path, values):
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(values, indent=1), encoding="utf-8")
    os.replace(partial, path)


def _isolated(call, stem, batch, repeats, timeout):
    """Measure in a forked process, and say so if that does not come back."""
    fork = get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=_child, args=(sender, call, stem, batch, repeats))
    child.start()
    sender.close()
    try:
        measured = receiver.recv() if receiver.poll(timeout) else {"error": f"no result within {timeout} seconds"}
    except EOFError:
        child.join()
        measured = {"error": f"the process ended with exit code {child.exitcode}"}
    if child.is_alive():
        child.join(2)
    if child.is_alive():
        child.kill()
    child.join()
    nothing = dict.fromkeys(("value", "seconds", "feeding", "peak_mib", "base_mib", "error"))
    return {**nothing, **measured}


def _child(sender, call, stem, batch, repeats):
    with _silence():
        sender.send(_measure(call, stem, batch, repeats))
    sender.close()


def _measure(call, stem, batch, repeats):
    x, y = (np.load(f"{stem}-{side}.npy", allow_pickle=False) for side in "xy")
    arguments = (x, y) if batch is None else (x, y, batch)
    base, seconds = _peak_mib(), []
    try:
        while len(seconds) < repeats and sum(seconds) < LONGEST_REPEAT:
            start = time.perf_counter()
            value = float(call(*arguments))
            seconds.append(time.perf_counter() - start)
    except Exception as error:  # whatever a library raises is what is reported
        return {"error": f"{type(error).__name__}: {error}", "base_mib": base, "peak_mib": _peak_mib()}
    measured = {"seconds": statistics.median(seconds), "base_mib": base, "peak_mib": _peak_mib()}
    if hasattr(call, "feeding"):
        start = time.perf_counter()
        call.feeding(len(x), batch)
        measured["feeding"] = time.perf_counter() - start
    return {"value": value, **measured} if math.isfinite(value) else {"error": f"returned {value}", **measured}


def _peak_mib():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


@contextmanager
def _silence():
    """Progress bars and warnings of a library are not ours to print."""
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- until the process ends
    yield
