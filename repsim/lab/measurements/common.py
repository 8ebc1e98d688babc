"""What every measurement has in common: its networks, its address, its record, and how it goes on after a kill.

A measurement is declared by what it is made from and by a function that makes it; :func:`measured` does the rest.
"""

from __future__ import annotations

import math
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import repsim
from repsim import Blocks
from repsim.lab.families import compared_layers
from repsim.lab.profiles import Comparison, Networks, load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.repository import cache_root
from repsim.lab.representations import VERSION as REPRESENTATIONS_VERSION
from repsim.lab.representations import layer_features, representations, sources
from repsim.lab.store import SECONDS_BEFORE, Arrays, Artefact, Store, key, profile_store, read_arrays, write_arrays
from repsim.lab.weights import find_network

Made = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]  # arrays, and what their record says
Make = Callable[["Scratch"], Arrays]
VERSION = 2
GROUP = "tiny10"  # whose networks are measured where no group is named
_NOTED = 10  # seconds, after which what a measurement has taken so far is written down again


def networks(profile: str, name: str = GROUP, most: int = 0) -> list[Artefact]:
    """Return the networks of one group of a profile in the order of their seeds, training those that are missing.

    `most` is how many at most, the first seeds; 0: all.
    """
    store, group = profile_store(profile), load_profile(profile).group(name)
    return [find_network(store, group, seed) or _train(store, group, seed) for seed in group.seeds[: most or None]]


def _train(store: Store, group: Networks, seed: int) -> Artefact:
    from repsim.lab.backend import configure  # only now is a backend needed

    configure(1)  # as `repsim-lab train` does
    from repsim.lab.training import train_network

    return train_network(store, group, seed)


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
        every = layer_features(self.networks[0])
        return [every[layer] for layer in self.layers]

    def made_from(self, **more: Any) -> dict[str, Any]:
        """Return what decides the address of a measurement of them."""
        return made_from(self.networks, **more)

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


def members(profile_name: str, patterns: Sequence[str] = (GROUP,), most: int = 0) -> list[Members]:
    """Return the networks of the groups that match some patterns, at most the `most` first (0: all), or train them."""
    groups = load_profile(profile_name).groups(patterns)
    return [Members(group, tuple(networks(profile_name, group.name, most))) for group in groups]


@dataclass(frozen=True)
class Sides:
    """The networks that are compared, with each other where there are no `columns`, and on which images.

    Without a `dataset` those that each network was trained on.
    """

    rows: Sequence[Members]
    columns: Sequence[Members]
    split: str
    dataset: str = ""

    def made_from(self, **more: Any) -> dict[str, Any]:
        """Return what decides the address of a measurement of them."""
        first, second = (
            [network for members in side for network in members.networks] for side in (self.rows, self.columns)
        )
        columns = [network.sha256 for network in second] or None
        return made_from(first, columns=columns, split=self.split, images=self.dataset or None, **more)

    def facts(self) -> dict[str, Any]:
        """Return what a record says of them."""
        return {
            "rows": [members.facts() for members in self.rows],
            "columns": [members.facts() for members in self.columns or self.rows],
            "split": self.split,
            "dataset": self.dataset or self.rows[0].group.dataset,
        }

    def gather(self, scratch: Scratch, count: int) -> tuple[list[Any], list[Any] | None]:
        """Return :func:`gather` of the rows and, where there are any, of the columns."""
        how = self.split, count, self.dataset, 0.5 if self.columns else 1.0
        first = gather(scratch, self.rows, *how)
        return first, gather(scratch, self.columns, *how) if self.columns else None


def sides(profile_name: str, comparison: Comparison, most: int) -> Sides:
    """Return the networks of a comparison, at most so many of each group; 0: all."""
    rows, columns = (members(profile_name, groups, most) for groups in (comparison.groups, comparison.columns or ()))
    return Sides(rows, columns, comparison.split, comparison.dataset)


def made_from(trained: Sequence[Artefact], **more: Any) -> dict[str, Any]:
    """Return what decides the address of a measurement: the networks, the versions, and whatever else is given."""
    versions = {"version": VERSION, "representations": REPRESENTATIONS_VERSION}
    return {**versions, "networks": [network.sha256 for network in trained], **more}


class Scratch:
    """The folder of one unfinished measurement: representations, finished parts, and the seconds that it has taken.

    What an interrupted run leaves in it is what the next one goes on from.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._clock = folder, folder / "clock.npz"
        self.seconds_before = float(read_arrays(self._clock)["seconds"]) if self._clock.exists() else 0.0
        self._start = self._noted = time.perf_counter()

    def _note(self) -> None:
        self._noted = time.perf_counter()
        write_arrays(self._clock, {"seconds": np.array(self.seconds_before + self._noted - self._start)})

    @property
    def stored(self) -> Path:
        """The folder of the representations, which may go before the measurement is done."""
        return self.folder / "representations"

    def representations(self, network: Artefact, split: str, count: int, layers: tuple[str, ...]) -> Arrays:
        """Return :func:`repsim.lab.representations.representations`, which go with the measurement."""
        return representations(network, split, count, layers, folder=self.stored)

    def finished(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return a part of the measurement, made and kept, or as an interrupted run has kept it."""
        path = self.folder / f"part-{name}.npz"
        if not path.exists():
            write_arrays(path, make())
            self._note()
        return read_arrays(path)

    def each(self, counts: Sequence[int], make: Callable[[int], Arrays]) -> Arrays:
        """Return what is made on each number of examples, which are finished one after the other."""
        arrays: Arrays = {}
        for count in counts:
            arrays |= self.finished(str(count), partial(make, count))
        return arrays

    def pairwise(
        self, title: str, xs: Sequence[Any], ys: Sequence[Any] | None = None, **how: Any
    ) -> dict[str, np.ndarray]:
        """Return :func:`repsim.pairwise` with a bar called `title`, going on where an interrupted run ended."""
        with progress_bar(title) as report, saturation_is_recorded():

            def progress(done: int, total: int) -> None:
                report(done, total)
                if time.perf_counter() - self._noted > _NOTED:
                    self._note()

            resume = self.folder / re.sub(r"[^\w.]+", "-", title)
            return repsim.pairwise(xs, ys, resume=resume, progress=progress, **how)


def measured(
    profile_name: str, step: str, name: str, inputs: Mapping[str, Any], make: Callable[[Scratch], Made]
) -> Artefact:
    """Return a measurement, made if it is missing from the folder `step` of a profile's results.

    Its `inputs`, see :func:`made_from`, decide its address. `make` returns its arrays and what its record says beside
    the usual facts, given a scratch folder that outlives an interruption.
    """
    scratch = cache_root() / "unfinished" / f"{step}-{name}-{key(inputs)[:12]}"

    def in_scratch() -> Made:
        given = Scratch(scratch)
        arrays, facts = make(given)
        return arrays, {"profile": profile_name, **facts, SECONDS_BEFORE: given.seconds_before}

    artefact = profile_store(profile_name).get(step, name, inputs, in_scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    return artefact


def measured_of(
    profile_name: str, step: str, name: str, of: Members | Sides, asked: Mapping[str, Any], make: Make, **more: Any
) -> Artefact:
    """Return :func:`measured` of some networks, of which `make` returns the arrays.

    What is `asked` of them decides the address and stands in the record; what is `more` only decides the address.
    """
    inputs = of.made_from(**asked, **more)
    return measured(profile_name, step, name, inputs, lambda scratch: (make(scratch), {**of.facts(), **asked}))


def one_by_one(scratch: Scratch, group: Members, make: Callable[[Members], Arrays]) -> Arrays:
    """Return what is made of each network of a group, stacked.

    The representations of one go before the next one's come, and an interrupted run goes on with the next network.
    """

    def make_alone(network: Artefact) -> Arrays:
        arrays = make(replace(group, networks=(network,)))
        shutil.rmtree(scratch.stored, ignore_errors=True)
        return arrays

    made = [scratch.finished(network.record["name"], partial(make_alone, network)) for network in group.networks]
    return {name: np.stack([arrays[name] for arrays in made]) for name in made[0]}


def gather(
    scratch: Scratch, gathered: Sequence[Members], split: str, count: int, dataset: str = "", share: float = 1.0
) -> list[Any]:
    """Return every compared layer of every network, (count, features), group by group and network by network.

    As :func:`repsim.lab.representations.sources`, each group with a share of disk and memory as its features are of
    all.
    """
    sizes = [len(members.networks) * sum(members.features) for members in gathered]
    arrays: list[Any] = []
    for members, size in zip(gathered, sizes, strict=True):
        how = dataset or None, share * size / math.fsum(sizes)
        arrays += sources(list(members.networks), split, count, members.layers, *how, folder=scratch.stored)
    return arrays


def beginnings(arrays: Sequence[Any], count: int) -> list[Any]:
    """Return the first `count` examples of arrays and :class:`repsim.Blocks`, without reading them."""
    return [
        Blocks(partial(_rows, array), (count, array.shape[1])) if isinstance(array, Blocks) else array[:count]
        for array in arrays
    ]


def _rows(array: Any, start: int, stop: int) -> Any:
    return array[start:stop]


@contextmanager
def saturation_is_recorded() -> Iterator[None]:
    """Silence warnings of what these measurements exist to show: saturated layers, and values no more than chance."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", repsim.RankSaturationWarning)
        warnings.simplefilter("ignore", repsim.BiasWarning)
        yield
