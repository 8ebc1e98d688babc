"""Ten Tiny-10 networks that another group trained and published, as networks of this project.

They belong to Csiszárik et al. (2021), "Similarity and Matching of Neural Network Representations" (NeurIPS), whose
repository holds them under the MIT licence. They are fetched by address and hash, as data sets are, and are never part
of the results, which name them by their hashes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from repsim.lab.data import classes_of, fetch_file
from repsim.lab.errors import DataError
from repsim.lab.families import describe
from repsim.lab.profiles import Networks, Recipe
from repsim.lab.repository import cache_root, data_root
from repsim.lab.store import Artefact, Store, digest
from repsim.lab.tensors import read_tensors
from repsim.lab.weights import STEP

FOLDER = "REPSIM_PUBLISHED"  # names a folder that holds the files, where there is no internet
ADDRESS = (
    "https://raw.githubusercontent.com/renyi-ai/drfrankenstein/b9064cdea67698f70af07849bc5decaafccac9f3/"
    "model_weights/Tiny10/CIFAR10/in{seed}-gn{seed}/110000.pt"
)
SHA256 = (
    "cfbb654d0832def8916cf201b7f93fe33794e3fc9fc2d7f517a89e4fbbf3bd4e",
    "ed8f917b66a53452f348976025a7ddf952bb17fbded27ee36cbd36d11a3bff45",
    "0abdc6967da75762ebabf34a46de5efceef89fa5db67bb7365a17adf1c2eeebb",
    "4512955a0d6b55950e4bef33446ab4fdf6cc3dba04d568f325b2bb17aec5c0f3",
    "4d0f35f66d53d93d0d6a896d3085718b72aa9b8f9baf765cb82141d01131b22d",
    "326c9470de9ec2bbc550a138b79d1467f2fd0a49e81e9e3038f9f9e7c2c26f30",
    "bc0c194f4c993678b4c0f33cc5e2dac97e822601bd4cd238bef6aa95ce00454e",
    "a8f3dde969ca69adc610e5642533fa4d7234402d721b6aaad9b3dc5947c5c63a",
    "6f0067121af4b4f125e2be6a657bef9539030449c7883119b031f014d4a14012",
    "f6cf652a708c5fea939ec3f56481f28207a7c5300d815bc457ce5b0b0374db6d",
)
# Theirs is the network of the paper's Table E.1 without padding, with biases beside the normalisation. Of the recipe,
# which their repository holds, only these and the scaling decide how a trained network is built and fed.
NETWORKS = Networks(
    name="tiny10-renyi",
    architecture="tiny10-valid",
    dataset="cifar10",
    seeds=tuple(range(len(SHA256))),
    recipe=Recipe(
        epochs=300,
        batch=128,
        peak_rate=0.1,
        warmup_epochs=0,
        momentum=0.9,
        weight_decay=1e-4,
        coupled_decay="all",
        steps=(0.333333, 0.666667),
        shift=4,
        flip=True,
        border="zero",
        precision="float32",
        initialisation="fan_in",
        biases=True,
        scaling="unit",
    ),
    minutes=0.0,
    committed=False,
)
# Their scaling of images in [0, 1], by colour.
MEAN, DEVIATION = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2023, 0.1994, 0.2010])


def published_file(seed: int) -> Path:
    """Return the file of one of the networks, fetched unless ``REPSIM_PUBLISHED``, else the data's folder, has it.

    Raises
    ------
    DataError
        If it is missing and cannot be fetched, or has another SHA-256.
    """
    path = Path(os.environ.get(FOLDER) or data_root() / NETWORKS.name) / f"in{seed}-gn{seed}.pt"
    advice = f"put the file there, or name the folder that holds it in {FOLDER}"
    return fetch_file(path, ADDRESS.format(seed=seed), f"sha256:{SHA256[seed]}", advice)


def weights(path: Path) -> dict[str, np.ndarray]:
    """Return the weights of one of that group's Tiny-10 networks as those of ours, for images in [0, 1].

    Their scaling of the images becomes a part of the first convolution, which is exact because no convolution has a
    border: there is no pixel that is not scaled. DataError if the file is not one of tensors, or names, kinds or shapes
    differ.
    """
    tensors = read_tensors(path)
    places = _places()
    expected = {name: f"{'float32' if ours else 'int64'} {shape}" for name, (ours, shape) in places.items()}
    actual = {name: f"{array.dtype} {array.shape}" for name, array in tensors.items()}
    if wrong := sorted(name for name in {*expected, *actual} if expected.get(name) != actual.get(name)):
        listed = "; ".join(
            f"{name}: expected {expected.get(name, 'none')}, found {actual.get(name, 'none')}" for name in wrong[:3]
        )
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise DataError(f"{path} is not a Tiny-10 network of {NETWORKS.name}: {listed}{more}")
    first, bias = tensors["conv1.weight"].astype(np.float64) / DEVIATION[:, None, None], tensors["conv1.bias"]
    tensors |= {"conv1.weight": first, "conv1.bias": bias - (first * MEAN[:, None, None]).sum(axis=(1, 2, 3))}
    return {
        ours: np.ascontiguousarray(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T, np.float32)
        for name, (ours, _) in places.items()
        if ours
        for array in [tensors[name]]
    }


_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def _places() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return what each tensor of a file is called here, where it has a place, and its shape there."""
    places: dict[str, tuple[str, tuple[int, ...]]] = {}
    inputs = 3
    for number, convolution in enumerate(describe(NETWORKS.architecture).convolutions, start=1):
        channels, size = convolution.channels, convolution.size
        places[f"conv{number}.weight"] = f"filter{number}/kernel", (channels, inputs, size, size)
        places[f"conv{number}.bias"] = f"filter{number}/bias", (channels,)
        places |= {f"bn{number}.{theirs}": (f"norm{number}/{ours}", (channels,)) for theirs, ours in _NORM.items()}
        places[f"bn{number}.num_batches_tracked"] = "", ()
        inputs = channels
    classes = classes_of(NETWORKS.dataset)
    return places | {"fc.weight": ("logits/kernel", (classes, inputs)), "fc.bias": ("logits/bias", (classes,))}


def as_network(path: Path, seed: int = 0) -> Artefact:
    """Return a file as for :func:`weights` as an artefact of the cache; `seed` tells it apart from others."""
    inputs: dict[str, Any] = {
        "architecture": NETWORKS.architecture,
        "dataset": NETWORKS.dataset,
        "recipe": NETWORKS.recipe.inputs(),
        "seed": seed,
        "file": digest(path),
    }
    store = Store(cache_root() / "published")
    return store.get(STEP, f"{NETWORKS.name}-seed{seed}", inputs, lambda: (weights(path), {}))


def published_networks() -> list[Artefact]:
    """Return the ten networks in the order of their seeds, fetching those that are missing."""
    return [as_network(published_file(seed), seed) for seed in NETWORKS.seeds]
