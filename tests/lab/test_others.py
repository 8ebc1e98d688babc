"""The networks that others trained: fetched by hash, refused by name, and the same function of an image as theirs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from repsim.lab import published
from repsim.lab.data import load_dataset
from repsim.lab.errors import DataError
from repsim.lab.repository import data_root

from . import legacy

STRIDES = (1, 1, 2, 1, 1, 2, 1, 1)
REAL = Path(os.environ.get(published.FOLDER) or data_root() / published.NETWORKS.name)
real = pytest.mark.skipif(not (REAL / "in0-gn0.pt").exists(), reason=f"no published networks in {REAL}")


def state(rng):
    """A state dict as theirs, of random numbers."""
    channels, sizes = (3, 16, 16, 32, 32, 32, 64, 64, 64), (3, 3, 3, 3, 3, 3, 3, 1)
    tensors = {}
    for number, (inputs, outputs, size) in enumerate(zip(channels[:-1], channels[1:], sizes, strict=True), start=1):
        tensors[f"conv{number}.weight"] = rng.normal(0, 0.2, (outputs, inputs, size, size))
        for name in ("conv{}.bias", "bn{}.weight", "bn{}.bias", "bn{}.running_mean"):
            tensors[name.format(number)] = rng.normal(0, 1, outputs)
        tensors[f"bn{number}.running_var"] = rng.uniform(0.5, 2, outputs)
        tensors[f"bn{number}.num_batches_tracked"] = np.array(110000)
    tensors |= {"fc.weight": rng.normal(0, 1, (10, 64)), "fc.bias": rng.normal(0, 1, 10)}
    return {name: array.astype(np.int64 if "num" in name else np.float32) for name, array in tensors.items()}


def forward(tensors, images):
    """Their network as their repository writes it, in float64: images in [0, 255] to all activations and logits."""
    x = images.astype(np.float64).transpose(0, 3, 1, 2) / 255
    mean, deviation = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2023, 0.1994, 0.2010])
    x = (x - mean[:, None, None]) / deviation[:, None, None]
    layers = []
    for number, stride in enumerate(STRIDES, start=1):
        part = {
            name: tensors[f"{kind}{number}.{name}"] for kind, name in [("bn", "running_mean"), ("bn", "running_var")]
        }
        kernel = tensors[f"conv{number}.weight"].astype(np.float64)
        windows = sliding_window_view(x, kernel.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
        x = np.einsum("nchwkl,ockl->nohw", windows, kernel, optimize=True)
        x += tensors[f"conv{number}.bias"][:, None, None]
        x = (x - part["running_mean"][:, None, None]) / np.sqrt(part["running_var"].astype(np.float64) + 1e-5)[
            :, None, None
        ]
        x = x * tensors[f"bn{number}.weight"][:, None, None] + tensors[f"bn{number}.bias"][:, None, None]
        x = np.maximum(x, 0)
        layers.append(x.transpose(0, 2, 3, 1).reshape(len(x), -1))
    pool = x.mean(axis=(2, 3))
    return [*layers, pool, pool @ tensors["fc.weight"].T.astype(np.float64) + tensors["fc.bias"]]


@pytest.fixture
def made(tmp_path):
    """A file as theirs, and what it holds."""
    path, tensors = tmp_path / "in10-gn10.pt", state(np.random.default_rng(0))
    path.write_bytes(legacy.saved(tensors))
    return path, tensors


def activations(network, images, scaling="unit"):
    from repsim.lab.families import represented_layers
    from repsim.lab.networks import represent, representation_model
    from repsim.lab.training import load_network

    model = representation_model(load_network(network), represented_layers("tiny10-valid"))
    return represent(model, load_dataset("synthetic").scale(images, scaling))


def test_every_layer_is_theirs(made):
    path, tensors = made
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    network = published.as_network(path, 10)
    ours, theirs = activations(network, images), forward(tensors, images)
    assert len(ours) == len(theirs) == 10
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())
    assert network.record["inputs"]["file"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"conv3.weight": np.zeros((32, 16, 5, 5), np.float32)},
            r"conv3.weight: expected float32 \(32, 16, 3, 3\), found",
        ),
        ({"fc.bias": np.zeros(100, np.float32)}, r"fc.bias: expected float32 \(10,\), found float32 \(100,\)"),
        ({"bn1.weight": None}, r"bn1.weight: expected float32 \(16,\), found none"),
        ({"conv9.weight": np.zeros(1, np.float32)}, r"conv9.weight: expected none, found float32 \(1,\)"),
        ({"bn2.bias": np.zeros(16, np.int64)}, r"bn2.bias: expected float32 \(16,\), found int64 \(16,\)"),
    ],
)
def test_other_names_kinds_and_shapes_are_refused_by_name(made, change, message):
    path, tensors = made
    changed = {name: array for name, array in {**tensors, **change}.items() if array is not None}
    path.write_bytes(legacy.saved(changed))
    with pytest.raises(DataError, match=f"{path}.* {message}"):
        published.weights(path)


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """One network where the environment variable says, by its hash."""
    path, _ = made
    found = path.rename(tmp_path / "in0-gn0.pt")
    monkeypatch.setenv(published.FOLDER, str(tmp_path))
    monkeypatch.setattr(published, "SHA256", (hashlib.sha256(found.read_bytes()).hexdigest(),))
    return found


def test_other_bytes_are_refused_with_both_hashes(folder):
    assert published.published_file(0) == folder
    content = folder.read_bytes()
    folder.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataError, match=f"expected SHA-256 {published.SHA256[0]}, found [0-9a-f]{{64}}"):
        published.published_file(0)


def test_what_is_missing_is_fetched_by_address_and_hash(folder, monkeypatch):
    content, asked = folder.read_bytes(), []
    folder.unlink()

    def retrieve(address, known_hash, name, into, **_):
        asked.append((address, known_hash))
        into.mkdir()
        (into / name).write_bytes(content)

    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert published.published_file(0).read_bytes() == content
    assert asked == [(published.ADDRESS.format(seed=0), f"sha256:{published.SHA256[0]}")]
    assert [path.name for path in folder.parent.glob("*.part")] == []


def test_what_cannot_be_fetched_is_one_sentence(folder, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no\nroute")

    folder.unlink()
    monkeypatch.setattr("pooch.retrieve", refuse)
    with pytest.raises(DataError, match=rf"in0-gn0.pt is missing .*no route.*{published.FOLDER}") as error:
        published.published_file(0)
    assert "\n" not in str(error.value)


@real
@pytest.mark.data
def test_the_published_networks_are_as_accurate_as_they_are_said_to_be(real_data, monkeypatch):
    from repsim.lab.training import evaluate, load_network

    monkeypatch.setenv(published.FOLDER, str(REAL))
    dataset = load_dataset("cifar10")
    some = dataset.test.examples(1000)
    part = type(dataset.test)(dataset.test.images[some], dataset.test.labels[some])
    network = published.as_network(published.published_file(3), 3)
    assert evaluate(load_network(network), dataset, part, scaling="unit")[0] > 0.84


@real
@pytest.mark.torch
@pytest.mark.parametrize("seed", [0, 9])
def test_logits_are_those_that_pytorch_computes(monkeypatch, seed):
    torch = pytest.importorskip("torch")
    monkeypatch.setenv(published.FOLDER, str(REAL))
    path = published.published_file(seed)
    images = np.random.default_rng(seed).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    tensors = torch.load(path, weights_only=True, map_location="cpu")
    x = torch.tensor(images).permute(0, 3, 1, 2) / 255
    mean, deviation = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2023, 0.1994, 0.2010])
    x = (x - mean[:, None, None]) / deviation[:, None, None]
    for number, stride in enumerate(STRIDES, start=1):
        norm = [tensors[f"bn{number}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        x = torch.nn.functional.conv2d(x, tensors[f"conv{number}.weight"], tensors[f"conv{number}.bias"], stride)
        x = torch.relu(torch.nn.functional.batch_norm(x, *norm, eps=1e-5))
    logits = torch.nn.functional.linear(x.mean((2, 3)), tensors["fc.weight"], tensors["fc.bias"]).numpy()
    np.testing.assert_allclose(activations(published.as_network(path, seed), images)[-1], logits, atol=1e-4)
