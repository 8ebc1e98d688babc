"""The committed results: undamaged, small, and the same when a sample of them is computed again."""

from __future__ import annotations

import subprocess

import pytest

import repsim
from repsim.lab import claims, measurements
from repsim.lab.archives import certification
from repsim.lab.claims import ACCURACY, SIMILARITY
from repsim.lab.measurements import common, similarities
from repsim.lab.profiles import load_profile
from repsim.lab.repository import REPOSITORY
from repsim.lab.store import ONLY_READ, profile_store, read_artefact, record_path
from repsim.lab.weights import STEP, artefact_name, command_again, find_network, inputs, transformers_of

PROFILE = load_profile("laptop")
SEEDS = PROFILE.group("tiny10").seeds


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
    weights = sorted((REPOSITORY / "results/laptop/networks").glob("*.npz"))
    networks = sum(path.stat().st_size for path in weights if not read_artefact(path).made_again_by)
    others = sum(path.stat().st_size for path in (REPOSITORY / "results/laptop").rglob("*") if path not in weights)
    assert networks < 80e6  # with those of all recipes, four each, and ten Transformers
    assert others < 17e6  # records, tables, verdicts


def test_what_is_not_committed_is_ignored_by_git_and_listed_by_a_record():
    """The profile says which weights stay out; git would take them in, or leave others out, unless told the same."""
    store = profile_store("laptop")
    for group, seed in PROFILE.jobs():
        path = store.path(STEP, artefact_name(group, seed), inputs(group, seed)).relative_to(REPOSITORY)
        command = ["git", "check-ignore", "--quiet", str(path)]
        ignored = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True).returncode
        assert ignored == (0 if not group.committed else 1), path
        if found := find_network(store, group, seed):
            expected = None if group.committed else command_again(store, group, seed)
            assert found.made_again_by == expected, path


def test_everything_the_book_needs_is_committed(monkeypatch):
    assert len(common.networks("laptop")) == len(SEEDS)
    monkeypatch.setenv(ONLY_READ, "1")  # an address that changes makes a measurement be made anew
    for name, step in measurements.steps("laptop").items():
        assert step().arrays(), name


@pytest.mark.data
@pytest.mark.parametrize("place", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, len(SEEDS)))])
def test_networks_score_what_their_records_say(real_data, place):
    network = common.networks("laptop")[place]
    score, found = certification.recomputed_accuracy(network)
    assert score == "test_accuracy"
    assert ACCURACY.holds(found, network.record[score]), network.path.name


@pytest.mark.data
@pytest.mark.parametrize(
    "measure",
    [pytest.param(one.name, marks=pytest.mark.slow if one.examples > 1000 else ()) for one in PROFILE.measures],
)
def test_a_sample_of_the_tables_is_recomputed(real_data, measure):
    table, layers = similarities.tables("laptop", measure), ("conv8", "pool")
    record, held = table.record, table.arrays()
    networks = common.networks("laptop")[:2]
    for one, other in (layers, layers[::-1]):
        place = (0, 1, record["layers"].index(one), record["layers"].index(other))
        cell = certification.Cell(
            tuple(network.path.name for network in networks),
            (one, other),
            record["split"],
            record["examples"],
            {name: float(held[name][place]) for name in record["indexes"]},
        )
        found = certification.recomputed_cell(cell, networks)
        assert SIMILARITY.holds(found, cell.held), f"{cell}: {found}, not {cell.held}"


@pytest.mark.data
@pytest.mark.slow
def test_a_cell_of_the_transformers_table_is_recomputed(real_data):
    from repsim.lab.transformers import corpus, measurement
    from repsim.lab.transformers.training import load_transformer

    if not (real_data / corpus.CORPORA["multi30k"].folder).exists():
        pytest.skip(f"no Multi30k in {real_data}")
    settings = transformers_of("laptop")
    table = measurement.compare_transformers("laptop", settings.recipe.epochs)
    models = [load_transformer(network) for network in measurement.networks("laptop", settings.recipe.epochs)[:2]]
    x, y = (
        measurement.represented(model, settings, "scale")[place] for model, place in zip(models, (3, 5), strict=True)
    )
    assert len(x) == table.record["examples"] >= 51_700
    indexes = [index for index in settings.indexes if not index.startswith(measurement.RBF)]
    for index, value in repsim.pairwise([x], [y], index=indexes).items():
        assert abs(float(value[0, 0]) - table.arrays()[f"scale/{index}"][0, 1, 3, 5]) < 1e-5, index
    scaled = measurement.scale_transformers("laptop", settings.recipe.epochs)
    some = [array[: scaled.record["examples"]] for array in (x, y)]  # of the first split
    assert abs(repsim.cka(*some) - scaled.arrays()["1.0"][0, 1, 3, 5]) < 1e-5


def test_every_claim_that_fails_or_is_near_says_why():
    decided = [entry for entry in claims.judged("laptop") if entry.measured and entry.verdict in claims.VERDICTS[:3]]
    unexplained = [
        entry.claim.id
        for entry in decided
        if (entry.verdict != claims.REPRODUCED or claims.near(entry.claim, entry.measured)) and not entry.claim.why
    ]
    assert decided
    assert unexplained == []
