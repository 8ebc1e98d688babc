"""What the explorer's page shows: every layer-by-layer similarity table of a profile's results, as scripts.

A page that is opened from disk may not fetch data but may run scripts beside it. So each block of a table, one index of
the networks of two groups, becomes a script of its own, which the page loads when it is chosen.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from repsim.lab.explorer.catalogue import SimilarityTable, by_architecture, catalogue, similarity_tables
from repsim.lab.figures.style import HEAT
from repsim.lab.profiles import load_profile

SAID = (
    "How often the most similar layer of another network of the same kind is the same layer, over all ordered pairs, "
    "on the largest number of images measured. ± is the jackknife error over networks and needs three."
)
NOTHING = "This profile's results hold no layer-by-layer table of similarities."


def _position(side: str, **more: Any) -> dict[str, Any]:
    return {"field": side, "type": "ordinal", "sort": None, "title": f"layer of the {side} network", **more}


def heat_map() -> dict[str, Any]:
    """Return the heat map in Vega-Lite; the page adds sizes, data and the parameters low, high and crowded."""
    axis = {"labelOverlap": "greedy", "labelLimit": 120, "domain": False, "labelFontSize": 12, "titleFontSize": 13}
    turned = {
        "labelAngle": {"expr": "crowded ? -90 : 0"},
        "labelAlign": {"expr": "crowded ? 'right' : 'center'"},
        "labelBaseline": {"expr": "crowded ? 'middle' : 'top'"},
    }
    x = _position("first", axis={**axis, **turned})
    y = _position("second", axis=axis, scale={"reverse": True})
    colour = {
        "field": "value",
        "type": "quantitative",
        "scale": {"scheme": HEAT, "domainMin": {"expr": "low"}, "domainMax": {"expr": "high"}},
        "legend": {"orient": "bottom", "title": None, "gradientLength": 220, "labelFontSize": 12},
    }
    point = {"filled": True, "fill": "white", "stroke": "black", "strokeWidth": 1, "size": 45, "aria": False}
    return {
        "autosize": {"type": "fit", "contains": "padding"},
        "background": None,
        "config": {"mark": {"invalid": None}, "view": {"stroke": None}},
        "data": {"name": "cells"},
        "layer": [
            {
                "name": "map",
                "mark": "rect",
                "encoding": {"x": x, "y": y, "color": colour, "description": {"field": "words", "type": "nominal"}},
            },
            {
                "name": "path",
                "data": {"name": "best"},
                "mark": {"type": "line", "stroke": "white", "strokeWidth": 1.5, "aria": False, "point": point},
                "encoding": {"x": x, "y": y, "detail": {"field": "stretch", "type": "nominal"}},  # ties interrupt it
            },
        ],
    }


@cache
def vega() -> str:
    """Return Vega-Lite as one script, as the browser needs it.

    It is made as a module, which a page opened from disk may not load; within a function its names stay its own.
    """
    import vl_convert

    return f"(() => {{\n{vl_convert.javascript_bundle('window.vegaEmbed = vegaEmbed;')}\n}})();\n"


def write_blocks(tables: list[SimilarityTable], folder: Path) -> None:
    """Write each block of each table as a script: the little-endian numbers, row by row, in base 64."""
    for table in tables:
        for index in table.indexes:
            for first, second in table.pairs():
                block = table.block(index, first, second)
                numbers = np.ascontiguousarray(block, block.dtype.newbyteorder("<")).tobytes()
                name = f"{table.key}-{index}-{first}-{second}"
                text = f'explorer.blocks["{name}"] = "{base64.b64encode(numbers).decode()}";\n'
                (folder / f"{name}.js").write_text(text, encoding="utf-8")


def explorer(profile_name: str, static: Path) -> str:
    """Write the scripts of the explorer's page, and return the HTML that loads them.

    Parameters
    ----------
    profile_name
        Whose results are shown.
    static
        The folder of the book's static files, which holds ``explorer.js``.
    """
    profile = load_profile(profile_name)
    tables = list(similarity_tables(profile))
    if not tables:
        return NOTHING
    folder = static / "explorer"
    folder.mkdir(exist_ok=True)
    write_blocks(tables, folder)
    known = json.dumps(catalogue(profile, tables) | {"spec": heat_map()}, separators=(",", ":"), ensure_ascii=False)
    (folder / "catalogue.js").write_text(f"window.explorer = {known};\n", encoding="utf-8")
    (folder / "vega.js").write_text(vega(), encoding="utf-8")
    scripts = ("explorer/vega.js", "explorer/catalogue.js", "explorer.js")
    loading = "\n".join(f'<script defer src="../_static/{name}"></script>' for name in scripts)
    return f"{loading}\n\n## Layers identified, by architecture\n\n{SAID}\n\n{by_architecture(profile, tables)}"
