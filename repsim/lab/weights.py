"""The artefacts that hold trained networks: what they depend on and where they are. Needs no backend."""

from __future__ import annotations

from typing import Any

from repsim.lab.data import dataset_fingerprint
from repsim.lab.profiles import Networks, load_profile
from repsim.lab.store import Artefact, Store, profile_store

STEP = "networks"
VERSION = 1  # raise it when the same inputs would give other weights


def inputs(networks: Networks, seed: int) -> dict[str, Any]:
    """Return everything that the weights of one network depend on."""
    return {
        "version": VERSION,
        "architecture": networks.architecture,
        **({"channels": list(networks.channels)} if networks.channels else {}),
        "dataset": networks.dataset,
        "data": dataset_fingerprint(networks.dataset),
        "recipe": networks.recipe.inputs(),
        "seed": seed,
    }


def artefact_name(networks: Networks, seed: int) -> str:
    """Return the readable part of the weights' file name."""
    untrained = "" if networks.recipe.epochs else "-untrained"
    return f"{networks.architecture}-{networks.dataset}{untrained}-seed{seed}"


def command_again(store: Store, networks: Networks, seed: int) -> str:
    """Return the command that makes weights that are not committed."""
    return f"repsim-lab train {store.folder.name} --group {networks.name} --seed {seed} --again"


def find_network(store: Store, networks: Networks, seed: int) -> Artefact | None:
    """Return a trained network, or None if it has not been trained; its weights may not be here."""
    return store.find(STEP, artefact_name(networks, seed), inputs(networks, seed))


def trained_networks(profile: str) -> list[tuple[Networks, list[Artefact]]]:
    """Return the groups of networks of which any is trained, each with those that are."""
    store = profile_store(profile)
    groups = [group for group in load_profile(profile).networks if group.recipe.epochs]
    by_group = [
        (group, [network for seed in group.seeds if (network := find_network(store, group, seed))]) for group in groups
    ]
    return [(group, trained) for group, trained in by_group if trained]
