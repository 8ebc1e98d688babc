"""Activations of trained networks on named examples: in memory-mapped float32 files, or computed when they are read.

Ten networks' on 20,000 images are more than a laptop's disk has to spare. So the wide early layers, which cost least to
compute, are computed again whenever the engine asks for a block of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from repsim import Blocks
from repsim.lab.data import classes_of, load_dataset
from repsim.lab.errors import DamagedArtefactError, StorageError
from repsim.lab.families import describe, represented_layers
from repsim.lab.repository import cache_root
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
    """Return a network's representations of the first `count` examples of a split's fixed random order, by layer.

    They are read-only memory-mapped float32 files (count, features), flattened over space, in `folder`, or in the
    cache, where they stay. What is missing is computed, at no more than :data:`BATCH` examples in memory. Images of
    another `dataset` than the network's are normalised as its training images were: that is part of a network.
    DataError if there is no such data set, or it has fewer examples; StorageError if a disk is full.
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
    try:
        return {layer: np.load(own / f"{layer}.npy", mmap_mode="r", allow_pickle=False) for layer in wanted}
    except (ValueError, EOFError) as error:
        raise DamagedArtefactError(f"{own} holds a damaged file ({error}); delete the folder to have it made") from None


def _write(network: Artefact, name: str, split: str, count: int, layers: list[str], folder: Path) -> None:
    images, activations = load_dataset(name).first(split, count).images, _activations(network, layers)
    passing_paths = [part_path(folder / f"{layer}.npy") for layer in layers]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not through a memory map: writing into one on a full disk kills the process.
        with ExitStack() as stack:
            files = [stack.enter_context(passing_path.open("wb")) for passing_path in passing_paths]
            descr = np.lib.format.dtype_to_descr(np.dtype(np.float32))
            for start in range(0, count, BATCH):
                for file, block in zip(files, activations(images[start : start + BATCH]), strict=True):
                    if start == 0:
                        header = {"descr": descr, "fortran_order": False, "shape": (count, block.shape[1])}
                        np.lib.format.write_array_header_1_0(file, header)
                    file.write(np.ascontiguousarray(block, np.float32).data)
            for file in files:
                file.flush()
                os.fsync(file.fileno())
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
    """Return every layer of every network of one architecture, network by network, for the engine to read.

    The narrowest are stored as by :func:`representations`, the others :class:`repsim.Blocks`, computed when read in
    batches that begin at the same images whatever is asked for. `share` is that of the disk and the memory of one
    measurement, for one that reads networks of several architectures.
    """
    features = layer_features(trained[0])
    stored = stored_layers(trained[0], count * len(trained), layers, share)
    computed = tuple(layer for layer in layers if layer not in stored)
    batch_bytes = 4 * BATCH * sum(features[layer] for layer in computed)

    @cache
    def images() -> np.ndarray:
        return load_dataset(dataset or dataset_of(trained[0])).first(split, count).images

    @cache
    def activations(number: int) -> Callable[[np.ndarray], list[np.ndarray]]:
        return _activations(trained[number], computed)

    @lru_cache(max(1, int(share * _KEPT_BYTES) // batch_bytes) if computed else 0)
    def batch(number: int, first: int) -> dict[str, np.ndarray]:
        return dict(zip(computed, activations(number)(images()[first : first + BATCH]), strict=True))

    def read(number: int, layer: str, start: int, stop: int) -> np.ndarray:
        firsts = range(start // BATCH * BATCH, stop, BATCH)
        return np.concatenate([batch(number, first)[layer][max(0, start - first) : stop - first] for first in firsts])

    arrays: list[Any] = []
    for number, network in enumerate(trained):
        kept = representations(network, split, count, stored, dataset, folder=folder) if stored else {}
        blocks = {layer: Blocks(partial(read, number, layer), (count, features[layer])) for layer in computed}
        arrays += [(kept | blocks)[layer] for layer in layers]
    return arrays


def stored_layers(network: Artefact, rows: int, layers: tuple[str, ...], share: float = 1.0) -> tuple[str, ...]:
    """Return the layers, narrowest first until the disk's share is used up, in the order of `layers`."""
    features = layer_features(network)
    narrowest = sorted(layers, key=features.__getitem__)
    sizes = np.cumsum([4 * features[layer] * rows for layer in narrowest])
    stored = narrowest[: np.searchsorted(sizes, share * STORED_BYTES, side="right")]
    return tuple(layer for layer in layers if layer in stored)


def layer_features(network: Artefact) -> dict[str, int]:
    """Return the number of features of each represented layer of a network."""
    recorded = network.record["inputs"]
    described = describe(recorded["architecture"], tuple(recorded.get("channels", ())))
    return described.features(classes_of(recorded["dataset"]))
