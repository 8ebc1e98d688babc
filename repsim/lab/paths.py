"""Where results, caches and data live; three environment variables move them."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def results_root() -> Path:
    """Return the folder with one folder of results per profile (``REPSIM_RESULTS``, else ``results``)."""
    return Path(os.environ.get("REPSIM_RESULTS") or REPOSITORY / "results")


def cache_root() -> Path:
    """Return the folder for checkpoints, representations and downloads (``REPSIM_CACHE``)."""
    return Path(os.environ.get("REPSIM_CACHE") or Path.home() / ".cache" / "repsim-revisited")


def data_root() -> Path:
    """Return the folder that holds ``cifar-10-batches-bin`` and ``cifar-100-binary`` (``REPSIM_DATA``)."""
    return Path(os.environ.get("REPSIM_DATA") or cache_root() / "data")
