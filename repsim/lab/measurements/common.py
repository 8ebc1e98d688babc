"""What every measurement has in common: its networks, what it is made from, what its record says."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import repsim
from repsim.lab.errors import ProfileError
from repsim.lab.paths import cache_root
from repsim.lab.profiles import Networks, Profile, load_profile
from repsim.lab.representations import VERSION as REPRESENTATIONS_VERSION
from repsim.lab.store import Arrays, Artefact, Store, profile_store, read_arrays, write_arrays
from repsim.lab.weights import find_network

Setting = TypeVar("Setting")
VERSION = 2
GROUP = "tiny10"  # whose networks are measured where no group is named


def networks(profile: str, name: str = GROUP, most: int = 0) -> list[Artefact]:
    """Return the networks of one group of a profile in the order of their seeds, training those that are missing.

    `most` is how many at most, the first seeds; 0: all.
    """
    store, group = profile_store(profile), load_profile(profile).group(name)
    return [find_network(store, group, seed) or _train(store, group, seed) for seed in group.seeds[: most or None]]


def _train(store: Store, group: Networks, seed: int) -> Artefact:
    from repsim.lab.training import train_network  # only now is a backend needed

    return train_network(store, group, seed)


def required(setting: Setting | None, profile_name: str, entry: str) -> Setting:
    """Return what a profile says of a measurement.

    Raises
    ------
    ProfileError
        If it says nothing.
    """
    if setting is None:
        raise ProfileError(f"profile {profile_name} has no entry {entry}")
    return setting


def made_from(trained: list[Artefact], **more: Any) -> dict[str, Any]:
    """Return what decides the address of a measurement: the networks, the versions, and whatever else is given."""
    versions = {"version": VERSION, "representations": REPRESENTATIONS_VERSION}
    return {**versions, "networks": [network.sha256 for network in trained], **more}


def unfinished(name: str) -> Path:
    """Return the folder in which a table of similarities that takes long keeps what is done of it."""
    return cache_root() / "pairwise" / name


def finished(name: str, make: Callable[[], Arrays]) -> Arrays:
    """Return a part of a measurement, made and kept, or as an interrupted run has kept it; see :func:`forget`."""
    path = unfinished(name).with_name(f"{name}.npz")
    if path.exists():
        return read_arrays(path)
    found = make()
    write_arrays(path, found)
    return found


def forget(name: str) -> None:
    """Remove the parts that were kept under names that begin so, now that the measurement has them all."""
    for path in unfinished(name).parent.glob(f"{name}*.npz"):
        path.unlink(missing_ok=True)


def resumed(name: str) -> dict[str, bool]:
    """Return what the record says if an interrupted run has begun tables of these names: its time is not the whole."""
    return {"resumed": True} if any(unfinished(name).parent.glob(f"{name}*")) else {}


def facts_of(profile: Profile, layers: tuple[str, ...], trained: list[Artefact]) -> dict[str, Any]:
    """Return what every record of a measurement of the networks of `GROUP` says."""
    return {
        "profile": profile.name,
        "layers": list(layers),
        "network_files": [network.path.name for network in trained],
        "dataset": profile.group(GROUP).dataset,
    }


@contextmanager
def saturation_is_recorded() -> Iterator[None]:
    """Silence the warning about rank n - 1, which these measurements exist to show and whose layers they mark."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", repsim.RankSaturationWarning)
        yield
