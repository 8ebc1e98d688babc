"""Activations of a trained network on named examples, streamed to memory-mapped float32 files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock

from repsim.lab.data import Dataset, load_dataset
from repsim.lab.errors import StorageError
from repsim.lab.layers import represented_layers
from repsim.lab.leftovers import clear, part_path
from repsim.lab.passing import keep, passing_folder
from repsim.lab.paths import cache_root
from repsim.lab.store import Artefact, write_json

VERSION = 1
BATCH = 500


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
    network: Artefact, split: str, count: int, layers: tuple[str, ...] | None = None, dataset: str | None = None
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

    Returns
    -------
    dict
        Read-only memory-mapped float32 arrays (count, features), flattened over space; computed and written to the
        cache unless they are there, at no more than :data:`BATCH` examples in memory. They stay there, but within
        :func:`passing`.

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
    folder = _folder(network, split, count, images)
    keep(folder)
    if _missing(folder, wanted):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):  # of several processes that ask at once, one writes and the others wait
            clear(folder)
            if missing := _missing(folder, wanted):
                _write(network, images, split, count, missing, folder)
    return {layer: np.load(folder / f"{layer}.npy", mmap_mode="r", allow_pickle=False) for layer in wanted}


def _folder(network: Artefact, split: str, count: int, dataset: str) -> Path:
    elsewhere = "" if dataset == dataset_of(network) else f"-{dataset}"
    return cache_root() / "representations" / f"v{VERSION}-{network.sha256[:16]}-{split}-{count}{elsewhere}"


@contextmanager
def passing(networks: Iterable[Artefact], split: str, count: int, dataset: str | None = None) -> Iterator[None]:
    """Remove the representations that the block stored once nobody needs them; those there before are kept.

    One deep network's on all test images take more disk than all networks' results, and a few minutes to compute.
    Of several processes that use them the last removes them. What a block stored that does not come to its end is
    kept for the next run.
    """
    with ExitStack() as stack:
        for network in networks:
            stack.enter_context(passing_folder(_folder(network, split, count, dataset or dataset_of(network))))
        yield


def _missing(folder: Path, layers: tuple[str, ...]) -> list[str]:
    return [layer for layer in layers if not (folder / f"{layer}.npy").exists()]


def _write(network: Artefact, name: str, split: str, count: int, layers: list[str], folder: Path) -> None:
    from repsim.lab.networks import represent, representation_model  # only now is a backend needed
    from repsim.lab.training import load_network

    images, own = selected_images(load_dataset(name), split, count), load_dataset(dataset_of(network))
    model = representation_model(load_network(network), layers)
    parts = [part_path(folder / f"{layer}.npy") for layer in layers]
    try:
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
        write_json(
            folder / "about.json",
            {
                "network": network.path.name,
                "sha256": network.sha256,
                "dataset": name,
                "split": split,
                "examples": count,
            },
        )
    except OSError as error:
        raise StorageError(f"representations cannot be written into {folder}: {error.strerror or error}") from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _write_header(file: BinaryIO, shape: tuple[int, int]) -> None:
    """Write the beginning of an ``.npy`` file of float32 numbers in C order."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
