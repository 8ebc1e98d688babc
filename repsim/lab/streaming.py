"""Representations that are not all stored: ten networks' on 20,000 images are more than a laptop's disk has to spare.

The wide early layers, which cost least to compute, are computed again whenever the engine asks for a block of them.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from repsim import Blocks
from repsim.lab.data import classes_of, load_dataset
from repsim.lab.families import describe
from repsim.lab.representations import BATCH, dataset_of, representations, scaling_of, selected_images
from repsim.lab.store import Artefact

STORED_BYTES = 30 << 30  # of all networks of a measurement together; what is left over is computed
_KEPT_BYTES = 1 << 30  # of the latest batches: both blocks of a tile, of all computed layers of one network


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
        As of :func:`repsim.lab.representations.representations`.

    Returns
    -------
    list
        Of memory-mapped arrays and :class:`repsim.Blocks`, (count, features), network by network.
    """
    stored = stored_layers(trained[0], count * len(trained), layers, share)
    computed = tuple(layer for layer in layers if layer not in stored)
    latest = LatestBatches(int(share * _KEPT_BYTES))
    found: list[Any] = []
    for network in trained:
        kept = representations(network, split, count, stored, dataset, folder=folder) if stored else {}
        stream = Stream(network, dataset or dataset_of(network), split, count, computed, latest)
        found += [kept[layer] if layer in kept else stream.blocks(layer) for layer in layers]
    return found


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

    def find(self, key: tuple[str, int]) -> dict[str, np.ndarray] | None:
        """Return a batch if it is still there."""
        if key in self._batches:
            self._batches.move_to_end(key)
        return self._batches.get(key)

    def add(self, key: tuple[str, int], batch: dict[str, np.ndarray]) -> None:
        """Keep a batch, and let go of the oldest ones beyond the limit."""
        self._batches[key] = batch
        self._size += _bytes(batch)
        while self._size > self._most and len(self._batches) > 1:
            self._size -= _bytes(self._batches.popitem(last=False)[1])


def _bytes(batch: dict[str, np.ndarray]) -> int:
    return sum(array.nbytes for array in batch.values())


class Stream:
    """Some layers of one network, computed in batches that begin at the same images whatever is asked for."""

    def __init__(
        self,
        network: Artefact,
        dataset: str,
        split: str,
        count: int,
        layers: tuple[str, ...],
        latest: LatestBatches,
    ) -> None:
        self._network, self._layers, self._latest = network, layers, latest
        self._dataset, self._split, self._count = dataset, split, count

    def blocks(self, layer: str) -> Blocks:
        """Return one layer as the engine reads it."""
        return Blocks(partial(self._read, layer), (self._count, layer_features(self._network)[layer]))

    @cached_property
    def _model(self) -> Any:
        from repsim.lab.networks import representation_model  # only now is a backend needed
        from repsim.lab.training import load_network

        return representation_model(load_network(self._network), self._layers)

    @cached_property
    def _images(self) -> np.ndarray:
        return selected_images(load_dataset(self._dataset), self._split, self._count)

    def _read(self, layer: str, start: int, stop: int) -> np.ndarray:
        parts = []
        for number in range(start // BATCH, (stop - 1) // BATCH + 1):
            first = number * BATCH
            parts.append(self._batch(number)[layer][max(0, start - first) : stop - first])
        return np.concatenate(parts)

    def _batch(self, number: int) -> dict[str, np.ndarray]:
        key = self._network.sha256, number
        if (found := self._latest.find(key)) is None:
            from repsim.lab.networks import represent  # only now is a backend needed

            images = self._images[number * BATCH : (number + 1) * BATCH]
            normalised = load_dataset(dataset_of(self._network)).scale(images, scaling_of(self._network))
            found = dict(zip(self._layers, represent(self._model, normalised), strict=True))
            self._latest.add(key, found)
        return found
