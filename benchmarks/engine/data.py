"""Representations, as files that are written once and read a block at a time.

Those of many networks are made up and have the shapes of Tiny-10's. One network's are those of a trained Tiny-10 on its
training images: what a basis or a singular value costs depends on the numbers too, such as how many directions are kept
and whether float32 resolves them.
"""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np

from repsim.lab.families import compared_layers, describe
from repsim.lab.profiles import load_profile
from repsim.lab.representations import layer_features, representations
from repsim.lab.store import profile_store
from repsim.lab.weights import find_network

CLASSES = 10
COMPARED = -1  # the logits are not compared
ARCHITECTURE = "tiny10"
SIGNALS = 32
_ROWS = 256  # made at once, the same for all widths, so that all layers see the same signals


class NoRoomError(Exception):
    """The disk cannot hold the representations."""


class NotTrainedError(Exception):
    """There is no network to take representations of."""


def layer_widths(channels=()):
    """Return the features of each compared layer of one network."""
    return list(describe(ARCHITECTURE, channels).features(CLASSES).values())[:COMPARED]


def network_of(folder, number):
    """Return the folder that holds one network's representations."""
    return Path(folder) / f"network{number}"


def write_networks(folder, count, n, widths):
    """Write `count` networks of n examples each, unless they are there; return bytes written."""
    wanted = [
        (network_of(folder, number) / f"layer{layer}.npy", p, 1000 * number + layer)
        for number in range(count)
        for layer, p in enumerate(widths)
    ]
    missing = [(path, p, seed) for path, p, seed in wanted if not _has(path, n, p)]
    size = sum(4 * n * p for _, p, _ in missing)
    Path(folder).mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise NoRoomError(f"{size:,} bytes of representations are to be written, and {free:,} are free")
    for path, p, seed in missing:
        write_layer(path, n, p, seed)
    return size


def trained_network(profile):
    """Return the first Tiny-10 network of a profile, trained already."""
    group = load_profile(profile).group(ARCHITECTURE)
    network = find_network(profile_store(profile), group, group.seeds[0])
    if network is None:
        raise NotTrainedError(
            f"profile {profile} has no trained {ARCHITECTURE}: run `repsim-lab train {profile}` first"
        )
    return network


def trained_widths(network):
    """Return the features of each compared layer of a trained network."""
    features = layer_features(network)
    return [features[layer] for layer in compared_layers(network.record["inputs"]["architecture"])]


def described_trained(network, n):
    """Return which representations `link_trained` takes."""
    return {"network": network.path.name, "sha256": network.sha256, "split": "train", "n": n}


def link_trained(folder, network, n):
    """Compute a network's representations of its first n training images, in the cache, and link to them."""
    network_of(folder, 0).mkdir(parents=True, exist_ok=True)
    layers = compared_layers(network.record["inputs"]["architecture"])
    for number, held in enumerate(representations(network, "train", n, layers).values()):
        path = network_of(folder, 0) / f"layer{number}.npy"
        path.unlink(missing_ok=True)
        path.symlink_to(held.filename)


def write_layer(path, n, p, seed):
    """Write rectified mixtures of signals, which all layers share, and noise of their own, in float32."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (n, p)})
        for block in rectified(n, p, seed):
            file.write(block.tobytes())
    os.replace(partial, path)


def rectified(n, p, seed):
    """Yield blocks of rows; the first rows of more examples are the same as all rows of fewer."""
    weights = np.random.default_rng([2, seed]).standard_normal((SIGNALS, p), dtype=np.float32) / np.sqrt(SIGNALS)
    for start in range(0, n, _ROWS):
        signal = np.random.default_rng([1, start]).standard_normal((_ROWS, SIGNALS), dtype=np.float32)
        block = np.random.default_rng([3, seed, start]).standard_normal((_ROWS, p), dtype=np.float32)
        block += signal @ weights.astype(np.float32)
        yield np.maximum(block, 0)[: n - start]


def open_networks(folder, numbers, n):
    """Return the first n examples of all layers of these networks, in files."""
    arrays = []
    for number in numbers:
        layers = sorted(network_of(folder, number).glob("*.npy"), key=lambda path: (len(path.stem), path.stem))
        arrays += [np.load(path, mmap_mode="r", allow_pickle=False)[:n] for path in layers]
    return arrays


def described_networks(count, n, most, widths):
    """Return what the networks are that `write_networks` makes, the first with the most examples."""
    return [{"n": n if number else most, "widths": list(widths)} for number in range(count)]


def describe_files(folder, count):
    """Return what the files of each network hold, without where they lie."""
    described = []
    for number in range(count):
        layers = open_networks(folder, [number], None)
        if not layers:
            raise FileNotFoundError(f"there is no {network_of('', number)}/layer0.npy in the folder of representations")
        digest = hashlib.sha256()
        for x in layers:
            digest.update(f"{x.shape} {x.dtype}".encode())
            for row in (0, x.shape[0] // 2, x.shape[0] - 1):
                digest.update(np.ascontiguousarray(x[row]).tobytes())
        widths = [int(np.prod(x.shape[1:])) for x in layers]
        described.append({"n": min(len(x) for x in layers), "widths": widths, "sample_sha256": digest.hexdigest()})
    return described


def _has(path, n, p):
    if not path.exists():
        return False
    held = np.load(path, mmap_mode="r", allow_pickle=False)
    return held.shape[0] >= n and held.shape[1:] == (p,)
