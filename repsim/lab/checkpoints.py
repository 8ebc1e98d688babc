"""Checkpoints of training: one that cannot be used is set aside, and nothing is lost."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from repsim.lab.errors import DamagedArtefactError


@contextlib.contextmanager
def usable(checkpoint: Path) -> Iterator[None]:
    """Move a checkpoint aside if reading it, or setting a network to it, fails.

    Raises
    ------
    DamagedArtefactError
        What was wrong, and where the file is now.
    """
    try:
        yield
    except Exception as error:  # whatever NumPy, zipfile and Keras make of other bytes, names and shapes
        aside = checkpoint.with_suffix(".damaged")
        shutil.move(checkpoint, aside)
        raise DamagedArtefactError(
            f"{checkpoint} is damaged ({error}); it was moved to {aside.name}: run again to train from the beginning."
        ) from error
