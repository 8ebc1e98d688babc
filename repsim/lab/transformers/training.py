"""Training one Transformer: a checkpoint per epoch, bitwise resume with dropout, snapshots on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from repsim.lab.errors import TrainingError
from repsim.lab.repository import cache_root
from repsim.lab.store import MADE_AGAIN_BY, Arrays, Artefact, Store, clear, key
from repsim.lab.training import get_weights, run_epochs, set_weights
from repsim.lab.transformers import corpus
from repsim.lab.transformers.network import PADDING, build
from repsim.lab.transformers.settings import Network, Recipe, Transformers
from repsim.lab.transformers.text import END, batches, pad, processor, shifted, tokens, too_long
from repsim.lab.weights import STEP, transformer_inputs, transformer_name

KEPT = np.float16  # the weights as they are kept, and so as they are scored and compared: half the bytes


def train_transformer(
    store: Store,
    settings: Transformers,
    seed: int,
    *,
    epoch: int | None = None,
    again: bool = False,
) -> Artefact:
    """Return a network's weights after `epoch` epochs, the last unless said otherwise; resumed as `train_network` does.

    Snapshots before it are kept if the profile follows the network. TrainingError if the profile has no such seed or
    not so many epochs, or no pair of sentences fits the recipe's buckets.
    """
    last = settings.recipe.epochs if epoch is None else epoch
    if seed not in settings.seeds or not 0 <= last <= settings.recipe.epochs:
        raise TrainingError(
            f"seed {seed} after {last} epochs: expected one of the seeds {list(settings.seeds)}, and at most "
            f"{settings.recipe.epochs} epochs"
        )
    run = {**transformer_inputs(settings, seed, settings.recipe.epochs), "epoch": "any"}
    checkpoint = cache_root() / "checkpoints" / f"transformer-{settings.corpus}-seed{seed}-{key(run)[:12]}.npz"
    followed = settings.snapshots if seed in settings.followed else ()
    for snapshot in (*(snapshot for snapshot in followed if 0 < snapshot < last), last):
        where = transformer_inputs(settings, seed, snapshot)

        def make(snapshot: int = snapshot) -> tuple[Arrays, dict[str, Any]]:
            clear(checkpoint.parent, checkpoint.name)
            model = initialised(settings, seed)
            facts = _train(model, settings, seed, snapshot, checkpoint) if snapshot else {}
            weights = {path: array.astype(KEPT) for path, array in get_weights(model).items()}
            set_weights(model, weights)
            if snapshot:
                scored = {"scored": settings.scored, "held_out": settings.splits[0]}
                facts |= {"bleu": round(bleu(model, settings), 2), **scored}
            facts |= {"parameters": int(model.count_params()), "backend": keras.backend.backend()}
            command = f"repsim-lab transformers {store.folder.name} --seed {seed} --epoch {snapshot} --again"
            committed = settings.committed and snapshot == settings.recipe.epochs
            return weights, facts | ({} if committed else {MADE_AGAIN_BY: command})

        artefact = store.get(STEP, transformer_name(settings, seed, snapshot), where, make, again=again)
    if last == settings.recipe.epochs:
        checkpoint.unlink(missing_ok=True)
    return artefact


def initialised(settings: Transformers, seed: int) -> keras.Model:
    """Return a new network, initialised from `seed`."""
    keras.utils.set_random_seed(seed)
    return build(settings.network, settings.pieces)


def load_transformer(artefact: Artefact) -> keras.Model:
    """Return the network of an artefact with its weights."""
    arrays = artefact.arrays()
    pieces = len(arrays["tokens/embeddings"])
    model = build(Network(**artefact.record["inputs"]["network"]), pieces)
    set_weights(model, arrays)
    return model


class Rate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of tensor2tensor's recipe, with a linear fall to 0 over the last `fall` of `steps`."""

    def __init__(self, recipe: Recipe, width: int, steps: int) -> None:
        self.peak = recipe.rate * width**-0.5
        self.warmup, self.steps, self.fall = recipe.warmup, steps, max(recipe.fall * steps, 1e-9)

    def __call__(self, step: Any) -> Any:
        """Return the rate of a step, counted from 0."""
        step = ops.cast(step, "float32") + 1
        risen = ops.minimum(step * self.warmup**-1.5, ops.rsqrt(step))
        return self.peak * risen * ops.clip((self.steps - step + 1) / self.fall, 0.0, 1.0)


def cross_entropy(smoothing: float) -> Any:
    """Return the loss of targets (n, t), 0 where there is none, and logits (n, t, v): nats per token, smoothed.

    A target's own probability is 1 - `smoothing`, and the rest is shared by the other tokens.
    """

    def loss(target: Any, logits: Any) -> Any:
        target = ops.cast(target, "int32")
        low = smoothing / (logits.shape[-1] - 1)
        own = ops.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
        each = ops.logsumexp(logits, axis=-1) - (1 - smoothing - low) * own
        if smoothing:
            each = each - low * ops.sum(logits, axis=-1)
        there = ops.cast(ops.not_equal(target, PADDING), logits.dtype)
        return ops.sum(each * there) / ops.sum(there)

    return loss


def compiled(model: keras.Model, settings: Transformers, steps: int) -> keras.Model:
    """Compile a network with the recipe's optimiser for so many steps in all."""
    recipe = settings.recipe
    model.compile(
        keras.optimizers.Adam(Rate(recipe, settings.network.width, steps), beta_1=0.9, beta_2=0.997, epsilon=1e-9),
        cross_entropy(recipe.smoothing),
        jit_compile="auto" if keras.backend.backend() != "tensorflow" else False,
    )
    model.optimizer.build(model.trainable_variables)
    return model


def held_out_loss(model: keras.Model, settings: Transformers) -> float:
    """Return the mean cross-entropy, in nats per target token and not smoothed, of the first compared split."""
    held = tokens(settings, settings.splits[0])
    count, total, loss = 0, 0.0, cross_entropy(0.0)
    longest = settings.network.positions
    for source, target in batches(
        held.source, held.target, 4096, (*settings.recipe.buckets, longest), np.random.default_rng(0)
    ):
        here = int((target != PADDING).sum())
        total += here * float(loss(target, model([source, shifted(target)], training=False)))
        count += here
    return total / count


def translate(model: keras.Model, settings: Transformers, sentences: list[np.ndarray], rows: int = 100) -> list[str]:
    """Return the translations of source tokens, the likeliest token at each place.

    A translation has at most 50 tokens more than the longest source beside it, and no more than there are positions.
    """
    memory = model.get_layer("encoder_final_scale").output
    encoder = keras.Model(model.inputs[0], memory)
    decoder = keras.Model([memory, *model.inputs], model.output)
    order, texts = np.argsort([len(sentence) for sentence in sentences], kind="stable"), [""] * len(sentences)
    for start in range(0, len(order), rows):
        here = order[start : start + rows]
        longest = max(len(sentences[i]) for i in here)
        source = ops.convert_to_tensor(pad([sentences[i] for i in here], longest))
        states, limit = encoder(source, training=False), min(longest + 50, settings.network.positions)
        written = np.zeros((len(here), limit + 1), np.int32)  # after a first place of padding
        for place in range(limit):
            known = min(-(place + 1) // 8 * -8, limit)  # in steps, so that few shapes occur
            logits = decoder([states, source, ops.convert_to_tensor(written[:, :known])], training=False)
            best = np.asarray(ops.argmax(logits[:, place], axis=-1))
            ended = (written == END).any(axis=1)
            written[:, place + 1] = np.where(ended, PADDING, best)
            if (written == END).any(axis=1).all():
                break
        for i, row in zip(here, written, strict=True):
            texts[i] = processor(settings).decode([int(token) for token in row if token not in (PADDING, END)])
    return texts


def bleu(model: keras.Model, settings: Transformers) -> float:
    """Return sacrebleu's BLEU of the translations of the profile's scored split."""
    import sacrebleu

    references = corpus.load_split(settings.corpus, settings.scored).target
    made = translate(model, settings, tokens(settings, settings.scored).source)
    return float(sacrebleu.corpus_bleu(made, [list(references)]).score)


def _train(model: keras.Model, settings: Transformers, seed: int, until: int, checkpoint: Path) -> dict[str, Any]:
    """Train a network up to an epoch, from its checkpoint if there is one; return what the record says."""
    for split in (*settings.splits, settings.scored):  # what is wrong with a text is said before training
        tokens(settings, split)
    recipe, training = settings.recipe, tokens(settings, "train")
    among = (training.source, training.target, recipe.tokens, recipe.buckets)
    steps = sum(1 for _ in batches(*among, np.random.default_rng(0)))
    left_out = too_long(training.source, training.target, recipe.buckets)
    if not steps:
        raise TrainingError(f"all {left_out:,} pairs of sentences are longer than the buckets {recipe.buckets}")
    compiled(model, settings, recipe.epochs * steps)
    # The states of dropout's random numbers are among the model's variables.
    state = {f"variable/{i}": v for i, v in enumerate([*model.variables, *model.optimizer.variables])}

    def train_epoch(epoch: int, report: Callable[[float], None]) -> list[float]:
        losses: list[float] = []
        for source, target in batches(*among, np.random.default_rng([seed, epoch])):
            model.reset_metrics()
            losses.append(float(model.train_on_batch([source, shifted(target)], target)))
            report(len(losses) / steps)
        return [float(np.mean(losses)), held_out_loss(model, settings)]

    name = transformer_name(settings, seed, until)
    history, facts = run_epochs(name, checkpoint, state, until, 2, train_epoch)
    loss, held_out = history.round(5).T.tolist()
    curves = {"loss": loss, "held_out_loss": held_out}
    return {"history": curves, "steps": until * steps, "left_out": left_out, **facts}
