"""Which sublayers of differently initialised Transformers correspond: Figure F.1 and Table F.1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import repsim
from repsim.lab.measurements.common import saturation_is_recorded
from repsim.lab.paths import cache_root
from repsim.lab.progress import progress_bar
from repsim.lab.store import Artefact, key, profile_store
from repsim.lab.transformers import corpus
from repsim.lab.transformers.batching import pad
from repsim.lab.transformers.network import TAPS, tapped
from repsim.lab.transformers.settings import Transformers
from repsim.lab.transformers.text import tokens
from repsim.lab.transformers.training import load_transformer, train_transformer
from repsim.lab.transformers.weights import find_transformer, transformers_of

VERSION = 1
RBF = "cka_rbf"


def networks(profile: str, epoch: int) -> list[Artefact]:
    """Return the networks that have been trained for so many epochs, in the order of their seeds.

    Before the last epoch these are the ones that the profile follows. Training all takes hours on a laptop, so what
    there is is compared, and the seeds are said; where there are fewer than two, the first two are trained. Untrained
    ones are made.
    """
    settings, store = transformers_of(profile), profile_store(profile)
    seeds = settings.seeds if epoch == settings.recipe.epochs else settings.seeds[: settings.followed]
    trained = [artefact for seed in seeds if (artefact := find_transformer(store, settings, seed, epoch))]
    missing = seeds if epoch == 0 else seeds[:2] if len(trained) < 2 else ()
    return [train_transformer(store, settings, seed, epoch=epoch) for seed in missing] or trained


def sentences(settings: Transformers) -> list[np.ndarray]:
    """Return the source tokens of the compared splits, sentence by sentence, without their ends."""
    return [one[:-1] for split in settings.splits for one in tokens(settings, split).source]


def represented(model: Any, settings: Transformers, tap: str, rows: int = 64) -> list[np.ndarray]:
    """Return one tap of each sublayer of the encoder, a list of (tokens, width) float32.

    Examples are the tokens of :func:`sentences`, in their order. The end of a sentence is read by the network, but
    is no example; nor is padding.
    """
    encoder, whole = tapped(model, (tap,)), [one for split in settings.splits for one in tokens(settings, split).source]
    starts = np.cumsum([0, *(len(one) - 1 for one in whole)])
    arrays = [np.empty((starts[-1], settings.network.width), np.float32) for _ in encoder.outputs]
    order = np.argsort([len(one) for one in whole], kind="stable")
    for first in range(0, len(order), rows):
        here = order[first : first + rows]
        length = -(-max(len(whole[i]) for i in here) // 8) * 8  # in steps, so that few shapes occur
        found = encoder(pad([whole[i] for i in here], length, rows), training=False)
        for array, values in zip(arrays, found.values(), strict=True):
            for sentence, row in zip(here, np.asarray(values), strict=False):
                array[starts[sentence] : starts[sentence + 1]] = row[: len(whole[sentence]) - 1]
    return arrays


def similarities(arrays: Sequence[np.ndarray], settings: Transformers, name: str) -> tuple[dict[str, np.ndarray], int]:
    """Return each index of the profile between all arrays, and the number of examples of RBF CKA."""
    examples = len(arrays[0])
    some = min(settings.rbf_tokens or examples, examples)
    chosen = np.sort(np.random.default_rng(0).permutation(examples)[:some])
    found: dict[str, np.ndarray] = {}
    for part, of in (("", [one for one in settings.indexes if not one.startswith(RBF)]), (RBF, settings.indexes)):
        wanted = [one for one in of if one.startswith(part)]
        if not wanted:
            continue
        shown = [array[chosen] for array in arrays] if part else list(arrays)
        with progress_bar(f"{name} {part}".strip()) as report, saturation_is_recorded():
            resume = cache_root() / "pairwise" / f"{name}-{part or 'all'}"
            found |= repsim.pairwise(shown, index=wanted, resume=resume, progress=report)
    return found, some


def compare_transformers(profile: str, epoch: int) -> Artefact:
    """Return the similarities of all sublayers of all networks after so many epochs, at each tap.

    Returns
    -------
    Artefact
        A float64 array (m, m, L, L) per tap and index, called as in ``scale/cka_linear``: [a, b, i, j] is the index
        of sublayer i of network a with sublayer j of network b.
    """
    settings, trained = transformers_of(profile), networks(profile, epoch)
    inputs = {
        "version": VERSION,
        "networks": [one.sha256 for one in trained],
        "texts": [corpus.fingerprint(settings.corpus, split) for split in settings.splits],
        "indexes": list(settings.indexes),
        "rbf_tokens": settings.rbf_tokens,
    }

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        found: dict[str, np.ndarray] = {}
        some = 0
        models = [load_transformer(one) for one in trained]
        for tap in TAPS:
            arrays = [array for model in models for array in represented(model, settings, tap)]
            shape = (len(trained), -1, len(trained), len(arrays) // len(trained))
            tables, some = similarities(arrays, settings, f"transformers-{tap}-{key(inputs)[:12]}")
            found |= {f"{tap}/{index}": table.reshape(shape).transpose(0, 2, 1, 3) for index, table in tables.items()}
        return found, {
            "profile": profile,
            "corpus": settings.corpus,
            "epoch": epoch,
            "seeds": [one.record["inputs"]["seed"] for one in trained],
            "network_files": [one.path.name for one in trained],
            "examples": len(arrays[0]),
            "rbf_examples": some,
            "splits": list(settings.splits),
        }

    return profile_store(profile).get("transformers", f"epoch{epoch}", inputs, make)
