"""Training: the same on both backends, repeatable, and bitwise the same after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from repsim.lab import training
from repsim.lab.backend import configure
from repsim.lab.data import load_dataset
from repsim.lab.errors import DamagedArtefactError, TrainingError
from repsim.lab.profiles import load_profile
from repsim.lab.repository import cache_root
from repsim.lab.store import key, profile_store
from repsim.lab.training import (
    Batches,
    compiled,
    evaluate,
    get_weights,
    hold_out,
    load_network,
    set_weights,
    train_network,
)
from repsim.lab.weights import artefact_name, find_network, inputs

configure(1)
PROFILE = load_profile("smoke")
NETWORKS = PROFILE.group("tiny10")


def in_precision(networks, precision):
    return replace(networks, recipe=replace(networks.recipe, precision=precision))


def train(*arguments: str, **kwargs) -> subprocess.Popen:
    command = [sys.executable, "-m", "repsim.lab", "train", "smoke", "--group", "tiny10", "--seed", "0", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


def test_batches_depend_on_seed_and_epoch_only():
    dataset = load_dataset("synthetic")
    first, again, other = (next(Batches(dataset, dataset.train, NETWORKS.recipe, seed).epoch(1)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0] != other[0]).any()
    assert first[0].shape == (32, 32, 32, 3)
    assert first[0].dtype == np.float32


def test_an_epoch_visits_every_image_at_most_once():
    dataset = load_dataset("synthetic")
    labels = np.concatenate([labels for _, labels in Batches(dataset, dataset.train, NETWORKS.recipe, 0).epoch(0)])
    assert np.bincount(labels).tolist() == np.bincount(dataset.train.labels).tolist()


def test_images_are_only_shifted_and_flipped():
    dataset = load_dataset("synthetic")
    images, _ = next(Batches(dataset, dataset.train, NETWORKS.recipe, 0).epoch(0))
    inner = images[0][4:-4, 4:-4]
    originals = dataset.normalise(dataset.train.images)
    candidates = [
        original[4 + dy : 28 + dy, 4 + dx : 28 + dx]
        for original in (*originals, *originals[:, :, ::-1])
        for dy in range(-2, 3)
        for dx in range(-2, 3)
    ]
    assert any(np.array_equal(inner, candidate) for candidate in candidates)


def test_normalising_is_elementwise():
    dataset = load_dataset("synthetic")
    for images in (dataset.train.images[:7], dataset.train.images[:7, :, ::-1], dataset.train.images[3]):
        expected = (images.astype(np.float32) - dataset.moments[0]) / dataset.moments[1]
        np.testing.assert_array_equal(dataset.normalise(images), expected)


def test_held_out_images_are_not_trained_on():
    split = load_dataset("synthetic").train
    kept, held = hold_out(split, 100)
    assert len(kept.labels) == 412
    assert len(held.labels) == 100
    assert not {image.tobytes() for image in kept.images} & {image.tobytes() for image in held.images}


def test_trained_network_reloads_and_scores_what_its_record_says(folders):
    artefact = train_network(profile_store("smoke"), NETWORKS, 0)
    dataset = load_dataset("synthetic")
    accuracy, loss = evaluate(load_network(artefact), dataset, dataset.test)
    assert accuracy == artefact.record["test_accuracy"] > 0.5
    assert loss == pytest.approx(artefact.record["test_loss"], rel=1e-5)
    assert len(artefact.record["history"]["loss"]) == NETWORKS.recipe.epochs
    assert artefact.record["history"]["loss"][-1] < artefact.record["history"]["loss"][0]
    on_test_images = artefact.record["history"]["test_accuracy"]
    assert len(on_test_images) == NETWORKS.recipe.epochs
    assert on_test_images[-1] == pytest.approx(accuracy, abs=0.01), "in the precision of the training"
    assert not list((cache_root() / "checkpoints").iterdir())


def test_a_network_is_scored_in_float32_on_a_gpu_too():
    jax = pytest.importorskip("jax")
    found = []

    class Model:
        def predict(self, images, **options):
            found.append(jax.config.jax_default_matmul_precision)
            return np.eye(10)[np.zeros(len(images), int)]

    dataset = load_dataset("synthetic")
    accuracy, _ = evaluate(Model(), dataset, dataset.test)
    assert accuracy == (dataset.test.labels == 0).mean()
    assert found == ["highest"]


class Counter:
    """A variable of a network that is counted up, once an epoch."""

    value = 0.0

    def assign(self, value):
        self.value = float(value)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.value, dtype)


def run(path, until, monkeypatch, where):
    """Train a counter up to an epoch, where each epoch is half done once."""
    monkeypatch.setattr(training, "device", lambda: where)
    counter = Counter()

    def train_epoch(epoch, report):
        report(0.5)
        assert counter.value == epoch, "the state is that after the epoch before"
        counter.value += 1
        return [epoch, np.nan]

    return training.run_epochs("counter", path, {"counter": counter}, until, 2, train_epoch), counter.value


def test_a_checkpoint_says_where_its_epochs_were_and_what_they_took(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    (_, facts), _ = run(path, 2, monkeypatch, "GPU 9000")
    assert facts == {"device": "GPU 9000", "seconds_before": 0}
    with np.load(path) as arrays:
        assert arrays["seconds"] > 0
    (history, facts), value = run(path, 3, monkeypatch, "CPU")
    assert value == 3
    assert facts["seconds_before"] > 0
    assert facts["device"] == "GPU 9000 and CPU"
    np.testing.assert_array_equal(history, [[0, np.nan], [1, np.nan], [2, np.nan]])
    with np.load(path) as arrays:
        assert arrays["devices"].tolist() == ["GPU 9000", "GPU 9000", "CPU"]


def test_a_checkpoint_of_a_later_epoch_is_not_gone_on_with(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    run(path, 3, monkeypatch, "CPU")
    (history, _), value = run(path, 2, monkeypatch, "CPU")
    assert (len(history), value) == (2, 2)


def test_a_checkpoint_of_another_number_of_threads_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    run(path, 2, monkeypatch, "CPU")
    monkeypatch.setattr(training, "threads", lambda: 0)
    with pytest.raises(TrainingError, match=r"counter was begun with 1 threads, and this process has all: use as many"):
        run(path, 3, monkeypatch, "CPU")
    assert path.exists()


def test_images_held_out_leave_a_batch(folders):
    held_out = replace(NETWORKS, recipe=replace(NETWORKS.recipe, held_out=500))
    with pytest.raises(TrainingError, match="500 images held out leave 12, not a batch of 32"):
        train_network(profile_store("smoke"), held_out, 0)


def test_killed_training_resumes_to_the_same_weights(folders, monkeypatch):
    expected = train_network(profile_store("smoke"), NETWORKS, 0).sha256
    monkeypatch.setenv("REPSIM_RESULTS", str(folders / "killed"))
    process = train()
    deadline = time.time() + 300
    checkpoints = cache_root() / "checkpoints"
    seen: set[int] = set()
    while len(seen) < 2 and time.time() < deadline:
        seen |= {file.stat().st_mtime_ns for file in checkpoints.glob("*.npz")}
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(seen) == 2
    assert find_network(profile_store("smoke"), NETWORKS, 0) is None
    resumed = train_network(profile_store("smoke"), NETWORKS, 0)
    assert resumed.sha256 == expected
    assert "seconds_before" not in resumed.record


@pytest.mark.parametrize(
    ("epochs", "scored"), [(3, [1, 2, 3]), (40, range(4, 41, 4)), (25, [3, 5, 8, 10, 13, 15, 18, 20, 23, 25])]
)
def test_networks_are_scored_ten_times_at_most(epochs, scored):
    assert [epoch for epoch in range(1, epochs + 1) if training._is_scored(epoch, epochs)] == list(scored)


def test_damaged_checkpoint_is_named_and_set_aside(folders):
    checkpoint = cache_root() / "checkpoints" / f"{artefact_name(NETWORKS, 0)}-{key(inputs(NETWORKS, 0))[:12]}.npz"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"PK not a checkpoint")
    with pytest.raises(DamagedArtefactError, match=str(checkpoint)):
        train_network(profile_store("smoke"), NETWORKS, 0)
    assert train_network(profile_store("smoke"), NETWORKS, 0).record["test_accuracy"] > 0.5


def test_untrained_network_is_an_artefact_and_the_start_of_the_trained_one(folders):
    group = PROFILE.group("plain10-untrained")
    artefact = train_network(profile_store("smoke"), group, 0)
    assert artefact.record["name"] == "plain10-synthetic-untrained-seed0"
    assert artefact.record["history"] == {"loss": [], "accuracy": [], "test_accuracy": []}
    assert 0 <= artefact.record["test_accuracy"] <= 1
    assert find_network(profile_store("smoke"), group, 0).sha256 == artefact.sha256
    start = get_weights(compiled(in_precision(PROFILE.group("plain10"), "mixed_bfloat16"), 4, 8, 0))
    found = get_weights(load_network(artefact))
    assert found.keys() == start.keys() == artefact.arrays().keys()
    for path, values in start.items():
        np.testing.assert_array_equal(found[path], values)
    other = train_network(profile_store("smoke"), group, 1).arrays()
    assert (other["filter1/kernel"] != found["filter1/kernel"]).any()


def test_weights_that_are_not_committed_are_made_again_when_asked(folders):
    store, group = profile_store("smoke"), replace(PROFILE.group("plain10-untrained"), committed=False)
    artefact = train_network(store, group, 0)
    assert artefact.made_again_by == "repsim-lab train smoke --group plain10-untrained --seed 0 --again"
    assert "made_again_by" not in train_network(store, PROFILE.group("plain10-untrained"), 1).record
    artefact.path.unlink()
    assert train_network(store, group, 0).is_away
    command = [sys.executable, "-m", "repsim.lab", *artefact.made_again_by.split()[1:]]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert find_network(store, group, 0).sha256 == artefact.sha256
    assert find_network(store, group, 0).arrays()


@pytest.mark.parametrize("name", ["plain10-nobn", "resnet14"])
def test_other_families_train_and_reload_at_the_profiles_channels(folders, name):
    group = PROFILE.group(name)
    artefact = train_network(profile_store("smoke"), group, 0)
    model = load_network(artefact)
    assert model.get_layer("filter1").filters == group.channels[0] == 4
    assert model.count_params() == artefact.record["parameters"]
    assert len(artefact.record["history"]["loss"]) == group.recipe.epochs
    (accuracy, _), dataset = evaluate(model, data := load_dataset("synthetic"), data.test), data
    assert accuracy == artefact.record["test_accuracy"]
    untrained = get_weights(compiled(group, dataset.classes, 8, 0))
    assert (untrained["filter1/kernel"] != artefact.arrays()["filter1/kernel"]).any()


def test_clipping_bounds_each_gradient_by_itself():
    images = 100 * np.random.default_rng(0).normal(size=(8, 32, 32, 3)).astype(np.float32)
    labels = np.arange(8, dtype=np.int32) % 4
    steps = {}
    for clip in (0.0, 1.0, 1e9):
        recipe = replace(PROFILE.group("plain10-nobn").recipe, clip_norm=clip, weight_decay=0.0, momentum=0.0)
        model = compiled(replace(PROFILE.group("plain10-nobn"), recipe=recipe), 4, 8, 0)
        model.optimizer.iterations.assign(8)  # the end of the warm-up: the rate is the peak rate
        before = get_weights(model)
        model.train_on_batch(images, labels)
        steps[clip] = {path: (before[path] - after) / recipe.peak_rate for path, after in get_weights(model).items()}
    for path, gradient in steps[0.0].items():
        norm = np.linalg.norm(gradient)
        np.testing.assert_allclose(steps[1.0][path], gradient / max(norm, 1), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(steps[1e9][path], gradient, rtol=1e-3, atol=1e-4)
    assert np.linalg.norm(steps[0.0]["filter1/kernel"]) > 2


ONE_STEP_ON_JAX = """
import sys
sys.modules["tensorflow"] = None  # a machine without TensorFlow
from dataclasses import replace
import numpy as np
from repsim.lab.backend import configure
configure()
from repsim.lab.profiles import load_profile
from repsim.lab.training import compiled, set_weights
import keras
assert keras.backend.backend() == "jax"
arrays = dict(np.load(sys.argv[1], allow_pickle=False))
images, labels = arrays.pop("images"), arrays.pop("labels")
group = load_profile("laptop").group("tiny10")
model = compiled(replace(group, recipe=replace(group.recipe, precision="float32")), 10, 390, 0)
set_weights(model, arrays)
for _ in range(2):
    model.reset_metrics()
    print(float(model.train_on_batch(images, labels)[0]))
"""


def test_one_step_is_the_same_on_jax_without_tensorflow(folders):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(128, 32, 32, 3)).astype(np.float32)
    labels = rng.integers(0, 10, 128).astype(np.int32)
    model = compiled(in_precision(load_profile("laptop").group("tiny10"), "float32"), 10, 390, 0)
    model.optimizer.iterations.assign(0)
    np.savez(folders / "step.npz", images=images, labels=labels, **get_weights(model))
    losses = []
    for _ in range(2):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(images, labels)[0]))
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "ignore", "-c", ONE_STEP_ON_JAX, str(folders / "step.npz")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose([float(line) for line in done.stdout.split()], losses, atol=1e-4)


def test_weights_survive_the_change_of_precision():
    half, full = (compiled(in_precision(NETWORKS, precision), 4, 8, 0) for precision in ("mixed_bfloat16", "float32"))
    set_weights(full, get_weights(half))
    x = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(half.predict_on_batch(x), full.predict_on_batch(x), atol=0.1)
