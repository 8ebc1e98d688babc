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

from repsim.lab import figures
from repsim.lab.claims import load_claims
from repsim.lab.figures import display, indexes, networks
from repsim.lab.figures.maps import similarity_maps
from repsim.lab.figures.networks import scores_on_test_images
from repsim.lab.figures.style import Drawing
from repsim.lab.findings import theory
from repsim.lab.findings.correspondence import FIGURE_2_PANELS, TABLE_2
from repsim.lab.measurements.properties import DIMENSION_INDEXES
from repsim.lab.store import Artefact
from repsim.lab.wording import unbroken

LAYERS = [*(f"conv{i}" for i in range(1, 9)), "pool"]
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
HEADINGS = ["## The verdict", "## The result", "## Why", "## How it is measured", "## What it cost"]


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


def test_accuracy_on_test_images_is_drawn_where_all_networks_have_it():
    made = records(2, epochs=4)
    made[0]["history"]["test_accuracy"] = [None, 0.5, 0.6, 0.8]
    assert [part.tolist() for part in scores_on_test_images(made[:1])] == [[2, 3, 4], [50, 60, 80]]
    assert scores_on_test_images(made)[0].size == 0
    made[1]["history"]["test_accuracy"] = [None, 0.7, None, 0.9]
    assert [part.round(9).tolist() for part in scores_on_test_images(made)] == [[2, 4], [60, 85]]


def similarity(width: float) -> np.ndarray:
    distance = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    return np.broadcast_to(np.exp(-distance / width), (10, 10, 9, 9))


def drawing(name: str) -> Drawing:
    """Return the figure of one of the functions, drawn from arrays as large as the published ones."""
    rng = np.random.default_rng(0)
    if name == "learning_curves":
        return networks.learning_curves(records())
    if name == "accuracy":
        return networks.accuracy(records(), 89.4)
    if name == "random_widths":
        return indexes.random_widths(theory.random_widths(n=20, draws=1), DIMENSION_INDEXES)
    if name == "layers_and_examples":
        chosen = ["cca_r2", "cca_mean", "svcca_r2", "pwcca", "linear_regression", "cka_linear", "cka_rbf_0.4"]
        low = np.outer(np.linspace(0.1, 1, 9), np.linspace(1, 0.1, 6))
        arrays = {f"same_{i}": np.ones((9, 6)) for i in chosen} | {f"shuffled_{i}": low for i in chosen}
        return indexes.layers_and_examples(
            arrays | {"examples": np.array([100, 200, 500, 1000, 2000, 4000])}, LAYERS, chosen
        )
    if name == "principal_components":
        first = rng.normal(size=(10000, 2)) * [2, 1] + rng.integers(-3, 4, (10000, 1))
        return indexes.principal_components(
            np.stack([first, first @ [[0.8, 0.6], [0.6, -0.8]] + rng.normal(size=(10000, 2))])
        )
    if name == "similarity_maps":
        maps = {index: similarity(width) for width, index in enumerate(FIGURE_2_PANELS, start=1)}
        return similarity_maps(maps, {"cca_r2": np.eye(9, dtype=bool)})
    if name == "identification":
        rows = [
            {"index": index, "paper": paper, "accuracy": paper - 1, "standard_error": 2.0, "undetermined": paper < 50}
            for index, _, paper in TABLE_2
        ]
        return indexes.identification(rows, 9)
    if name == "ridge_path":
        steps = [(0.0, 0.0), (0.1, 0.0), (math.inf, 0.0), (math.inf, 0.1), (math.inf, math.inf)]
        found = [{"accuracy": 20.0 * i, "standard_error": 1.0} for i in range(5)]
        return indexes.ridge_path(
            [{"kappa_x": x, "kappa_y": y} | one for (x, y), one in zip(steps, found, strict=True)]
        )
    numbers = np.arange(1, 513)
    arrays = {"pairs": np.array([(a, b) for a in range(10) for b in range(10) if a != b])}
    for layer in LAYERS:
        arrays[f"eigenvalues_{layer}"] = np.tile(0.3 / numbers**1.2, (10, 1))
        arrays[f"scaling_{layer}"] = 0.3 / numbers**1.2 * rng.lognormal(0, 0.3, (90, 512))
        arrays[f"cosine_{layer}"] = np.clip(np.exp(-numbers / 30) + rng.normal(0, 0.05, (90, 512)), 0, 1)
    return indexes.shared_subspace(arrays, LAYERS)


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
    image = display.svg(made)
    assert ElementTree.fromstring(image).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(image) < 500_000
    assert "<dc:date>" not in image
    assert len(made.alt) > 60
    assert made.alt.endswith(".")
    assert re.search(r"\d", made.alt)


@pytest.mark.parametrize("name", ["similarity_maps", "principal_components"])
def test_the_same_arrays_give_the_same_bytes(name):
    assert display.svg(drawing(name)) == display.svg(drawing(name))


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    before = dict(mpl.rcParams)
    display.svg(drawing("accuracy"))
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
        Drawing(made.figure, 'less < "more" & even'),
        name="here",
        source={"x": [1.0]},
        caption="A & B",
    )
    assert page.figure["id"] == "here"
    assert page.img["alt"] == 'less < "more" & even'
    assert page.figcaption.text == "Ours, not in the paper. A & B"
    kind, _, content = page.img["src"].partition(",")
    assert kind == "data:image/svg+xml"
    assert ElementTree.fromstring(unquote(content)).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("figure-6", "Figure 6 of the paper."),
        ("figure-f3", "Figure F.3 of the paper."),
        ("table-e1", "Table E.1 of the paper."),
        ("learning-curves", "Ours, not in the paper."),
    ],
)
def test_the_number_of_a_figure(name, number):
    assert display.numbered(name) == number


def test_the_pdf_of_a_drawing_is_the_same_on_every_day():
    made = display.pdf(drawing("accuracy"))
    assert made.startswith(b"%PDF-")
    assert made == display.pdf(drawing("accuracy"))


def test_a_shown_figure_says_what_it_was_drawn_from():
    made, about = drawing("accuracy"), []
    artefacts = [Artefact(Path(f"results/laptop/{step}/name-0123.npz"), {}) for step in ("within", "between", "within")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(display, "display", lambda data, *, metadata, **_: about.append(metadata["repsim"]))
        for source in (artefacts[0], artefacts, {"x": np.array([1, 2])}):
            figures.show(made, name="here", source=source, caption="A")
    said = {"name": "here", "caption": "Ours, not in the paper. A"}
    sources = {"source": ["within"]}, {"source": ["between", "within"]}, {"data": {"x": [1.0, 2.0]}}
    assert about == [{"figure": said | source} for source in sources]


def test_the_alternative_text_follows_the_numbers():
    clear = similarity_maps({"cka_linear": similarity(1)}, {})
    assert "CKA (linear) 9 of 9" in clear.alt
    flat = similarity_maps({"cka_linear": np.ones((3, 3, 9, 9))}, {})
    assert "CKA (linear) 1 of 9" in flat.alt
    blind = similarity_maps({"cca_r2": similarity(1)}, {"cca_r2": np.eye(9, dtype=bool)})
    assert "CCA (R²) not determined in 9 of 81 pairs" in blind.alt


def test_a_table_escapes_and_marks_what_is_missing():
    rows = [{"a": "<x>", "b": 1.25, "bold": True}, {"a": "y", "b": None}]
    page = html_of(figures.show_table, rows, {"a": ("first", str), "b": ("second", "{:.1f}".format)})
    assert [th.text for th in page.find_all("th")] == ["first", "second"]
    assert [td.text for td in page.find_all("td")] == ["<x>", "1.2", "y", "–"]
    assert len(page.find_all("strong")) == 2
    assert "overflow-x:auto" in page.div["style"]
    signs = html_of(figures.show_table, [{"a": -1.5, "b": 0.5}], {"a": ("a", str), "b": ("b", "{:.0%}".format)})
    assert [td.text for td in signs.find_all("td")] == ["−1.5", "50\N{NO-BREAK SPACE}%"]


def test_the_colour_code_differs_in_lightness_along_the_second_component():
    scores = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    dark_left, light_left, dark_right, light_right = indexes.colour_code(scores)
    assert light_left.sum() > dark_left.sum()
    assert light_right.sum() > dark_right.sum()
    assert dark_left[2] > dark_left[0]
    assert dark_right[0] > dark_right[2]


def test_the_cost_names_machine_and_date():
    found = figures.cost_sentence("laptop", records(), "training 10 networks")
    for part in ("Training 10 networks", "5.0 hours", "2.0 GiB", "2 processor cores", "2026-01-09"):
        assert part in found
    assert "numbers mean nothing" in figures.cost_sentence("smoke", records(), "training")
    assert "interruption" not in found
    part = figures.cost_sentence("laptop", [{**records()[0], "resumed": True}, *records()[1:]], "training")
    assert "(1 of 10 runs was interrupted: only the last part of it is counted)" in part
    assert " on GPU" not in part
    mixed = [
        {**records()[0], "device": "CPU"},
        *({**one, "device": "GPU 9000"} for one in records()[1:4]),
        *records()[4:],
    ]
    said = figures.cost_sentence("laptop", mixed, "training")
    assert ", 3 with GPU 9000 and 7 with 2 processor cores (Python" in said
    elsewhere = figures.cost_sentence("laptop", mixed[1:4], "training")
    assert ", with GPU 9000 (Python" in elsewhere, "no core of a machine that trained none of them"
    assert [display.duration(hours) for hours in (2.5, 0.5, 0.005)] == ["2.5 hours", "30 minutes", "18 s"]


def test_table_1_in_words():
    assert figures.unchanged_by("cca_r2") == "invertible maps, rotations, a common factor"
    assert figures.unchanged_by("linear_regression").startswith("invertible maps of the predicting side, ")
    assert figures.unchanged_by("hsic_linear") == "rotations"
    assert [figures.p_value(p) for p in (7.3e-297, 0.0004, 0.25, np.nan)] == ["< 0.001", "< 0.001", "0.250", "–"]


MEASURED = {
    "S8": {"accuracy": 99.0, "standard_error": 0.5, "examples": 20000},
    "S7": {"accuracy": 12.0, "standard_error": 0.5, "examples": 20000},
    "S1": {"accuracy": 1.0, "standard_error": 0.0, "examples": 20000, "undetermined_pairs": 3, "layer_pairs": 81},
    "T1": {"largest_difference": 0.1},
}


def shown_by(function, *arguments) -> dict:
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(display, "display", lambda data, **_: shown.append(data))
        function(*arguments)
    (data,) = shown
    return data


def test_conclude_shows_each_verdict_and_writes_nothing(folders):
    data = shown_by(figures.conclude, "laptop", "04-correspondence", MEASURED)
    assert list(folders.iterdir()) == []
    rows = [line.strip("| ").split(" | ") for line in data["text/markdown"].splitlines()[2:]]
    assert [row[:2] for row in rows] == [
        ["[S8](#claim-s8)", "✓ reproduced"],
        ["[S7](#claim-s7)", "◐ partly"],
        ["[S1](#claim-s1)", "? not determined"],
        ["[T1](#claim-t1)", "✗ not reproduced"],
    ]
    assert "99.0 ± 0.5" in rows[0][2]


def test_the_answer_says_how_many_hold_what_was_found_and_what_fails(folders):
    counted, _, leading, partly, failed, unclear = shown_by(figures.answer, "laptop", MEASURED, "S8").data.splitlines()
    assert counted == "**Of 4 claims 1 is reproduced, 1 in part, 1 not reproduced and 1 not determined.**"
    plain = leading.replace("\N{NO-BREAK SPACE}", " ")
    assert plain.startswith("- ✓ Linear CKA identifies 99.3 % of the layers. Here: 99.0 ± 0.5 %")
    assert leading.endswith("([S8](#claim-s8)).")
    assert partly.startswith("- ◐ Partly")
    assert failed.startswith("- ✗ Not reproduced: ")
    assert failed.endswith("([T1](#claim-t1)).")
    assert unclear == "- ? Not determined, for want of examples: [S1](#claim-s1)."
    assert "±" not in failed
    whole = shown_by(figures.answer, "laptop", {"S8": MEASURED["S8"]}).data
    assert whole.startswith("**The claim is reproduced.**")
    narrower = {"F.7": {"correlation": 0.9}}
    for measured, said in (
        (narrower, "**The claim is reproduced.** Measured on networks narrower than the paper’s."),
        (narrower | {"S8": MEASURED["S8"]}, "Of these, 1 is measured on networks narrower than the paper’s."),
        ({"FN2": {"accuracy": 20.0}, "S8": MEASURED["S8"]}, "Of these, 1 is ours, not the paper’s."),
        ({"FN2": {"accuracy": 20.0}}, "**The claim is reproduced.** Ours, not the paper’s."),
        ({}, "**No claim of this page is judged yet.**"),
    ):
        assert shown_by(figures.answer, "laptop", measured).data.splitlines()[0].endswith(said)
    assert list(folders.iterdir()) == []


def test_what_fails_or_is_near_is_explained():
    text = shown_by(
        figures.explain, "laptop", MEASURED | {"F8a": {"smallest_cosine": 0.89, "eigenvectors": 5, "pairs": 45}}
    ).data
    assert re.findall(r"^- \[(\w+)\]", text, re.MULTILINE) == ["S7", "T1", "F8a"]
    assert "gradually" in text.splitlines()[-1]
    assert shown_by(figures.explain, "laptop", {"S8": MEASURED["S8"]}).data.startswith("No claim of this page fails")


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


def plumbing(cell) -> bool:
    return bool({"parameters", "remove-cell"} & set(cell["metadata"].get("tags", [])))


def test_the_verdict_and_the_figure_come_first_and_no_code_is_seen_before_them(notebook):
    title, *cells = notebook["cells"]
    assert [line for line in title["source"] if line.strip()] == title["source"][:1]
    first = next(cell for cell in cells if not plumbing(cell))
    source = "".join(first["source"])
    assert first["metadata"]["tags"] == ["hide-input"]
    answer = re.search(r"figures\.(answer\(|say\(verdicts\.answers_sentence)", source)
    assert answer
    assert answer.start() < source.index("figures.show(")
    assert cells[cells.index(first) + 1]["source"][0].startswith("## The verdict")


def test_the_central_computation_is_seen_and_can_be_changed(notebook):
    cells = notebook["cells"]
    headed = {
        line.strip(): place for place, cell in enumerate(cells) for line in cell["source"] if line.startswith("## ")
    }
    result = cells[headed["## The result"] : headed["## Why"]]
    seen = ["".join(cell["source"]) for cell in result if cell["cell_type"] == "code" and not cell["metadata"]]
    assert len(seen) == 1
    assert len(seen[0].splitlines()) <= 8
    assert "figures." not in seen[0]
    others = [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]) != seen[0]]
    assert all(plumbing(cell) or cell["metadata"]["tags"] == ["hide-input"] for cell in others)


def test_claims_in_the_text_are_links(notebook):
    text = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    text = re.sub(r"\[[^]]*\]\([^)]*\)|`[^`]*`", "", text)
    named = set(re.findall(r"\b[A-Z]{1,2}\.?\d+[a-z]*\b", text)) & set(load_claims())
    assert not {name for name in named if f"Figure {name}" not in text}


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


def test_a_number_and_its_percent_sign_stay_together():
    assert unbroken("9.3 % of 10 %, a % b") == "9.3\N{NO-BREAK SPACE}% of 10\N{NO-BREAK SPACE}%, a % b"
