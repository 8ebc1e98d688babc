"""Representations that are computed when they are read are those that would have been stored."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import repsim
from repsim.lab.errors import DamagedArtefactError
from repsim.lab.families import compared_layers
from repsim.lab.profiles import load_profile
from repsim.lab.representations import representations, sources, stored_layers
from repsim.lab.store import profile_store
from repsim.lab.training import train_network

LAYERS = compared_layers("nano10")


@pytest.fixture
def trained():
    group = load_profile("smoke").group("tiny10")
    untrained = replace(group, recipe=replace(group.recipe, epochs=0))
    return [train_network(profile_store("smoke"), untrained, seed) for seed in (0, 1)]


def test_the_narrowest_layers_are_stored(trained, monkeypatch):
    assert stored_layers(trained[0], 100, LAYERS) == LAYERS
    monkeypatch.setattr("repsim.lab.representations.STORED_BYTES", 0)
    assert stored_layers(trained[0], 100, LAYERS) == ()
    monkeypatch.setattr(
        "repsim.lab.representations.STORED_BYTES", 4 * 100 * (8 + 32)
    )  # the pooling layer and one of 2 x 2 x 8
    assert stored_layers(trained[0], 100, LAYERS)[-1] == "pool"
    assert 1 <= len(stored_layers(trained[0], 100, LAYERS)) < len(LAYERS)


@pytest.mark.parametrize("stored", [0, 30 << 30])
@pytest.mark.parametrize("kept", [1, 1 << 30])
def test_they_are_the_same(trained, monkeypatch, stored, kept):
    expected = [x for network in trained for x in representations(network, "train", 100, LAYERS).values()]
    monkeypatch.setattr("repsim.lab.representations.STORED_BYTES", stored)
    monkeypatch.setattr("repsim.lab.representations._KEPT_BYTES", kept)
    monkeypatch.setattr("repsim.lab.representations.BATCH", 30)
    arrays = sources(trained, "train", 100, LAYERS)
    assert [array.shape for array in arrays] == [x.shape for x in expected]
    for start, stop in ((0, 100), (29, 31), (45, 46), (60, 90)):
        for array, x in zip(arrays, expected, strict=True):
            np.testing.assert_allclose(array[start:stop], x[start:stop], rtol=1e-4, atol=1e-5)
    indexes = ["cka_linear", "cka_rbf_0.4"]
    found, whole = (repsim.pairwise(one, index=indexes, block=40) for one in (arrays, expected))
    for name in indexes:
        np.testing.assert_allclose(found[name], whole[name], atol=1e-5)


def test_a_damaged_file_of_representations_is_named(trained):
    (path,) = [Path(x.filename) for x in representations(trained[0], "train", 90, ("pool",)).values()]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DamagedArtefactError, match="holds a damaged file .*; delete the folder"):
        representations(trained[0], "train", 90, ("pool",))
