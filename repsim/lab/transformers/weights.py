"""The artefacts that hold Transformers: what they depend on and which there are. Needs no backend."""

from __future__ import annotations

from typing import Any

from repsim.lab.profiles import load_profile, required
from repsim.lab.store import Artefact, Store, profile_store
from repsim.lab.transformers import corpus
from repsim.lab.transformers.settings import Transformers
from repsim.lab.transformers.vocabulary import vocabulary, vocabulary_hash

STEP = "networks"
VERSION = 1  # raise it when the same inputs would give other weights


def inputs(settings: Transformers, seed: int, epoch: int) -> dict[str, Any]:
    """Return everything that the weights of one network after so many epochs depend on."""
    of = settings.inputs()
    if not settings.vocabulary:
        of["vocabulary"] = vocabulary_hash(vocabulary(settings.corpus, settings.pieces, ""))
    if epoch == 0:
        del of["recipe"]
    data = corpus.fingerprint(settings.corpus, "train")
    return {"version": VERSION, "corpus": settings.corpus, "data": data, **of, "seed": seed, "epoch": epoch}


def artefact_name(settings: Transformers, seed: int, epoch: int) -> str:
    """Return the readable part of the weights' file name."""
    return f"transformer-{settings.corpus}-seed{seed}-epoch{epoch}"


def find_transformer(store: Store, settings: Transformers, seed: int, epoch: int) -> Artefact | None:
    """Return a network after so many epochs, or None if it has not been trained; its weights may not be here."""
    return store.find(STEP, artefact_name(settings, seed, epoch), inputs(settings, seed, epoch))


def transformers_of(profile: str) -> Transformers:
    """Return what a profile says of Transformers; ProfileError if it says nothing."""
    return required(load_profile(profile).transformers, profile, "transformers")


def trained_records(profile: str, epoch: int | None = None) -> list[dict[str, Any]]:
    """Return the records, by seed, of the networks trained for so many epochs, to the end unless said otherwise."""
    settings, store = transformers_of(profile), profile_store(profile)
    if not list((store.folder / STEP).glob("transformer-*.json")):
        return []  # where there is none their texts need not be there either, which addresses depend on
    last = settings.recipe.epochs if epoch is None else epoch
    return [found.record for seed in settings.seeds if (found := find_transformer(store, settings, seed, last))]


def trained_seeds(profile: str, epoch: int | None = None) -> list[int]:
    """Return the seeds of the same networks."""
    return [record["inputs"]["seed"] for record in trained_records(profile, epoch)]


def snapshots(profile: str) -> list[int]:
    """Return after which epochs at least two of the followed are there, 0 always, the last if none else."""
    settings = transformers_of(profile)
    later, followed = sorted({*settings.snapshots} - {0}), {*settings.followed}
    there = [epoch for epoch in later if len({*trained_seeds(profile, epoch)} & followed) > 1]
    return [0, *(there or [settings.recipe.epochs])]
