"""Which sublayers of differently initialised Transformers correspond: Figure F.1 and Table F.1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpstrf

from repsim.lab.backend import configure
from repsim.lab.errors import ProfileError
from repsim.lab.measurements.common import Made, Scratch, measured
from repsim.lab.measurements.similarities import by_network
from repsim.lab.store import Artefact, profile_store
from repsim.lab.transformers import corpus
from repsim.lab.transformers.network import TAPS, tapped
from repsim.lab.transformers.settings import Transformers
from repsim.lab.transformers.text import pad, tokens
from repsim.lab.transformers.training import load_transformer, train_transformer
from repsim.lab.weights import find_transformer, transformers_of

VERSION = 1
RBF = "cka_rbf"
POWERS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # of the learned scales: 0 leaves Layer Norm, 1 makes Scale
ROWS = 4000  # of all representations side by side in float64


def networks(profile: str, epoch: int, *, followed: bool = False) -> list[Artefact]:
    """Return the networks that have been trained for so many epochs, or those of them that the profile follows.

    They are in the order of their seeds. Training all takes hours on a laptop, so what there is is compared, and the
    seeds are said; where there are fewer than two, the first two are trained. Untrained ones are made.
    """
    settings, store = transformers_of(profile), profile_store(profile)
    seeds = settings.followed if followed else settings.seeds
    trained = [artefact for seed in seeds if (artefact := find_transformer(store, settings, seed, epoch))]
    missing = seeds if epoch == 0 else seeds[:2] if len(trained) < 2 else ()
    for artefact in trained:
        if (scored := artefact.record.get("scored", settings.scored)) != settings.scored:
            raise ProfileError(
                f"{artefact.path.name} was scored on {scored}, and the profile asks for {settings.scored}; train it "
                f"again: repsim-lab transformers {profile} --seed {artefact.record['inputs']['seed']} --again"
            )
    if missing:
        configure(1)  # as `repsim-lab transformers` does
    return [train_transformer(store, settings, seed, epoch=epoch) for seed in missing] or trained


def represented(
    model: Any, settings: Transformers, tap: str, splits: Sequence[str] | None = None, rows: int = 64
) -> list[np.ndarray]:
    """Return one tap of each sublayer of the encoder, a list of (tokens, width) float32.

    Examples are the source tokens of the compared splits, or of some, in their order. The end of a sentence is read
    by the network, but is no example; nor is padding. Layer Norm and Scale are made anew from the former, whose units
    add up to 0: the network's float32 leaves all units of a token the same small rest, which would be a dimension more.
    """
    normalised = tap in ("norm", "scale")
    encoder = tapped(model, ("norm",) if normalised else (tap,))
    whole = [sentence for split in splits or settings.splits for sentence in tokens(settings, split).source]
    starts = np.cumsum([0, *(len(sentence) - 1 for sentence in whole)])
    arrays = [np.empty((starts[-1], settings.network.width), np.float32) for _ in encoder.outputs]
    order = np.argsort([len(sentence) for sentence in whole], kind="stable")
    for first in range(0, len(order), rows):
        here = order[first : first + rows]
        length = -(-max(len(whole[i]) for i in here) // 8) * 8  # in steps, so that few shapes occur
        length = min(length, settings.network.positions)
        outputs = encoder(pad([whole[i] for i in here], length, rows), training=False)
        for array, values in zip(arrays, outputs.values(), strict=True):
            for i, row in zip(here, np.asarray(values), strict=False):
                array[starts[i] : starts[i + 1]] = row[: len(whole[i]) - 1]
    for number, array in enumerate(arrays if normalised else [], 1):
        exact = array - array.mean(axis=1, dtype=np.float64, keepdims=True)
        scale = model.get_layer(f"encoder_{number}_scale")
        array[:] = exact * np.asarray(scale.gamma) + np.asarray(scale.beta) if tap == "scale" else exact
    return arrays


def condensed(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return centred representations on fewer rows, where all features together, k, are less than half the examples.

    Turning the examples leaves all inner products of features as they are, and so every index but those with an RBF
    kernel. The k + 1 rows are the Cholesky factor of those inner products, with a row of zeros, turned once more so
    that the means stay 0.
    """
    n, widths = len(arrays[0]), [array.shape[1] for array in arrays]
    k = sum(widths)
    if 2 * (k + 1) > n:  # what is saved then is less than what it takes
        return list(arrays)
    means, ends = [array.mean(axis=0, dtype=np.float64) for array in arrays], np.cumsum(widths)
    gram: Any = np.zeros((k, k), order="F")
    for start in range(0, n, ROWS):
        rows = np.hstack([array[start : start + ROWS] - mean for array, mean in zip(arrays, means, strict=True)])
        gram = dsyrk(1.0, rows.T, beta=1.0, c=gram, overwrite_c=True)
    factor, order, rank, _ = dpstrf(gram, overwrite_a=True)  # with pivots, as features may depend on one another
    factor[rank:] = 0
    factor = np.triu(factor)[:, np.argsort(order)]
    factor = np.vstack([factor, np.zeros((1, k))])
    mirror = np.full(k + 1, (k + 1) ** -0.5)  # takes the axis of the zeros to the direction of the means
    mirror[-1] -= 1
    factor -= np.outer(2 / (mirror @ mirror) * mirror, mirror @ factor)
    return np.split(factor.astype(np.float32), ends[:-1], axis=1)


def similarities(
    scratch: Scratch, title: str, arrays: Sequence[np.ndarray], indexes: Sequence[str], rbf_tokens: int
) -> tuple[dict[str, np.ndarray], int]:
    """Return indexes between all arrays, and the number of examples of RBF CKA."""
    examples = len(arrays[0])
    rbf_examples = min(rbf_tokens or examples, examples)
    chosen = np.sort(np.random.default_rng(0).permutation(examples)[:rbf_examples])
    tables: dict[str, np.ndarray] = {}
    for rbf in (False, True):
        if wanted := [index for index in indexes if index.startswith(RBF) == rbf]:
            shown = [array[chosen] for array in arrays] if rbf else condensed(arrays)
            tables |= scratch.pairwise(f"{title} {RBF}" if rbf else title, shown, index=wanted)
    return tables, rbf_examples


def compare_transformers(profile: str, epoch: int) -> Artefact:
    """Return the similarities of all sublayers of all networks after so many epochs, at each tap: Table F.1.

    The artefact has a float64 array (m, m, L, L) per tap and index, called as in ``scale/cka_linear``.
    """
    settings = transformers_of(profile)
    asked = settings.splits, settings.indexes, settings.rbf_tokens
    return _compared(profile, epoch, "table", networks(profile, epoch), *asked)


def follow_transformers(profile: str, epoch: int) -> Artefact:
    """Return the same of the networks that the profile follows, of fewer indexes and on the first split only."""
    settings = transformers_of(profile)
    followed = networks(profile, epoch, followed=True)
    asked = settings.splits[:1], settings.followed_indexes, settings.followed_rbf_tokens
    return _compared(profile, epoch, f"epoch{epoch}", followed, *asked)


def _compared(
    profile: str,
    epoch: int,
    name: str,
    trained: Sequence[Artefact],
    splits: Sequence[str],
    indexes: Sequence[str],
    rbf_tokens: int,
) -> Artefact:
    settings = transformers_of(profile)
    inputs = _made_from(settings, trained, splits) | {"indexes": list(indexes), "rbf_tokens": rbf_tokens}

    def make(scratch: Scratch) -> Made:
        by_tap: dict[str, np.ndarray] = {}
        models = [load_transformer(artefact) for artefact in trained]
        for tap in TAPS:
            arrays = [array for model in models for array in represented(model, settings, tap, splits)]
            tables, rbf_examples = similarities(scratch, f"transformers {tap}", arrays, indexes, rbf_tokens)
            depth = len(arrays) // len(trained)
            by_tap |= {f"{tap}/{index}": by_network(table, depth) for index, table in tables.items()}
        return by_tap, {
            "corpus": settings.corpus,
            "epoch": epoch,
            "seeds": [artefact.record["inputs"]["seed"] for artefact in trained],
            "network_files": [artefact.path.name for artefact in trained],
            "examples": len(arrays[0]),
            "rbf_examples": rbf_examples,
            "splits": list(splits),
        }

    return measured(profile, "transformers", name, inputs, make)


def _made_from(settings: Transformers, trained: Sequence[Artefact], splits: Sequence[str]) -> dict[str, Any]:
    texts = [corpus.fingerprint(settings.corpus, split) for split in splits]
    return {"version": VERSION, "networks": [artefact.sha256 for artefact in trained], "texts": texts}


def scale_transformers(profile: str, epoch: int) -> Artefact:
    """Return linear CKA of all sublayers at Layer Norm with each unit times a power of its learned scale.

    The artefact has a float32 array (m, m, L, L) per power, called as in ``0.5``, of the first split only; and
    "spread", (m, L): the standard deviation of a sublayer's scales in units of their mean.
    """
    settings, trained = transformers_of(profile), networks(profile, epoch)
    splits = settings.splits[:1]
    inputs = _made_from(settings, trained, splits) | {"powers": list(POWERS)}

    def make(scratch: Scratch) -> Made:
        models = [load_transformer(artefact) for artefact in trained]
        arrays = [array for model in models for array in represented(model, settings, "norm", splits)]
        depth = len(arrays) // len(models)
        named = [model.get_layer(f"encoder_{number + 1}_scale") for model in models for number in range(depth)]
        scales = np.abs([np.asarray(layer.gamma) for layer in named])  # CKA does not see the sign of a unit
        tables = {
            str(power): scratch.pairwise(
                f"scales to the power of {power}",
                [array * scale**power for array, scale in zip(arrays, scales, strict=True)],
                index=["cka_linear"],
            )["cka_linear"]
            for power in POWERS
        }
        made = {power: by_network(table, depth).astype(np.float32) for power, table in tables.items()}
        made["spread"] = (scales.std(axis=1) / scales.mean(axis=1)).reshape(-1, depth)
        seeds = [artefact.record["inputs"]["seed"] for artefact in trained]
        return made, {"epoch": epoch, "seeds": seeds, "examples": len(arrays[0]), "splits": list(splits)}

    return measured(profile, "transformers", "scales", inputs, make)
