"""The loss against `cka`, and its gradients against differences and each other."""

import numpy as np
import pytest

from repsim import cka, errors
from repsim.alignment import alignment

SHAPES = [((40, 6), (40, 9)), ((8, 40), (8, 12)), ((20, 2, 2, 3), (20, 5))]


def data(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=size) + 3 for size in shape)
    y.reshape(len(y), -1)[:, :3] += x.reshape(len(x), -1)[:, :3]
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_numpy(shape, debiased):
    for scale in (1e-80, 1.0, 1e80):
        x, y = data(shape)
        value = alignment(scale * x, y, debiased=debiased)
        assert value.shape == ()
        assert float(value) == pytest.approx(cka(x, y, debiased=debiased), abs=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_pytorch(shape, debiased):
    torch = pytest.importorskip("torch")
    x, y = data(shape, np.float32)
    value = alignment(torch.tensor(x), torch.tensor(y), debiased=debiased)
    assert isinstance(value, torch.Tensor)
    assert value.shape == ()
    assert float(value) == pytest.approx(cka(x, y, debiased=debiased), abs=1e-6)
    half = alignment(torch.tensor(x).bfloat16(), torch.tensor(y).bfloat16(), debiased=debiased)
    assert float(half) == pytest.approx(cka(x, y, debiased=debiased), abs=2e-2)
    given = [torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in (x, y)]
    assert torch.autograd.gradcheck(lambda a, b: alignment(a, b, debiased=debiased), given)


@pytest.mark.torch
@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_autocast_takes_no_digits(shape, debiased, half):
    torch = pytest.importorskip("torch")
    x, y = data(shape, np.float32)
    gradients = []
    for enabled in (False, True):
        given = torch.tensor(x, requires_grad=True)
        with torch.autocast("cpu", getattr(torch, half), enabled=enabled):
            value = alignment(given, torch.tensor(y), debiased=debiased)
        assert value.dtype == torch.float32
        assert float(value.detach()) == pytest.approx(cka(x, y, debiased=debiased), abs=1e-6)
        value.backward()
        gradients.append(given.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.torch
@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("precisions", "computed_in", "digits"),
    [
        (("float32", "float64"), "float32", 1e-6),
        (("float64", "float32"), "float64", 1e-6),
        (("float16", "float64"), "float32", 2e-3),
        (("float32", "float16"), "float32", 2e-3),
    ],
)
def test_it_is_computed_in_the_precision_of_x(shape, debiased, precisions, computed_in, digits):
    torch = pytest.importorskip("torch")
    x, y = data(shape)
    right = cka(x, y, debiased=debiased)
    scale = 1e80 if precisions[1] == "float64" else 1  # beyond the precision of x
    given = x.astype(precisions[0]), (scale * y).astype(precisions[1])
    for value in (alignment(*given, debiased=debiased), alignment(*map(torch.tensor, given), debiased=debiased)):
        assert str(value.dtype).removeprefix("torch.") == computed_in
        assert float(value) == pytest.approx(right, abs=digits)


@pytest.mark.torch
def test_it_trains():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    x, y = torch.randn(64, 10), torch.randn(64, 10)
    linear = torch.nn.Linear(10, 10)
    optimiser = torch.optim.Adam(linear.parameters(), 0.05)
    for _ in range(60):
        optimiser.zero_grad()
        loss = -alignment(torch.relu(linear(x)), y, debiased=True)
        loss.backward()
        optimiser.step()
    assert cka(torch.relu(linear(x)).detach(), y, debiased=True) > 0.3 > cka(x, y, debiased=True)


@pytest.mark.filterwarnings("ignore")  # what JAX says while it is imported
@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_jax(shape, debiased):
    jax = pytest.importorskip("jax")
    x, y = data(shape, np.float32)
    loss = jax.jit(lambda a, b: alignment(a, b, debiased=debiased))
    assert float(loss(x, y)) == pytest.approx(cka(x, y, debiased=debiased), abs=1e-6)
    gradient = np.asarray(jax.jit(jax.grad(loss))(x, y), dtype=float)
    step = np.random.default_rng(1).normal(size=x.shape)
    x = x.astype(float)
    difference = (cka(x + 1e-5 * step, y, debiased=debiased) - cka(x - 1e-5 * step, y, debiased=debiased)) / 2e-5
    assert (gradient * step).sum() == pytest.approx(difference, rel=2e-3, abs=1e-5)


def test_large_means():
    x, y = data(((50, 8), (50, 8)), np.float32)
    assert float(alignment(x + np.float32(1000), y)) == pytest.approx(cka(x + np.float32(1000), y), abs=1e-6)


def test_what_is_wrong():
    x, y = data(((10, 3), (10, 4)))
    with pytest.raises(errors.ShapeMismatchError, match="x has 10 examples and y has 9"):
        alignment(x, y[:9])
    with pytest.raises(errors.TooFewExamplesError, match="3 example"):
        alignment(x[:3], y[:3], debiased=True)
    with pytest.raises(errors.DimensionError, match=r"y has shape \(10,\)"):
        alignment(x, y[:, 0])
    with pytest.raises(errors.ParameterError, match="debiased is 'no'"):
        alignment(x, y, debiased="no")
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(alignment(np.ones((10, 2)), y))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([[1.0], [2.0]], "x is a list; an array of a library"),
        (None, "x is a NoneType"),
        (np.ma.array(np.ones((4, 2))), "x is a masked array; fill"),
        (np.ones((4, 2), complex), "x has dtype complex128; real numbers of floating point"),
        (np.ones((4, 2), int), "x has dtype int64; real numbers of floating point"),
        (np.ones((4, 0)), r"x has shape \(4, 0\)"),
    ],
)
def test_what_is_no_batch_is_said(given, said):
    with pytest.raises(errors.RepresentationError, match=said):
        alignment(given, np.random.default_rng(0).normal(size=(4, 2)))


def test_two_libraries():
    torch = pytest.importorskip("torch")
    with pytest.raises(errors.RepresentationError, match="x is a torch array and y one of numpy; both must be of one"):
        alignment(torch.randn(8, 3), np.ones((8, 3)))


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_numpys_matrices_are_arrays():
    x, y = np.random.default_rng(0).normal(size=(2, 30, 5))
    assert alignment(np.matrix(x), np.matrix(y), debiased=True) == pytest.approx(cka(x, y, debiased=True))
