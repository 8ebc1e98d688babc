"""The artefacts that hold trained networks and Transformers: what they depend on, and which there are.

Needs no backend.
"""

from __future__ import annotations

from typing import Any

from repsim.lab.data import dataset_fingerprint
from repsim.lab.profiles import Networks, load_profile, required
from repsim.lab.store import Artefact, Store, profile_store
from repsim.lab.transformers import corpus
from repsim.lab.transformers.settings import Transformers
from repsim.lab.transformers.text import vocabulary, vocabulary_hash

STEP = "networks"
VERSION = TRANSFORMER_VERSION = 1  # raise one when the same inputs would give other weights


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


def transformer_inputs(settings: Transformers, seed: int, epoch: int) -> dict[str, Any]:
    """Return everything that the weights of one Transformer after so many epochs depend on."""
    of = settings.inputs()
    if not settings.vocabulary:
        of["vocabulary"] = vocabulary_hash(vocabulary(settings.corpus, settings.pieces, ""))
    if epoch == 0:
        del of["recipe"]
    data = corpus.fingerprint(settings.corpus, "train")
    return {"version": TRANSFORMER_VERSION, "corpus": settings.corpus, "data": data, **of, "seed": seed, "epoch": epoch}


def transformer_name(settings: Transformers, seed: int, epoch: int) -> str:
    """Return the readable part of the weights' file name."""
    return f"transformer-{settings.corpus}-seed{seed}-epoch{epoch}"


def find_transformer(store: Store, settings: Transformers, seed: int, epoch: int) -> Artefact | None:
    """Return a Transformer after so many epochs, or None if it has not been trained; its weights may not be here."""
    return store.find(STEP, transformer_name(settings, seed, epoch), transformer_inputs(settings, seed, epoch))


def transformers_of(profile: str) -> Transformers:
    """Return what a profile says of Transformers; ProfileError if it says nothing."""
    return required(load_profile(profile).transformers, profile, "transformers")


def trained_records(profile: str, epoch: int | None = None) -> list[dict[str, Any]]:
    """Return the records, by seed, of the Transformers trained for so many epochs, to the end unless said otherwise."""
    settings, store = transformers_of(profile), profile_store(profile)
    if not list((store.folder / STEP).glob("transformer-*.json")):
        return []  # where there is none their texts need not be there either, which addresses depend on
    last = settings.recipe.epochs if epoch is None else epoch
    trained = (find_transformer(store, settings, seed, last) for seed in settings.seeds)
    return [transformer.record for transformer in trained if transformer]


def trained_seeds(profile: str, epoch: int | None = None) -> list[int]:
    """Return the seeds of the same."""
    return [record["inputs"]["seed"] for record in trained_records(profile, epoch)]


def snapshots(profile: str) -> list[int]:
    """Return after which epochs at least two of the followed are there, 0 always, the last if none else."""
    settings = transformers_of(profile)
    later, followed = sorted({*settings.snapshots} - {0}), {*settings.followed}
    there = [epoch for epoch in later if len({*trained_seeds(profile, epoch)} & followed) > 1]
    return [0, *(there or [settings.recipe.epochs])]
