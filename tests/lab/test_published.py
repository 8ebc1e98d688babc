"""The committed results: undamaged, small, and the same when a sample of them is computed again."""

from __future__ import annotations

import json

import numpy as np
import pytest

import repsim
from repsim.lab import measurements
from repsim.lab.data import load_dataset
from repsim.lab.layers import compared_layers
from repsim.lab.paths import REPOSITORY
from repsim.lab.profiles import load_profile
from repsim.lab.representations import representations
from repsim.lab.store import Artefact, record_path
from repsim.lab.training import evaluate, load_network

PROFILE = load_profile("laptop")


@pytest.fixture(autouse=True)
def published(monkeypatch):
    """Read the committed results."""
    monkeypatch.setenv("REPSIM_RESULTS", str(REPOSITORY / "results"))


def test_every_committed_artefact_is_what_its_record_says():
    paths = sorted((REPOSITORY / "results").rglob("*.npz"))
    assert paths
    for path in paths:
        assert record_path(path).exists(), f"{path} has no record"
        Artefact(path, json.loads(record_path(path).read_text())).arrays()


def test_networks_and_results_are_small():
    networks = sum(path.stat().st_size for path in (REPOSITORY / "results/laptop/networks").glob("*.npz"))
    others = (
        sum(path.stat().st_size for path in (REPOSITORY / "results/laptop").rglob("*") if path.is_file()) - networks
    )
    assert networks < 5e6
    assert others < 10e6


def test_everything_the_book_needs_is_committed():
    assert len(measurements.networks("laptop")) == len(PROFILE.group("tiny10").seeds)
    for measure in PROFILE.measures:
        assert set(measurements.tables("laptop", measure.name).arrays()) >= set(measure.indexes)
    for measurement in (measurements.dimension, measurements.components, measurements.subspace):
        assert measurement("laptop").arrays()


@pytest.mark.data
def test_networks_score_what_their_records_say(real_data):
    dataset = load_dataset("cifar10")
    for network in measurements.networks("laptop"):
        accuracy, _ = evaluate(load_network(network), dataset, dataset.test)
        assert accuracy == pytest.approx(network.record["test_accuracy"], abs=2e-4)


@pytest.mark.data
@pytest.mark.parametrize("measure", [measure.name for measure in PROFILE.measures])
def test_a_sample_of_the_tables_is_recomputed(real_data, measure):
    artefact = measurements.tables("laptop", measure)
    record, committed = artefact.record, artefact.arrays()
    layers = compared_layers("tiny10")
    sample = ("conv8", "pool")
    first, second = measurements.networks("laptop")[:2]
    arrays = [
        list(representations(one, record["split"], record["examples"], sample).values()) for one in (first, second)
    ]
    with measurements.saturation_is_recorded():
        values = repsim.pairwise(*arrays, index=record["indexes"], median=measurements.MEDIAN)
    rows = [layers.index(layer) for layer in sample]
    for name, value in values.items():
        np.testing.assert_allclose(value, committed[name][0, 1][np.ix_(rows, rows)], rtol=2e-3, atol=1e-6, err_msg=name)
