"""Run a command while no other run of this workflow is at work in this folder: ``python workflow/alone.py COMMAND``.

A second run waits for the first. The lock belongs to the process that becomes the command, so the system drops it when
that ends, however it ends; Snakemake's own lock (switched off by --nolock) outlives a kill and then blocks every run.
"""

import fcntl
import os
import sys

LOCK = ".snakemake/one-run.lock"


def main() -> None:
    """Take the lock, waiting for it, and become the command."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    os.makedirs(os.path.dirname(LOCK), exist_ok=True)
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another run is at work in this folder; this one goes on when that one has ended.", file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
