"""The layers of the networks of several groups, as the engine reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from repsim import Blocks
from repsim.lab.layers import compared_layers
from repsim.lab.measurements.common import networks
from repsim.lab.profiles import Networks, load_profile
from repsim.lab.store import Artefact
from repsim.lab.streaming import layer_features, sources


@dataclass(frozen=True)
class Members:
    """Some networks of one group, all of one architecture, and their compared layers."""

    group: Networks
    networks: tuple[Artefact, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The compared layers, in order."""
        return compared_layers(self.group.architecture)

    @property
    def features(self) -> list[int]:
        """The number of features of each layer."""
        found = layer_features(self.networks[0])
        return [found[layer] for layer in self.layers]

    def facts(self) -> dict[str, Any]:
        """Return what a record says of them."""
        return {
            "group": self.group.name,
            "architecture": self.group.architecture,
            "dataset": self.group.dataset,
            "seeds": list(self.group.seeds[: len(self.networks)]),
            "layers": list(self.layers),
            "features": self.features,
            "network_files": [network.path.name for network in self.networks],
        }


def members(profile_name: str, patterns: Sequence[str], most: int = 0) -> list[Members]:
    """Return the networks of the groups that match some patterns, training those that are missing.

    Parameters
    ----------
    profile_name, patterns
        Of which profile, and patterns of the groups' names.
    most
        How many networks of each group at most, the first seeds; 0: all.
    """
    groups = load_profile(profile_name).groups(patterns)
    return [Members(group, tuple(networks(profile_name, group.name, most))) for group in groups]


def files(gathered: Sequence[Members]) -> list[Artefact]:
    """Return all networks, group by group."""
    return [network for some in gathered for network in some.networks]


def gather(gathered: Sequence[Members], split: str, count: int, dataset: str = "", share: float = 1.0) -> list[Any]:
    """Return every compared layer of every network, (count, features), group by group and network by network.

    Parameters
    ----------
    gathered
        The networks.
    split, count, dataset
        Of the images: "train" or "test", how many of the split's fixed random order, and which data set; "": that
        of each network.
    share
        Of the disk and the memory that a measurement may take; each group gets what its features are of all.
    """
    sizes = [len(some.networks) * sum(some.features) for some in gathered]
    found: list[Any] = []
    for some, size in zip(gathered, sizes, strict=True):
        part = share * size / sum(sizes)
        found += sources(list(some.networks), split, count, some.layers, dataset or None, part)
    return found


def beginnings(arrays: Sequence[Any], count: int) -> list[Any]:
    """Return the first `count` examples of arrays and :class:`repsim.Blocks`, without reading them."""
    return [
        Blocks(partial(_rows, array), (count, array.shape[1])) if isinstance(array, Blocks) else array[:count]
        for array in arrays
    ]


def _rows(array: Any, start: int, stop: int) -> Any:
    return array[start:stop]
