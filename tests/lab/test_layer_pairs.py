"""Pairs of layers on many examples: the same as the engine's tables, and an interrupted run goes on."""

from __future__ import annotations

import numpy as np
import pytest

import repsim
from repsim.lab.findings.correspondence import against_n, as_tables, beside_fewer, random_r2
from repsim.lab.findings.tables import Compared, Tables
from repsim.lab.measurements import common
from repsim.lab.measurements import layer_pairs as module
from repsim.lab.measurements.layer_pairs import TOLERANCE, layer_pairs
from repsim.lab.representations import representations

from .made import Made

EXAMPLES, LAYERS = 400, ("conv5", "conv8", "pool")


@pytest.fixture
def few(monkeypatch):
    """Two of the smoke profile's networks and three of their layers, which are narrower than there are examples."""
    monkeypatch.setattr("repsim.lab.measurements.common.compared_layers", lambda _: LAYERS)
    return common.networks("smoke", most=2)


def test_tables_are_the_engines_and_an_interrupted_run_goes_on(few, monkeypatch):
    made, compare = [], module.compare

    def interrupted(*bases):
        made.append(bases)
        if len(made) == 4:
            raise KeyboardInterrupt
        return compare(*bases)

    monkeypatch.setattr(module, "compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        layer_pairs("smoke", 2, EXAMPLES)
    artefact = layer_pairs("smoke", 2, EXAMPLES)
    assert len(made) == 10, "three are kept, one is repeated"
    assert layer_pairs("smoke", 2, EXAMPLES).sha256 == artefact.sha256
    assert len(made) == 10
    arrays = artefact.arrays()
    x, y = (representations(network, "train", EXAMPLES) for network in few)
    np.testing.assert_array_equal(arrays["ranks"][0], [np.ptp(x[layer], axis=0).astype(bool).sum() for layer in LAYERS])
    for index in artefact.record["indexes"]:
        forth = repsim.pairwise([x[layer] for layer in LAYERS], [y[layer] for layer in LAYERS], index=index)
        back = repsim.pairwise([y[layer] for layer in LAYERS], [x[layer] for layer in LAYERS], index=index)
        np.testing.assert_allclose(arrays[index][0, 1], forth, rtol=1e-4, atol=TOLERANCE, err_msg=index)
        np.testing.assert_allclose(arrays[index][1, 0], back, rtol=1e-4, atol=TOLERANCE, err_msg=index)


def test_random_subspaces_have_the_r2_that_their_ranks_give():
    rng, n, ranks = np.random.default_rng(0), 60, (10, 25)
    values = [repsim.cca(*(rng.standard_normal((n, rank)) for rank in ranks)) for _ in range(200)]
    error = np.std(values) / np.sqrt(len(values))
    assert random_r2(ranks, n) == pytest.approx(np.mean(values), abs=4 * error)
    assert random_r2((59, 80), n) == 1


def test_scores_against_n_stand_beside_random_subspaces():
    sharp, flat = np.tile(np.eye(3), (3, 3, 1, 1)), np.tile(np.eye(3)[[0, 0, 0]], (3, 3, 1, 1))
    values = against_n({200: sharp, 100: flat}, ranks=[50, 20, 150])["N1"]
    assert (values["tried_n"], values["examples"]) == ([100, 200], 200)
    assert values["scores"] == [pytest.approx(100 / 3), 100]
    assert values["layers"] == [pytest.approx(1 / 3), 1]
    assert values["random"][0] == pytest.approx(np.mean([50 / 99, 20 / 99, 1]))


def test_a_comparison_is_read_as_a_measure():
    rng = np.random.default_rng(0)
    part = {"group": "tiny10", "seeds": [0, 1, 2], "layers": ["a", "b"], "features": [3, 4]}
    record = {"rows": [part], "columns": [part], "examples": [50, 60], "indexes": ["cka_rbf_0.4"], "split": "train"}
    arrays = {f"cka_rbf_0.4_{n}": rng.random((6, 6)) for n in (50, 60)}
    tables = as_tables(Compared(Made(record, arrays)))
    assert tables.examples("cka_rbf_0.4") == 60
    assert tables.get("cka_rbf_0.4")[0, 2, 1, 0] == arrays["cka_rbf_0.4_60"][1, 4]


def test_more_images_stand_beside_fewer_of_the_same_networks():
    blurred, sharp = np.tile(np.eye(2)[[0, 0]], (4, 4, 1, 1)), np.tile(np.eye(2), (3, 3, 1, 1))
    blurred[3] = np.eye(2)  # a fourth network, which the larger measure lacks
    fewer, more = (
        Tables({"any": Made({"split": "train", "examples": n, "indexes": ["cka_linear"]}, {"cka_linear": t})})
        for n, t in ((50, blurred), (60, sharp))
    )
    (row,) = beside_fewer(more, fewer)
    assert (row["accuracy"], row["fewer"], row["fewer_examples"]) == (100, 50, 50)
