"""Data: canonical order, fingerprints, refusals by name."""

from __future__ import annotations

import errno
import functools
import hashlib
import http.server
import os
import re
import shutil
import tarfile
import threading
from dataclasses import replace

import numpy as np
import pytest

from repsim.lab import data
from repsim.lab.data import fetch
from repsim.lab.errors import DataError


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A data set in the official layout: 5 files of 20 training records and one of 10 test records."""
    rng = np.random.default_rng(1)
    records = rng.integers(0, 256, (110, 3073), dtype=np.uint8)
    records[:, 0] = rng.integers(0, 10, 110)
    source = data.SOURCES["cifar10"]
    prints = {"train": data.fingerprint(records[:100]), "test": data.fingerprint(records[100:])}
    records_of = {"train": 100, "test": 10}
    monkeypatch.setitem(data.SOURCES, "cifar10", replace(source, records=records_of, fingerprints=prints))
    monkeypatch.setenv("REPSIM_DATA", str(tmp_path / "data"))
    data.load_dataset.cache_clear()

    def write(order):
        folder = tmp_path / "data" / source.folder
        folder.mkdir(parents=True, exist_ok=True)
        for number, part in enumerate(np.split(records[:100][order], 5), start=1):
            (folder / f"data_batch_{number}.bin").write_bytes(part.tobytes())
        (folder / "test_batch.bin").write_bytes(records[100:].tobytes())
        return folder

    yield write
    data.load_dataset.cache_clear()


def test_order_of_the_copy_does_not_matter(tiny):
    tiny(np.arange(100))
    first = data.load_dataset("cifar10")
    data.load_dataset.cache_clear()
    tiny(np.random.default_rng(2).permutation(100))
    second = data.load_dataset("cifar10")
    np.testing.assert_array_equal(first.train.images, second.train.images)
    np.testing.assert_array_equal(first.train.labels, second.train.labels)
    assert (np.diff(first.train.labels.astype(int)) >= 0).all()


def test_pixels_are_in_place(tiny):
    folder = tiny(np.arange(100))
    record = np.fromfile(folder / "test_batch.bin", np.uint8).reshape(-1, 3073)[4]
    images = data.load_dataset("cifar10").test.images
    wanted = record[1:].reshape(3, 32, 32)
    assert any((image[..., channel] == wanted[channel]).all() for image in images for channel in [1])
    matches = [image for image in images if (image[..., 0] == wanted[0]).all()]
    np.testing.assert_array_equal(matches[0][..., 2], wanted[2])


@pytest.fixture
def refused(tiny):
    """Change the content of a file and return the message of the refusal, after which every file is as it was."""

    def check(name, change):
        folder = tiny(np.arange(100))
        file = folder / name
        file.write_bytes(change(file.read_bytes()))
        before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.parent.rglob("*.*")}
        with pytest.raises(DataError) as error:
            data.load_dataset("cifar10")
        assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.parent.rglob("*.*")} == before
        message = str(error.value)
        assert str(file) in message
        expected, found = re.search(r"expected ([0-9a-f]{64}), found ([0-9a-f]{64})", message).groups()
        split = "test" if name.startswith("test") else "train"
        assert expected == data.SOURCES["cifar10"].fingerprints[split] != found
        return message

    return check


@pytest.mark.parametrize("removed", [1, 3073, 20 * 3073])
def test_truncated_file_is_refused_by_name_with_both_hashes(refused, removed):
    message = refused("data_batch_3.bin", lambda content: content[:-removed])
    assert f"data_batch_3.bin has {20 * 3073 - removed} bytes, not {20 * 3073}" in message
    assert "data_batch_1.bin" not in message


@pytest.mark.parametrize("name", ["test_batch.bin", "data_batch_5.bin"])
@pytest.mark.parametrize("position", [0, 5000])
def test_altered_file_is_refused_by_name_with_both_hashes(refused, name, position):
    assert "was altered" in refused(
        name, lambda content: content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
    )


def test_a_record_that_comes_twice_is_refused(refused):
    refused("data_batch_1.bin", lambda content: content[:3073] + content[:3073] + content[2 * 3073 :])


def test_missing_file_is_refused_by_name(tiny):
    (tiny(np.arange(100)) / "test_batch.bin").unlink()
    with pytest.raises(DataError, match="test_batch.bin is missing"):
        data.load_dataset("cifar10")


def test_unreachable_data_is_one_sentence(monkeypatch, tmp_path):
    import pooch

    def refuse(*args, **kwargs):
        raise ConnectionError("no route")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    monkeypatch.setenv("REPSIM_DATA", str(tmp_path / "nowhere"))
    data.load_dataset.cache_clear()
    with pytest.raises(DataError, match="REPSIM_DATA") as error:
        data.load_dataset("cifar10")
    assert str(error.value).count("\n") == 0
    assert "cifar-10-batches-bin" in str(error.value)


@pytest.fixture
def archive(tiny, tmp_path, monkeypatch):
    """The tiny data set as an archive on a server of this machine; returns the data folder, which lacks it."""
    source = data.SOURCES["cifar10"]
    folder, served = tiny(np.arange(100)), tmp_path / "served"
    served.mkdir()
    archive = served / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(folder, source.folder)
    shutil.rmtree(folder)
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/{archive.name}"
        monkeypatch.setitem(data.SOURCES, "cifar10", replace(source, address=address, md5=md5))
        yield folder
        server.shutdown()


def test_download(archive):
    (archive.parent / f".{archive.name}.999999999.part").mkdir()
    assert len(data.load_dataset("cifar10").test.labels) == 10
    found = {path.name for path in archive.parent.iterdir()}
    assert found - {f".{archive.name}.lock"} == {archive.name, "cifar-10-binary.tar.gz"}


def test_an_unpacking_that_is_cut_short_leaves_no_folder(archive, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "no space left")))
        with pytest.raises(DataError, match=r"could not be fetched from .* \(no space left\)"):
            data.load_dataset("cifar10")
    assert not archive.exists()
    assert not list(archive.parent.glob("*.part"))
    assert len(data.load_dataset("cifar10").train.labels) == 100


def test_a_killed_run_leaves_nothing_for_good(archive):
    """What a killed download left is removed, and an archive that is whole is not downloaded again."""
    data.load_dataset("cifar10")
    part = archive.parent / f".{archive.name}.999999999.part"
    part.mkdir()
    (part / "tmpabc").write_bytes(b"half")
    shutil.rmtree(archive)
    data.load_dataset.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        away = replace(data.SOURCES["cifar10"], address="http://127.0.0.1:1/cifar-10-binary.tar.gz")
        patch.setitem(data.SOURCES, "cifar10", away)
        assert len(data.load_dataset("cifar10").test.labels) == 10
    assert not part.exists()
    part.mkdir()  # as of a run that was killed when its folder had just appeared
    fetch("http://127.0.0.1:1/official.tar.gz", "", archive)
    assert not part.exists()


def test_another_archive_is_refused_with_both_hashes(archive, monkeypatch):
    official = "c32a1d4ab5d03f1284b67883e8d87530"
    found = data.SOURCES["cifar10"].md5
    monkeypatch.setitem(data.SOURCES, "cifar10", replace(data.SOURCES["cifar10"], md5=official))
    with pytest.raises(DataError, match="cifar-10-batches-bin there") as error:
        data.load_dataset("cifar10")
    assert official in str(error.value)
    assert found in str(error.value)
    assert not archive.exists()


def test_unknown_data_set_lists_the_known_ones():
    with pytest.raises(DataError, match="known are: cifar10, cifar100, synthetic"):
        data.load_dataset("mnist")


def test_selections_are_nested_and_within_range():
    split = data.load_dataset("synthetic").train
    np.testing.assert_array_equal(split.examples(10), split.examples(200)[:10])
    for count in (0, 513):
        with pytest.raises(DataError, match=f"asked for {count} of the 512"):
            split.examples(count)


def test_normalised_training_set_has_mean_zero_and_deviation_one():
    dataset = data.load_dataset("synthetic")
    images = dataset.normalise(dataset.train.images).astype(np.float64)
    np.testing.assert_allclose(images.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(images.std((0, 1, 2)), 1, atol=1e-5)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "mean", "classes"),
    [
        ("cifar10", [125.30691805, 122.95039414, 113.86538318], 10),
        ("cifar100", [129.30416561, 124.0699627, 112.43405006], 100),
    ],
)
def test_the_real_data(real_data, name, mean, classes):
    dataset = data.load_dataset(name)
    assert dataset.train.images.shape == (50000, 32, 32, 3)
    assert dataset.test.images.shape == (10000, 32, 32, 3)
    np.testing.assert_allclose(dataset.train.images.mean((0, 1, 2)), mean, rtol=1e-7)
    assert np.bincount(dataset.train.labels).tolist() == [50000 // classes] * classes
