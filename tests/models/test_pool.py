"""Pooling against loops over the tokens of each example."""

import numpy as np
import pytest

from repsim import Blocks, cka, errors
from repsim.pool import pool

RNG = np.random.default_rng(0)
H = RNG.normal(size=(6, 5, 3))
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [1, 1, 1, 0, 0]])
ALONE = [h[m.astype(bool)] for h, m in zip(H, MASK, strict=True)]
RIGHT = {
    "mean": np.array([h.mean(axis=0) for h in ALONE]),
    "first": np.array([h[0] for h in ALONE]),
    "last": np.array([h[-1] for h in ALONE]),
    "tokens": np.concatenate(ALONE),
}


LIBRARIES = {
    "numpy": lambda x: np.asarray(x),
    "torch": lambda x: pytest.importorskip("torch").tensor(x),
    "jax": lambda x: pytest.importorskip("jax").numpy.asarray(x),
}


@pytest.mark.filterwarnings("ignore")  # what JAX says while it is imported
@pytest.mark.parametrize("how", RIGHT)
@pytest.mark.parametrize("name", LIBRARIES)
def test_padding_is_left_out(name, how):
    array = LIBRARIES[name]
    h = H.copy()
    h[~MASK.astype(bool)] = np.nan
    for mask in (MASK, MASK.astype(bool), array(MASK)):
        found = pool(array(h), how, mask)
        assert type(found) is type(array(h))
        np.testing.assert_allclose(np.asarray(found), RIGHT[how], rtol=1e-5, atol=1e-6)


def test_without_padding():
    np.testing.assert_array_equal(pool(H, "mean"), H.mean(axis=1))
    np.testing.assert_array_equal(pool(H, "first"), H[:, 0])
    np.testing.assert_array_equal(pool(H, "last"), H[:, -1])
    np.testing.assert_array_equal(pool(H, "tokens"), H.reshape(30, 3))
    np.testing.assert_array_equal(pool(H, "flatten"), H.reshape(6, 15))
    np.testing.assert_array_equal(pool(H, "flatten", np.ones((6, 5))), H.reshape(6, 15))
    np.testing.assert_array_equal(pool(H, lambda h: h.max(axis=1)), H.max(axis=1))
    np.testing.assert_array_equal(pool(H[:, 0], "mean"), H[:, 0])


def test_space():
    torch = pytest.importorskip("torch")
    h = RNG.normal(size=(4, 5, 6, 7))
    np.testing.assert_allclose(pool(h, "space"), h.mean(axis=(1, 2)))
    np.testing.assert_allclose(pool(torch.tensor(h), "space"), h.mean(axis=(2, 3)))
    np.testing.assert_allclose(pool(torch.tensor(h), "space", channels="last"), h.mean(axis=(1, 2)))
    assert pool(h, "flatten").shape == (4, 210)


def test_means_of_half_precision_are_not_rounded_to_it():
    h = RNG.normal(size=(4, 1000, 3)).astype(np.float16)
    found = pool(h, "mean")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, h.astype(float).mean(axis=1), atol=1e-6)


def test_padding_makes_unrelated_sentences_alike():
    x, y = RNG.normal(size=(2, 100, 20, 50))
    mask = np.arange(20) < RNG.integers(2, 20, size=100)[:, None]
    for h in (x, y):
        h[~mask] = 2.0  # what a model leaves at padding is the same for all
    naive = cka(pool(x, "mean"), pool(y, "mean"), debiased=True)
    right = cka(pool(x, "mean", mask), pool(y, "mean", mask), debiased=True)
    assert naive > 0.5
    assert abs(right) < 0.1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((H, "men"), errors.ParameterError, "how is 'men'; 'mean', 'first'"),
        ((H, "space"), errors.DimensionError, r"h has shape \(6, 5, 3\); 'space' needs .* 'mean', 'first'"),
        ((H[:, :, :, None], "mean"), errors.DimensionError, r"'mean' needs \(n, tokens, d\); 'space', 'flatten'"),
        ((H, "flatten", MASK), errors.ParameterError, "'flatten' and h has padding"),
        ((H, "mean", MASK[:, :4]), errors.ShapeMismatchError, r"mask has shape \(6, 4\) and h \(6, 5, 3\)"),
        ((H, "mean", 0 * MASK), errors.ShapeMismatchError, "mask leaves example 0 of h without a token"),
    ],
)
def test_what_is_wrong(arguments, error, words):
    with pytest.raises(error, match=words):
        pool(*arguments)


def test_what_is_no_mask_or_no_choice_is_said():
    for mask, said in (
        (np.where(MASK, 0.0, -1e9), "mask holds -1000000000.0; 1 for"),
        (MASK * np.nan, "mask holds nan"),
        ([[1], [1, 1]], "mask is no array"),
    ):
        with pytest.raises(errors.ParameterError, match=said):
            pool(H, "mean", mask)
    with pytest.raises(errors.ParameterError, match="mask holds garbage"):
        pool(H[:, 0], "mean", "garbage")  # though a row has no tokens that could be left out
    with pytest.raises(errors.ParameterError, match="channels is 'firs'"):
        pool(RNG.normal(size=(6, 4, 4, 3)), "space", channels="firs")
    with pytest.raises(errors.ParameterError, match="how is None"):
        pool(H, None)
    with pytest.raises(errors.DimensionError, match="there are no tokens"):
        pool(H[:, :0], "mean")


def test_means_of_whole_numbers():
    torch = pytest.importorskip("torch")
    whole = torch.tensor([[[1], [2]], [[3], [5]]])
    torch.testing.assert_close(pool(whole, "mean"), torch.tensor([[1.5], [4.0]]))


def test_rows_that_are_computed():
    blocks = Blocks(lambda start, stop: H.reshape(6, -1)[start:stop], (6, 15))
    np.testing.assert_array_equal(pool(blocks, "mean"), H.reshape(6, -1))
