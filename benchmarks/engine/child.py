"""One measurement in a process of its own: a job on standard input, what it gave as the last line of the output."""

import json
import sys
from pathlib import Path

from benchmarks.engine.memory import peak_mib
from benchmarks.engine.tasks import TASKS


def main():
    """Run the job; report also the memory before it and the most that there ever was."""
    job = json.loads(sys.stdin.read())
    base = peak_mib()
    measured = TASKS[job["task"]](Path(job["folder"]), **job["parameters"])
    print(json.dumps({**measured, "base_mib": base, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
