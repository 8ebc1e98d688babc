"""The recipes of the laptop profile, step by step against their plain formulas in NumPy."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import keras
import numpy as np
import pytest

from repsim.lab.backend import configure
from repsim.lab.data import Dataset, Split
from repsim.lab.networks import build
from repsim.lab.profiles import load_profile
from repsim.lab.store import Store
from repsim.lab.training import Batches, compiled, get_weights, hold_out, initialised, train_network

configure(1)
LAPTOP = load_profile("laptop")
NAMES = [f"recipe-r{number}" for number in range(9)]
STEPS_PER_EPOCH = 3
CLASSES = 4


def group_of(name):
    """The group at fewer channels, which no formula depends on."""
    return replace(LAPTOP.group(name), channels=(2, 3, 4))


def rate(recipe, step):
    """The learning rate at a step, from the words of the recipe."""
    whole, warmup = recipe.epochs * STEPS_PER_EPOCH, recipe.warmup_epochs * STEPS_PER_EPOCH
    if recipe.steps:
        return recipe.peak_rate * 0.1 ** sum(step >= round(at * whole) for at in recipe.steps)
    if step < warmup:
        return recipe.peak_rate * step / warmup
    return recipe.peak_rate * (1 + math.cos(math.pi * (step - warmup) / (whole - warmup))) / 2


def is_kernel(path):
    return path.endswith("kernel")


def gradients(model, images, labels):
    """The gradient of the mean cross-entropy alone, by the path of each weight."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    weights = {weight.path: weight.value for weight in model.trainable_variables}
    return {path: np.asarray(g, np.float64) for path, g in tape.gradient(loss, weights).items()}


# The others differ from these in the images, the length and the padding, which no step depends on.
SAME_STEPS = {"recipe-r4": "recipe-r0", "recipe-r7": "recipe-r2", "recipe-r8": "recipe-r2"}
NO_STEP = ("epochs", "shift", "flip", "border", "precision")


@pytest.mark.parametrize(("name", "other"), SAME_STEPS.items())
def test_some_recipes_have_the_same_steps(name, other):
    one, same = (asdict(LAPTOP.group(of).recipe) for of in (name, other))
    assert {key for key in one if one[key] != same[key]} <= set(NO_STEP)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SAME_STEPS])
def test_steps_are_those_of_the_formula(name):
    recipe = group_of(name).recipe
    rng = np.random.default_rng(0)
    images = rng.normal(size=(8, 32, 32, 3)).astype(np.float32)
    labels = (np.arange(8) % CLASSES).astype(np.int32)
    model = compiled(group_of(name), CLASSES, STEPS_PER_EPOCH, 0)
    other = initialised(group_of(name), CLASSES, 0)  # the same weights, without an optimiser
    first = round(recipe.steps[0] * recipe.epochs * STEPS_PER_EPOCH) - 1 if recipe.steps else STEPS_PER_EPOCH + 2
    model.optimizer.iterations.assign(first)
    slow = {path: np.zeros_like(value, np.float64) for path, value in get_weights(model).items()}
    square = {path: np.zeros_like(value) for path, value in slow.items()}
    for step in range(first, first + 3):
        before = get_weights(model)
        for weight in other.weights:
            weight.assign(before[weight.path])
        found = gradients(other, images, labels)
        model.train_on_batch(images, labels)
        after = get_weights(model)
        lr = rate(recipe, step)
        for path, g in found.items():
            w = before[path].astype(np.float64)
            if recipe.coupled_decay == "all" or (recipe.coupled_decay == "kernels" and is_kernel(path)):
                g = g + recipe.weight_decay * w
            elif not recipe.coupled_decay and is_kernel(path):
                w = w - lr * recipe.weight_decay * w
            if recipe.optimizer == "adam":
                slow[path] = 0.9 * slow[path] + 0.1 * g
                square[path] = 0.999 * square[path] + 0.001 * g**2
                corrected = lr * math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
                expected = w - corrected * slow[path] / (np.sqrt(square[path]) + 1e-7)
            else:
                slow[path] = recipe.momentum * slow[path] - lr * g
                expected = w + (recipe.momentum * slow[path] - lr * g if recipe.nesterov else slow[path])
            largest = np.abs(expected - before[path]).max()
            np.testing.assert_allclose(after[path], expected, atol=2e-3 * largest + 1e-6, rtol=0, err_msg=path)


def test_the_recipes_differ_in_their_rates_and_momentum_as_they_say():
    recipes = {name: group_of(name).recipe for name in NAMES}
    assert [rate(recipes["recipe-r2"], step) for step in (0, 39, 40, 79, 80)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 0.001]
    )
    assert [name for name in NAMES if not recipes[name].nesterov] == ["recipe-r1", "recipe-r3", "recipe-r5"]


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    parts = [Split(rng.integers(0, 256, (8, 32, 32, 3), np.uint8), np.arange(8, dtype=np.uint8)) for _ in range(2)]
    return Dataset("made up", 8, *parts)


def windows(padded):
    """Each window of 32 pixels of bordered images, as it is and flipped, as bytes."""
    found = set()
    for image in padded:
        for row in range(len(image) - 31):
            for column in range(len(image) - 31):
                window = image[row : row + 32, column : column + 32]
                found |= {window.tobytes(), np.ascontiguousarray(window[:, ::-1]).tobytes()}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_images_come_with_the_border_that_the_recipe_says(dataset, name):
    recipe = replace(LAPTOP.group(name).recipe, batch=8, scaling="unit")
    margin, images = recipe.shift, dataset.train.images
    if recipe.border == "reflect":
        rows = np.abs(np.arange(-margin, 32 + margin))
        rows = np.where(rows > 31, 62 - rows, rows)
        padded = images[:, rows][:, :, rows]
    else:
        colour = images.reshape(-1, 3).mean(axis=0).round() if recipe.border == "mean" else np.zeros(3)
        padded = np.broadcast_to(colour.astype(np.uint8), (8, 32 + 2 * margin, 32 + 2 * margin, 3)).copy()
        padded[:, margin : 32 + margin, margin : 32 + margin] = images
    allowed, batches, seen = windows(padded), Batches(dataset, dataset.train, recipe, 0), set()
    for epoch in range(3):
        for batch, labels in batches.epoch(epoch):
            assert batch.dtype == np.float32
            assert 0 <= batch.min() < 0.1 < 0.9 < batch.max() <= 1
            seen |= {image.tobytes() for image in (255 * batch).round().astype(np.uint8)}
            assert sorted(labels) == list(range(8))
    assert seen <= allowed
    own = {image.tobytes() for image in images}
    assert (seen == own) == (name == "recipe-r4"), "only R4 leaves images as they are"


def test_images_are_scaled_as_the_recipe_says(dataset):
    images = dataset.train.images
    np.testing.assert_array_equal(dataset.scale(images, "unit"), images.astype(np.float32) / 255)
    scaled = dataset.scale(images, "colour").reshape(-1, 3)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-4)
    assert [name for name in NAMES if LAPTOP.group(name).recipe.scaling == "unit"] == ["recipe-r1"]


def test_a_second_split_is_not_trained_on_the_images_of_the_first(dataset):
    recipe = replace(LAPTOP.group("recipe-r4").recipe, batch=4)
    for turn in range(20):  # a held-out split goes, and another may come to lie where it lay
        kept, _ = hold_out(Split(dataset.test.images + turn, dataset.test.labels), 4)
        batch, _ = next(Batches(dataset, kept, recipe, 0).epoch(0))
        expected = {image.tobytes() for image in dataset.normalise(kept.images)}
        assert {image.tobytes() for image in batch} <= expected
        del kept


def test_a_second_data_set_after_a_held_out_split_is_trained_on_its_own_images(tmp_path, monkeypatch, dataset):
    group = load_profile("smoke").group("width4")
    train, test = (Split(part.images, part.labels % 4) for part in (dataset.train, dataset.test))
    second = replace(dataset, classes=4, train=train, test=test)
    seen, make = [], Batches.__init__

    def noticed(self, *given):
        seen.append(given[1].images)
        make(self, *given)

    monkeypatch.setattr(Batches, "__init__", noticed)
    store = Store(tmp_path)
    held = replace(group, recipe=replace(group.recipe, held_out=64))
    first = train_network(store, held, 0)
    assert len(seen[0]) == 512 - 64
    assert 0 <= first.record["held_out_accuracy"] <= 1
    assert "test_accuracy" not in first.record
    monkeypatch.setattr("repsim.lab.training.load_dataset", lambda name: second)
    train_network(store, replace(group, recipe=replace(group.recipe, batch=4)), 1)
    assert seen[1] is second.train.images


@pytest.mark.parametrize("name", NAMES)
def test_weights_start_as_the_recipe_says(name):
    group = LAPTOP.group(name)
    model = initialised(group, 10, 0)
    fan_in = group.recipe.initialisation == "fan_in"
    assert fan_in == (name in ("recipe-r2", "recipe-r7", "recipe-r8"))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            kernel = np.asarray(layer.kernel)
            inputs = kernel[..., 0].size
            is_head = layer.name == "logits"
            assert layer.use_bias == (is_head or group.recipe.biases)
            if fan_in:
                limit = inputs**-0.5
                assert 0.98 * limit < np.abs(kernel).max() <= limit
                assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=0.1)
                bias = np.abs(np.asarray(layer.bias))
                assert 0 < bias.max() <= limit
            else:
                assert not layer.use_bias or not np.asarray(layer.bias).any()
                if not is_head:
                    assert kernel.std() == pytest.approx(math.sqrt(2 / inputs), rel=0.15)
        if "norm" in layer.name:
            constants = (0.99, 0.001) if name == "recipe-r1" else (0.9, 1e-5)
            assert (layer.momentum, layer.epsilon) == constants
    default = keras.layers.BatchNormalization()
    assert name != "recipe-r1" or (default.momentum, default.epsilon) == constants


def test_r8_has_maps_without_borders():
    model = build("tiny10-valid", 10)
    assert [model.get_layer(f"conv{number}").output.shape[1] for number in range(1, 9)] == [30, 28, 13, 11, 9, 4, 2, 2]
    assert LAPTOP.group("recipe-r8").architecture == "tiny10-valid"
    eighth, second = LAPTOP.group("recipe-r8").recipe, LAPTOP.group("recipe-r2").recipe
    assert eighth == second
