"""The permutation null from Gram matrices, against shuffling the examples themselves."""

from __future__ import annotations

import numpy as np
import pytest

import repsim
from repsim.lab.errors import LabError
from repsim.lab.measurements.shuffles import against_shuffles, shuffled, unit_grams


@pytest.fixture
def layers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    return [x, np.maximum(x @ rng.normal(size=(6, 100)), 0), rng.normal(size=(40, 100))]


@pytest.mark.parametrize("debiased", [False, True])
def test_inner_products_are_cka(layers, debiased):
    grams = unit_grams(layers, debiased=debiased)
    found = np.einsum("aij,bij->ab", grams, grams)
    index = "cka_linear_debiased" if debiased else "cka_linear"
    np.testing.assert_allclose(found, repsim.pairwise(layers, index=index), atol=1e-5)


@pytest.mark.parametrize("debiased", [False, True])
def test_shuffling_the_gram_matrix_is_shuffling_the_examples(layers, debiased):
    grams = unit_grams(layers, debiased=debiased)
    found = shuffled(grams[:2], grams, 3, seed=5)
    rng = np.random.default_rng(5)
    for number in range(3):
        order = rng.permutation(40)
        moved = [x[order] for x in layers]
        index = "cka_linear_debiased" if debiased else "cka_linear"
        np.testing.assert_allclose(found[number], repsim.pairwise(layers[:2], moved, index=index), atol=1e-5)


def test_related_layers_exceed_the_shuffles_and_unrelated_ones_do_not(layers):
    values = against_shuffles(unit_grams(layers), unit_grams(layers), 200)
    assert (values["value"][0, 1] > values["level"][0, 1]).all()
    assert values["p"][0, 1] == pytest.approx(1 / 201)
    assert values["p"][0, 2] > 0.01
    assert values["value"][0, 2] < values["level"][0, 2]
    assert values["mean"][0, 2] > 0.1  # biased CKA of shuffled examples is far from 0 where features outnumber them


def test_debiased_shuffles_average_to_nothing(layers):
    grams = unit_grams(layers, debiased=True)
    assert np.abs(against_shuffles(grams, grams, 300)["mean"][0, 1:]).max() < 0.03


def test_what_cannot_be_shuffled(layers):
    with pytest.raises(LabError, match="representation 1 of 2"):
        unit_grams([layers[0], np.zeros((40, 3))])
