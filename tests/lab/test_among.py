"""The networks of one recipe among each other, and what is found in their similarities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

import repsim
from repsim.lab.claims import Measurement, find_claim, judge
from repsim.lab.data import load_dataset
from repsim.lab.errors import MissingArtefactError
from repsim.lab.figures.networks import beside, identified_sentence, recipe_row, rule_sentence
from repsim.lab.findings import training
from repsim.lab.findings.tables import Compared
from repsim.lab.measurements import similarities
from repsim.lab.measurements.similarities import first_eigenvalue
from repsim.lab.profiles import load_profile
from repsim.lab.representations import representations
from repsim.lab.store import profile_store
from repsim.lab.training import evaluate, load_network, train_network

from .made import Made

LAYERS = ["conv1", "conv2", "conv3"]


@pytest.fixture
def trained():
    """Train those networks of a recipe of the smoke profile that are asked for."""

    def train(name, *seeds):
        group = load_profile("smoke").group(name)
        return [train_network(profile_store("smoke"), group, seed) for seed in seeds]

    return train


def test_a_recipe_is_measured_on_what_is_trained(trained):
    with pytest.raises(MissingArtefactError, match="recipe-r1: 0 of its networks .* --group recipe-r1"):
        similarities.recipe("smoke", "recipe-r1")
    networks = trained("recipe-r1", 0, 1)
    artefact = similarities.recipe("smoke", "recipe-r1")
    n, compared = 200, Compared(artefact)
    layers = [representations(network, "test", n) for network in networks]
    table = compared.block(compared.name(), "recipe-r1", "recipe-r1")
    for i, j in (("conv1", "conv2"), ("conv8", "pool")):
        places = [artefact.record["rows"][0]["layers"].index(layer) for layer in (i, j)]
        assert table[0, 1, places[0], places[1]] == pytest.approx(repsim.cka(layers[0][i], layers[1][j]), rel=1e-5)
    dataset, accuracies = load_dataset("synthetic"), []
    chosen = dataset.test.examples(n)
    part = type(dataset.test)(dataset.test.images[chosen], dataset.test.labels[chosen])
    for network, found, own in zip(networks, artefact.arrays()["first_share"], layers, strict=True):
        x = own["conv1"].astype(np.float64)
        eigenvalues = np.linalg.eigvalsh(np.cov(x, rowvar=False))
        assert found == pytest.approx(eigenvalues[-1] ** 2 / (eigenvalues**2).sum(), rel=1e-5)
        accuracies.append(evaluate(load_network(network), dataset, part, scaling="unit")[0])
    np.testing.assert_allclose(artefact.arrays()["accuracy"], accuracies)


def test_another_network_makes_another_artefact_and_nothing_is_left_behind(trained, folders):
    trained("recipe-r0", 0, 1)
    first = similarities.recipe("smoke", "recipe-r0")
    trained("recipe-r0", 2)
    second = similarities.recipe("smoke", "recipe-r0")
    assert first.path != second.path
    assert len(second.record["rows"][0]["seeds"]) == 3
    assert list((folders / "cache" / "representations").glob("*")) == []
    values = training.group_values(Compared(second))
    assert values["networks"] == len(values["first_shares"]) == 3
    assert training.group_values(Compared(first))["error"] is None
    assert values["error"] is not None


def test_the_first_eigenvalue_is_that_of_the_centred_gram_matrix():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((1200, 30)) * np.linspace(0.5, 3, 30) + 7).astype(np.float32)
    centred = x - x.mean(axis=0, dtype=np.float64)
    assert first_eigenvalue(x) == pytest.approx(np.linalg.norm(centred, 2) ** 2, rel=1e-6)


def compared(blocks, accuracy=(0.9, 0.91, 0.92), shares=(0.5, 0.6, 0.7), indexes=("cka_linear",), group="recipe-r0"):
    """Similarities of three networks of three layers: what is given for pairs of networks, else the identity."""
    table = np.tile(np.eye(3), (3, 3, 1, 1))
    for (a, b), block in blocks.items():
        table[a, b] = block
        table[b, a] = np.transpose(block)
    part = {"group": group, "seeds": [0, 1, 2], "layers": LAYERS}
    record = {"rows": [part], "columns": [part], "examples": [50], "indexes": list(indexes)}
    flat = table.transpose(0, 2, 1, 3).reshape(9, 9)
    arrays = {f"{index}_50": flat for index in indexes}
    return Compared(Made(record, {**arrays, "accuracy": np.array(accuracy), "first_share": np.array(shares)}))


# conv1 of network 0 is taken for conv2 of network 2; the other way round all are found.
CONFUSED = np.array([[0.5, 0.6, 0.0], [0.4, 0.9, 0.1], [0.0, 0.2, 0.8]])


def test_values_of_a_group():
    values = training.group_values(compared({(0, 2): CONFUSED}))
    assert values["accuracy"] == pytest.approx(91)
    assert values["deviation"] == pytest.approx(1)
    assert values["identified"] == pytest.approx(100 * 17 / 18)
    assert values["convolutions"] == pytest.approx(100 * 11 / 12)
    without = 100 * np.array([1, 5 / 6, 1])  # without network 0, 1, 2
    assert values["error"] == pytest.approx(np.sqrt(2 / 3 * ((without - without.mean()) ** 2).sum()))
    assert values["neighbours"] == pytest.approx((0.6 + 0.4) / 6)
    assert values["first_shares"] == [0.5, 0.6, 0.7]


def test_who_is_confused_with_whom():
    found = compared({(0, 2): CONFUSED})
    assert training.confused_layers(found) == {("conv1", "conv2"): 1}
    kinds = training.kinds_of_first_layers(found)
    assert (kinds["errors"], kinds["pairs"], kinds["without"]) == (1, 3, 2)
    assert kinds["correlation"] == pytest.approx(spearmanr([0.1, 0.2, 0.1], [0, 1, 0]).statistic)
    assert training.kinds_of_first_layers(compared({}))["correlation"] is None
    assert training.taken_for_pool(found) == (0, 6)
    last = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.6], [0.0, 0.4, 0.9]])
    assert training.taken_for_pool(compared({(0, 2): last, (1, 2): last})) == (2, 6)


def test_sentences_about_recipes():
    rows = {"R1": {"convolutions": 100.0, "networks": 2}, "others": {"convolutions": 99.17, "networks": 10}}
    said = identified_sentence(rows)
    assert said.endswith("identifies **100.0 %** of R1 (2 networks) and **99.2 %** of others (10 networks).")
    theirs = {"convolutions": 99.17, "convolutions_error": 0.8}
    said = beside(theirs, {"accuracy": 93.6, "standard_error": 3.2})
    assert said.startswith("**99.2 ± 0.8 %** of their convolutions and **93.6 ± 3.2 %** of ours on as many test images")
    assert said.endswith("a difference of 1.7 standard errors")
    assert beside(theirs, None) == "**99.2 ± 0.8 %** of their convolutions"


ROWS = {
    "recipe-r0": {"accuracy": 88.0, "identified": 93.0, "networks": 4, "examples": 10000},
    "recipe-r1": {"accuracy": 86.9, "identified": 80.0, "networks": 5, "examples": 10000},
    "recipe-r2": {"accuracy": 87.0, "identified": 97.5, "networks": 4, "examples": 10000},
}
PLANNED = dict.fromkeys(ROWS, 4)


def test_claims_of_recipes():
    claims = training.recipe_claims(ROWS, PLANNED)
    shared = {"recipes": 3, "networks": 4, "examples": 10000}
    assert claims["RC1"] == {"identified": [93.0, 97.5], "accurate_recipes": 2, **shared}
    assert claims["RC2"]["best"] == 97.5
    assert claims["RC3"]["correlation"] == pytest.approx(0.5)
    assert training.recipe_claims({}, PLANNED) == {}


def test_before_all_recipes_are_trained_only_what_the_others_cannot_change_is_judged():
    assert set(training.recipe_claims(ROWS, {**PLANNED, "recipe-r3": 4})) == {"RC2"}  # met already
    less = {**ROWS, "recipe-r2": {**ROWS["recipe-r2"], "identified": 89.0}}
    claims = training.recipe_claims(less, {**PLANNED, "recipe-r3": 4})
    assert set(claims) == {"RC1"}  # failed already
    assert judge(find_claim("RC1"), Measurement("RC1", claims["RC1"])) == "not reproduced"
    few = {**ROWS, "recipe-r2": {**ROWS["recipe-r2"], "networks": 3}}  # whose numbers are shown all the same
    assert training.recipe_claims(few, PLANNED) == {}
    assert judge(find_claim("RC2"), Measurement("RC2", training.recipe_claims(ROWS, PLANNED)["RC2"])) == "reproduced"


def trained_to(*percents):
    return [{"test_accuracy": p / 100, "inputs": {"seed": seed}} for seed, p in enumerate(percents)]


SEEDS = dict.fromkeys(("tiny10-r1", "tiny10-r2"), (0, 1, 2, 3, 4, 5))


def taken(**groups):
    rows = training.recipe_rule({f"tiny10-{name}": trained_to(*of) for name, of in groups.items()}, SEEDS)
    return {name.removeprefix("tiny10-"): row["taken"] for name, row in rows.items()}


def test_the_rule_for_the_ten_networks():
    assert taken(r1=(88.5, 88.5, 88.4, 88.4, 20)) == {"r1": True}  # the first four decide
    assert taken(r1=(88.3,) * 4, r2=(90.3,) * 4) == {"r1": False, "r2": True}
    assert taken(r1=(88.3,) * 4, r2=(90.5,) * 4) == {"r1": False, "r2": False}
    assert taken(r1=(87,), r2=(89,) * 4) == {"r1": None, "r2": None}  # R2 waits for R1
    assert taken(r1=(89,) * 4, r2=(89,) * 4) == {"r1": True, "r2": None}
    assert taken(r1=(50,) * 3, r2=(89,) * 4) == {"r1": False, "r2": True}  # whatever the fourth were
    assert taken(r2=(89,) * 4) == {"r2": None}
    assert taken() == {}


def test_the_rule_in_words():
    rows = training.recipe_rule({"tiny10-r1": trained_to(87), "tiny10-r2": trained_to(88, 89)}, SEEDS)
    assert rows["tiny10-r1"]["low"] == pytest.approx((4 * 88.4 - 87) / 3)
    said = rule_sentence(rows, {"tiny10-r1": 100, "tiny10-r2": 120})
    assert said.startswith(
        "R1 for 100 epochs: **87.0 %** (one network), 3 networks still to be trained, which would have "
    )
    assert (
        "to reach 88.9 to 91.5 % for a mean within one point of the paper’s. R2 for 120 epochs: **88.5 ± 0.7 %**"
        in said
    )
    rows = training.recipe_rule({"tiny10-r1": trained_to(87, 87, 87, 87)}, SEEDS)
    said = rule_sentence(rows, {"tiny10-r1": 100})
    assert said.endswith("2.4 points from the paper’s, so that the rule does not take this recipe.")


def test_a_row_has_spreads_where_there_are_some():
    values = training.group_values(compared({(0, 2): CONFUSED}))
    row = recipe_row({**values, "error": None}, {("conv1", "conv2"): 1})
    assert row["accuracy"] == "91.0 ± 1.0"
    assert row["identified"] == "94.4"
    assert row["neighbours"].startswith("0.167 ± 0.")
    assert (row["networks"], row["confused"]) == ("3", "conv1 taken for conv2 (1)")


def test_claims_of_the_published_networks():
    names = ("cka_linear", "cka_linear_debiased", "hsic_linear", "cka_rbf_0.2", "cka_rbf_0.4")
    found = compared({}, indexes=names, group="tiny10-renyi")
    found.arrays["hsic_linear_50"] = compared({(0, 2): CONFUSED[:, ::-1]}).arrays["cka_linear_50"]
    found.arrays["cka_rbf_0.2_50"] = compared({(0, 2): CONFUSED}).arrays["cka_linear_50"]
    claims = training.published_claims(found)
    assert claims["FN1"]["accuracy"] == claims["FN1"]["accuracy_with_pool"] == 100
    assert claims["FN2"]["accuracy"] == pytest.approx(100 * 10 / 12)
    assert claims["FN3"]["lead"] == pytest.approx(100 / 12)
    assert claims["FN3"]["rbf_02"] == pytest.approx(100 * 11 / 12)
