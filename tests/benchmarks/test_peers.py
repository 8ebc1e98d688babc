"""The other libraries: the adapters' protocol, the causes against closed forms, the collector, the committed result."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
import typer

import repsim
from benchmarks.peers import __main__ as driver
from benchmarks.peers import cases, collect, from_models, libraries
from benchmarks.peers.conventions import CAUSES, exact, explained
from benchmarks.peers.environments import InstallError, clean, made_for
from benchmarks.peers.registry import ADAPTERS, PEERS, Entry, Peer
from repsim.lab.store import unseal

from ..core import oracle

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "benchmarks" / "peers.json"
SMALL = cases.make(24, 30)


@pytest.fixture(scope="module")
def result():
    return json.loads(PUBLISHED.read_text(encoding="utf-8"))


# The arrays.


def test_the_first_case_is_the_authors(golden):
    for mine, theirs in zip(cases.make(4, 4)["golden"], golden, strict=True):
        assert (mine == theirs).all()


def test_the_cases_are_what_they_are_called():
    x, y = SMALL["wide"]
    assert min(x.shape[1], y.shape[1]) > len(x)
    assert all(np.count_nonzero(z.std(axis=0) == 0) == z.shape[1] // 8 for z in SMALL["convolutional"])
    assert all((np.abs(z.mean(axis=0)) > 20 * z.std(axis=0)).all() for z in SMALL["offset"])
    assert all((z[:, -1] == 3).all() for z in SMALL["constant"])
    assert repsim.cka(*SMALL["unrelated"], debiased=True) < -0.01
    assert all(z.dtype == np.float32 for z in SMALL["large"])


def test_some_batch_size_leaves_a_short_last_batch():
    assert any(300 % size for size in cases.batch_sizes(300))
    assert cases.batch_sizes(300)[-1] == 300


def test_arrays_are_written_once_and_described(tmp_path):
    described = cases.write(tmp_path, {"golden": SMALL["golden"]})
    assert described["golden"]["shapes"] == [[100, 10], [100, 10]]
    assert (np.load(tmp_path / "golden-x.npy", allow_pickle=False) == SMALL["golden"][0]).all()


# The protocol, with an adapter that needs no library.

ADAPTER = """
import os, time
from protocol import run, streaming

def crash(x, y):
    raise ValueError("no such luck")

def die(x, y):
    os._exit(7)

def hang(x, y):
    time.sleep(60)

@streaming
def size(x, y, batch):
    print("not ours to print")
    return batch

size.feeding = lambda n, batch: time.sleep(0.02 * (n == 100))
run("numpy", {"sum": lambda x, y: x.sum() + y.sum(), "nan": lambda x, y: float("nan"), "crash": crash, "die": die,
              "hang": hang, "size": size})
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    cases.write(folder, {"golden": SMALL["golden"]})
    (folder / "adapter.py").write_text(ADAPTER)
    job = {"arrays": str(folder), "cases": {"golden": [5, 100]}, "repeats": 2, "timeout": 3}
    (folder / "job.json").write_text(json.dumps({**job, "out": str(folder / "out.json")}))
    command = [sys.executable, str(folder / "adapter.py"), str(folder / "job.json")]
    environment = {**os.environ, "PYTHONPATH": str(ADAPTERS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""
    return json.loads((folder / "out.json").read_text()), command, environment, folder / "out.json"


def test_a_measurement_has_value_time_and_memory(measured):
    out = measured[0]
    assert out["version"] == np.__version__
    row = next(row for row in out["rows"] if row["entry"] == "sum")
    x, y = SMALL["golden"]
    assert row["value"] == pytest.approx(x.sum() + y.sum())
    assert 0 < row["seconds"] < 3
    assert 0 < row["base_mib"] <= row["peak_mib"]
    assert row["error"] is None


def test_what_fails_is_reported_and_the_rest_goes_on(measured):
    errors = {row["entry"]: row["error"] for row in measured[0]["rows"] if row["error"]}
    assert errors == {
        "nan": "returned nan",
        "crash": "ValueError: no such luck",
        "die": "the process ended with exit code 7",
        "hang": "no result within 3 seconds",
    }


def test_only_a_streaming_entry_gets_batch_sizes(measured):
    sizes = {row["batch"]: row["value"] for row in measured[0]["rows"] if row["entry"] == "size"}
    assert sizes == {5: 5, 100: 100}
    assert {row["batch"] for row in measured[0]["rows"] if row["entry"] != "size"} == {None}


def test_what_batches_alone_take_is_measured_beside_a_call_that_wants_them(measured):
    rows = measured[0]["rows"]
    assert all(row["feeding"] >= 0.02 for row in rows if row["entry"] == "size")
    assert {row["feeding"] for row in rows if row["entry"] != "size"} == {None}


def test_what_was_measured_is_not_measured_again(measured):
    out, command, environment, path = measured
    shortened = {**out, "rows": [row for row in out["rows"] if row["entry"] != "sum"]}
    shortened["rows"][0]["seconds"] = -1.0
    path.write_text(json.dumps(shortened))
    subprocess.run(command, env=environment, check=True)
    rows = json.loads(path.read_text())["rows"]
    assert -1.0 in [row["seconds"] for row in rows]
    assert len(rows) == len(out["rows"])


# The registry.


def test_each_library_has_its_adapter_and_pins():
    assert len({peer.name for peer in PEERS}) == len(PEERS)
    for peer in PEERS:
        assert peer.script.exists(), peer.name
        assert all("==" in pin for pin in (*peer.requires, *peer.without_dependencies)), peer.name
        for entry in peer.entries.values():
            assert entry.cause == "none" or entry.cause in CAUSES
            assert callable(repsim.get_index(entry.reference))
    used = {entry.cause for peer in PEERS for entry in peer.entries.values()}
    assert set(CAUSES) <= used, "a cause that nobody needs"


# What is called exact, and the causes, against closed forms.


def test_the_exact_values_of_the_authors_example_to_fifty_digits():
    x, y = SMALL["golden"]
    a, b = oracle.centred(x), oracle.centred(y)
    cross, within = b.T * a, [z.T * z for z in (a, b)]
    cka = oracle.inner(cross, cross) / mp.sqrt(mp.fprod(oracle.inner(w, w) for w in within))
    correlations = mp.svd_r(oracle.whitened(b).T * oracle.whitened(a), compute_uv=False)
    expected = {
        "cka_linear": cka,
        "hsic_linear": oracle.inner(cross, cross) / 99**2,
        "cca_mean": mp.fsum(correlations) / 10,
        "cca_r2": mp.fsum(c**2 for c in correlations) / 10,
        "procrustes": oracle.procrustes(x, y),
    }
    for name, value in expected.items():
        assert exact(name, x, y) == pytest.approx(float(value), rel=1e-12), name


def test_the_authors_number_is_the_uncentred_one():
    x, y = SMALL["golden"]
    assert explained("uncentred-cca", x, y) == pytest.approx(0.54312, abs=5e-6)
    assert abs(exact("cca_r2", x, y) - 0.54312) > 2e-3


def test_uncentred_cca_of_wide_data_is_n_over_p():
    x, y = (np.random.default_rng(seed).standard_normal((20, p)) for seed, p in ((0, 50), (1, 30)))
    assert explained("uncentred-cca", x, y) == pytest.approx(20 / 30)


def _song(x, y):
    """The U-statistic of Song et al. as its sum over distinct i, j, q, r, for few examples."""
    k, m, n = x @ x.T, y @ y.T, len(x)
    others = [(i, j, q, r) for i in range(n) for j in range(n) for q in range(n) for r in range(n)]
    terms = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in others if len({i, j, q, r}) == 4]
    return math.fsum(terms) / len(terms)


def test_minibatches():
    x, y = (z[:12, :3] for z in SMALL["golden"])
    parts = [slice(0, 5), slice(5, 10)]
    sums = [sum(_song(a[p], b[p]) for p in parts) for a, b in ((x, y), (x, x), (y, y))]
    value = sums[0] / math.sqrt(sums[1] * sums[2])
    assert explained("minibatch", x[:10], y[:10], 5) == pytest.approx(value)
    assert explained("minibatch-clamped", x[:10], y[:10], 5) == pytest.approx(min(max(value, 0), 1))
    epsilon = 10 * sums[0] / math.sqrt(100 * sums[1] * sums[2] + 1e-4)
    assert explained("minibatch-epsilon", x[:10], y[:10], 5) == pytest.approx(epsilon)
    last = _song(x[5:], y[5:]) / math.sqrt(_song(x[5:], x[5:]) * _song(y[5:], y[5:]))
    assert explained("last-batch", x, y, 5 + 2) == explained("minibatch", x[7:], y[7:])
    assert explained("last-batch", x, y, 12) == explained("minibatch", x, y) == pytest.approx(exact_debiased(x, y))
    assert explained("minibatch", x[5:], y[5:]) == pytest.approx(last)


def exact_debiased(x, y):
    return repsim.cka(x, y, debiased=True)


def test_clamping_hides_a_negative_value():
    rng = np.random.default_rng(0)
    pairs = [(rng.standard_normal((8, 2)), rng.standard_normal((8, 2))) for _ in range(20)]
    x, y = next(pair for pair in pairs if exact_debiased(*pair) < -0.05)
    assert explained("debiased-clamped", x, y) == explained("minibatch-clamped", x, y) == 0
    assert explained("debiased-clamped", x, x) == pytest.approx(1)


def test_debiased_in_other_senses():
    x, y = (z[:, :3] - z[:, :3].mean(axis=0) for z in (z[:9] for z in SMALL["golden"]))
    k, m, n = x @ x.T, y @ y.T, 9
    off = ~np.eye(n, dtype=bool)
    biased = math.sqrt((k * k).sum() * (m * m).sum()) / (n - 1) ** 2
    assert explained("zeroed-diagonal", x, y) == pytest.approx((k * m)[off].sum() / (n * (n - 3)))
    assert explained("zeroed-diagonal-over-biased", x, y) == pytest.approx((k * m)[off].sum() / (n * (n - 3)) / biased)
    assert explained("song-over-biased", x, y) == pytest.approx(_song(x, y) / biased)
    assert explained("option-ignored", x, y) == pytest.approx((k * m).sum() / biased / (n - 1) ** 2)


def test_bandwidths():
    # Distances 1, 2, 3, 4, 5 and 7 between the points of one side: squared, the medians can be written down.
    x, y = np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[0.0], [2.0], [3.0], [4.5]])

    def value(bandwidths):
        grams = []
        for z, b in zip((x, y), bandwidths, strict=True):
            grams.append(repsim.centre_gram(np.exp(-((z - z.T) ** 2) / b)))
        return np.vdot(*grams) / np.linalg.norm(grams[0]) / np.linalg.norm(grams[1])

    # Distances of x: 1 2 3 4 6 7; of y: 1 1.5 2 2.5 3 4.5. With the diagonal and twice each: the 8th of 16 is 2 (1.5).
    assert explained("lower-median", x, y) == pytest.approx(value((2 * 2.0**2, 2 * 1.5**2)))
    assert explained("median-without-diagonal", x, y) == pytest.approx(value((2 * 3.5**2, 2 * 2.25**2)))
    squares = [np.mean(np.square(d)) for d in ([1, 2, 3, 4, 6, 7], [1, 1.5, 2, 2.5, 3, 4.5])]
    assert explained("mean-distance", x, y) == pytest.approx(value(squares))
    own = np.array([3.0, 2.0, 3.0, 6.0]), np.array([3.0, 2.0, 1.5, 2.5])
    assert explained("median-per-example", x, y) == pytest.approx(value([2 * np.outer(m, m) for m in own]))


def test_rank_before_centring():
    x, y = SMALL["constant"]
    for statistic in ("r2", "mean"):
        value = exact(f"cca_{statistic}", x, y)
        assert explained(f"rank-before-centring-{statistic}", x, y) == pytest.approx(value * 15 / 16)
        x0, y0 = SMALL["golden"]
        assert explained(f"rank-before-centring-{statistic}", x0, y0) == pytest.approx(
            exact(f"cca_{statistic}", x0, y0)
        )


def test_whitening_before_truncation_ignores_the_variances():
    x, y = SMALL["golden"]
    scales = np.logspace(0, 6, 10)
    for statistic in ("r2", "mean"):
        whitened = explained(f"whitened-first-{statistic}", x * scales, y)
        assert whitened == pytest.approx(explained(f"whitened-first-{statistic}", x, y))
        assert whitened == pytest.approx(exact(f"cca_{statistic}", x, y))  # 99 % of ten directions are ten
        assert abs(exact(f"svcca_{statistic}", x * scales, y) - whitened) > 1e-3
    assert CAUSES["whitened-first-r2"].unique(x, y)
    wide = np.random.default_rng(0).standard_normal((250, 240))
    assert not CAUSES["whitened-first-r2"].unique(wide, wide)


def test_pwcca_both_ways():
    x, y = SMALL["golden"]
    assert explained("pwcca-both-ways", x, y) == pytest.approx((repsim.pwcca(x, y) + repsim.pwcca(y, x)) / 2)
    # Of more features than the other side has, ours lets those without a partner count, with correlation 0.
    assert explained("pwcca-both-ways", x, y[:, :3]) > (repsim.pwcca(x, y[:, :3]) + repsim.pwcca(y[:, :3], x)) / 2
    assert CAUSES["pwcca-both-ways"].unique(x, y)
    assert not CAUSES["pwcca-both-ways"].unique(*SMALL["wide"])


def test_products_and_first_correlation():
    x, y = np.array([[1.0], [2.0], [3.0], [5.0]]), np.array([[2.0], [0.0], [1.0], [1.0]])
    assert explained("uncentred-product", x, y) == pytest.approx(10.0**2)
    assert explained("first-correlation", x, y) == pytest.approx(abs(np.corrcoef(x.T, y.T)[0, 1]))


def test_distances():
    x, y = np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [2.0], [3.0]])
    d, e = np.array([1.0, 9.0, 4.0]), np.array([4.0, 9.0, 1.0])
    assert explained("distances-cosine", x, y) == pytest.approx(d @ e / np.linalg.norm(d) / np.linalg.norm(e))
    assert explained("distances-correlation", x, y) == pytest.approx(np.corrcoef(d, e)[0, 1])
    removed = []
    for values in (d - d.mean(), e - e.mean()):
        matrix = np.zeros((3, 3))
        matrix[[0, 0, 1], [1, 2, 2]] = values
        h = np.eye(3) - 1 / 3
        removed.append(h @ (matrix + matrix.T) @ h)
    cosine = np.vdot(*removed) / np.linalg.norm(removed[0]) / np.linalg.norm(removed[1])
    assert explained("distances-mean-removed", x, y) == pytest.approx(cosine)
    assert explained("roots-of-eigenvalues", *SMALL["golden"]) == pytest.approx(
        repsim.procrustes(*SMALL["golden"]), abs=1e-6
    )


# The collector.


def row(entry, value, **others):
    return {"case": "golden", "entry": entry, "batch": None, "value": value, "error": None, **others}


def test_rows_are_judged():
    arrays = {"golden": SMALL["golden"]}
    entries = {
        "same": Entry("cka_linear"),
        "other": Entry("cca_r2", "uncentred-cca"),
        "wrong": Entry("cca_r2", "uncentred-cca"),
        "single": Entry("cka_linear"),
        "single, double": Entry("cka_linear"),
        "broken": Entry("cka_linear"),
    }
    value, demo = repsim.cka(*SMALL["golden"]), explained("uncentred-cca", *SMALL["golden"])
    rows = [
        row("same", value),
        row("other", demo),
        row("wrong", demo + 1e-3),
        row("single", value + 1e-3),
        row("single, double", value),
        row("broken", None, error="ValueError: at /somewhere/deep/file.py"),
        row("no longer asked for", 1.0),
    ]
    judged = {one["entry"]: one for one in collect.judge(rows, entries, arrays, {})}
    assert {name: one["status"] for name, one in judged.items()} == {
        "same": "exact",
        "other": "explained",
        "wrong": "unexplained",
        "single": "rounding",
        "single, double": "exact",
        "broken": "failed",
    }
    assert judged["wrong"]["residual"] == pytest.approx(1e-3)
    assert judged["other"]["difference"] == pytest.approx(demo - repsim.cca(*SMALL["golden"]))
    assert judged["broken"]["error"] == "ValueError: at file.py"


def test_a_small_hsic_is_not_taken_for_another_small_one():
    arrays = {"golden": tuple(z * 1e-3 for z in SMALL["golden"])}
    value = repsim.hsic(*arrays["golden"])
    entries = {"a": Entry("hsic_linear"), "b": Entry("hsic_linear")}
    judged = collect.judge([row("a", value), row("b", value * 1.001)], entries, arrays, {})
    assert [one["status"] for one in judged] == ["exact", "unexplained"]


def test_messages_name_no_machine_and_no_address():
    message = "WARNING: slow\nERROR: no match at https://example.org/simple/x (from /somewhere/of/mine.txt)\n"
    assert clean(message) == "ERROR: no match at (address) (from mine.txt)"
    assert len(clean("x" * 1000)) == 400


def test_a_library_that_does_not_install_is_reported(tmp_path, monkeypatch):
    def refuse(peer, folder):
        raise InstallError("ERROR: No matching distribution found")

    monkeypatch.setattr(driver, "python_of", refuse)
    peer = next(peer for peer in PEERS if peer.requires)
    found = driver.measure(peer, {"arrays": ""}, {}, {}, {}, tmp_path, 1)
    assert found["message"] == "does not install: ERROR: No matching distribution found"
    assert found["rows"] == []


def test_an_adapter_that_is_killed_is_said_to_have_ended(tmp_path, monkeypatch):
    script = tmp_path / "for_nobody.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setattr(driver, "python_of", lambda peer, folder: sys.executable)
    monkeypatch.setattr(Peer, "script", script)
    found = driver.measure(Peer("nobody", "for_nobody.py", {}, ("nobody==3",)), {}, {}, {}, {}, tmp_path, 1)
    assert (found["message"], found["rows"]) == ("ended with -9", [])
    text = libraries.packages({"peers": [found]})
    assert "| nobody | 3 (asked for) |" in text
    assert "- nobody: `ended with -9`" in text


def test_a_cause_that_no_value_shows_is_not_named():
    row = {"entry": "call", "case": "golden", "reference": "cka_linear", "cause": "minibatch", "batch": None}
    row |= {"value": None, "exact": 1.0, "difference": 0.0, "status": "failed"}

    def cause(**changed):
        case = {"words": "", "dtype": "", "shapes": [[1, 1], [1, 1]]}
        peer = {"name": "a", "rows": [row | changed]}
        table = libraries.values({"causes": {"minibatch": "averages"}, "cases": {"golden": case}, "peers": [peer]})
        return table.splitlines()[-1].split(" | ")[6]

    assert cause() == "–"
    assert cause(value=1.0) == "averages (`minibatch`)"
    assert cause(value=1.0, cause="none", status="exact") == "it is the same quantity"


def test_what_pip_refuses_is_an_install_error(tmp_path):
    with pytest.raises(InstallError, match="Invalid requirement"):
        made_for(tmp_path / "environment", ("not a requirement ==",))


# The committed result.


def test_our_values_recompute(result):
    arrays = cases.make(**result["sizes"])
    ours = next(peer for peer in result["peers"] if peer["name"] == libraries.OURS)
    checked = [one for one in ours["rows"] if one["case"] in ("golden", "constant", "offset") and one["batch"] is None]
    assert len(checked) == 3 * sum(index.function is not None for index in repsim.INDEXES.values())
    for one in checked:
        assert exact(one["entry"], *arrays[one["case"]]) == pytest.approx(one["value"], rel=1e-9, abs=1e-9), one


def test_our_streamed_value_is_flat(result):
    ours = next(peer for peer in result["peers"] if peer["name"] == libraries.OURS)
    flat = [one["value"] for one in ours["rows"] if one["batch"] and one["case"] == cases.STREAMED]
    assert len(flat) == len(cases.batch_sizes(result["sizes"]["n"]))
    assert max(flat) - min(flat) < 1e-12


def test_explanations_recompute(result):
    arrays = cases.make(**result["sizes"])
    for peer in result["peers"]:
        for one in peer["rows"]:
            if one["case"] == "golden" and one["status"] == "explained":
                x, y = arrays["golden"]
                none = one["cause"] == "none"
                again = exact(one["reference"], x, y) if none else explained(one["cause"], x, y, one["batch"])
                assert one["value"] == pytest.approx(again, rel=1e-6, abs=1e-6), (peer["name"], one["entry"])


def test_rsa_is_that_of_rsatoolbox_to_twelve_digits(result):
    (peer,) = (peer for peer in result["peers"] if peer["name"] == "rsatoolbox")
    rows = [row for row in peer["rows"] if row["entry"] == "compare(spearman), double"]
    assert {row["case"] for row in rows} == set(cases.WORDS)
    assert max(abs(row["difference"]) for row in rows) < 1e-12


def test_every_library_is_there(result):
    assert [peer["name"] for peer in result["peers"]] == [peer.name for peer in PEERS]
    for peer, asked in zip(result["peers"], PEERS, strict=True):
        measured = {one["entry"] for one in peer["rows"]}
        assert peer["message"] or measured == set(asked.entries), peer["name"]
    table = PUBLISHED.with_suffix(".csv").read_text(encoding="utf-8").splitlines()
    assert len(table) == 1 + sum(len(peer["rows"]) for peer in result["peers"])


def test_of_other_libraries_the_result_stays_as_it_is(result, tmp_path):
    kept = driver.results_before(PUBLISHED, result["cases"])
    assert list(kept.values()) == result["peers"]
    with pytest.raises(typer.BadParameter, match=r"peers\.json is of other activations; run all libraries"):
        driver.results_before(PUBLISHED, cases.write(tmp_path, SMALL))


def test_from_models_ours_alone_is_exact():
    """What torch_cka and pytorch-cka average over batches, and what ckatorch cannot take."""
    result = unseal(PUBLISHED.with_name("from_models.json"))
    rows = {row["library"]: row for row in result["rows"]}
    assert set(rows) == set(from_models.RUNS) - {"exact"}
    assert rows["ours"]["largest_difference"] < 1e-6
    assert min(rows[name]["largest_difference"] for name in ("torch_cka", "pytorch_cka")) > 1e-3
    assert "3D tensor" in rows["ckatorch"]["error"]
    text = libraries.from_models(result)
    for row in rows.values():
        assert row.get("error", f"| {row.get('processor_seconds', 0):.1f} |") in text


# The page.


def test_few_examples_say_nothing_about_times(result):
    assert "times say nothing" in libraries.costs({**result, "sizes": {"n": 60, "large": 100}})
    assert len(libraries.costs({**result, "sizes": {"n": 500, "large": 2000}}).splitlines()) > 3


def test_the_findings_are_counts_of_the_tables(result):
    first, second, third = libraries.findings(result).splitlines()
    rows = [row for peer in result["peers"] if peer["name"] != libraries.OURS for row in peer["rows"]]
    rows = [row for row in rows if not row["entry"].endswith(libraries.SAME_CALL)]
    assert f"Of all {len(rows)} results {sum(row['status'] == 'exact' for row in rows)} are exact" in first
    streamed = [row["value"] for row in rows if (row["entry"], row["case"]) == ("CKACalculator", cases.STREAMED)]
    assert f"cka-pytorch {min(streamed):.3f} to {max(streamed):.3f}" in second
    whole = exact("cka_linear_debiased", *cases.make(**result["sizes"])[cases.STREAMED])
    assert second.endswith(f"it is {whole:.3f} for each.")
    assert f"{sum(row['value'] is None for row in rows)} of {len(rows)}" in third
