"""The files of figures beside the pages, and the links to them."""

import base64

import pytest

from repsim.lab.execution import NotebookError, figures_in
from repsim.lab.staging import figure_files

SVG = "<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 1%'/></svg>"


def cell(name, **kinds):
    about = {"repsim": {"figure": {"name": name, "caption": "A line."}}}
    return {"id": "4", "cell_type": "code", "outputs": [{"data": {"image/svg+xml": SVG, **kinds}, "metadata": about}]}


def test_a_figure_has_files_and_links_to_them(tmp_path):
    figure = cell("figure-6", **{"application/pdf": base64.b64encode(b"%PDF-1.4").decode()})
    plain = {
        "id": "5",
        "cell_type": "code",
        "outputs": [{"data": {"text/html": "<p>no figure</p>"}}, {"name": "stdout"}],
    }
    cells = [figure, plain, {"id": "6", "cell_type": "markdown"}]
    links, *others = (figure_files(one, tmp_path / "figures", {"figure-6": "data-between"}) for one in cells)
    assert others == ["", ""]
    assert (tmp_path / "figures" / "figure-6.svg").read_text(encoding="utf-8") == SVG
    assert (tmp_path / "figures" / "figure-6.pdf").read_bytes() == b"%PDF-1.4"
    assert links == (
        ":::{container} figure-files\n[SVG](../book/figures/figure-6.svg) · [PDF](../book/figures/figure-6.pdf) · "
        "[Data](#data-between)\n:::"
    )


def test_a_figure_whose_data_has_no_place_leads_to_the_page_of_data(tmp_path):
    links = figure_files(cell("ours"), tmp_path / "figures", {})
    assert links.splitlines()[1] == "[SVG](../book/figures/ours.svg) · [Data](../book/data.md)"


def test_no_file_is_written_under_a_name_that_leads_elsewhere(tmp_path):
    assert figure_files(cell("../out"), tmp_path / "figures", {}) == ""
    assert list(tmp_path.iterdir()) == []


def test_columns_of_different_lengths_are_refused_not_cut():
    figure = cell("ours")
    figure["outputs"][0]["metadata"]["repsim"]["figure"]["data"] = {"x": [1, 2], "y": [1]}
    with pytest.raises(NotebookError, match="(?s)cannot be read: .*the columns of its data differ in length"):
        list(figures_in(figure))
