"""What is killed: ``python work.py NAME FOLDER [ARGUMENT...]`` does a piece of work in a folder, or goes on with it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def unpack(folder: Path, address: str, md5: str) -> None:
    from repsim.lab.data import fetch

    fetch(address, md5, folder / "official")


def artefact(folder: Path) -> None:
    from repsim.lab.store import Store

    def make():
        return {"a": np.random.default_rng(1).integers(0, 50, 3_000_000, dtype=np.uint8)}, {}

    Store(folder / "store").get("step", "name", {"seed": 1}, make)


def train(folder: Path) -> None:
    from repsim.lab.__main__ import app

    app(["train", "smoke", "--group", "tiny10", "--seed", "0"])


def tiles(folder: Path) -> None:
    import repsim
    from repsim.engine import checkpoint
    from repsim.lab.store import write_arrays

    checkpoint._SECONDS_BETWEEN_SAVES = 0.02  # this run takes seconds, not the hours that half a minute is meant for
    rng = np.random.default_rng(2)
    layers = [rng.standard_normal((900, p)).astype(np.float32) for p in (40, 400, 1100)]
    tables = repsim.pairwise(layers, index=["cka_rbf_0.4", "cca_mean", "pwcca"], block=30, resume=folder / "resume")
    write_arrays(folder / "tables.npz", tables)


def notebook(folder: Path, source: str) -> None:
    from repsim.lab.execution import execute

    execute(Path(source), "smoke", folder / "executed" / "01-train-networks.ipynb")


def stage(folder: Path, root: str, executed: str) -> None:
    from repsim.lab.staging import stage as assemble

    assemble("smoke", Path(executed), folder / "book", Path(root), published=True)


def archive(folder: Path, root: str, executed: str) -> None:
    from repsim.lab.archives.writing import archive as write

    write("smoke", folder / "archive", Path(executed), Path(root))


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
