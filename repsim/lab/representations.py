"""Activations of a trained network on named examples, streamed to memory-mapped float32 files."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np

from repsim.lab.data import Dataset, load_dataset
from repsim.lab.errors import StorageError
from repsim.lab.families import represented_layers
from repsim.lab.paths import cache_root
from repsim.lab.store import Artefact, part_path

VERSION = 1
BATCH = 500
_WRITING = Lock()  # what is half-written bears the number of its process, not of its thread


def selected_images(dataset: Dataset, split: str, count: int) -> np.ndarray:
    """Return the first `count` images (uint8) of the fixed random order of a split, "train" or "test"."""
    part = {"train": dataset.train, "test": dataset.test}[split]
    return part.images[part.examples(count)]


def selected_labels(dataset: Dataset, split: str, count: int) -> np.ndarray:
    """Return the labels that belong to :func:`selected_images`."""
    part = {"train": dataset.train, "test": dataset.test}[split]
    return part.labels[part.examples(count)]


def dataset_of(network: Artefact) -> str:
    """Return the name of the data set that a network was made for, whose moments its images are normalised with."""
    return str(network.record["inputs"]["dataset"])


def scaling_of(network: Artefact) -> str:
    """Return how a network's images are scaled; see :meth:`repsim.lab.data.Dataset.scale`."""
    return str(network.record["inputs"]["recipe"].get("scaling", "colour"))


def representations(
    network: Artefact,
    split: str,
    count: int,
    layers: tuple[str, ...] | None = None,
    dataset: str | None = None,
    *,
    folder: Path | None = None,
) -> dict[str, np.ndarray]:
    """Return a network's representations of the first `count` examples of a split.

    Images of another data set are normalised as the network's own training images were: what it does to its images is
    part of a network.

    Parameters
    ----------
    network
        The network's weights.
    split, count
        "train" or "test", and how many examples of its fixed random order.
    layers
        The wanted layers; None: all of them.
    dataset
        The data set of the images; None: that of the network.
    folder
        Where they are written, each network's into a folder of its own; None: into the cache, where they stay.

    Returns
    -------
    dict
        Read-only memory-mapped float32 arrays (count, features), flattened over space; computed and written
        unless they are there, at no more than :data:`BATCH` examples in memory.

    Raises
    ------
    DataError
        If there is no such data set, or it has fewer examples.
    StorageError
        If they cannot be written, as on a full disk.
    """
    architecture = network.record["inputs"]["architecture"]
    wanted = layers or represented_layers(architecture)
    images = dataset or dataset_of(network)
    elsewhere = "" if images == dataset_of(network) else f"-{images}"
    name = f"v{VERSION}-{network.sha256[:16]}-{split}-{count}{elsewhere}"
    own = (folder or cache_root() / "representations") / name
    with _WRITING:
        if missing := [layer for layer in wanted if not (own / f"{layer}.npy").exists()]:
            _write(network, images, split, count, missing, own)
    return {layer: np.load(own / f"{layer}.npy", mmap_mode="r", allow_pickle=False) for layer in wanted}


def _write(network: Artefact, name: str, split: str, count: int, layers: list[str], folder: Path) -> None:
    from repsim.lab.networks import represent, representation_model  # only now is a backend needed
    from repsim.lab.training import load_network

    images, own = selected_images(load_dataset(name), split, count), load_dataset(dataset_of(network))
    model = representation_model(load_network(network), layers)
    parts = [part_path(folder / f"{layer}.npy") for layer in layers]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not through a memory map: writing into one on a full disk kills the process.
        with ExitStack() as stack:
            files = [stack.enter_context(part.open("wb")) for part in parts]
            for start in range(0, count, BATCH):
                blocks = represent(model, own.scale(images[start : start + BATCH], scaling_of(network)))
                for file, block in zip(files, blocks, strict=True):
                    if start == 0:
                        _write_header(file, (count, block.shape[1]))
                    file.write(np.ascontiguousarray(block, np.float32).data)
        for part, layer in zip(parts, layers, strict=True):
            os.replace(part, folder / f"{layer}.npy")
    except OSError as error:
        raise StorageError(f"representations cannot be written into {folder}: {error.strerror or error}") from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _write_header(file: BinaryIO, shape: tuple[int, int]) -> None:
    """Write the beginning of an ``.npy`` file of float32 numbers in C order."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
