"""The pages about the networks, about what CKA sees and about what is reported: their tables and pictures."""

import re

import numpy as np
import pytest

import repsim
from repsim.lab.families import describe
from repsim.lab.figures.display import svg
from repsim.lab.figures.indexes import clouds
from repsim.lab.figures.networks import curves, layer_rows, network_rows, papers_parameters, training_facts
from repsim.lab.profiles import load_profile

from .conftest import ROOT

TINY = [16384, 8192, 8192, 4096, 2304, 2304, 64, 10]  # of the paper's Table E.1, equal convolutions once
PLAIN = [98304, 24576, 49152, 12288, 6912, 6912, 192, 10]  # of Table E.2


@pytest.mark.parametrize(("name", "features"), [("tiny10", TINY), ("plain10", PLAIN)])
def test_layers_are_those_of_the_papers_tables(name, features):
    rows = layer_rows(name)
    assert [row["features"] for row in rows] == features
    assert [row["layers"] for row in rows] == ["1 to 2", "3", "4 to 5", "6", "7", "8", "9", "10"]
    assert rows[4]["what"] == "3 × 3 convolution, no border"


def test_deeper_networks_have_as_many_layers_as_their_names_say():
    for name in ("plain18", "plain34", "plain66"):
        assert layer_rows(name)[-1]["layers"] == name.removeprefix("plain")


def test_parameters():
    """By hand: Tiny-10 has 85,168 weights, 320 scales and as many shifts, and 650 numbers in its head."""
    assert papers_parameters(describe("tiny10"), 10) == 85_168 + 640 + 650
    assert papers_parameters(describe("width1"), 10) == 9 * 3 + 6 * 9 + 1 + 2 * 8 + 20
    assert papers_parameters(describe("plain10-nobn"), 10) == papers_parameters(describe("plain10"), 10) - 1_248
    for depth, millions in ((10, 1.37), (18, 2.99), (34, 6.22), (66, 12.68)):
        assert papers_parameters(describe(f"plain{depth}"), 10) == pytest.approx(1e6 * millions, rel=0.002)


def record(accuracy, epochs=3, parameters=87_098):
    return {"test_accuracy": accuracy, "parameters": parameters, "history": {"accuracy": [0.3, 0.5, 0.6][:epochs]}}


def test_accuracies_stand_beside_the_papers_and_one_network_has_no_spread():
    groups = load_profile("laptop").networks
    records = {"tiny10": [record(0.89), record(0.91)], "plain66": [record(0.75, parameters=358_906)]}
    tiny, plain = network_rows(groups, records, {"tiny10": 89.4})
    assert (tiny["networks"], tiny["accuracy"], tiny["paper"]) == (2, "90.00 ± 1.41", 89.4)
    assert tiny["papers_parameters"] == tiny["parameters"]
    assert (plain["accuracy"], plain["paper"]) == ("75.00", None)
    assert plain["papers_parameters"] > 30 * plain["parameters"]
    assert "Plain-66 75.0 %" in curves(records).alt


def test_the_picture_says_what_cka_is():
    x = np.random.default_rng(0).standard_normal((12, 2))
    drawing = clouds({"a cloud": x, "turned": x @ [[0, 1], [-1, 0]], "other": x[::-1]}, np.repeat([0, 1], 6))
    assert "a cloud, 1.00; turned, 1.00; " in drawing.alt
    assert f"other, {repsim.cka(x, x[::-1]):.2f}." in drawing.alt
    assert svg(drawing).count("<image") == 3


def test_every_item_of_the_checklist_is_answered():
    text = (ROOT / "book" / "reforms.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d[a-z]) [^|]+ \| (.+) \|$", text, re.MULTILINE)
    counts = {1: 3, 2: 5, 3: 7, 4: 3, 5: 6, 6: 3, 7: 3, 8: 2}
    assert [item for item, _ in rows] == [f"{module}{'abcdefg'[i]}" for module, n in counts.items() for i in range(n)]
    assert len(rows) == 32


def test_where_networks_were_trained_and_how_long_it_took():
    first = {"seconds": 90, "backend": "tensorflow"}
    second = {"seconds": 150, "backend": "jax", "device": "GPU 9000"}
    facts = training_facts([first, second, first | {"device": "CPU"}])
    assert facts == {"on": "CPU, TensorFlow; GPU 9000, JAX", "minutes": "1.8"}
    assert training_facts([second | {"resumed": True}])["minutes"] == "2.5 (the last run of some)"
