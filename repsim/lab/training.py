"""Training one network: NumPy-side augmentation, a cosine schedule, a checkpoint per epoch, bitwise resume."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import log_softmax

from repsim.engine.arrays import full_precision
from repsim.lab.backend import device, threads
from repsim.lab.data import Dataset, Split, classes_of, load_dataset
from repsim.lab.errors import DamagedArtefactError, TrainingError
from repsim.lab.networks import build
from repsim.lab.profiles import Networks, Recipe
from repsim.lab.progress import progress_bar
from repsim.lab.repository import cache_root
from repsim.lab.store import MADE_AGAIN_BY, SECONDS_BEFORE, Artefact, Store, clear, key, read_arrays, write_arrays
from repsim.lab.weights import STEP, artefact_name, command_again, inputs

EVALUATED = 500  # images at once
SCORED = 10  # times in a training that accuracy is measured on other images; after each epoch would take far longer


def train_network(store: Store, networks: Networks, seed: int, *, again: bool = False) -> Artefact:
    """Return a trained network's weights, training it if it has not been, or `again` if its weights are not here.

    A run that was killed goes on from the last complete epoch and ends with bitwise the same weights, on the same
    machine with the same number of threads, as one that was not.
    """
    wanted = inputs(networks, seed)
    name = artefact_name(networks, seed)
    checkpoint = cache_root() / "checkpoints" / f"{name}-{key(wanted)[:12]}.npz"

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        clear(checkpoint.parent, checkpoint.name)
        weights, facts = _train(networks, seed, checkpoint)
        return weights, facts | ({} if networks.committed else {MADE_AGAIN_BY: command_again(store, networks, seed)})

    artefact = store.get(STEP, name, wanted, make, again=again)
    checkpoint.unlink(missing_ok=True)
    return artefact


def load_network(artefact: Artefact) -> keras.Model:
    """Return the network of an artefact, in float32, with its weights."""
    return _restored(artefact.record["inputs"], artefact.arrays())


def _restored(recorded: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> keras.Model:
    """Return a network in float32, given what its weights depend on."""
    classes, channels = classes_of(recorded["dataset"]), recorded.get("channels", ())
    model = build(recorded["architecture"], classes, channels=channels, recipe=recorded["recipe"])
    set_weights(model, arrays)
    return model


def get_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Return a model's weights and moving statistics by their paths; states of random numbers are none of them."""
    return {path: np.asarray(weight) for path, weight in zip(_paths(model), model.weights, strict=True)}


def set_weights(model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Set a model's weights from arrays named by their paths."""
    for path, weight in zip(_paths(model), model.weights, strict=True):
        weight.assign(arrays[path])


def _paths(model: keras.Model) -> list[str]:
    """Return Keras's paths, counted anew: it numbers layers without a name through all models that a process makes."""
    names: dict[str, list[str]] = {}

    def counted(name: str) -> str:
        unnumbered = re.sub(r"_\d+$", "", name)
        alike = names.setdefault(unnumbered, [])
        if name not in alike:
            alike.append(name)
        return f"{unnumbered}_{alike.index(name)}" if alike.index(name) else unnumbered

    return ["/".join(map(counted, weight.path.split("/"))) for weight in model.weights]


def evaluate(model: keras.Model, dataset: Dataset, split: Split, scaling: str = "colour") -> tuple[float, float]:
    """Return the accuracy (a fraction) and the mean cross-entropy (nats) of a network on a split."""
    with full_precision():  # on a GPU, JAX multiplies float32 in fewer bits unless told otherwise
        logits = model.predict(dataset.scale(split.images, scaling), batch_size=EVALUATED, verbose=0).astype(np.float64)
    log_likelihood = log_softmax(logits, axis=1)[np.arange(len(logits)), split.labels]
    return float((logits.argmax(1) == split.labels).mean()), float(-log_likelihood.mean())


def hold_out(split: Split, count: int) -> tuple[Split, Split]:
    """Return the split without, and only with, the last `count` examples of its fixed random order."""
    order = split.examples(len(split.labels))
    kept, held = np.sort(order[: len(order) - count]), np.sort(order[len(order) - count :])
    return Split(split.images[kept], split.labels[kept]), Split(split.images[held], split.labels[held])


class Batches:
    """The batches of a split: shuffled, shifted and flipped images, scaled to float32, and labels.

    Images are shifted by up to ``recipe.shift`` pixels each way; what does not fill a last batch is left out.
    """

    def __init__(self, dataset: Dataset, split: Split, recipe: Recipe, seed: int) -> None:
        self._dataset, self._split, self._recipe, self._seed = dataset, split, recipe, seed

    @cached_property
    def _padded(self) -> np.ndarray:
        images, margin = self._split.images, self._recipe.shift
        around = [(0, 0), (margin, margin), (margin, margin), (0, 0)]
        if self._recipe.border == "reflect":
            return np.pad(images, around, mode="reflect")
        padded = np.pad(images, around)
        inside = np.pad(np.ones(images.shape[1:3], bool), margin)
        padded[:, ~inside] = 0 if self._recipe.border == "zero" else self._dataset.moments[0].round().astype(np.uint8)
        return padded

    def epoch(self, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield one epoch; random numbers depend on seed and epoch only, so that it can be repeated after a kill."""
        recipe, labels, size = self._recipe, self._split.labels, self._split.images.shape[1]
        rng = np.random.default_rng([self._seed, epoch])
        steps = len(labels) // recipe.batch
        order = rng.permutation(len(labels))[: steps * recipe.batch].reshape(steps, recipe.batch)
        rows = rng.integers(0, 2 * recipe.shift + 1, order.shape)
        columns = rng.integers(0, 2 * recipe.shift + 1, order.shape)
        flips = (rng.random(order.shape) < 0.5) & recipe.flip
        images = np.empty((recipe.batch, size, size, 3), np.uint8)
        for step in range(steps):
            chosen = zip(*(of[step].tolist() for of in (order, rows, columns, flips)), strict=True)
            for image, (number, row, column, flipped) in zip(images, chosen, strict=True):
                window = self._padded[number, row : row + size, column : column + size]
                image[:] = window[:, ::-1] if flipped else window
            yield self._dataset.scale(images, recipe.scaling), labels[order[step]].astype(np.int32)


def initialised(networks: Networks, classes: int, seed: int) -> keras.Model:
    """Return a new network, initialised from `seed`."""
    keras.utils.set_random_seed(seed)
    recipe = networks.recipe
    return build(networks.architecture, classes, recipe.precision, networks.channels, recipe.inputs())


def compiled(networks: Networks, classes: int, steps_per_epoch: int, seed: int) -> keras.Model:
    """Return a new network, initialised from `seed` and compiled with the recipe's optimiser."""
    recipe = networks.recipe
    model = initialised(networks, classes, seed)
    decay = None if recipe.coupled_decay else recipe.weight_decay or None
    shared = {"weight_decay": decay, "clipnorm": recipe.clip_norm or None}
    rate = _schedule(recipe, steps_per_epoch)
    if recipe.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, **shared)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=recipe.momentum, nesterov=recipe.nesterov, **shared)
    if decay:
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile="auto" if keras.backend.backend() != "tensorflow" else False,  # XLA is slower on the CPU
    )
    optimizer.build(model.trainable_variables)
    return model


def _schedule(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate as a function of the step."""
    if recipe.steps:
        after = [round(step * recipe.epochs * steps_per_epoch) for step in recipe.steps]
        rates = [recipe.peak_rate * 0.1**number for number in range(len(after) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay([step - 1 for step in after], rates)
    warmup = recipe.warmup_epochs * steps_per_epoch
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else recipe.peak_rate,
        warmup_target=recipe.peak_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=recipe.epochs * steps_per_epoch - warmup,
    )


def _train(networks: Networks, seed: int, checkpoint: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    recipe, dataset = networks.recipe, load_dataset(networks.dataset)
    training, held = hold_out(dataset.train, recipe.held_out) if recipe.held_out else (dataset.train, None)
    scored, name = (dataset.test, "test") if held is None else (held, "held_out")
    steps = len(training.labels) // recipe.batch
    if recipe.epochs and not steps:
        raise TrainingError(
            f"{recipe.held_out:,} images held out leave {len(training.labels):,}, not a batch of {recipe.batch}"
        )
    asked = networks, dataset.classes
    model = compiled(*asked, steps, seed) if recipe.epochs else initialised(*asked, seed)
    state = dict(zip(_paths(model), model.weights, strict=True))
    state |= {f"optimizer/{i}": v for i, v in enumerate(model.optimizer.variables if recipe.epochs else ())}
    batches = Batches(dataset, training, recipe, seed)

    def train_epoch(epoch: int, _: Callable[[float], None]) -> list[float]:
        scores = []
        for images, labels in batches.epoch(epoch):
            model.reset_metrics()  # JAX's trainer does so itself; TensorFlow's would go on with the mean of all
            scores.append([float(value) for value in model.train_on_batch(images, labels)])
        now = _accuracy(model, dataset, scored, recipe) if _is_scored(epoch + 1, recipe.epochs) else np.nan
        return [*np.mean(scores, axis=0), now]

    history, facts = run_epochs(artefact_name(networks, seed), checkpoint, state, recipe.epochs, 3, train_epoch)
    weights = get_weights(model)
    accuracy, loss = evaluate(_restored(inputs(networks, seed), weights), dataset, scored, recipe.scaling)
    losses, accuracies, scores = history.round(5).T.tolist()
    shown = [None if np.isnan(score) else score for score in scores]
    return weights, {
        "history": {"loss": losses, "accuracy": accuracies, f"{name}_accuracy": shown},
        "parameters": int(model.count_params()),
        "backend": keras.backend.backend(),
        f"{name}_accuracy": accuracy,
        f"{name}_loss": loss,
        **facts,
    }


def run_epochs(
    title: str,
    checkpoint: Path,
    state: Mapping[str, Any],
    until: int,
    scores: int,
    train_epoch: Callable[[int, Callable[[float], None]], Sequence[float]],
) -> tuple[np.ndarray, dict[str, Any]]:
    """Train up to an epoch, from a checkpoint of no later one if there is any, and write one after each epoch.

    `state` is every variable that the next step depends on, by name. `train_epoch` takes an epoch and what reports the
    share of it that is done, and returns its scores, as many as `scores`. Returned are those of all epochs, and what a
    record says of the devices and of the time that runs before this took.
    """
    history, devices, before, start = np.empty((0, scores)), list[str](), 0.0, time.perf_counter()
    if checkpoint.exists():
        try:
            arrays = read_arrays(checkpoint)
            begun, goes_on = int(arrays.get("threads", threads())), len(arrays["history"]) <= until
            if goes_on and begun == threads():
                for name, variable in state.items():
                    variable.assign(arrays[name])
                history, devices, before = arrays["history"], arrays["devices"].tolist(), float(arrays["seconds"])
        except Exception as error:  # whatever NumPy, zipfile and Keras make of other bytes, names and shapes
            aside = checkpoint.with_suffix(".damaged")
            shutil.move(checkpoint, aside)
            raise DamagedArtefactError(
                f"{checkpoint} is damaged ({error}); it was moved to {aside.name}: "
                "run again to train from the beginning."
            ) from error
        if goes_on and begun != threads():
            raise TrainingError(
                f"{title} was begun with {begun or 'all'} threads, and this process has {threads() or 'all'}: "
                f"use as many, or remove {checkpoint}"
            )
    with progress_bar(title, quiet=not until) as report:
        for epoch in range(len(history), until):
            report(epoch, until)

            def report_share(share: float, epoch: int = epoch) -> None:
                report(epoch + share, until)

            history = np.append(history, [train_epoch(epoch, report_share)], axis=0)
            devices.append(device())
            done = {"history": history, "devices": np.array(devices), "threads": np.array(threads())}
            done["seconds"] = np.array(before + time.perf_counter() - start)
            write_arrays(checkpoint, {name: np.asarray(value) for name, value in state.items()} | done)
    return history, {"device": " and ".join(dict.fromkeys(devices)) or device(), SECONDS_BEFORE: before}


def _is_scored(epoch: int, epochs: int) -> bool:
    """Whether an epoch ends a tenth of the training."""
    return epoch * SCORED // epochs > (epoch - 1) * SCORED // epochs


def _accuracy(model: keras.Model, dataset: Dataset, split: Split, recipe: Recipe) -> float:
    """Return the accuracy of a network that is being trained, without compiling anything for it."""
    right = 0
    for start in range(0, len(split.labels), EVALUATED):
        images = dataset.scale(split.images[start : start + EVALUATED], recipe.scaling)
        logits = keras.ops.convert_to_numpy(keras.ops.cast(model(images, training=False), "float32"))
        right += int((logits.argmax(1) == split.labels[start : start + EVALUATED]).sum())
    return right / len(split.labels)
