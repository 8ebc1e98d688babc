"""The drawing on the explorer's page: a heat map in Vega-Lite, and the script that draws it in the browser."""

from __future__ import annotations

from functools import cache
from typing import Any

from repsim.lab.figures.style import HEAT

SNIPPET = "window.vegaEmbed = vegaEmbed;"


def _position(side: str, **more: Any) -> dict[str, Any]:
    return {"field": side, "type": "ordinal", "sort": None, "title": f"layer of the {side} network", **more}


def specification() -> dict[str, Any]:
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
def script() -> str:
    """Return Vega-Lite as one script, as the browser needs it.

    It is made as a module, which a page opened from disk may not load; within a function its names stay its own.
    """
    import vl_convert

    return f"(() => {{\n{vl_convert.javascript_bundle(SNIPPET)}\n}})();\n"
