"""Activations of trained networks on named examples: in memory-mapped float32 files, or computed when they are read.

Ten networks' on 20,000 images are more than a laptop's disk has to spare. So the wide early layers, which cost least to
compute, are computed again whenever the engine asks for a block of them.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np

from repsim import Blocks
from repsim.lab.data import classes_of, load_dataset
from repsim.lab.errors import StorageError
from repsim.lab.families import describe, represented_layers
from repsim.lab.paths import cache_root
from repsim.lab.store import Artefact, part_path

VERSION = 1
BATCH = 500
STORED_BYTES = 30 << 30  # of all networks of a measurement together; what is left over is computed
_KEPT_BYTES = 1 << 30  # of the latest batches: both blocks of a tile, of all computed layers of one network
_WRITING = Lock()  # what is half-written bears the number of its process, not of its thread


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
    images, activations = load_dataset(name).first(split, count).images, _activations(network, layers)
    passing_paths = [part_path(folder / f"{layer}.npy") for layer in layers]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not through a memory map: writing into one on a full disk kills the process.
        with ExitStack() as stack:
            files = [stack.enter_context(passing_path.open("wb")) for passing_path in passing_paths]
            for start in range(0, count, BATCH):
                for file, block in zip(files, activations(images[start : start + BATCH]), strict=True):
                    if start == 0:
                        _write_header(file, (count, block.shape[1]))
                    file.write(np.ascontiguousarray(block, np.float32).data)
        for passing_path, layer in zip(passing_paths, layers, strict=True):
            os.replace(passing_path, folder / f"{layer}.npy")
    except OSError as error:
        raise StorageError(f"representations cannot be written into {folder}: {error.strerror or error}") from error
    finally:
        for passing_path in passing_paths:
            passing_path.unlink(missing_ok=True)


def _activations(network: Artefact, layers: Sequence[str]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Return the function from images to what each of some layers makes of them."""
    from repsim.lab.networks import represent, representation_model  # only now is a backend needed
    from repsim.lab.training import load_network

    model = representation_model(load_network(network), layers)
    dataset, scaling = load_dataset(dataset_of(network)), scaling_of(network)
    return lambda images: represent(model, dataset.scale(images, scaling))


def _write_header(file: BinaryIO, shape: tuple[int, int]) -> None:
    """Write the beginning of an ``.npy`` file of float32 numbers in C order."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def sources(
    trained: list[Artefact],
    split: str,
    count: int,
    layers: tuple[str, ...],
    dataset: str | None = None,
    share: float = 1.0,
    *,
    folder: Path | None = None,
) -> list[Any]:
    """Return every layer of every network, for the engine: the narrowest stored, the others computed when read.

    Parameters
    ----------
    trained
        The networks, all of one architecture.
    split, count
        "train" or "test", and how many examples of its fixed random order.
    layers
        The layers of each network, in order.
    dataset
        The data set of the images; None: that of each network.
    share
        Of the disk and the memory that a measurement may take, for one that reads networks of several architectures.
    folder
        As of :func:`representations`.

    Returns
    -------
    list
        Of memory-mapped arrays and :class:`repsim.Blocks`, (count, features), network by network.
    """
    stored = stored_layers(trained[0], count * len(trained), layers, share)
    computed = tuple(layer for layer in layers if layer not in stored)
    latest = LatestBatches(int(share * _KEPT_BYTES))
    arrays: list[Any] = []
    for network in trained:
        kept = representations(network, split, count, stored, dataset, folder=folder) if stored else {}
        stream = Stream(network, dataset or dataset_of(network), split, count, computed, latest)
        arrays += [kept[layer] if layer in kept else stream.blocks(layer) for layer in layers]
    return arrays


def stored_layers(network: Artefact, rows: int, layers: tuple[str, ...], share: float = 1.0) -> tuple[str, ...]:
    """Return the layers, narrowest first until the disk's share is used up, in the order of `layers`."""
    features = layer_features(network)
    left, stored = share * STORED_BYTES, set()
    for layer in sorted(layers, key=lambda layer: features[layer]):
        left -= 4 * features[layer] * rows
        if left < 0:
            break
        stored.add(layer)
    return tuple(layer for layer in layers if layer in stored)


def layer_features(network: Artefact) -> dict[str, int]:
    """Return the number of features of each represented layer of a network."""
    recorded = network.record["inputs"]
    described = describe(recorded["architecture"], tuple(recorded.get("channels", ())))
    return described.features(classes_of(recorded["dataset"]))


class LatestBatches:
    """The activations of the batches computed last, up to a number of bytes."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._batches: OrderedDict[tuple[str, int], dict[str, np.ndarray]] = OrderedDict()

    def get(self, key: tuple[str, int], compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return a batch, computed if it is no longer there, and let go of the oldest ones beyond the limit."""
        if key not in self._batches:
            self._batches[key] = compute()
            self._size += _bytes(self._batches[key])
        self._batches.move_to_end(key)
        while self._size > self._most and len(self._batches) > 1:
            self._size -= _bytes(self._batches.popitem(last=False)[1])
        return self._batches[key]


def _bytes(batch: dict[str, np.ndarray]) -> int:
    return sum(array.nbytes for array in batch.values())


@dataclass
class Stream:
    """Some layers of one network, computed in batches that begin at the same images whatever is asked for."""

    network: Artefact
    dataset: str
    split: str
    count: int
    layers: tuple[str, ...]
    latest: LatestBatches

    def blocks(self, layer: str) -> Blocks:
        """Return one layer as the engine reads it."""
        return Blocks(partial(self._read, layer), (self.count, layer_features(self.network)[layer]))

    @cached_property
    def _activations(self) -> Callable[[np.ndarray], list[np.ndarray]]:
        return _activations(self.network, self.layers)

    @cached_property
    def _images(self) -> np.ndarray:
        return load_dataset(self.dataset).first(self.split, self.count).images

    def _read(self, layer: str, start: int, stop: int) -> np.ndarray:
        slices = []
        for first in range(start // BATCH * BATCH, stop, BATCH):
            batch = self.latest.get((self.network.sha256, first), partial(self._batch, first))
            slices.append(batch[layer][max(0, start - first) : stop - first])
        return np.concatenate(slices)

    def _batch(self, first: int) -> dict[str, np.ndarray]:
        return dict(zip(self.layers, self._activations(self._images[first : first + BATCH]), strict=True))
