"""Projections by QR: the same as from singular values, whatever the shape, and only where they may be trusted."""

import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.fft import dct
from scipy.optimize import brentq

from repsim import errors, pairwise
from repsim.engine.bases import Basis, factorise
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.operators import Projector
from repsim.engine.prepared import Prepared
from repsim.engine.projectors import Projection, complement_of, correlations, of_basis, project
from repsim.engine.qr import SAFE_CONDITION, _least_singular_value, basis_by_qr, qr_bytes
from repsim.engine.representation import Representation

MEMORY = 2**30


def matrix(projection):
    """The (n, n) matrix of a projection."""
    rows = projection.rows.astype(np.float64)
    n = len(rows)
    return np.eye(n) - 1 / n - rows @ rows.T if projection.complement else rows @ rows.T


def by_qr(view, dtype, memory):
    found = basis_by_qr(view, dtype, memory)
    return found and Projection(*found)


def expected(x):
    left = factorise(Representation(x, "x", dtype=np.float64), MEMORY).left
    return left @ left.T


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [1, 5, 14, 15, 16, 28, 29, 30, 31, 90])
def test_equals_the_one_from_singular_values(rng, p, dtype):
    x = (rng.standard_normal((30, p)) * rng.uniform(0.1, 10, p) + 3).astype(dtype)
    found = project(Representation(x, "x"), MEMORY)
    assert found.rank == min(p, 29)
    assert found.rows.shape[1] == min(found.rank, 29 - found.rank)
    assert found.rows.dtype == dtype
    tolerance = 1e-12 if dtype is np.float64 else 1e-4
    np.testing.assert_allclose(matrix(found), expected(x), atol=tolerance)
    np.testing.assert_allclose(found.rows.sum(axis=0), 0, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "kind", ["constant columns", "duplicated columns", "duplicated rows", "low rank", "wide and low rank"]
)
def test_rank_deficient(rng, kind, dtype):
    x = rng.standard_normal((30, 12))
    if kind == "constant columns":
        x[:, [0, 5, 11]] = 7
    elif kind == "duplicated columns":
        x = np.hstack([x, x[:, :4]])
    elif kind == "duplicated rows":
        x = np.repeat(rng.standard_normal((10, 50)), 3, axis=0)
    elif kind == "low rank":
        x = x[:, :3] @ rng.standard_normal((3, 20))
    else:
        x = x[:, :3] @ rng.standard_normal((3, 100))
    rank = {"constant columns": 9, "duplicated columns": 12, "duplicated rows": 9}.get(kind, 3)
    x = x.astype(dtype)
    found = project(Representation(x, "x"), MEMORY)
    assert found.rank == rank
    np.testing.assert_allclose(matrix(found), expected(x), atol=1e-12 if dtype is np.float64 else 1e-4)


def test_ill_conditioned_single_precision_is_factorised_in_double(rng):
    x = rng.standard_normal((200, 40)) * np.geomspace(1, 1e-6, 40)
    x = (x @ np.linalg.qr(rng.standard_normal((40, 40)))[0]).astype(np.float32)
    found = project(Representation(x, "x"), MEMORY)
    np.testing.assert_allclose(matrix(found), expected(x), atol=1e-6)


@pytest.mark.parametrize(("n", "p"), [(1_200, 1_040), (1_040, 1_200), (2_400, 1_100)])
def test_columns_that_single_precision_cannot_tell_apart_cost_one_panel(monkeypatch, rng, n, p):
    """The others, which are most of the time, are not factorised in vain."""
    x = rng.standard_normal((n, p))
    if p > n:
        x[2] = x[1] + 1e-5 * x[2]  # the first of all is taken by the constant
    else:
        x[:, 1] = x[:, 0] + 1e-5 * x[:, 1]
    view = Representation(x.astype(np.float32), "x")
    seen = []

    def least(triangle):
        seen.append(len(triangle))
        return _least_singular_value(triangle)

    monkeypatch.setattr("repsim.engine.qr._least_singular_value", least)
    assert by_qr(view, np.dtype("f4"), MEMORY) is None
    assert seen == [255 if p < n else 256]
    found = by_qr(view, np.dtype("f8"), MEMORY)
    assert found.rank == min(n - 1, p)
    assert seen[1:] == [seen[0], min(n - 1, p)]
    np.testing.assert_allclose(found.rows.T @ found.rows, np.eye(found.rows.shape[1]), atol=1e-6)
    centred = view.in_double().matrix()
    np.testing.assert_allclose(matrix(found) @ centred, centred, atol=1e-6)  # which, with the rank, is the projector


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [600, 900, 1_200, 2_100])
def test_a_basis_takes_no_more_memory_than_was_reckoned(rng, dtype, p):
    view = Representation(rng.standard_normal((2_400, p)).astype(dtype), "x")
    reckoned = qr_bytes(view, np.dtype(dtype), 0)
    tracemalloc.start()
    try:
        by_qr(view, np.dtype(dtype), int(8 / 7 * reckoned) + 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 / 7 * reckoned


def spectrum(kind, p, condition):
    """Singular values of this condition, of the Frobenius norm to the least."""
    if kind == "one large":
        return np.append(np.sqrt(condition**2 - p + 1), np.ones(p - 1))
    if kind == "half of them small":
        return np.append(np.full(p - p // 2, np.sqrt((condition**2 - p // 2) / (p - p // 2))), np.ones(p // 2))

    def excess(ratio):
        return np.linalg.norm(np.geomspace(ratio, 1, p)) - condition

    return np.geomspace(brentq(excess, 1, condition), 1, p)


@pytest.mark.parametrize("kind", ["geometric", "half of them small", "one large"])
@pytest.mark.parametrize("p", [12, 40, 120, 200, 250])
def test_single_precision_is_enough_up_to_the_safe_condition(rng, p, kind):
    """CCA and regression hardly feel by how much rounding turned a basis of this condition."""
    n, shared = 260, rng.standard_normal((260, p))
    for_each, _ = SAFE_CONDITION[4]
    views = []
    for beyond in (0.99, 0.99, 1.1):
        x = shared @ rng.standard_normal((p, p)) + rng.standard_normal((n, p))
        left, _, right = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
        x = (left * spectrum(kind, p, beyond * for_each * p)) @ right
        views.append(Representation(x.astype(np.float32), "x"))
    assert by_qr(views.pop(), np.dtype("f4"), MEMORY) is None
    single, double = ([by_qr(view, np.dtype(kind), MEMORY) for view in views] for kind in ("f4", "f8"))
    assert all(single)
    overlaps = [float(np.sum(matrix(a) * matrix(b))) / p for a, b in (single, double)]
    assert overlaps[0] == pytest.approx(overlaps[1], abs=1e-6)
    means = [float(correlations(a, b).mean()) for a, b in (single, double)]
    assert means[0] == pytest.approx(means[1], abs=1e-6)
    x = views[0].in_double().matrix()
    explained = [float(np.sum((matrix(b) @ x) * x) / np.sum(x * x)) for _, b in (single, double)]
    assert explained[0] == pytest.approx(explained[1], abs=1e-6)


@pytest.mark.slow
def test_single_precision_is_enough_for_as_many_features_as_a_first_layer_has(rng):
    """Of two representations whose conditions are just below the largest that is allowed; a third's is above it."""
    n, p = 14_000, 12_600
    views = []
    for small in (0.0125, 0.0125, 0.009):  # conditions of 9.0e4, 9.0e4 and 1.2e5
        x = rng.standard_normal((n, p))
        x[:, p // 2 :] *= small
        views.append(Representation(dct(x, norm="ortho", overwrite_x=True).astype(np.float32), "x"))
    assert by_qr(views.pop(), np.dtype("f4"), 2**33) is None
    single, double = ([by_qr(view, np.dtype(kind), 2**33) for view in views] for kind in ("f4", "f8"))
    assert all(single)
    overlaps, means = [], []
    for a, b in (single, double):
        overlaps.append(float(np.sum((a.rows.astype(np.float64).T @ b.rows) ** 2)) / p)
        means.append(float(correlations(a, b).mean()))
    assert overlaps[0] == pytest.approx(overlaps[1], abs=1e-6)
    assert means[0] == pytest.approx(means[1], abs=1e-6)


@pytest.mark.parametrize("p", [4, 12, 16, 25, 40])
@pytest.mark.parametrize("q", [4, 12, 16, 25, 40])
def test_correlations_without_singular_values(rng, p, q):
    """Bases and complements, of ranks that fit side by side into the space and ranks that do not."""
    shared = rng.standard_normal((30, 3))
    x, y = (shared @ rng.standard_normal((3, size)) + rng.standard_normal((30, size)) for size in (p, q))
    a, b = (project(Representation(part, "x"), MEMORY) for part in (x, y))
    left, right = (factorise(Representation(part, "x", dtype=np.float64), MEMORY).left for part in (x, y))
    expected = np.minimum(np.linalg.svd(left.T @ right, compute_uv=False), 1)
    np.testing.assert_allclose(np.sort(correlations(a, b))[::-1], expected, atol=1e-12)
    for projection in (a, b):
        assert projection.basis.shape == (30, projection.rank)
        np.testing.assert_allclose(projection.basis @ projection.basis.T, matrix(projection), atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_correlations_that_are_nearly_zero_are_not_made_from_sines(rng, dtype):
    """Of two representations without anything in common, one so wide that only its complement is held."""
    basis = np.linalg.qr(np.hstack([np.ones((40, 1)), rng.standard_normal((40, 39))]))[0][:, 1:]
    x, y = ((part * rng.uniform(1, 2, part.shape[1])).astype(dtype) for part in (basis[:, :30], basis[:, 30:]))
    a, b = (project(Representation(part, "x"), MEMORY) for part in (x, y))
    assert [a.complement, b.complement] == [True, False]
    assert not np.isin("basis", list(a.__dict__))
    assert len(correlations(a, b)) == b.rank
    assert a.basis.shape == (40, 30)
    # Made from sines it would be the root of the rounding, 3e-4 or 1e-8.
    assert pairwise([x], [y], index="cca_mean") == pytest.approx(0, abs=2e-5 if dtype is np.float32 else 1e-12)
    needed = 3 * x.dtype.itemsize * 40**2
    with pytest.raises(errors.ParameterError, match=f"a basis beside its complement .* about {needed:,}"):
        pairwise([x], [y], index="cca_mean", memory=needed - 1)


def test_a_factor_gives_the_same(rng):
    x = rng.standard_normal((30, 20))
    basis = factorise(Representation(x, "x", dtype=np.float64), MEMORY)
    for kept in (basis, Basis(basis.left[:, :4], basis.singular[:4], 0)):
        found = of_basis(kept.left, basis.left.dtype)
        assert found.rows.shape[1] == min(kept.rank, 29 - kept.rank)
        np.testing.assert_allclose(matrix(found), kept.left @ kept.left.T, atol=1e-13)


def test_too_little_memory_is_named(rng):
    with pytest.raises(
        errors.ParameterError, match=r"memory leaves 1,000 bytes; its QR factorisation .* of layer 3 needs"
    ):
        project(Representation(rng.standard_normal((100, 50)), "layer 3"), 1000)


@pytest.mark.parametrize("names", [("svcca_mean", "cca_mean"), ("cca_mean", "svcca_mean")])
@pytest.mark.parametrize("options", [{}, {"resume": "run"}, {"memory": 2**23}])
def test_complements_of_all_and_of_leading_components_are_kept_apart(rng, tmp_path, names, options):
    u = np.linalg.qr(rng.standard_normal((400, 350)))[0]
    u = np.linalg.qr(u - u.mean(axis=0))[0]
    x = u[:, :300] * np.where(np.arange(300) < 250, 1, 1e-3)  # the last fifty are cut off by SVCCA
    y, z = (np.hstack([u[:, start : start + 10], u[:, start + 50 : start + 60]]) for start in (260, 270))
    if "resume" in options:
        options = {"resume": tmp_path / "run"}
    tables = pairwise([x, y, z], index=list(names), **options)
    np.testing.assert_allclose(tables["cca_mean"][0, 1:], 0.5, atol=1e-6)
    np.testing.assert_allclose(tables["svcca_mean"][0, 1:], 0, atol=1e-6)


def test_what_two_threads_ask_for_at_once_is_made_once(rng, tmp_path, monkeypatch):
    """A file that one of them has mapped would be cut by the other, which ends the process."""
    view = Representation(rng.standard_normal((40, 30)), "x", dtype=np.float64)
    projection = Prepared(view, 10**9, Checkpoint(tmp_path / "resume", {}, 0)).projection(Projector())
    assert projection.complement
    made = []

    def slowly(rows):
        made.append(rows)
        time.sleep(0.2)
        return complement_of(rows)

    monkeypatch.setattr("repsim.engine.prepared.complement_of", slowly)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(projection.widen, [projection.rows] * 2)
    assert len(made) == 1
    assert first is second
