"""The committed results: undamaged, small, and the same when a sample of them is computed again."""

from __future__ import annotations

import pytest

from repsim.lab import measurements, recomputing
from repsim.lab.paths import REPOSITORY
from repsim.lab.profiles import load_profile
from repsim.lab.store import read_artefact, record_path
from repsim.lab.tolerances import ACCURACY, SIMILARITY

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
        read_artefact(path).arrays()


def test_networks_and_results_are_small():
    networks = sum(path.stat().st_size for path in (REPOSITORY / "results/laptop/networks").glob("*.npz"))
    others = (
        sum(path.stat().st_size for path in (REPOSITORY / "results/laptop").rglob("*") if path.is_file()) - networks
    )
    assert networks < 20e6
    assert others < 15e6


def test_everything_the_book_needs_is_committed():
    assert len(measurements.networks("laptop")) == len(PROFILE.group("tiny10").seeds)
    for measure in PROFILE.measures:
        assert set(measurements.tables("laptop", measure.name).arrays()) >= set(measure.indexes)
    for measurement in (measurements.dimension, measurements.components, measurements.subspace):
        assert measurement("laptop").arrays()


@pytest.mark.data
def test_networks_score_what_their_records_say(real_data):
    for network in measurements.networks("laptop"):
        score, found = recomputing.accuracy(network)
        assert score == "test_accuracy"
        assert ACCURACY.holds(found, network.record[score]), network.path.name


@pytest.mark.data
@pytest.mark.parametrize("measure", [measure.name for measure in PROFILE.measures])
def test_a_sample_of_the_tables_is_recomputed(real_data, measure):
    table, layers = measurements.tables("laptop", measure), ("conv8", "pool")
    record, held = table.record, table.arrays()
    networks = measurements.networks("laptop")[:2]
    for one, other in (layers, layers[::-1]):
        place = (0, 1, record["layers"].index(one), record["layers"].index(other))
        cell = recomputing.Cell(
            tuple(network.path.name for network in networks),
            (one, other),
            record["split"],
            record["examples"],
            {name: float(held[name][place]) for name in record["indexes"]},
        )
        found = recomputing.similarities(cell, networks)
        assert SIMILARITY.holds(found, cell.held), f"{cell}: {found}, not {cell.held}"
