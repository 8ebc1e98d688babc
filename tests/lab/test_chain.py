"""The whole chain at smoke size: networks, tables and the other measurements, made once and then only found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import repsim
from repsim.lab import claims, measurements, planning
from repsim.lab.execution import STAMP
from repsim.lab.families import compared_layers, describe, represented_layers
from repsim.lab.measurements import common, properties, similarities
from repsim.lab.measurements.properties import PATH
from repsim.lab.profiles import load_profile
from repsim.lab.repository import REPOSITORY
from repsim.lab.representations import BATCH, representations

PROFILE = load_profile("smoke")
LAYERS = compared_layers("nano10")
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def lab(*arguments, environment=None):
    command = [sys.executable, "-m", "repsim.lab", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=environment)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The results of the smoke profile, made by the command line."""
    folder = tmp_path_factory.mktemp("chain")
    environment = {
        **os.environ,
        "REPSIM_RESULTS": str(folder / "results"),
        "REPSIM_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "2",
    }
    for command in ("data", "train", "transformers", "measure"):
        done = lab(command, "smoke", environment=environment)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def in_the_made_folder(made, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(made / "results"))
    monkeypatch.setenv("REPSIM_CACHE", str(made / "cache"))


@pytest.fixture
def nothing_is_made(monkeypatch):
    def refuse(*_):
        raise AssertionError("this should have been found, not made")

    monkeypatch.setattr("repsim.lab.store.write_arrays", refuse)


def test_everything_is_found_again(nothing_is_made):
    assert [network.record["inputs"]["seed"] for network in common.networks("smoke")] == [0, 1, 2]
    for measurement in measurements.steps("smoke").values():
        assert measurement().record["profile"] == "smoke"


@pytest.mark.parametrize("measure", PROFILE.measures, ids=lambda measure: measure.name)
def test_tables_hold_what_the_indexes_say(measure):
    arrays = similarities.tables("smoke", measure.name).arrays()
    networks = common.networks("smoke")
    x = representations(networks[0], measure.split, measure.examples)["conv5"]
    y = representations(networks[2], measure.split, measure.examples)["pool"]
    row, column = LAYERS.index("conv5"), LAYERS.index("pool")
    for name in measure.indexes:
        assert arrays[name].shape == (3, 3, 9, 9)
        assert np.isfinite(arrays[name]).all()
        index = repsim.get_index(name)
        assert arrays[name][0, 2, row, column] == pytest.approx(index(x, y), rel=2e-4), name


def test_representations_do_not_depend_on_the_batch(monkeypatch, tmp_path):
    network = common.networks("smoke")[0]
    whole = representations(network, "test", 200)
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path))
    monkeypatch.setattr("repsim.lab.representations.BATCH", 7)
    assert BATCH > 200
    for layer, array in representations(network, "test", 200).items():
        np.testing.assert_allclose(array, whole[layer], atol=1e-5)
        assert not array.flags.writeable
        assert array.dtype == np.float32


def test_two_that_want_the_same_representations_get_the_same(monkeypatch, tmp_path):
    network = common.networks("smoke")[0]
    monkeypatch.setenv("REPSIM_CACHE", str(tmp_path))
    with ThreadPoolExecutor(2) as both:
        one, two = both.map(lambda _: representations(network, "test", 100), range(2))
    assert all((one[layer] == two[layer]).all() for layer in LAYERS)
    assert not list(tmp_path.rglob("*.part"))


def test_dimension_shows_the_failure_of_cca():
    arrays = properties.dimension("smoke").arrays()
    wide = arrays["features"] >= 64
    few = list(arrays["examples"]).index(20)
    np.testing.assert_allclose(arrays["shuffled_cca_r2"][wide, few], 1, atol=1e-6)
    assert (arrays["shuffled_cka_linear_debiased"][:, -1] < 0.3).all()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs_on_what_was_measured(nothing_is_made, monkeypatch, notebook):
    """In this process, which is faster than a kernel for each; a line of IPython's is left out."""
    shown, measured = [], {}

    def display(data, metadata=None, **_):
        shown.append(data)
        measured.update((metadata or {}).get(STAMP, {}).get("claims", {}))

    monkeypatch.setattr("repsim.lab.figures.display.display", display)
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    names = {"profile": PROFILE.name, "repsim": repsim}
    for lines in sources[2:]:  # after the parameter and the cell that sees to the package and imports it
        exec("".join(line for line in lines if not line.startswith("%")), names)
    drawn = sum("".join(lines).count("figures.show(") for lines in sources)
    assert sum("<figure" in data.get("text/html", "") for data in shown if isinstance(data, dict)) == drawn
    own = {claim.id for claim in claims.load_claims().values() if claim.notebook == notebook.stem}
    assert set(measured) <= own
    assert measured or not own


@pytest.mark.parametrize("step", range(len(PATH)))
def test_the_path_is_that_of_canonical_ridge(step):
    artefact, networks = properties.ridge("smoke"), common.networks("smoke")
    arrays = artefact.arrays()
    assert [tuple(pair) for pair in arrays["pairs"]] == [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]
    assert arrays["cosine"].shape == (6, len(PATH), 9, 9)
    kappas = float(arrays["kappa_x"][step]), float(arrays["kappa_y"][step])
    for place, (a, b) in enumerate(arrays["pairs"][:2]):
        for i, j in ((8, 5), (0, 8), (0, 5)):
            x = representations(networks[a], "train", 200)[LAYERS[i]].astype(np.float64)
            y = representations(networks[b], "train", 200)[LAYERS[j]].astype(np.float64)
            largest = [np.linalg.norm(z - z.mean(axis=0), 2) ** 2 for z in (x, y)]
            kappa_x, kappa_y = (kappa * one if kappa else 0.0 for kappa, one in zip(kappas, largest, strict=True))
            with common.saturation_is_recorded():
                expected = repsim.canonical_ridge(x, y, kappa_x=kappa_x, kappa_y=kappa_y)
            assert arrays["cosine"][place, step, i, j] == pytest.approx(expected, rel=2e-5, abs=1e-6)


def test_subspace_of_a_network_with_itself_would_be_whole():
    arrays = properties.subspace("smoke").arrays()
    assert arrays["pairs"].shape == (6, 2)
    for layer in LAYERS:
        eigenvalues = arrays[f"eigenvalues_{layer}"]
        assert (np.diff(eigenvalues, axis=1) <= 1e-6).all()
        assert (eigenvalues.sum(axis=1) < 1 + 1e-5).all()


@pytest.mark.parametrize("group", PROFILE.networks, ids=lambda group: group.name)
def test_every_group_is_trained_and_has_its_representations(nothing_is_made, group):
    networks = common.networks("smoke", group.name)
    assert [network.record["inputs"]["seed"] for network in networks] == list(group.seeds)
    found = representations(networks[0], "test", 20)
    assert tuple(found) == represented_layers(group.architecture)
    features = describe(group.architecture, group.channels).features(4)
    assert {layer: array.shape for layer, array in found.items()} == {layer: (20, p) for layer, p in features.items()}


def test_plan_says_what_is_done():
    text = planning.describe("smoke")
    count = sum(len(group.seeds) for group in (*PROFILE.networks, PROFILE.transformers))
    assert f"to train: 0 of {count} networks, about 0 minutes" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "desktop"], "unknown profile 'desktop'; known are: laptop, paper, smoke"),
        (
            ["train", "smoke", "--group", "vgg"],
            "unknown group of networks in profile smoke: 'vgg'; known are: plain10,",
        ),
        (["train", "smoke", "--group", "width4", "--seed", "7"], "has no seed 7; known are width4: 0, 1"),
        (["execute", "notebooks/99-nothing.ipynb", "--profile", "smoke"], "99-nothing.ipynb"),
    ],
)
def test_a_mistake_is_one_sentence_without_traceback(arguments, message):
    done = lab(*arguments)
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stdout + done.stderr
