"""The slider in the charts: a line at the sparsity it stands at, and a ring around what each variant has there.

The chart itself stays the same at every step, and only two small tables are new: a browser then redraws at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from core.charts.styles import DENSE_STYLE, RING_SIZE, Style
from core.charts.tradeoff import SPARSITY, Axis, Panel
from core.i18n import t

RULE, RINGS = "slider", "rings"  # the data sets that slider_data gives


def with_slider(spec: Mapping[str, Any], panel: Panel, axis: Axis = SPARSITY) -> dict[str, Any]:
    """The ``spec`` of a trade-off chart with layers for RULE and RINGS, behind the points of the runs."""
    rule = {
        "data": {"name": RULE},
        "mark": {"type": "rule", "color": DENSE_STYLE.color, "strokeWidth": 1.5, "tooltip": None},
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }
    tooltip = [
        {"field": "variant", "type": "nominal", "title": t("Method")},
        {"field": "sparsity", "type": "quantitative", "title": t("Sparsity"), "format": "~g"},
        {"field": "mean", "type": "quantitative", "title": t(panel.title), "format": ".4~g"},
        {"field": "origin", "type": "nominal", "title": t("Value")},
    ]
    rings = {
        "data": {"name": RINGS},
        "mark": {"type": "point", "shape": "circle", "size": RING_SIZE, "strokeWidth": 2, "filled": False},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "mean", "type": "quantitative"},
            "stroke": {"field": "color", "type": "nominal", "scale": None},
            "tooltip": tooltip,
        },
    }
    *below, seeds = spec["layer"]
    return {**spec, "layer": [*below, *([] if axis.logarithmic else [rule]), rings, seeds]}


def slider_data(
    panel: Panel, marked: pd.DataFrame, styles: Mapping[str, Style], sparsity: float, axis: Axis = SPARSITY
) -> dict[str, list[dict[str, Any]]]:
    """The tables of with_slider: ``marked`` are the means at ``sparsity``. Against a ratio there is no line, for each
    variant stands at a ratio of its own."""
    places = zip(marked["variant"], marked[axis.column], marked[panel.metric], marked["measured"], strict=True)
    rings = [
        {
            "variant": styles[variant].name,
            "sparsity": sparsity,
            "x": x,
            "mean": mean,
            "origin": t("mean of the seeds") if measured else t("interpolated"),
            "color": styles[variant].color,
        }
        for variant, x, mean, measured in places
        if variant in styles and not math.isnan(x) and not math.isnan(mean)
    ]
    return {RINGS: rings} if axis.logarithmic else {RULE: [{"x": sparsity}], RINGS: rings}
