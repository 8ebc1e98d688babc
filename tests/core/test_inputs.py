"""What bad input gets: a named error that repeats the argument's name and what would be right."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

import repsim
from repsim import INDEXES, errors

GOOD = np.random.default_rng(0).standard_normal((20, 3))
CALLS = {
    **INDEXES,
    "canonical_ridge": lambda x, y: repsim.canonical_ridge(x, y, kappa_x=1.0, kappa_y=1.0),
    "canonical_correlations": repsim.canonical_correlations,
    "shared_subspace": repsim.shared_subspace,
}


def with_value(value):
    bad = GOOD.copy()
    bad[4, 1] = value
    return bad


BAD = {
    "1-D": (GOOD[:, 0], errors.DimensionError, r"shape \(20,\)"),
    "3-D": (GOOD[:, :, None], errors.DimensionError, r"shape \(20, 3, 1\)"),
    "no features": (GOOD[:, :0], errors.DimensionError, "no features"),
    "NaN": (with_value(np.nan), errors.NonFiniteError, "nan at example 4, feature 1"),
    "infinity": (with_value(-np.inf), errors.NonFiniteError, "-inf at example 4, feature 1"),
    "masked": (np.ma.masked_invalid(with_value(np.nan)), errors.NonFiniteError, "masked"),
    "constant": (np.full((20, 3), 0.1), errors.ConstantRepresentationError, "constant.*20 examples are equal"),
    "rounding only": (0.1 + GOOD * 1e-18, errors.ConstantRepresentationError, "constant"),
    "zero": (np.zeros((20, 3)), errors.ConstantRepresentationError, "constant"),
    "bool": (GOOD > 0, errors.DTypeError, "dtype bool"),
    "complex": (GOOD.astype(complex), errors.DTypeError, "dtype complex128"),
    "text": (GOOD.astype(str), errors.DTypeError, "dtype <U"),
    "objects": (GOOD.astype(object), errors.DTypeError, "dtype object"),
    "ragged": ([[1.0], [2.0, 3.0]], errors.RepresentationError, "cannot be viewed as a NumPy array"),
    "one example": (GOOD[:1], errors.TooFewExamplesError, r"shape \(1, 3\), so 1 example"),
    "too large": (np.sign(GOOD) * 1.7e308, errors.NonFiniteError, "too large"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("call", CALLS)
def test_named_error(call, case):
    bad, error, message = BAD[case]
    for name, arguments in (("x", (bad, GOOD)), ("y", (GOOD, bad))):
        with pytest.raises(error, match=rf"(?s)^{name}\b.*{message}") as caught:
            CALLS[call](*arguments)
        assert isinstance(caught.value, errors.RepresentationError)
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("call", CALLS)
def test_different_numbers_of_examples(call):
    with pytest.raises(errors.ShapeMismatchError, match=r"x has 20 examples.*y has 19") as caught:
        CALLS[call](GOOD, GOOD[:19])
    assert "(20, 3)" in str(caught.value)
    assert "(19, 3)" in str(caught.value)


@pytest.mark.parametrize("name", [name for name in INDEXES if "debiased" in name])
def test_debiased_needs_four_examples(name):
    with pytest.raises(errors.TooFewExamplesError, match=r"x has shape \(3, 3\).*at least 4"):
        INDEXES[name](GOOD[:3], GOOD[:3])
    assert np.isfinite(INDEXES[name](GOOD[:4], GOOD[4:8]))


@pytest.mark.parametrize("call", ["cka_linear", "cca_r2", "procrustes", "linear_regression", "hsic_linear"])
def test_pairwise_names_the_one_at_fault(call):
    with pytest.raises(errors.NonFiniteError, match=r"^xs\[2\]"):
        repsim.pairwise([GOOD, GOOD[:, :2], with_value(np.nan)], index=call)
    with pytest.raises(errors.ConstantRepresentationError, match=r"^ys\[1\]"):
        repsim.pairwise([GOOD], [GOOD, np.ones((20, 2))], index=call)
    with pytest.raises(errors.ShapeMismatchError, match=r"xs\[0\] has 20.*ys\[0\] has 10"):
        repsim.pairwise([GOOD], [GOOD[:10]], index=call)


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.uint8, np.int64, ">f4", ">f8"]
)
@pytest.mark.parametrize("name", INDEXES)
def test_every_real_dtype_is_taken_for_its_values(name, dtype):
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 50, (30, 3)), rng.integers(0, 50, (30, 4))
    expected = INDEXES[name](x.astype(float), y.astype(float))
    assert INDEXES[name](x.astype(dtype), y.astype(dtype)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", INDEXES)
def test_convolutional_activations_are_flattened(name):
    x = np.random.default_rng(2).standard_normal((40, 2, 3, 2))
    y = x[:, ::-1, :, :1] + np.random.default_rng(3).standard_normal((40, 2, 3, 1))
    assert INDEXES[name](x, y) == INDEXES[name](x.reshape(40, -1), y.reshape(40, -1))


@pytest.mark.parametrize("name", INDEXES)
def test_order_in_memory_and_read_only_input(name):
    x, y = GOOD.copy(), GOOD[:, ::-1] ** 2
    before = x.copy()
    x.flags.writeable = False
    value = INDEXES[name](x, y)
    assert INDEXES[name](np.asfortranarray(x), y) == pytest.approx(value, rel=1e-12)
    assert INDEXES[name](np.repeat(x, 2, axis=0)[::2], y) == pytest.approx(value, rel=1e-12)
    np.testing.assert_array_equal(x, before)


def test_arrays_of_other_libraries():
    jax = pytest.importorskip("jax")
    x = jax.numpy.asarray(GOOD, dtype="float32")
    assert repsim.cka(x, GOOD) == pytest.approx(repsim.cka(GOOD.astype("float32"), GOOD), rel=1e-12)
    low = jax.numpy.asarray(GOOD, dtype="bfloat16")
    assert repsim.cka(low, GOOD) == pytest.approx(1.0, abs=1e-3)
    assert repsim.pairwise([low, x], index="cka_linear")[0, 1] == pytest.approx(1.0, abs=1e-3)


def test_lists_are_arrays():
    assert repsim.cka(GOOD.tolist(), GOOD.tolist()) == pytest.approx(1.0)


def test_import_is_light():
    import subprocess
    import sys

    code = (
        "import sys, repsim; "
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'keras', 'jax', 'torch', 'scipy')"
        " or m.startswith('repsim.lab')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("form", ["coo_matrix", "csr_array", "lil_matrix"])
@pytest.mark.parametrize("function", [repsim.cka, repsim.procrustes, lambda *xs: repsim.pairwise(xs)])
def test_sparse_matrices_are_said_to_be(rng, function, form):
    x = rng.standard_normal((10, 3))
    with pytest.raises(errors.DTypeError, match=r"is sparse .*dense array is needed, as its \.toarray\(\)"):
        function(getattr(sparse, form)(x), x)


class Sparse(np.ndarray):
    """What JAX's sparse arrays have."""

    nse = 3


@pytest.mark.parametrize("form", [sparse.coo_array, sparse.dia_array, sparse.bsr_array, sparse.csr_matrix])
def test_sparse_is_said_wherever_it_comes(rng, form):
    x = rng.standard_normal((30, 5))
    calls = [lambda: repsim.gram_linear(form(x)), lambda: repsim.cka(form(x), x), lambda: repsim.pairwise([form(x), x])]
    for call in calls:
        with pytest.raises(errors.DTypeError, match=r"is sparse .*dense array is needed, as its \.toarray"):
            call()
    with pytest.raises(errors.DTypeError, match=r"xs\[0\] is sparse .*todense\(\)"):
        repsim.pairwise([x.view(Sparse)])


@pytest.mark.parametrize("column", [["1", "2", "3", "4"], [True, False, True, None]])
def test_a_column_that_is_no_number_is_not_made_one(column):
    pandas = pytest.importorskip("pandas")
    made = pandas.array(column, dtype="boolean") if None in column else column
    frame = pandas.DataFrame({"a": made, "b": [1.0, 2.0, 3.0, 5.0]})
    with pytest.raises(errors.DTypeError, match="x has dtype (bool|str|object); real numbers are needed"):
        repsim.cka(frame, frame)


def test_eight_bits_are_too_few(rng):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = rng.standard_normal((30, 5)).astype(ml_dtypes.float8_e5m2)
    with pytest.raises(errors.DTypeError, match="x has dtype float8_e5m2; .*at least 16 bits"):
        repsim.cka(x, x)


def test_one_array_is_no_list(rng):
    x = rng.standard_normal((30, 5))
    for given, said in ((None, "None"), (5, "5"), (x, r"an array of shape \(30, 5\)")):
        with pytest.raises(errors.ParameterError, match=f"xs is {said}; a list of representations is needed"):
            repsim.pairwise(given)
    listed = np.empty(2, object)
    listed[:] = [x, x]
    for several in (np.stack([x, x]), listed):
        assert repsim.pairwise(several).shape == (2, 2)


WORDS = {
    "kernel": lambda word: repsim.cka(GOOD, GOOD, kernel=word),
    "statistic": lambda word: repsim.svcca(GOOD, GOOD, statistic=word),
    "truncation": lambda word: repsim.svcca(GOOD, GOOD, truncation=word),
    "normaliser": lambda word: repsim.canonical_ridge(GOOD, GOOD, kappa_x=1, kappa_y=1, normaliser=word),
    "median": lambda word: repsim.pairwise([GOOD], index="cka_rbf_0.4", median=word),
    "method": lambda word: repsim.uncertainty(GOOD, GOOD, method=word),
    "undefined": lambda word: repsim.compare({"a": GOOD}, {"a": GOOD}, undefined=word),
    "channels": lambda word: repsim.pool(GOOD[None], "mean", channels=word),
}


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("word", ["Linear", ["mean"], np.array(["mean"]), np.ones(2), 1, b"mean"], ids=str)
def test_an_option_that_is_a_word(name, word):
    with pytest.raises(errors.ParameterError, match=rf"(?s)^{name} is .*; .*\" or \"\w+\" is needed$"):
        WORDS[name](word)


NUMBERS = {
    "kappa_x": lambda number: repsim.canonical_ridge(GOOD, GOOD, kappa_x=number, kappa_y=1),
    "bandwidth": lambda number: repsim.cka(GOOD, GOOD, kernel="rbf", bandwidth=number),
    "threshold": lambda number: repsim.svcca(GOOD, GOOD, threshold=number),
    "bounds": lambda number: repsim.Index.of("mine", np.asarray, lambda a, b: 0.0, bounds=(0.0, number)),
    "index 'mine'": lambda number: repsim.pairwise(
        [GOOD], index=repsim.Index.of("mine", np.asarray, lambda a, b: number)
    ),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("number", ["1", b"1", bytearray(b"1"), True, np.True_, np.array("1"), 1j], ids=repr)
def test_an_option_that_is_a_number(name, number):
    with pytest.raises(errors.ParameterError, match=rf"(?s)^{name} .*(needed|be a number)"):
        NUMBERS[name](number)


@pytest.mark.parametrize("number", [1, 1.0, np.float32(1), np.int64(1), np.array(1.0)], ids=repr)
def test_every_real_number_is_one(number):
    for call in NUMBERS.values():
        call(number)


def test_an_entry_is_checked():
    entry = repsim.INDEXES["cka_linear"]
    for name in ("own", "debiased", "symmetric"):
        with pytest.raises(errors.ParameterError, match=f"^{name} is 'no'; True or False is needed"):
            replace(entry, name="mine", **{name: "no"})
    with pytest.raises(errors.ParameterError, match="^name is 3; what tables"):
        replace(entry, name=3)
    for value in (lambda m: np.full(m.xy.shape, "1"), lambda m: m.xy * (1 + 1j)):
        with pytest.raises(errors.ParameterError, match="its value returned .*; numbers of shape"):
            replace(entry, name="mine", value=value)(GOOD, GOOD)


def test_what_is_no_array_is_said(tmp_path):
    np.savez(tmp_path / "a.npz", a=GOOD)
    with np.load(tmp_path / "a.npz") as file:
        for given, kind in (({"a": GOOD}, "dict"), (file, "NpzFile")):
            with pytest.raises(
                errors.DTypeError, match=f"^x is a {kind}; one array is needed .*pairwise takes several"
            ):
                repsim.cka(given, GOOD)
    for given in (object(), repsim.Blocks(lambda start, stop: GOOD[start:stop], GOOD.shape)):
        with pytest.raises(
            errors.DTypeError, match=f" is a {type(given).__name__}; an array of real numbers is needed"
        ):
            repsim.cka_from_grams(given, GOOD @ GOOD.T)
