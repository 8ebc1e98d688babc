"""CIFAR-10 and CIFAR-100 from their official binary archives, in an order that does not depend on the copy.

The archives hold no pickles. Records are sorted by label, then bytes, so that every copy of the data, whatever the
order of its records, gives the same arrays; an order-independent fingerprint proves that they are the same records.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock

from repsim.lab.errors import DataError, known
from repsim.lab.repository import data_root
from repsim.lab.store import clear, part_path
from repsim.lab.unpacking import ArchiveError, unpack_tar

HOME = "https://www.cs.toronto.edu/~kriz/"
IMAGE_BYTES = 3 * 32 * 32  # of every data set, in planes of red, green and blue, after the bytes of the label


@dataclass(frozen=True)
class Source:
    """Where a data set comes from (MD5 as its home page gives it) and what its files must hold.

    A record is its label, the last of `label_bytes`, and an image.
    """

    title: str
    address: str
    md5: str
    folder: str
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    label_bytes: int
    classes: int
    records: dict[str, int]
    fingerprints: dict[str, str]


SOURCES = {
    "cifar10": Source(
        title="CIFAR-10",
        address=HOME + "cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        folder="cifar-10-batches-bin",
        train_files=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        test_files=("test_batch.bin",),
        label_bytes=1,
        classes=10,
        records={"train": 50_000, "test": 10_000},
        fingerprints={
            "train": "55a61f79a40ece2ceda9fb5f9f7078f6ea2fc4952489cef56682bcf92cfcc260",
            "test": "325704b01eb92e1e2a6215ae6a916bb7db7de054af0c496be1c7be2e0fcfbf5f",
        },
    ),
    "cifar100": Source(
        title="CIFAR-100",
        address=HOME + "cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        folder="cifar-100-binary",
        train_files=("train.bin",),
        test_files=("test.bin",),
        label_bytes=2,
        classes=100,
        records={"train": 50_000, "test": 10_000},
        fingerprints={
            "train": "7077d87fc363f92dbf1245f13ba80561d7b33a96c79ad57168d49dc172aaa92b",
            "test": "96adb3db8da7632dbb350559a17b9f585fab5b17675de5fc8f6761384196b294",
        },
    ),
}
DATASETS = (*SOURCES, "synthetic")
SYNTHETIC_CLASSES, SYNTHETIC_IMAGES = 4, 512


@dataclass(frozen=True)
class Split:
    """Images (n, 32, 32, 3) and labels (n,), both uint8, in canonical order."""

    images: np.ndarray
    labels: np.ndarray

    def examples(self, count: int) -> np.ndarray:
        """Return the positions of the first `count` examples of a fixed random order of the split.

        The order is the same everywhere, and a smaller selection is the beginning of a larger one.
        """
        if not 1 <= count <= len(self.labels):
            raise DataError(f"examples: asked for {count} of the {len(self.labels)} examples of the split")
        return np.random.default_rng(0).permutation(len(self.labels))[:count]


@dataclass(frozen=True)
class Dataset:
    """A data set; `moments` per channel are those of all training images, in units of pixel values."""

    name: str
    classes: int
    train: Split
    test: Split

    def first(self, split: str, count: int) -> Split:
        """Return the first `count` examples of the fixed random order of a split, "train" or "test"."""
        whole = {"train": self.train, "test": self.test}[split]
        chosen = whole.examples(count)
        return Split(whole.images[chosen], whole.labels[chosen])

    def scale(self, images: np.ndarray, scaling: str) -> np.ndarray:
        """Return float32 images as a recipe's `scaling` says: normalised by "colour", or in [0, 1] ("unit")."""
        return self.normalise(images) if scaling == "colour" else images.astype(np.float32) / np.float32(255)

    def normalise(self, images: np.ndarray) -> np.ndarray:
        """Return float32 images with the training set's mean 0 and deviation 1 in each channel."""
        width = images.shape[-2]
        rows = images.reshape(*images.shape[:-2], -1).astype(np.float32)  # whole rows: three values take as long
        mean, deviation = (np.tile(moment, width) for moment in self.moments)
        rows -= mean
        rows /= deviation
        return rows.reshape(images.shape)

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of each channel, from exact integers: the same whatever a machine's order of summation."""
        counts = np.stack([np.bincount(self.train.images[..., c].ravel(), minlength=256) for c in range(3)])
        values = np.arange(256)
        total = counts.sum(axis=1)
        mean = counts @ values / total
        deviation = np.sqrt(counts @ values**2 / total - mean**2)
        return mean.astype(np.float32), deviation.astype(np.float32)


def fingerprint(records: np.ndarray) -> str:
    """Return the SHA-256 of the sorted SHA-256 digests of the records: the same for every order of the same records."""
    return hashlib.sha256(b"".join(sorted(hashlib.sha256(row).digest() for row in records))).hexdigest()


def fetch_file(path: Path, address: str, expected: str, advice: str) -> Path:
    """Return a file, downloaded unless it is there, after comparing it with its hash ("md5:...") where one is known.

    Raises
    ------
    DataError
        If it cannot be downloaded, with `advice` on what to do, or has another hash. Nothing is left half-written.
    """
    import pooch

    passing = part_path(path)  # a folder that outlives no run
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        clear(path.parent, path.name)
        if not path.exists():
            pooch.retrieve(address, expected or None, path.name, passing, progressbar=True)
            os.replace(passing / path.name, path)
    except Exception as error:  # every way a download can fail ends in the same advice
        why = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} is missing and could not be fetched from {address} ({why}): {advice}.") from error
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    algorithm, _, wanted = expected.partition(":")
    if wanted and (actual := pooch.file_hash(str(path), algorithm)) != wanted:
        named = {"md5": "MD5", "sha256": "SHA-256"}[algorithm]
        raise DataError(f"{path} was altered: expected {named} {wanted}, found {actual}. Delete it to fetch it again.")
    return path


def fetch(address: str, md5: str, target: Path) -> None:
    """Download an archive, which is kept beside its one folder `target`, and unpack that, unless it is there.

    Raises
    ------
    DataError
        As :func:`fetch_file`, or if the archive is refused or there is no room. What is there stays as it was.
    """
    partial = part_path(target)
    advice = f"put the official folder {target.name} there, or name the folder that holds it in REPSIM_DATA"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            clear(target.parent, target.name)  # also where a run was killed when its folder had just appeared
            if not target.exists():
                archive = fetch_file(target.with_name(address.rsplit("/", 1)[-1]), address, f"md5:{md5}", advice)
                unpack_tar(archive, partial)
                os.replace(partial / target.name, target)
    except (ArchiveError, OSError) as error:
        raise DataError(str(error)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _read(name: str, source: Source, split: str) -> Split:
    folder, width = data_root() / source.folder, source.label_bytes + IMAGE_BYTES
    files = [folder / name for name in (source.train_files if split == "train" else source.test_files)]
    for file in files:
        if not file.is_file():
            raise DataError(f"{file} is missing; delete {folder} to have {name} fetched again")
    contents = [np.fromfile(file, np.uint8) for file in files]
    records = np.concatenate([content[: len(content) // width * width].reshape(-1, width) for content in contents])
    expected, actual = source.fingerprints[split], fingerprint(records)
    if sum(map(len, contents)) != source.records[split] * width or actual != expected:
        size = source.records[split] // len(files) * width
        sizes = {file: len(content) for file, content in zip(files, contents, strict=True)}
        wrong = [f"{file} has {held} bytes, not {size}" for file, held in sizes.items() if held != size]
        which = " and ".join(wrong) or f"the content of {' or '.join(map(str, files))} was altered"
        raise DataError(
            f"{name} is damaged: {which}. The fingerprint (SHA-256) of its {split} records: expected {expected}, "
            f"found {actual}. Restore it, or delete {folder} to have {name} fetched again."
        )
    own = np.ascontiguousarray(records[:, source.label_bytes - 1 :])  # the label that counts, and the image
    own = own[sorted(range(len(own)), key=lambda i: own[i].tobytes())]
    planes = own[:, 1:].reshape(-1, 3, 32, 32)
    return Split(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), own[:, 0].copy())


def _synthetic() -> Dataset:
    """Make small images of coloured blobs, one kind per class: what the smoke profile learns."""
    rng = np.random.default_rng(20190515)
    patterns = rng.uniform(0, 255, (SYNTHETIC_CLASSES, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)

    def split(count: int) -> Split:
        labels = np.sort(np.arange(count) % SYNTHETIC_CLASSES).astype(np.uint8)
        noise = rng.normal(0, 60, (count, 32, 32, 3))
        return Split(np.clip(patterns[labels] + noise, 0, 255).astype(np.uint8), labels)

    return Dataset("synthetic", SYNTHETIC_CLASSES, split(SYNTHETIC_IMAGES), split(256))


def source_of(name: str) -> Source:
    """Return where a data set comes from, or say that there is none of that name."""
    if name not in SOURCES:
        raise DataError(known("data set", name, DATASETS))
    return SOURCES[name]


def dataset_fingerprint(name: str) -> str:
    """Return the fingerprint of a data set without reading it (made from that of its two splits)."""
    if name == "synthetic":
        made = load_dataset(name)
        contents = [array.tobytes() for split in (made.train, made.test) for array in (split.images, split.labels)]
    else:
        contents = [source_of(name).fingerprints[split].encode() for split in ("train", "test")]
    return hashlib.sha256(b"".join(contents)).hexdigest()


def classes_of(name: str) -> int:
    """Return the number of classes of a data set."""
    return SYNTHETIC_CLASSES if name == "synthetic" else source_of(name).classes


def training_images(name: str) -> int:
    """Return the number of training images of a data set, without reading it."""
    return SYNTHETIC_IMAGES if name == "synthetic" else SOURCES[name].records["train"]


def title_of(name: str) -> str:
    """Return what pages call a data set."""
    return SOURCES[name].title if name in SOURCES else "made-up images"


@cache
def load_dataset(name: str) -> Dataset:
    """Return a data set, downloaded if it is not there.

    DataError if the name is unknown, the data is missing and cannot be fetched, or a file is truncated or altered.
    """
    if name == "synthetic":
        return _synthetic()
    source = source_of(name)
    if not (data_root() / source.folder).exists():
        fetch(source.address, source.md5, data_root() / source.folder)
    return Dataset(name, source.classes, _read(name, source, "train"), _read(name, source, "test"))
