"""The figures of groups of networks, drawn from made-up arrays as large as the published ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from repsim.lab import figures
from repsim.lab.figures import display, indexes, maps, transformers, verdicts
from repsim.lab.figures.curves import (
    dataset_curves,
    depth_figure,
    identification_with_depth,
    like_the_last,
    normalisation_by_layer,
    similarity_with_distance,
    untrained_widths,
    width_curves,
)
from repsim.lab.findings.across_networks import WidthCurves
from repsim.lab.findings.architectures import FIGURE_F8
from repsim.lab.findings.transformers import TAPS

CLAIMS = ("F2a", "S8", "F3b", "F4a", "F4b", "F4c", "F5a", "F6a", "F7a", "F.4a", "F.6a", "F.7", "F.8a")
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
INDEXES = tuple(FIGURE_F8.values())
RESIDUAL = ["conv1", *(f"block{i}_{kind}" for i in range(1, 31) for kind in ("interior", "sum")), "pool"]


def features(layers):
    """Three stages and the pooling layer."""
    return [(4096, 2048, 1024)[3 * place // (layers - 1)] for place in range(layers - 1)] + [64]


FEATURES = {
    group: features(size) for group, size in (("plain10", 9), ("plain18", 17), ("resnet14", 14), ("resnet32", 32))
}


def similarity(rows, columns=None):
    up, across = np.linspace(0, 1, rows), np.linspace(0, 1, columns or rows)
    return 0.15 + 0.8 * np.exp(-np.abs(np.subtract.outer(up, across)) / 0.25)


def deep(size=65, alike=40):
    table = similarity(size)
    table[-alike - 2 : -1, -alike - 2 : -1] = 0.9
    return table


def widths(widths=(4, 8, 16, 32, 64), known=True):
    same = np.minimum(0.5 + 0.1 * np.arange(len(widths))[:, None] + 0.03 * (8 - np.arange(8)), 0.97)
    same = same if known else np.full_like(same, np.nan)
    error = np.full_like(same, 0.02)
    return WidthCurves(np.array(widths, float), same, error, same - 0.05, error)


def curves():
    names = ("c10_c10", "c100_c100", "c10_c100", "untrained_c10", "untrained_c100")
    return {name: (np.linspace(0.9, 0.1 * place, 9), np.full(9, 0.02)) for place, name in enumerate(names)}


def answers(holds=1, debiased=1, above=1):
    tried = [1000, 2000, 5000, 10000]
    found = {
        "tried_n": tried,
        "holds_at": [0, 0, holds, holds],
        "smallest_n": 5000 if holds else None,
        "holds_debiased": debiased,
        "exceeds_shuffles": above,
        "share_above_shuffles": 0.5,
    }
    return {claim: dict(found) for claim in CLAIMS}


DRAWINGS = {
    "depth": lambda: depth_figure(
        {"Plain-10": similarity(9), "Plain-18": similarity(17), "Plain-34": similarity(33), "Plain-66": deep()},
        {f"Plain-{size + 1}": np.minimum(np.linspace(0.4, 1.2, size), 0.9) for size in (9, 17, 33, 65)},
        {f"Plain-{size + 1}": features(size) for size in (9, 17, 33, 65)},
    ),
    "within": lambda: maps.within_maps({"Plain-34": similarity(33)}, {"Plain-34": features(33)}),
    "three": lambda: maps.within_maps(
        {f"Plain-{size + 1}": similarity(size) for size in (33, 65, 61)},
        {f"Plain-{size + 1}": features(size) for size in (33, 65, 61)},
    ),
    "last": lambda: like_the_last(
        {
            "Plain-34": {"trained": similarity(33), "untrained": deep(33, 20)},
            "Plain-66": {"trained": similarity(65), "untrained": deep()},
        }
    ),
    "distance": lambda: similarity_with_distance(
        {"": [{"apart": apart, "within": 1 - 0.1 * apart, "across": 0.9 - 0.1 * apart} for apart in range(1, 6)]},
        {"within": "maps of one size", "across": "maps of two sizes"},
    ),
    "channels": lambda: untrained_widths({"16, 32": np.linspace(0.9, 0.2, 17), "96, 192": np.linspace(1, 0.7, 17)}),
    "residual": lambda: maps.residual_maps(similarity(62), RESIDUAL, features(62), {"resnet62": np.array([0.3])}),
    "architectures": lambda: maps.architecture_maps(
        {
            ("plain10", "plain18"): similarity(9, 17),
            ("plain10", "resnet14"): similarity(9, 14),
            ("plain18", "resnet32"): similarity(17, 32),
            ("resnet14", "resnet32"): similarity(14, 32),
        },
        FEATURES,
    ),
    "indexes": lambda: maps.index_maps({index: similarity(9, 14) for index in INDEXES}, {}),
    "widths": lambda: width_curves(widths(), np.full(5, 0.1)),
    "identified": lambda: identification_with_depth(
        {"Plain-10": 9, "ResNet-14": 14, "Plain-34": 33}, [100, 83.3, 36.9], [0, 0.17, 1.1]
    ),
    "datasets": lambda: dataset_curves(
        {"CIFAR-10 images": curves(), "CIFAR-100 images": curves()},
        {"CIFAR-10 images": np.full(9, 0.1), "CIFAR-100 images": np.full(9, 0.1)},
    ),
    "untrained": lambda: maps.layer_maps({f"kind {i}": similarity(17) / i for i in (1, 2, 3)}, features(17), "F.4"),
    "normalisation": lambda: maps.layer_maps(
        {f"kind {i}": similarity(9) / i for i in (1, 2, 3)}, features(9), "F.6", path="rows"
    ),
    "classes": lambda: maps.layer_maps(
        {"all images": similarity(9), "one class": similarity(9) / 2}, features(9), "F.7"
    ),
    "answers": lambda: verdicts.answered(answers()),
    "grid": lambda: similarity_with_distance(
        {
            f"group {group}": [{"apart": apart, "after": 0.9, "mixed": 0.8, "inside": 0.7} for apart in range(1, 10)]
            for group in (1, 2, 3)
        },
        {"after": "after additions, with each other", "mixed": "with inside", "inside": "inside, with each other"},
    ),
    "normalised": lambda: normalisation_by_layer(
        [
            {"layer": f"conv{place}", "with": 0.9, "without": 0.8, "mixed": 0.8 - 0.02 * place, "error": 0.01}
            for place in range(1, 10)
        ]
    ),
    "spectra": lambda: indexes.whole_spectra(
        {
            "features": np.array([8000, 64]),
            "cosine_conv1": np.linspace(1, 0.6, 4999)[None],
            "cosine_pool": np.eye(1, 64),
        },
        ("conv1", "pool"),
    ),
    "turned": lambda: indexes.turned_within(np.linspace(0.9, 0, 40).reshape(2, 20), np.linspace(0.9, 0.3, 64)),
    "matches": lambda: transformers.best_matches(
        [
            {"index": index, "tap": tap, "apart": 1.5 + place, "late": place - 1.0}
            for tap in TAPS
            for place, index in enumerate(("cca_r2", "linear_regression", "cka_rbf_0.4"))
        ],
        12,
    ),
    "powers": lambda: transformers.powers_of_scales(
        [{"power": power, "accuracy": 60 - power, "standard_error": 2.0} for power in (0.0, 1.0, 2.0)]
    ),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_is_small_svg_with_a_description(name):
    made = DRAWINGS[name]()
    image = display.svg(made)
    assert ElementTree.fromstring(image).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(image) < 500_000
    assert 60 < len(made.alt) < 900
    assert made.alt.endswith(".")
    assert "\n" not in made.alt
    assert re.search(r"\d", made.alt)
    assert display.svg(DRAWINGS[name]()) == image
    drawn, (width, height) = made.figure.get_tightbbox(), made.figure.get_size_inches()
    assert min(drawn.x0, drawn.y0, width - drawn.x1, height - drawn.y1) > -0.01, "nothing is cut off"


def test_what_could_not_be_compared_is_left_blank():
    blank = np.full((9, 9), np.nan)
    for made in (
        maps.layer_maps({"nothing": blank, "nothing else": blank}, features(9), "F.6", path="rows"),
        maps.architecture_maps({("plain10", "plain18"): np.full((9, 17), np.nan)}, FEATURES),
        width_curves(widths(known=False), np.full(5, 0.1)),
        dataset_curves({"images": {"c100_c100": (blank[0], blank[0])}}, {"images": np.full(9, 0.1)}),
    ):
        assert "–" in made.alt
        assert "nan" not in made.alt
        display.svg(made)


def test_the_description_follows_the_numbers():
    deepest = {"Plain-66": features(65)}
    assert "Plain-66, 64\N{NO-BREAK SPACE}% of 64" in maps.within_maps({"Plain-66": deep()}, deepest).alt
    assert "Plain-66, 17\N{NO-BREAK SPACE}% of 64" in maps.within_maps({"Plain-66": deep(alike=10)}, deepest).alt
    assert "Plain-34, 36.9 % and 1.1" in DRAWINGS["identified"]().alt
    assert "Plain-10 in Plain-18, 1;" in DRAWINGS["architectures"]().alt
    turned = {("plain10", "plain18"): similarity(9, 17)[::-1]}
    assert "Plain-10 in Plain-18, −1." in maps.architecture_maps(turned, FEATURES).alt
    steep = {"Plain-66": np.minimum(np.linspace(0.4, 1.4, 65), 0.9)}
    alt = depth_figure({"Plain-66": deep()}, steep, deepest).alt
    assert "best classifier 90.0 %, near it from layer 33 of 65 on" in alt


def test_chance_is_a_line_on_the_scale_or_less_than_the_colours_show():
    def drawn(chance):
        by_group = {"resnet62": np.array([0.01, chance]), "plain10": np.array([0.02])} if chance else {}
        made = maps.residual_maps(similarity(62), RESIDUAL, features(62), by_group)
        (bar,) = [axis for axis in made.figure.axes if axis.get_label() == "<colorbar>"]
        return made.note, [line.get_ydata()[0] for line in bar.lines]

    note, lines = drawn(0.3)
    given = "Shuffled examples of ResNet-62 and Plain-10 give"
    assert note.endswith(f"{given} 0.300 on average at most, the line on the scale.")
    assert lines == [0.3]
    note, lines = drawn(0.05)
    assert note.endswith(f"{given} 0.050 on average at most, less than the colours show.")
    assert lines == []
    assert "Shuffled" not in drawn(None)[0]


def panels_of(name) -> list:
    """The axes of a drawing that are no colour bars."""
    return [axis for axis in DRAWINGS[name]().figure.axes if axis.get_label() != "<colorbar>"]


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [("depth", 2, 4), ("residual", 1, 3), ("indexes", 2, 4), ("untrained", 1, 3), ("datasets", 1, 2), ("widths", 1, 2)],
)
def test_panels_stand_as_in_the_paper_and_none_is_empty(name, rows, columns):
    axes = panels_of(name)
    grid = axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols, len(axes)) == (rows, columns, rows * columns)
    assert all(axis.images or axis.lines for axis in axes)


def test_figure_f8_has_the_papers_order():
    notebook = json.loads((NOTEBOOKS / "08-architectures.ipynb").read_text(encoding="utf-8"))
    (line,) = re.findall(r"order = (\[.*?\])", "".join("".join(cell["source"]) for cell in notebook["cells"]))
    assert [FIGURE_F8[claim] for claim in json.loads(line)] == [
        "cca_mean", "cca_r2", "svcca_mean", "svcca_r2", "pwcca", "linear_regression", "cka_linear", "cka_rbf_0.4",
    ]  # fmt: skip


def test_stages_are_drawn_where_features_change():
    upper = panels_of("depth")[0]
    assert [line.get_ydata()[0] for line in upper.lines if len(set(line.get_ydata())) == 1][:3] == [2.5, 5.5, 7.5]


def test_colours_are_the_papers_or_the_difference_is_said():
    within = np.linspace(0.2, 0.9, 81).reshape(9, 9)
    assert maps.layer_maps({"a": within}, features(9), "F.6").note == "Colours as in the paper."
    lower = maps.layer_maps({"a": within - 0.1}, features(9), "F.6")
    assert lower.note == "Colours run from 0.1 to 0.9; the paper’s are labelled 0.2 to 0.9."
    assert lower.figure.axes[0].images[0].get_clim() == pytest.approx((0.1, 0.9))


def test_no_circle_at_a_tie_or_beside_what_is_not_determined():
    values = np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.1], [0.1, 0.2, 0.7]])
    assert maps.matches(maps.Panel("", values, "", path="rows")) == [(0, 0), (2, 2)]
    blind = np.zeros((3, 3), bool)
    blind[2, 0] = True
    assert maps.matches(maps.Panel("", values, "", path="rows", blind=blind)) == [(0, 0)]
    assert maps.matches(maps.Panel("", values.T, "", path="columns", blind=blind.T)) == [(0, 0)]
    assert maps.matches(maps.Panel("", values, "")) == []


@pytest.mark.parametrize(
    ("layers", "pooled", "labels"),
    [
        (9, True, "2 4 6 P"),
        (14, True, "5 10 P"),
        (17, True, "5 10 P"),
        (33, True, "10 20 P"),
        (65, True, "20 40 P"),
        (30, False, "5 10 15 20 25 30"),
        (3, True, "1 2 P"),
    ],
)
def test_layers_have_labels_that_do_not_touch(layers, pooled, labels):
    places, found = maps.ticks(layers, pooled)
    assert " ".join(found) == labels
    assert places[-1] == layers
    assert len(places) == len(found)


def shown_by(function, *arguments) -> list[dict[str, str]]:
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(display, "display", lambda data, **_: shown.append(data))
        function(*arguments)
    return shown


def test_answers_in_a_table():
    found = answers() | {"F7e": answers(holds=0, debiased=None, above=None)["F2a"] | {"share_above_shuffles": None}}
    found["F.8a"] = answers()["F2a"] | {"tried_n": [500], "holds_at": [1], "smallest_n": 500}
    record = {"permutations": 50, "examples": 100, "rows": [{"seeds": [0, 1]}], "columns": [{"seeds": [3]}]}
    shown, said = shown_by(figures.show_answers, found, [record])
    rows = [line.strip("| ").split(" | ") for line in shown["text/markdown"].splitlines()[2:]]
    half = "50.0\N{NO-BREAK SPACE}%"
    assert rows[0] == ["[F2a](#claim-f2a)", "yes", "yes", half, "5,000"]
    alone = "500 (nothing else tried)"
    assert rows[-2:] == [["[F.8a](#claim-f-8a)", "yes", "yes", half, alone], ["[F7e](#claim-f7e)", "no", "–", "–", "–"]]
    assert said.data == (
        "Tried with 1,000, 2,000, 5,000, 10,000 examples; [F.8a](#claim-f-8a) with 500. Above shuffled examples is "
        "what exceeds the 99.9th percentile of 50 shuffles of 100 examples, of at most 2 networks of each kind."
    )


def test_answers_in_a_sentence():
    some = answers()
    some["F5a"] = answers(debiased=0)["F5a"]
    some["F.7"] = answers(above=None)["F.7"]
    some["F4a"] = answers(holds=0, debiased=0, above=0)["F4a"]
    some["F6a"] |= {"holds_at": [1, 1, 1, 1], "smallest_n": 1000}
    some["F7a"] |= {"holds_at": [1, 0, 1, 1], "smallest_n": 5000}  # not with all more
    some["F.8a"] |= {"tried_n": [1000], "holds_at": [1], "smallest_n": 1000}  # not tried with fewer
    text = verdicts.answers_sentence(some)
    assert text.startswith("Of 13 claims 12 hold with biased CKA")
    assert "- **11 of 12** hold with debiased CKA (all but [F5a](#claim-f5a))" in text
    assert "- **11 of 11** rest on similarities" in text
    assert "- **1 of 11** hold on the fewest examples already, and on all more (all but [F2a](#claim-f2a)," in text
    assert (
        verdicts.answers_sentence(answers(holds=0)) == "None of 13 claims holds with biased CKA on the most examples."
    )


def test_networks_and_samples_in_words():
    names = ("plain10", "plain10-nobn", "plain34-untrained", "resnet62", "tiny10", "width64", "plain10-cifar100")
    assert figures.network("recipe-r1") == "Tiny-10 by recipe R1"
    assert figures.network("tiny10-r1") == "Tiny-10 by recipe R1, longer"
    assert [figures.network(name) for name in names] == [
        "Plain-10",
        "Plain-10 without batch normalisation",
        "Plain-34, untrained",
        "ResNet-62",
        "Tiny-10",
        "Width-64",
        "Plain-10 on CIFAR-100",
    ]
    groups = [
        {"group": "plain10", "seeds": [0, 1]},
        {"group": "plain18", "seeds": [0]},
        {"group": "tiny10", "seeds": [3]},
    ]
    record = {
        "rows": groups[:2],
        "columns": groups[2:],
        "examples": [100, 2000],
        "split": "train",
        "dataset": "cifar10",
    }
    said = figures.sample(record).replace("\N{NO-BREAK SPACE}", " ")
    assert said == "2 × Plain-10, 1 × Plain-18 and 1 × Tiny-10; 2,000 training images of CIFAR-10"
    one = {**groups[0], "examples": [500], "split": "test", "dataset": "cifar100"}
    assert figures.sample(one) == "2\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}Plain-10; 500 test images of CIFAR-100"
