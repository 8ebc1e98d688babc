"""The explorer's page: what it is made from, and the page itself, opened from disk and used with the keyboard alone."""

import base64
import csv
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from repsim.lab.explorer import (
    NOTHING,
    by_architecture,
    catalogue,
    explorer,
    identification,
    layer,
    network_facts,
    presets,
    similarity_tables,
)
from repsim.lab.findings import correspondence
from repsim.lab.profiles import load_profile
from repsim.lab.store import Store, sealed
from repsim.lab.wording import signed

from .made_up import LAYERS, fill, tables

BLOCK = re.compile(r'explorer\.blocks\["([^"]+)"\] = "([^"]*)";')


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    return fill(tmp_path / "results")


@pytest.fixture
def found():
    return {table.key: table for table in similarity_tables(load_profile("smoke"))}


# ------------------------------------------------------------------------------------------- what the page is made from


def test_every_table_is_found_and_holds_what_was_measured(made, found):
    assert list(found) == [
        "tables-train",
        "between-architectures_200",
        "between-architectures_50",
        "within-plain10_200",
    ]
    np.testing.assert_array_equal(
        found["tables-train"].block("cka_linear", "tiny10", "tiny10"), made["tables"].arrays()["cka_linear"]
    )
    whole = made["between"].arrays()["cka_linear_50"]
    block = found["between-architectures_50"].block("cka_linear", "plain10", "tiny10")
    assert (block.shape, block.dtype) == ((2, 3, 4, 3), np.float32)
    np.testing.assert_array_equal(block[1, 2], whole[9 + 4 : 9 + 8, 6:9])  # second Plain-10, third Tiny-10
    assert found["within-plain10_200"].own


def test_the_latest_measurement_of_a_name_counts(made, tmp_path):
    path = made["tables"].path
    older = {**made["tables"].record, "made": "2000-01-01T00:00:00+00:00", "examples": 7}
    (path.parent / "train-0.json").write_bytes(sealed(older))
    first = similarity_tables(load_profile("smoke"))[0]
    assert (first.path, first.examples) == (path, 400)


def test_groups_that_a_profile_no_longer_has_are_left_out(made):
    path = made["within"].path.with_suffix(".json")
    path.write_bytes(sealed({**made["within"].record, "group": "gone"}))
    assert all(table.record["step"] != "within" for table in similarity_tables(load_profile("smoke")))


def test_the_score_is_that_of_the_findings(made, found):
    table = found["tables-train"]
    for index in table.indexes:
        expected = correspondence.score(made["tables"].arrays()[index], index)
        scored = identification(table, index, "tiny10")
        assert (scored["accuracy"], scored["error"]) == expected
    two = identification(found["between-architectures_50"], "cka_linear", "plain10")
    assert (two["networks"], two["error"]) == (2, None)
    assert 0 <= two["accuracy"] <= 1
    assert identification(found["within-plain10_200"], "cka_linear", "plain10") is None


def test_scripts_hold_the_numbers_as_they_were_stored(made, tmp_path):
    html = explorer("smoke", tmp_path)
    assert html.count("<script defer") == 3
    path = tmp_path / "explorer" / "tables-train-cka_linear-tiny10-tiny10.js"
    ((name, text),) = BLOCK.findall(path.read_text())
    assert name == path.stem
    numbers = np.frombuffer(base64.b64decode(text), "<f8").reshape(3, 3, 3, 3)
    np.testing.assert_array_equal(numbers, made["tables"].arrays()["cka_linear"])
    assert not re.search(
        r"https?://(?!www\.w3\.org|vega\.github\.io|github\.com/vega)", (tmp_path / "explorer/vega.js").read_text()
    )


def test_a_profile_without_tables_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "results"))
    assert explorer("smoke", tmp_path) == NOTHING
    assert not (tmp_path / "explorer").exists()


def test_networks_are_named_by_what_they_are():
    profile = load_profile("laptop")
    said = {group.name: network_facts(group) for group in profile.networks}
    assert said["tiny10"]["title"] == "Tiny-10, 16 to 64 channels, CIFAR-10"
    assert said["plain10-untrained"]["title"].endswith("CIFAR-10, untrained")
    assert "without batch normalisation" in said["plain10-nobn"]["title"]
    assert len({one["title"] for one in said.values()}) == len(said)


def test_layers_have_names_of_words():
    names = ("conv3", "block12_interior", "block1_sum", "pool")
    assert [layer(name) for name in names] == ["conv3", "block 12 inside", "block 1 sum", "pool"]


def test_panels_of_the_figures_show_what_the_tables_hold(made, found):
    shown = {one["title"]: one["shows"] for one in presets(list(found.values()))}
    assert shown["Figure 2: Tiny-10, CKA (linear)"] == {
        "first": "tiny10",
        "first-seed": "mean",
        "second": "tiny10",
        "second-seed": "mean",
        "index": "cka_linear",
        "images": "tables-train",
    }
    assert shown["Figure 3: Plain-10, CKA (linear)"]["first-seed"] == "0"
    assert shown["Figure 3: Plain-10, CKA (linear)"]["images"] == "within-plain10_200"
    assert not any("PWCCA" in title for title in shown), "there is none"


def test_identification_by_architecture(made, found):
    rows = by_architecture(catalogue(load_profile("smoke"), list(found.values()))).splitlines()
    accuracy, error = correspondence.score(made["tables"].arrays()["cka_linear"], "cka_linear")
    assert f"| {100 * accuracy:.1f} ± {100 * error:.1f} |" in rows[2]
    assert "400 training images" in rows[2]
    assert rows[3].count("±") == 0, "two networks have no jackknife error"
    assert rows[3].endswith("| 25.0 |"), "four layers"


# ------------------------------------------------------------------------------------------------ the page in Chromium


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The arrays that the stand-ins' pages show."""
    store = Store(tmp_path_factory.mktemp("results") / "smoke")
    return tables(store).arrays()


@pytest.fixture
def page(browser, stand_in_book):
    """The page, opened from disk, in a browser that may not ask for anything else."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    opened.on(
        "request",
        lambda asked: None if asked.url.startswith(("file:", "blob:", "data:")) else problems.append(asked.url),
    )
    show(opened, (stand_in_book[1] / "book" / "explorer.html").as_uri())
    yield opened
    context.close()
    assert problems == []


def show(page, address):
    page.goto(address)
    settled(page)


def settled(page):
    """Wait until what is drawn is what the address says."""
    page.wait_for_function("() => document.getElementById('similarities').dataset.ready === location.search")


def text(page, part):
    return page.text_content(f'[data-part="{part}"]')


def chosen(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def tab_to(page, selector):
    """Press Tab until an element has the focus."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"{selector} cannot be reached with Tab")


def table_of(page):
    head, *rows = page.evaluate(
        "() => [...document.querySelectorAll('#similarities tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    return head, rows


@pytest.mark.browser
def test_the_page_with_the_keyboard_alone(page, results):
    assert chosen(page) == {
        "first": "tiny10",
        "first-seed": "0",
        "second": "tiny10",
        "second-seed": "1",
        "index": "cka_linear",
        "images": "tables-train",
    }
    tab_to(page, '[name="second-seed"]')
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => location.search.includes('second-seed=2')")
    settled(page)
    tab_to(page, '[name="debiased"]')
    page.keyboard.press("Space")
    page.wait_for_function("() => location.search.includes('debiased=yes')")
    settled(page)
    tab_to(page, ".map_marks path")
    values = results["cka_linear_debiased"][0, 2]
    assert text(page, "reading").startswith(f"conv1 and conv1: {signed(f'{values[0, 0]:.3f}')}")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert text(page, "reading").startswith(f"conv2 and conv2: {signed(f'{values[1, 1]:.3f}')}")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == text(page, "reading")
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")  # there is none further
    assert text(page, "reading").startswith(f"pool and conv2: {signed(f'{values[2, 1]:.3f}')}")
    page.keyboard.press("Tab")
    assert not page.evaluate("() => document.activeElement.matches('.map_marks path')")


@pytest.mark.browser
def test_the_table_the_path_and_the_score(page, results):
    values = results["cka_linear"]
    head, rows = table_of(page)
    assert head == ["layer", *LAYERS["tiny10"]]
    assert [[float(cell.split()[0]) for cell in row[1:]] for row in rows] == values[0, 1].round(3).tolist()
    best = values[0, 1].argmax(axis=1)
    assert [["●" in cell for cell in row[1:]].index(True) for row in rows] == best.tolist()
    path = ", ".join(f"{layer} → {LAYERS['tiny10'][j]}" for layer, j in zip(LAYERS["tiny10"], best, strict=True))
    assert text(page, "path") == f"Best-match path: {path}."
    accuracy, error = correspondence.score(values, "cka_linear")
    spread = f" ± {100 * error:.1f}" if error else ""
    assert f"{100 * accuracy:.1f}{spread} % of the layers" in text(page, "summary")
    assert page.locator(".map_marks path").count() == 9


@pytest.mark.browser
def test_the_download_is_the_committed_table(page, results):
    with page.expect_download() as waiting:
        tab_to(page, '[data-part="csv"]')
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename == "cka_linear-tiny10-seed0-tiny10-seed1-tables-train.csv"
    head, *rows = csv.reader(waiting.value.path().read_text(encoding="utf-8").splitlines())
    assert head == ["layer", *LAYERS["tiny10"]]
    assert [row[0] for row in rows] == LAYERS["tiny10"]
    np.testing.assert_array_equal([list(map(float, row[1:])) for row in rows], results["cka_linear"][0, 1])


@pytest.mark.browser
def test_a_link_restores_the_view(page, browser):
    wanted = {"first": "plain10", "first-seed": "1", "second": "tiny10", "second-seed": "2", "index": "cka_linear"}
    wanted["images"] = "between-architectures_50"
    for name, value in wanted.items():
        page.select_option(f'[name="{name}"]', value)
        page.wait_for_function("value => location.search.includes(value)", arg=f"{name}={value}")
        settled(page)
    link = page.input_value('[name="link"]')
    again = browser.new_page()
    show(again, link)
    assert chosen(again) == wanted
    assert table_of(again) == table_of(page)
    assert len(table_of(again)[1]) == 4
    assert "No identification score" in text(again, "summary")
    again.close()


def numbers_of(page):
    return [[float(cell.split()[0].replace("−", "-")) for cell in row[1:]] for row in table_of(page)[1]]


def open_panel(page, title):
    page.select_option('[name="figure"]', label=title)
    page.wait_for_function("() => location.search.includes('mean')")
    settled(page)


@pytest.mark.browser
def test_a_panel_of_a_figure_is_the_mean_over_pairs(page, results):
    open_panel(page, "Figure 2: Tiny-10, CKA (linear)")
    different = ~np.eye(3, dtype=bool)
    expected = results["cka_linear"][different].mean(0)
    np.testing.assert_allclose(numbers_of(page), expected, atol=5e-4)
    assert "In the mean map the best match is the same layer" in text(page, "summary")


@pytest.mark.browser
def test_one_view_is_subtracted_from_another(page, results, browser):
    open_panel(page, "Figure 2: Tiny-10, CKA (linear)")
    page.click('[name="subtract"]')
    page.wait_for_function("() => location.search.includes('minus=')")
    settled(page)
    assert np.abs(numbers_of(page)).max() == 0
    page.check('[name="debiased"]')
    page.wait_for_function("() => location.search.includes('debiased=yes')")
    settled(page)
    different = ~np.eye(3, dtype=bool)
    expected = (results["cka_linear_debiased"] - results["cka_linear"])[different].mean(0)
    np.testing.assert_allclose(numbers_of(page), expected, atol=5e-4)
    assert "minus: CKA (linear), " in text(page, "summary")
    assert "●" not in "".join(cell for row in table_of(page)[1] for cell in row)
    again = browser.new_page()
    show(again, page.input_value('[name="link"]'))
    assert numbers_of(again) == numbers_of(page)
    again.close()
    page.click('[name="nothing"]')
    page.wait_for_function("() => !location.search.includes('minus=')")
    settled(page)
    spread = np.sqrt(2 / (400 * 397))
    assert f"By chance, over all orders of the examples, it is 0 ± {spread:.3f}." in text(page, "summary")


@pytest.mark.browser
def test_no_line_leads_through_ties(page):
    key = "tables-train-cka_linear-tiny10-tiny10"
    page.evaluate("key => { explorer.blocks[key] = btoa('\\0'.repeat(3 * 3 * 3 * 3 * 8)); }", key)
    page.select_option('[name="first-seed"]', "2")
    page.wait_for_function("() => location.search.includes('first-seed=2')")
    settled(page)
    assert "3 layers have several best matches." in text(page, "summary")
    assert text(page, "path") == "Best-match path: conv1 → several, conv2 → several, pool → several."
    assert page.locator(".path_marks path").count() == 0 or not page.get_attribute(".path_marks path", "d")


@pytest.mark.browser
def test_where_an_index_determines_nothing_is_said(page):
    sentence = "pairs of layers have more dimensions together than so many examples can tell apart."
    assert sentence not in text(page, "summary")
    show(page, f"{page.url.split('?')[0]}?index=linear_regression")
    assert sentence in text(page, "summary")


@pytest.mark.browser
def test_what_was_not_measured_is_not_offered(page):
    show(page, f"{page.url.split('?')[0]}?first=plain10&second=plain10&second-seed=0&index=pwcca&images=nothing")
    assert chosen(page)["index"] == "cka_linear"
    assert page.is_disabled('[name="debiased"]')
    assert page.locator('[name="images"] option').count() == 3  # between on two sets of images, and within
    assert "This is a network and itself." in text(page, "summary")


@pytest.mark.browser
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_letters_take_the_theme_s_colour(page, mode):
    page.evaluate("mode => { document.documentElement.dataset.theme = mode; }", mode)
    colours = page.evaluate(
        "() => ['[data-part=\"map\"] text', '[data-part=\"summary\"]'].map((s, i) =>"
        " getComputedStyle(document.querySelector(s))[i ? 'color' : 'fill'])"
    )
    assert colours[0] == colours[1]
