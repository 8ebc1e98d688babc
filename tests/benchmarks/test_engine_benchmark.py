"""The benchmark of the engine: counts, arrays, ways of rounding, extrapolations, resuming, and its page."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import typer
from bs4 import BeautifulSoup

import repsim
from benchmarks.engine import __main__ as driver
from benchmarks.engine import accuracy, costs, data, derive, growth, operations, plan, rounding, tasks
from benchmarks.results import NotMeasuredError, engine_digest, text_of
from repsim.engine.projectors import project
from repsim.engine.representation import Representation
from repsim.lab.figures.display import svg
from repsim.lab.measurements.common import networks
from repsim.lab.representations import representations
from repsim.lab.store import unseal

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "n": 40,
    "networks": 2,
    "n_large": 60,
    "n_paper": 300,
    "n_singular": 48,
    "p_accuracy": 50,
    "memory": 64,
    "memory_bases": 80,
    "profile": "",
    "side": 32,
    "channels": "1,1,1",
}
WIDTHS = [1024, 1024, 256, 256, 256, 64, 36, 36, 1]


def here(measurement, arrays, timeout):
    """Run the jobs in this process, which takes no time to start."""
    runs = []
    for job in measurement.jobs:
        found = tasks.TASKS[job["task"]](arrays, **job["parameters"])
        runs.append(json.loads(json.dumps({**found, "base_mib": 50.0, "peak_mib": 60.0})))
    return runs, None


def measure(folder, **changed):
    options = {"only": None, "representations": None, "timeout": 5, "keep": True, **TINY, **changed}
    driver.main(folder=folder / "engine", out=folder / "engine.json", **options)
    return json.loads((folder / "engine.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "run", here)
        return measure(tmp_path_factory.mktemp("result"))


# Counts of operations, against closed forms.


def test_a_pass_takes_half_of_all_products():
    n, widths = 7, [2, 3]
    own = sum(p * 2 * n * n / 2 for p in widths)
    table = 2 * 2**2 * n * n / 2
    assert operations.tile_pass(n, widths) == own + table
    assert operations.tile_pass(n, widths, tables=3) == own + 3 * table
    assert operations.square_product(5) == 2 * 5**3


def test_reflections_count_as_those_of_each_column():
    def counted(rows, columns):
        return sum(4 * (rows - k) * (columns - k) for k in range(columns))

    def of_complement(rows, columns):
        return (rows - 1 - columns) * sum(4 * (rows - k) for k in range(columns))

    for n, p in ((400, 30), (400, 150)):
        assert operations.qr(n, p) == pytest.approx(2 * counted(n, p), rel=0.1)
    assert operations.qr(400, 300) == pytest.approx(counted(400, 300) + of_complement(400, 300), rel=0.1)
    assert operations.qr(100, 400) == pytest.approx(counted(400, 100), rel=0.1)
    assert [operations.basis_width(11, p) for p in (3, 5, 6, 10, 50)] == [3, 5, 4, 0, 0]


def test_the_narrower_basis_and_the_memory_are_the_engines():
    rng = np.random.default_rng(0)
    for n, p in ((40, 10), (40, 30), (40, 39), (40, 60)):
        view = Representation(rng.standard_normal((n, p)).astype(np.float32), "x")
        assert project(view, 2**30).rows.shape[1] == operations.basis_width(n, p)
        enough = operations.qr_bytes(n, p) + 2**16
        project(view, int(enough * 8 / 7) + 1)
        with pytest.raises(repsim.ParameterError, match="QR"):
            project(view, int(operations.qr_bytes(n, p) * 7 / 8))


# The arrays.


def test_networks_have_the_layers_of_tiny_10(tmp_path):
    assert data.layer_widths() == [16384, 16384, 8192, 8192, 8192, 4096, 2304, 2304, 64]
    data.write_networks(tmp_path, 2, 30, [5, 300])
    xs = data.open_networks(tmp_path, [0, 1], 20)
    assert [x.shape for x in xs] == [(20, 5), (20, 300)] * 2
    assert all(x.dtype == np.float32 and (x >= 0).all() and 0.2 < (x == 0).mean() < 0.8 for x in xs)
    assert data.write_networks(tmp_path, 2, 30, [5, 300]) == 0


def test_bases_are_of_a_trained_network(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(driver, "run", here)
    with pytest.raises(data.NotTrainedError, match="run `repsim-lab train smoke` first"):
        measure(tmp_path, profile="smoke")
    (network,) = networks("smoke", "tiny10", 1)
    with pytest.raises(typer.BadParameter, match="another --profile is needed"):
        measure(tmp_path, profile="smoke")
    monkeypatch.setattr(data, "layer_widths", lambda narrow: data.trained_widths(network))
    found = measure(tmp_path, profile="smoke", only=["pairs", "singular"])
    assert found["trained"] == {"network": network.path.name, "sha256": network.sha256, "split": "train", "n": 96}
    layers = data.open_networks(tmp_path / "engine" / "trained", [0], 96)
    held = representations(network, "train", 96)
    for found_layer, kept in zip(layers, list(held.values())[:-1], strict=True):
        assert (np.asarray(found_layer) == kept).all()
    values = found["measurements"]
    one = next(one for one in values.values() if one["name"] == "procrustes, 48")
    table = repsim.pairwise([np.asarray(layer[:48]) for layer in layers], index="procrustes")
    assert one["runs"][0]["values"]["procrustes"][1] == pytest.approx(table.mean(), rel=1e-4)
    assert network.path.name in costs.sizes(found)
    monkeypatch.setattr(driver, "run", None)  # all is measured, and the links are not needed any more
    measure(tmp_path, profile="smoke", only=["pairs", "singular"], keep=False)
    assert list((tmp_path / "engine" / "trained").rglob("*.npy")) == []
    assert sorted(held) == sorted(representations(network, "train", 96))


def test_fewer_examples_are_the_first_of_more():
    few, many = (np.concatenate(list(data.rectified(n, 3, 7))) for n in (300, 700))
    assert (many[:300] == few).all()
    other = np.concatenate(list(data.rectified(700, 40, 8)))
    wide = np.concatenate(list(data.rectified(700, 100, 9)))
    assert repsim.cka(wide, other) > 2 * repsim.cka(wide[::-1], other)  # the signals are shared
    assert np.linalg.matrix_rank(other - other.mean(axis=0)) == 40


def test_a_full_disk_is_said_before_anything_is_written(tmp_path):
    with pytest.raises(data.NoRoomError, match="are to be written"):
        data.write_networks(tmp_path, 1, 10**9, [10**6])
    assert list(tmp_path.rglob("*.npy")) == []


def test_real_representations_are_taken_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "run", here)
    rng = np.random.default_rng(0)
    for number in range(2):
        folder = data.network_of(tmp_path / "real", number)
        folder.mkdir(parents=True)
        np.save(folder / "layer0.npy", rng.standard_normal((60, 2, 2, 3)).astype(np.float32))
        np.save(folder / "layer1.npy", rng.standard_normal((60, 7)).astype(np.float32))
    before = sorted((tmp_path / "real").rglob("*"))
    found = measure(tmp_path, representations=tmp_path / "real", only=["headline", "pairs", "accuracy"], keep=False)
    assert sorted((tmp_path / "real").rglob("*")) == before
    assert found["sizes"]["widths"] == [12, 7]
    assert set(found["derived"]["headline"]) == {plan.LINEAR, plan.RBF}
    assert found["derived"]["pairs"]["pairs"] == 6
    assert str(tmp_path) not in json.dumps(found)


# What is measured.


def test_a_table_is_what_pairwise_gives(tmp_path):
    data.write_networks(tmp_path, 1, 40, [20, 6, 3])
    indexes = ["cka_rbf_0.4", "cca_r2"]
    found = tasks.table(tmp_path, [0], 40, indexes, 2**26)
    table = repsim.pairwise(data.open_networks(tmp_path, [0], 40), index=indexes)
    assert found["values"]["cca_r2"][1] == pytest.approx(table["cca_r2"].mean())
    phases = found["phases"]
    assert len(phases["bases"]) == 3
    assert phases["medians"] + sum(phases["bases"]) + phases["pass"] == pytest.approx(found["seconds"])
    assert tasks.table(tmp_path, [0], 40, ["cka_linear"], 2**26, layers=[0] * 4)["widths"] == [20] * 4
    only = tasks.table(tmp_path, [0], 40, ["cka_linear"], 2**26)["phases"]
    assert only["medians"] == 0
    assert only["bases"] == []


def test_pair_by_pair_gives_the_same_value(tmp_path):
    data.write_networks(tmp_path, 2, 40, [20, 6])
    cross, first, second = (
        tasks.pair(tmp_path, places, 40)["value"] for places in ([[0, 0], [1, 1]], [[0, 0], [0, 0]], [[1, 1], [1, 1]])
    )
    x, y = data.open_networks(tmp_path, [0], 40)[0], data.open_networks(tmp_path, [1], 40)[1]
    assert cross / math.sqrt(first * second) == pytest.approx(repsim.cka(x, y), rel=1e-5)


def test_products_do_the_operations_asked_for(tmp_path):
    found = tasks.products(tmp_path, 16, 10 * 2 * 16**3 + 5)
    assert found["operations"] == 10 * 2 * 16**3


def test_every_way_is_near_the_definition(tmp_path):
    x, y = accuracy.representations(tmp_path, "centred", 60, 30)
    exact = repsim.cka(np.array(x, dtype=np.float64), np.array(y, dtype=np.float64))
    assert accuracy.values("reference", x, y, memory=2**26)["reference"] == pytest.approx(exact, rel=1e-13)
    found = {}
    for way in accuracy.WAYS:
        found |= accuracy.values(way, x, y, memory=2**26)
    assert all(value == pytest.approx(exact, abs=1e-5) for value in found.values())
    assert set(rounding.WAYS) == set(found) - {"reference"}
    steps = {step for steps in rounding.STEPS.values() for step in steps}
    assert steps | set(rounding.STEPS) <= set(found)


def test_offset_representations_are_offset(tmp_path):
    for z in accuracy.representations(tmp_path, "offset", 60, 30):
        assert (z.mean(axis=0) > 10 * z.std(axis=0)).all()
    for z in accuracy.representations(tmp_path, "centred", 60, 30):
        assert np.abs(z.mean(axis=0)).max() < 1e-6


def test_squares_summed_one_by_one_in_float32_are_what_goes_wrong():
    # Many squares of like size: a dot product in float32 loses what the sum in float64 keeps.
    cross = np.random.default_rng(0).standard_normal((3000, 3000), dtype=np.float32)
    exact = float(np.sum(np.square(cross, dtype=np.float64)))
    errors = {name: abs(float(summed(cross)) / exact - 1) for name, summed in accuracy.SUMS.items()}
    assert errors["_summed_in_float64"] < 1e-12
    assert errors["_summed_in_pairs"] < 1e-6


# What is derived.


def test_exponents_of_power_laws():
    x = [1, 2, 4, 8]
    found = derive.fit(x, [3 * a**1.5 for a in x])
    assert (found["exponent"], found["factor"]) == pytest.approx((1.5, 3))
    assert found["error"] == pytest.approx(0, abs=1e-12)
    noisy = derive.fit(x, [3 * a**1.5 * f for a, f in zip(x, (1, 1.1, 0.9, 1), strict=True)])
    assert abs(noisy["exponent"] - 1.5) < 3 * noisy["error"]
    slope, spread = np.polyfit(np.log(x), np.log([1, 3, 4, 9]), 1, cov=True)
    again = derive.fit(x, [1, 3, 4, 9])
    assert (again["exponent"], again["error"]) == pytest.approx((slope[0], math.sqrt(spread[0, 0])))
    assert derive.fit([2, 2], [1, 1]) is None
    assert derive.fit([1, 2], [0, 1]) is None
    assert derive.fit([1, 2], [1, 4])["error"] is None


def test_the_ratio_is_to_as_many_operations():
    before, after = {"seconds": 1.0, "operations": 50}, {"seconds": 3.0, "operations": 50}
    table = {"seconds": 10.0, "peak_mib": 3.0, "base_mib": 1.0}
    found = derive.bracketed(before, table, after, 200)
    assert found["products_seconds"] == 8
    assert found["ratio"] == 1.25
    assert found["drift"] == 3


def test_pairs_are_counted_as_often_as_they_occur():
    counts = derive.pair_counts(WIDTHS, 10)
    assert sum(count for name, count in counts.items() if name.startswith("norm")) == 90
    assert sum(count for name, count in counts.items() if not name.startswith("norm")) == 90 * 89 // 2
    assert counts["36 x 64"] == 200
    assert counts["1 x 1"] == 45


def test_parts_are_extrapolated_by_their_counts():
    phases = {"medians": 2.0, "bases": [1.0, 3.0], "pass": 5.0}
    alone = {"pass": 1.0, "medians": 1.0}
    same = derive.extrapolated(phases, "all", [50, 10], 1, 400, 400, alone)
    assert same["total"] == pytest.approx(11)
    more = derive.extrapolated(phases, "all", [50, 10], 3, 400, 4000, alone)
    assert more["medians"] == pytest.approx(2 * 3 * 100)
    assert more["bases"] == pytest.approx(3 * 10 * 4, rel=0.1)  # QR is linear in n
    tiles = [4000**2 * 3 * 2 * 60 + 4000**2 * 4 * 36, 400**2 * 2 * 60 + 400**2 * 4 * 4]
    assert more["pass"] == pytest.approx(5 * tiles[0] / tiles[1])
    linear = derive.extrapolated({"medians": 0.0, "bases": [], "pass": 5.0}, "linear", [50, 10], 3, 400, 400, alone)
    assert linear["total"] == pytest.approx(5 * (180 + 36) / (60 + 4))
    sampled = derive.extrapolated(phases, "sample", [50, 10], 3, 400, 4000, alone)
    expected = more | {"medians": 2 * 3 * 10, "total": more["total"] - more["medians"] + 2 * 3 * 10}
    assert sampled == pytest.approx(expected)
    beyond = derive.extrapolated(phases, "all", [50, 10], 3, 400, 4000, {"pass": 1.5, "medians": 1.25})
    assert beyond["pass"] == pytest.approx(1.5 * more["pass"])
    assert beyond["medians"] == pytest.approx(1.25 * more["medians"])
    assert beyond["bases"] == more["bases"]


def test_what_many_networks_take_beyond_their_count_is_in_the_extrapolation():
    sizes = {"n": 100, "widths": [10, 20], "networks": 3, "n_large": 200, "n_paper": 200}
    grown = (90 + 36) / (30 + 4)
    one = [{"phases": {"medians": 2.0, "bases": [], "pass": 1.0}}]
    all_of_them = [None, {"phases": {"medians": 9.0, "bases": [], "pass": 1.2 * grown}}, None]
    beyond = derive.excess({f"{plan.RBF} representations 2": one}, {plan.RBF: all_of_them}, sizes)
    assert beyond == {plan.RBF: {"pass": pytest.approx(1.2), "medians": pytest.approx(1.5)}}
    assert derive.excess({}, {plan.RBF: all_of_them}, sizes) is None
    half = {"seconds": 1.0, "operations": 10}
    table = {"seconds": 5.0, "peak_mib": 2.0, "base_mib": 1.0, "phases": {"medians": 1.0, "bases": [], "pass": 4.0}}
    found = derive.parts({"rbf": [half, table, half]}, sizes, beyond)["rbf"]
    assert found["all_networks"]["total"] == pytest.approx(3 * 1.5 + 4 * 1.2 * grown)
    assert found["beyond"] == beyond[plan.RBF]
    assert found["counted"] == pytest.approx(200**2 * (90 + 36 + 3 * 30) / 10)  # ten operations a second


def test_the_operations_of_all_phases_are_counted():
    phases, widths = {"medians": 2.0, "bases": [3.0, 1.0], "pass": 5.0}, [50, 10]
    sampled = derive.counted(phases, "sample", widths, 3, 400)
    assert sampled == 400**2 * (3 * 2 * 60 + 4 * 36) + 3 * (operations.qr(400, 50) + operations.qr(400, 10))
    assert derive.counted(phases, "all", widths, 3, 400) == sampled + 3 * 400**2 * 60


def test_the_most_examples_end_where_time_memory_or_measurements_do():
    def most(index, seconds, mib=10**6):
        runs = {
            f"{index}, {n}": [{"seconds": s, "peak_mib": 1.0, "phases": {"bases": [], "pass": s}}]
            for n, s in zip((100, 200, 400), seconds, strict=True)
        }
        sizes = {"networks": 1, "widths": [50], "memory_bases": mib}
        found = derive.singular(runs, sizes)[index]
        return found["most_examples"], found["limit"]

    hours = 3600 * derive.ASKED["singular_hours"]
    assert most("pwcca", [hours / 64, hours / 8, hours]) == (pytest.approx(400, abs=1), "time")
    assert most("pwcca", [1, 8, 64]) == (800, "measured")
    count, limit = most("procrustes", [1, 8, 64], mib=1)
    assert limit == "memory"
    assert operations.svd_bytes(count, 50) <= 2**20 < operations.svd_bytes(count + 1, 50)
    count, limit = most("cca_mean", [1, 8, 64], mib=1)
    assert (count, limit) == (800, "measured")  # by QR, which takes less
    assert most("pwcca", [1, 1, 1]) == (None, None)


def test_all_of_it_is_derived(result):
    found = result["derived"]
    assert all(one["error"] is None for one in result["measurements"].values())
    assert result["sizes"]["widths"] == WIDTHS
    for one in found["headline"].values():
        assert one["ratio"] == pytest.approx(one["seconds"] / one["products_seconds"])
        assert one["operations"] == 40**2 * (2 * sum(WIDTHS) + 18**2)
    assert found["pairs"]["pairs"] == 18 * 17 // 2
    assert found["pairs"]["times"] == pytest.approx(
        found["pairs"]["seconds"] / found["headline"][plan.LINEAR]["seconds"]
    )
    assert set(found["parts"]) == set(costs.SETS)
    assert set(found["singular"]) == set(plan.SINGULAR)
    assert found["growth"][plan.RBF]["representations"]["x"] == [9, 18]
    assert found["growth"][plan.RBF]["features"]["x"] == sorted(set(WIDTHS) - {1})
    assert found["singular"]["pwcca"]["n"] == [12, 24, 48]
    assert found["singular"]["svcca_mean"]["n"] == [12, 24, 48, 96]
    for kind in ("centred", "offset"):
        ways, moved = found["accuracy"][kind]["ways"], found["accuracy"][kind]["moved"]
        assert set(ways) == set(rounding.WAYS)
        assert abs(ways["engine_in_float64"]["error"]) < 1e-13
        assert abs(ways["engine"]["error"]) < 1e-6
        assert max(map(abs, moved["engine_in_float64"].values())) < 1e-12
        assert max(map(abs, moved["engine"].values())) < 1e-6


def test_the_comparison_is_printed_and_plotted(result, tmp_path, capsys):
    driver.show(result, tmp_path)
    shown = capsys.readouterr().out
    for write in driver.SHOWN:
        assert write(result) in shown
    assert ElementTree.parse(tmp_path / "growth.svg").getroot().tag.endswith("svg")


# Resuming.


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    ran = []

    def interrupted(measurement, arrays, timeout):
        if len(ran) == 3:
            raise KeyboardInterrupt
        ran.append(measurement.name)
        return here(measurement, arrays, timeout)

    monkeypatch.setattr(driver, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path, only=["pairs"])
    first = json.loads((tmp_path / "engine.json").read_text(encoding="utf-8"))["measurements"]
    assert [one["name"] for one in first.values()] == ran
    again = []
    monkeypatch.setattr(driver, "run", lambda *job: again.append(job[0].name) or here(*job))
    found = measure(tmp_path, only=["pairs"])
    assert not set(again) & set(ran)
    assert {address: found["measurements"][address] for address in first} == first
    assert found["derived"]["pairs"]["pairs"] == 18 * 17 // 2


def test_what_failed_is_reported_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "run", lambda *job: ([], "MemoryError: at file.py"))
    found = measure(tmp_path, only=["headline"])
    assert [one["error"] for one in found["measurements"].values()] == ["MemoryError: at file.py"] * 2
    assert "MemoryError" in costs.provenance(found)
    with pytest.raises(NotMeasuredError, match="make bench-engine"):
        costs.headline(found)
    monkeypatch.setattr(driver, "run", here)
    assert len(measure(tmp_path, only=["headline"])["derived"]["headline"]) == 2


def test_another_size_or_machine_is_measured_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "run", here)
    first = measure(tmp_path, only=["headline"])
    second = measure(tmp_path, only=["headline"], side=16)
    assert not set(first["measurements"]) & set(second["measurements"])
    monkeypatch.setattr(driver, "described_machine", lambda: {**first["machine"], "processors": 99})
    third = measure(tmp_path, only=["headline"], side=16)
    assert not set(second["measurements"]) & set(third["measurements"])


def test_what_other_code_measured_is_kept_until_it_is_measured_again(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(driver, "run", lambda one, *rest: (ran.append(one.name), here(one, *rest))[1])
    first = measure(tmp_path, only=["headline", "accuracy"])
    everything = list(ran)
    monkeypatch.setattr(driver, "engine_digest", lambda: "another")
    ran.clear()
    second = measure(tmp_path, only=["accuracy"])
    assert {name.split(", ")[1] for name in ran} == {"engine", "engine_in_float64"}  # the others do not call it
    assert set(second["measurements"]) == set(first["measurements"])
    assert f"has changed since {len(ran)} of these measurements were made" in costs.provenance(second)
    ran.clear()
    measure(tmp_path, only=["headline", "accuracy"])
    assert len(ran) == 2
    monkeypatch.setattr(driver, "code_digest", lambda: "another")
    ran.clear()
    measure(tmp_path, only=["headline", "accuracy"])
    assert ran == everything


def test_representations_are_removed_if_they_are_not_to_be_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "run", here)
    measure(tmp_path, only=["headline"], keep=False)
    assert list(tmp_path.rglob("*.npy")) == []
    monkeypatch.setattr(driver, "run", None)  # nothing is left to do, so nothing is written or run
    measure(tmp_path, only=["headline"])
    assert list(tmp_path.rglob("*.npy")) == []


# In processes of their own.


def command(folder, *more):
    options = [part for name, value in TINY.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    paths = ["--folder", str(folder / "engine"), "--out", str(folder / "engine.json")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine", *options, *paths, *more],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, folder / "engine.json"


def test_one_group_end_to_end(tmp_path):
    done, out = command(tmp_path, "--only", "headline")
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    for one in found["derived"]["headline"].values():
        assert 10 < one["base_mib"] <= one["peak_mib"] < 1000
        assert one["ratio"] > 0
    for key in ("system", "processor", "processors", "versions", "blas", "memory"):
        assert key in found["machine"]
    assert str(tmp_path) not in out.read_text(encoding="utf-8")
    again, _ = command(tmp_path, "--only", "headline")
    assert again.stdout.count("measured already") == 2
    assert costs.headline(found) in again.stdout


def test_a_job_that_fails_or_does_not_end_says_so(tmp_path):
    bad = plan.Measurement("bad", "pairs", ({"task": "pair", "parameters": {"places": [[5, 0]] * 2, "n": 3}},))
    runs, error = driver.run(bad, tmp_path, 1)
    assert runs == []
    assert "IndexError" in error
    assert driver.run(bad, tmp_path, 0.001)[1] == "not done within 0.001 minutes"


def test_an_unknown_group_is_refused(tmp_path):
    done, out = command(tmp_path, "--only", "speed")
    assert done.returncode == 2
    assert "no such group: speed" in re.sub(r"[\s│]+", " ", done.stderr)
    assert not out.exists()


@pytest.mark.slow
def test_all_groups_end_to_end(tmp_path):
    done, out = command(tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert all(one["error"] is None for one in found["measurements"].values())


# The page.


def test_few_examples_and_extrapolations_are_called_that(result):
    assert "tell nothing about times" in costs.sizes(result)
    assert "(extrapolated)" in costs.parts(result)


@pytest.fixture(scope="module")
def accelerated(tmp_path_factory):
    """A small run of the GPU's measurement, by PyTorch on the processor."""
    pytest.importorskip("torch")
    out = tmp_path_factory.mktemp("accelerated") / "accelerator.json"
    command = [sys.executable, "-m", "benchmarks.engine.accelerator", "--device", "cpu", "--out", str(out)]
    command += ["--n", "300", "--channels", "4,4,8", "--networks", "3", "--side", "128", "--memory", "200"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    return unseal(out)


@pytest.mark.torch
def test_a_gpu_is_measured_and_extrapolated(accelerated):
    linear, rbf = accelerated["rows"]
    assert (linear["index"], rbf["index"]) == ("cka_linear", "cka_rbf_0.4")
    assert linear["phases"]["medians"] == 0 < rbf["phases"]["medians"]
    assert linear["values"][2] == pytest.approx(1)
    assert 0 < linear["values"][0] < linear["values"][1] < 1
    widths = accelerated["sizes"]["widths"]
    assert rbf["all_networks"]["medians"] == pytest.approx(3 * rbf["phases"]["medians"])
    grown = (3 * sum(widths) + (3 * len(widths)) ** 2) / (sum(widths) + len(widths) ** 2)
    assert linear["all_networks"]["total"] == pytest.approx(grown * linear["phases"]["pass"])
    text = costs.on_a_gpu(accelerated)
    assert "one network, 300 examples" in text
    assert ": CPU, PyTorch" in text


def test_the_figure_has_a_description(result):
    text = growth.figure(result)
    assert "\n" not in text
    figure = BeautifulSoup(text, "html.parser").figure
    assert "to the power" in figure.img["alt"]
    assert ElementTree.fromstring(svg(growth.draw(result["derived"]["growth"]))).tag.endswith("svg")


def test_files_are_read_once_before_all_pairs(result, tmp_path):
    (tmp_path / "network0").mkdir()
    np.save(tmp_path / "network0" / "layer0.npy", np.zeros((30, 7), np.float32))
    assert driver.read_once(tmp_path)["bytes"] == (tmp_path / "network0" / "layer0.npy").stat().st_size
    sizes = result["sizes"]
    for one in result["derived"]["headline"].values():
        assert one["reading"]["bytes"] > 4 * sizes["n"] * sizes["networks"] * sum(sizes["widths"])
    assert "Reading all files once, " in costs.headline(result)
    assert {one["reading"] for one in result["measurements"].values() if one["group"] != "headline"} == {None}


def test_the_page_says_what_limits_and_what_has_changed(result):
    def most(limit):
        one = {"n": [8], "seconds": [1.0], "fit": None, "peak_mib": [1.0], "saturated": [0]}
        one |= {"most_examples": 1600, "limit": limit, "gib_at_most": 2.0}
        return costs.singular({**result, "derived": {**result["derived"], "singular": {"pwcca": one}}})

    assert "| 1,600 (2.0 GiB) |" in most("time")
    assert "| more than 1,600 (2.0 GiB) |" in most("measured")
    assert "| 1,600 (2.0 GiB; the memory is the limit) |" in most("memory")
    assert "changed since" not in costs.provenance(result)
    ours = {address: one for address, one in result["measurements"].items() if one["engine"]}
    assert {one["engine"] for one in ours.values()} == {engine_digest()}
    earlier = {address: {**one, "engine": "earlier"} for address, one in ours.items()}
    assert "The engine's code has changed since." in costs.provenance({**result, "measurements": earlier})


def test_the_fault_is_named(result):
    asked, sizes = {"error": 1e-6}, {"n": 10, "p_accuracy": 20}
    ways = {
        "engine": 1e-9,
        "tiles": 1e-5,
        "tiles_exact_means": 1e-5,
        "tiles_summed_in_float64": 2e-8,
        "tiles_added_in_float64": 9e-6,
        "textbook": 1e-4,
        "textbook_exact_means": 9e-5,
        "textbook_summed_in_float64": 8e-5,
    }
    found = {"centred": {"ways": {way: {"value": 1.0, "error": -error} for way, error in ways.items()}}}
    said = rounding.fault({"derived": {"accuracy": found, "asked": asked}, "sizes": sizes})
    said = said.replace("\N{NO-BREAK SPACE}", " ")
    assert "float32 throughout is off by 1 × 10⁻⁵ on centred data; with the sums over each tile's entries" in said
    assert "textbook formula in float32 is off by 0.0001 on centred data; no one step in float64 halves that" in said
    assert "The engine is off by 1 × 10⁻⁹, where 1 × 10⁻⁶ was asked (met)." in said


def test_what_has_not_been_measured_says_how_to():
    empty = {"measurements": {}, "sizes": {**TINY, "widths": WIDTHS}}
    nothing = {**empty, "derived": derive.derive(empty), "given": False}
    said = {text_of(write, nothing) for write in (*driver.SHOWN[1:], growth.figure)}
    assert said == {"*Not measured here: `make bench-engine` does that.*"}


@pytest.mark.parametrize("mib", [[10.0, 10.0, 10.0], [0.0, 0.0, 3.5], [0.0, 0.0, 0.0]])
def test_a_measurement_that_hardly_changes_has_its_place_on_a_logarithmic_axis(mib):
    # The fit of equal values is equal but for rounding, and that is no range for an axis.
    fitted = derive.fit([10, 20, 30], mib) and {"exponent": 0.0, "factor": np.nextafter(mib[0], 20), "error": 0.0}
    curve = {"x": [10, 20, 30], "seconds": [1.0, 2.0, 3.0], "seconds_fit": None, "mib": mib, "mib_fit": fitted}
    drawn = growth.draw({"cka_linear": {"representations": curve}})
    memory = drawn.figure.axes[1]
    low, high = memory.get_ylim()
    for value in filter(None, mib):
        assert low < value < high
        assert any(low <= tick <= high for tick in memory.get_yticks())
