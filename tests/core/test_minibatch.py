"""The mini-batch estimate: what it is, and what it costs in accuracy."""

import numpy as np
import pytest

from repsim import Blocks, cka, errors, minibatch_cka, pairwise


@pytest.fixture(scope="module")
def related():
    rng = np.random.default_rng(3)
    x = np.maximum(rng.standard_normal((1024, 40)), 0)
    return x, x[:, :20] @ rng.standard_normal((20, 30)) + 2 * rng.standard_normal((1024, 30))


def test_it_is_the_ratio_of_averaged_unbiased_hsics(related):
    x, y = (z[:96] for z in related)

    def hsic1(k, m):
        """As Nguyen et al. (2021) write it, with explicit traces."""
        n = len(k)
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        one = np.ones(n)
        total = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return (total - 2 / (n - 2) * one @ k @ m @ one) / (n * (n - 3))

    grams = [(x[s : s + 32] @ x[s : s + 32].T, y[s : s + 32] @ y[s : s + 32].T) for s in (0, 32, 64)]
    xy, xx, yy = (
        np.mean([hsic1(*pair) for pair in pairs])
        for pairs in (grams, [(k, k) for k, _ in grams], [(m, m) for _, m in grams])
    )
    assert minibatch_cka(x, y, batch_size=32) == pytest.approx(xy / np.sqrt(xx * yy), rel=1e-11)


def test_one_batch_of_everything_is_debiased_cka(related):
    assert minibatch_cka(*related, batch_size=1024) == pytest.approx(cka(*related, debiased=True), rel=1e-11)


def test_its_error_depends_on_the_batch_and_the_exact_value_has_none(related):
    exact = cka(*related, debiased=True)
    errors_by_batch = []
    for size in (16, 64, 256):
        values = [minibatch_cka(*related, batch_size=size, seed=seed) for seed in range(20)]
        errors_by_batch.append(float(np.sqrt(np.mean((np.array(values) - exact) ** 2))))
    assert errors_by_batch[0] > 1.3 * errors_by_batch[1] > 1.3**2 * errors_by_batch[2] > 1e-3
    for block in (16, 64, 256):
        value = pairwise([related[0]], [related[1]], index="cka_linear_debiased", block=block)[0, 0]
        assert value == pytest.approx(exact, rel=1e-12)


def test_more_passes_come_closer(related):
    exact = cka(*related, debiased=True)
    once, often = (
        np.mean([abs(minibatch_cka(*related, batch_size=32, passes=passes, seed=seed) - exact) for seed in range(10)])
        for passes in (1, 16)
    )
    assert often < 0.7 * once


def test_options_are_checked(related):
    with pytest.raises(errors.ParameterError, match="batch_size is 3"):
        minibatch_cka(*related, batch_size=3)
    with pytest.raises(errors.ParameterError, match="passes is 0"):
        minibatch_cka(*related, passes=0)
    with pytest.raises(errors.TooFewExamplesError, match="do not fill one batch of 2000"):
        minibatch_cka(*related, batch_size=2000)
    with pytest.raises(errors.UndefinedSimilarityError, match=r"^x: "):
        minibatch_cka(np.eye(8), np.eye(8), batch_size=8)


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 10.0}, {"batch_size": None}, {"batch_size": "10"}, {"passes": 1.5}, {"passes": True}, {"seed": -1}],
)
def test_options_that_are_no_counts_are_named(rng, options):
    x = rng.standard_normal((20, 3))
    with pytest.raises(errors.ParameterError, match=f"{next(iter(options))} is .*; a whole number of at least"):
        minibatch_cka(x, x, **{"batch_size": 10, **options})


class Counted:
    """Rows that count how often they are asked for."""

    def __init__(self, values):
        self.values, self.shape, self.reads = values, values.shape, 0

    def __getitem__(self, rows):
        self.reads += 1
        return self.values[rows]


def test_a_batch_is_read_at_once(related):
    """Beside what looking through all rows takes."""
    before, after = Counted(related[0]), Counted(related[0])
    minibatch_cka(before, related[1], batch_size=1024)
    minibatch_cka(after, related[1], batch_size=128)
    assert after.reads - before.reads == 1024 // 128 - 1


def test_shuffled_rows_that_fit_are_read_once(related, monkeypatch):
    x, y = Counted(related[0]), related[1]
    expected = minibatch_cka(related[0], y, batch_size=32, passes=3, seed=1)
    assert minibatch_cka(x, y, batch_size=32, passes=3, seed=1) == pytest.approx(expected, rel=1e-12)
    assert x.reads < 10
    monkeypatch.setattr("repsim.minibatch.budget", lambda *_: 1)
    assert minibatch_cka(x, y, batch_size=32, passes=3, seed=1) == pytest.approx(expected, rel=1e-12)
    assert x.reads > 1024


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_however_the_rows_are_held(related, tmp_path, seed, dtype):
    x, y = (np.round(100 * z).astype(dtype) for z in related)
    x[:, 3] = 7
    options = {"batch_size": 100, "passes": 2, "seed": seed}
    expected = minibatch_cka(x.astype(float), y.astype(float), **options)
    np.save(tmp_path / "x.npy", x)
    there = np.load(tmp_path / "x.npy", mmap_mode="r")
    for other in (x, x.tolist(), there, Blocks(lambda start, stop: x[start:stop], x.shape), x.reshape(1024, 2, 5, 4)):
        assert minibatch_cka(other, y, **options) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", [None, 3])
def test_scales_and_offsets_do_not_matter(related, seed):
    x, y = related
    expected = minibatch_cka(x, y, batch_size=64, seed=seed)
    for other in (1e-120 * x, 1e120 * x, x + 1e6):
        assert minibatch_cka(other, y, batch_size=64, seed=seed) == pytest.approx(expected, rel=1e-8)


def test_the_order_of_a_seed_is_that_of_its_generator(related):
    x, y = related
    order = np.random.default_rng(5).permutation(1024)
    by_hand = minibatch_cka(x[order], y[order], batch_size=32)
    assert minibatch_cka(x, y, batch_size=32, seed=5) == pytest.approx(by_hand, rel=1e-12)
