"""Every figure is drawn from made-up arrays of the published sizes; notebooks are sources without outputs."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from bs4 import BeautifulSoup

from repsim.lab import figures, findings
from repsim.lab.figures import components, display, text
from repsim.lab.measurements import DIMENSION_INDEXES
from repsim.lab.store import Artefact

LAYERS = [*(f"conv{i}" for i in range(1, 9)), "pool"]
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
HEADINGS = ["## The claim", "## How it is measured", "## What it cost", "## The result", "## The verdict"]


def records(count: int = 10, epochs: int = 100) -> list[dict]:
    loss = np.geomspace(1.5, 0.2, epochs)
    return [
        {
            "inputs": {"seed": seed, "architecture": "tiny10"},
            "test_accuracy": 0.89 + 0.001 * seed,
            "history": {"loss": (loss * (1 + seed / 50)).tolist(), "accuracy": (1 - loss / 2).tolist()},
            "seconds": 1800.0,
            "peak_memory_mib": 2048,
            "made": f"2026-01-0{seed % 9 + 1}T00:00:00+00:00",
            "machine": {"system": "Linux x86_64", "processors": 2, "python": "3.12", "versions": {"numpy": "2.4"}},
        }
        for seed in range(count)
    ]


def similarity(width: float) -> np.ndarray:
    distance = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    return np.broadcast_to(np.exp(-distance / width), (10, 10, 9, 9))


def drawing(name: str) -> figures.Drawing:
    """Return the figure of one of the functions, drawn from arrays as large as the published ones."""
    rng = np.random.default_rng(0)
    if name == "learning_curves":
        return figures.learning_curves(records())
    if name == "accuracy":
        return figures.accuracy(records(), 89.4)
    if name == "random_widths":
        return figures.random_widths(findings.random_widths(n=20, draws=1), DIMENSION_INDEXES)
    if name == "layers_and_examples":
        indexes = ["cca_r2", "cca_mean", "svcca_r2", "pwcca", "linear_regression", "cka_linear", "cka_rbf_0.4"]
        low = np.outer(np.linspace(0.1, 1, 9), np.linspace(1, 0.1, 6))
        arrays = {f"same_{i}": np.ones((9, 6)) for i in indexes} | {f"shuffled_{i}": low for i in indexes}
        return figures.layers_and_examples(
            arrays | {"examples": np.array([100, 200, 500, 1000, 2000, 4000])}, LAYERS, indexes
        )
    if name == "principal_components":
        first = rng.normal(size=(10000, 2)) * [2, 1] + rng.integers(-3, 4, (10000, 1))
        return figures.principal_components(
            np.stack([first, first @ [[0.8, 0.6], [0.6, -0.8]] + rng.normal(size=(10000, 2))])
        )
    if name == "similarity_maps":
        maps = {index: similarity(width) for width, index in enumerate(findings.FIGURE_2_PANELS, start=1)}
        return figures.similarity_maps(maps, LAYERS, {"cca_r2": ["conv1", "conv2"]})
    if name == "identification":
        rows = [
            {"index": index, "paper": paper, "accuracy": paper - 1, "standard_error": 2.0}
            for index, _, paper in findings.TABLE_2
        ]
        return figures.identification(rows)
    if name == "ridge_path":
        steps = [(0.0, 0.0), (0.1, 0.0), (math.inf, 0.0), (math.inf, 0.1), (math.inf, math.inf)]
        found = [{"accuracy": 20.0 * i, "standard_error": 1.0} for i in range(5)]
        return figures.ridge_path(
            [{"kappa_x": x, "kappa_y": y} | one for (x, y), one in zip(steps, found, strict=True)]
        )
    numbers = np.arange(1, 513)
    arrays = {"pairs": np.array([(a, b) for a in range(10) for b in range(10) if a != b])}
    for layer in LAYERS:
        arrays[f"eigenvalues_{layer}"] = np.tile(0.3 / numbers**1.2, (10, 1))
        arrays[f"scaling_{layer}"] = 0.3 / numbers**1.2 * rng.lognormal(0, 0.3, (90, 512))
        arrays[f"cosine_{layer}"] = np.clip(np.exp(-numbers / 30) + rng.normal(0, 0.05, (90, 512)), 0, 1)
    return figures.shared_subspace(arrays, LAYERS)


FIGURES = (
    "learning_curves",
    "accuracy",
    "random_widths",
    "layers_and_examples",
    "principal_components",
    "similarity_maps",
    "identification",
    "ridge_path",
    "shared_subspace",
)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_small_svg_with_a_description(name):
    made = drawing(name)
    image = figures.svg(made)
    assert ElementTree.fromstring(image).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(image) < 500_000
    assert "<dc:date>" not in image
    assert len(made.alt) > 60
    assert made.alt.endswith(".")
    assert re.search(r"\d", made.alt)


@pytest.mark.parametrize("name", ["similarity_maps", "principal_components"])
def test_the_same_arrays_give_the_same_bytes(name):
    assert figures.svg(drawing(name)) == figures.svg(drawing(name))


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    before = dict(mpl.rcParams)
    figures.svg(drawing("accuracy"))
    changed = {name for name, value in mpl.rcParams.items() if value != before[name]}
    assert changed <= {"backend", "backend_fallback"}


def html_of(function, *arguments, **options) -> BeautifulSoup:
    """Return the one HTML output of a function that displays something."""
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(display, "display", lambda data, **_: shown.append(data))
        function(*arguments, **options)
    (data,) = shown
    return BeautifulSoup(data["text/html"], "html.parser")


def test_a_shown_figure_is_an_image_with_alternative_text():
    made = drawing("accuracy")
    page = html_of(
        figures.show,
        figures.Drawing(made.figure, 'less < "more" & even'),
        name="here",
        source={"x": [1.0]},
        caption="A & B",
    )
    assert page.figure["id"] == "here"
    assert page.img["alt"] == 'less < "more" & even'
    assert page.figcaption.text == "A & B"
    kind, _, content = page.img["src"].partition(",")
    assert kind == "data:image/svg+xml"
    assert ElementTree.fromstring(unquote(content)).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_shown_figure_says_what_it_was_drawn_from():
    made, about = drawing("accuracy"), []
    artefacts = [Artefact(Path(f"results/laptop/{step}/name-0123.npz"), {}) for step in ("within", "between", "within")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(display, "display", lambda data, *, metadata, **_: about.append(metadata["repsim"]))
        for source in (artefacts[0], artefacts, {"x": np.array([1, 2])}):
            figures.show(made, name="here", source=source)
    assert about == [{"source": ["within"]}, {"source": ["between", "within"]}, {"data": {"x": [1.0, 2.0]}}]


def test_the_alternative_text_follows_the_numbers():
    clear = figures.similarity_maps({"cka_linear": similarity(1)}, LAYERS, {})
    assert "CKA (linear) 9" in clear.alt
    flat = figures.similarity_maps({"cka_linear": np.ones((3, 3, 9, 9))}, LAYERS, {})
    assert "CKA (linear) 1" in flat.alt


def test_a_table_escapes_and_marks_what_is_missing():
    rows = [{"a": "<x>", "b": 1.25, "bold": True}, {"a": "y", "b": None}]
    page = html_of(figures.show_table, rows, {"a": ("first", str), "b": ("second", "{:.1f}".format)})
    assert [th.text for th in page.find_all("th")] == ["first", "second"]
    assert [td.text for td in page.find_all("td")] == ["<x>", "1.2", "y", "–"]
    assert len(page.find_all("strong")) == 2
    assert "overflow-x:auto" in page.div["style"]


def test_the_colour_code_differs_in_lightness_along_the_second_component():
    scores = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    dark_left, light_left, dark_right, light_right = components.colour_code(scores)
    assert light_left.sum() > dark_left.sum()
    assert light_right.sum() > dark_right.sum()
    assert dark_left[2] > dark_left[0]
    assert dark_right[0] > dark_right[2]


def test_the_cost_names_profile_machine_and_date():
    found = figures.cost_sentence("laptop", records(), "training 10 networks")
    for part in ("Training 10 networks", "5.0 hours", "2.0 GiB", "2 processor cores", "2026-01-09", "`laptop`"):
        assert part in found
    assert "numbers mean nothing" in figures.cost_sentence("smoke", records(), "training")
    assert "interruption" not in found
    part = figures.cost_sentence("laptop", [{**records()[0], "resumed": True}, *records()[1:]], "training")
    assert "before 1 of 10 runs went on after an interruption" in part
    assert " on GPU" not in part
    mixed = [
        {**records()[0], "device": "CPU"},
        *({**one, "device": "GPU 9000"} for one in records()[1:4]),
        *records()[4:],
    ]
    assert "2 processor cores, 3 of 10 on GPU 9000 (Python" in figures.cost_sentence("laptop", mixed, "training")
    assert [text.duration(hours) for hours in (2.5, 0.5, 0.005)] == ["2.5 hours", "30 minutes", "18 s"]


def test_table_1_in_words():
    assert figures.unchanged_by("cca_r2") == "invertible maps, rotations, a common factor"
    assert figures.unchanged_by("linear_regression").startswith("invertible maps of the predicting side, ")
    assert figures.unchanged_by("hsic_linear") == "rotations"
    assert figures.thresholds_sentence({}) == "This profile measures SVCCA at no other threshold."


def test_conclude_shows_each_verdict_and_writes_nothing(folders):
    measured = {
        "S8": {"accuracy": 99.0, "standard_error": 0.5, "examples": 20000},
        "T1": {"largest_difference": 0.1},
    }
    page = html_of(figures.conclude, "laptop", "04-correspondence", measured)
    assert list(folders.iterdir()) == []
    first, second = page.tbody.find_all("tr")
    assert first.find_all("td")[1].text == "✓ reproduced"
    assert "99.0 ± 0.5" in first.text
    assert second.find_all("td")[1].text == "✗ not reproduced"


# -- notebooks


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request) -> dict:
    return json.loads(request.param.read_text(encoding="utf-8"))


def test_there_is_the_chain_of_five():
    assert [path.stem[:2] for path in NOTEBOOKS][:5] == ["01", "02", "03", "04", "05"]


def test_a_notebook_has_a_title_and_the_five_headings(notebook):
    lines = [line for cell in notebook["cells"] if cell["cell_type"] == "markdown" for line in cell["source"]]
    headings = [line.strip() for line in lines if line.startswith("#")]
    assert headings[0].startswith("# ")
    assert headings[1:] == HEADINGS


def test_a_notebook_carries_no_outputs_and_has_stable_ids(notebook):
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in ids)


def test_a_notebook_has_one_parameter_and_no_functions(notebook):
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    parameters = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    assert ["".join(cell["source"]) for cell in parameters] == ['profile = "laptop"']
    assert not any(line.lstrip().startswith(("def ", "class ")) for cell in code for line in cell["source"])


def test_a_notebook_says_when_the_wrong_repsim_is_imported(notebook, monkeypatch, tmp_path):
    setup = next(code for cell in notebook["cells"] if "REPOSITORY =" in (code := "".join(cell["source"])))
    exec(setup, {})
    import repsim

    monkeypatch.delattr(repsim, "INDEXES")
    with pytest.raises(ImportError, match="is another project"):
        exec(setup, {})
