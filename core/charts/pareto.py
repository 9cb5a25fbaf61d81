"""Accuracy against what it costs, with the networks marked that no other one beats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from core.charts.encodings import (
    TOOLTIP_FIELDS,
    at_chance_labels,
    flat_axis,
    run_notes,
    run_tooltip,
    variant_tooltip,
)
from core.charts.styles import (
    GREY,
    RING_SIZE,
    SEED_SIZE,
    TEXT,
    Style,
    color_and_shape,
    localized_styles,
    localized_variants,
    mean_or_seed_size,
    select_variants,
    with_dense,
)
from core.charts.tradeoff import ACCURACY, SIZE, Panel, draws_every_run, with_selection
from core.i18n import t
from core.results.pareto import pareto_front
from core.results.statistics import segments

TARGET, CHOICE = "target", "choice"  # data sets of with_recommendation()
_LABEL_SIZE = (0.05, 0.06)  # shares of the chart's width and height


def pareto_chart(
    summary: pd.DataFrame,
    styles: Mapping[str, Style],
    cost: Panel = SIZE,
    *,
    runs: pd.DataFrame | None = None,
    select: str | None = None,
    legend: alt.Legend | None = None,
) -> alt.LayerChart:
    """The means over seeds with their intervals, a thin line through those of each variant, interrupted as segments() says,
    and a wide pale one in steps along the front, whose sparsities are written beside it. ``runs``: every one as a small
    point, which a click puts into the selection called ``select``."""
    means = localized_variants(select_variants(summary, styles), styles).dropna(subset=[cost.metric, "test_accuracy"])
    fields = ["variant", "sparsity", cost.metric, "test_accuracy"]
    half = means["test_accuracy_ci"]
    points = means[[*fields, "n"]].assign(
        low=(means["test_accuracy"] - half).clip(lower=0), high=(means["test_accuracy"] + half).clip(upper=100)
    )
    x = alt.X(
        f"{cost.metric}:Q",
        title=t("{metric}, logarithmic", metric=t(cost.title)),
        axis=alt.Axis(tickCount=5, format="~g", labelOverlap=True),
        scale=alt.Scale(type="log", nice=False, padding=24),
    )
    y = alt.Y("test_accuracy:Q", axis=flat_axis(t(ACCURACY.title)), scale=alt.Scale(zero=False, nice=True))
    color, shape = color_and_shape(localized_styles(with_dense(styles)), legend)
    tooltip = [
        variant_tooltip(),
        alt.Tooltip("sparsity:Q", title=t("Sparsity"), format="~g"),
        alt.Tooltip("n:Q", title=t("Seeds")),
        alt.Tooltip("test_accuracy:Q", title=t("Mean test accuracy (%)"), format=".2f"),
        alt.Tooltip(f"{cost.metric}:Q", title=t(cost.title), format=".3~g"),
    ]
    on_front = pareto_front(means, cost.metric)[fields]
    lines, base = alt.Chart(segments(means)[[*fields, "segment"]]), alt.Chart(points)
    # In steps: between two measured networks there is none that is more accurate than the cheaper one.
    style: dict[str, Any] = {
        "color": GREY,
        "opacity": 0.3,
        "strokeWidth": 9,
        "strokeCap": "round",
        "strokeJoin": "round",
    }
    front = alt.Chart(on_front).mark_line(**style, interpolate="step-after", tooltip=None)
    layers = [
        front.encode(x, y, alt.Order(f"{cost.metric}:Q")),
        lines.mark_line(strokeWidth=1.25, opacity=0.4, tooltip=None).encode(
            x, y, color, alt.Detail("segment:N"), alt.Order("sparsity:Q")
        ),
        *at_chance_labels(means[[*fields, "at_chance"]], x, y),
    ]
    if half.notna().any():
        intervals = base.mark_rule(opacity=0.55, tooltip=None)
        layers.append(intervals.encode(x, alt.Y("low:Q"), alt.Y2("high"), color))
    if runs is not None and draws_every_run(runs, styles):
        runs = localized_variants(select_variants(runs, styles), styles)
        columns = dict.fromkeys(["run_id", "variant", cost.metric, *TOOLTIP_FIELDS, "note"])
        seeds = alt.Chart(run_notes(runs)[list(columns)]).encode(x, y, color, shape, tooltip=run_tooltip(runs))
        seeds = seeds.mark_point(size=SEED_SIZE, filled=True, opacity=0.7, cursor="pointer" if select else "default")
        layers.append(with_selection(seeds, select))
    layers += [
        base.mark_point(filled=True, opacity=1).encode(x, y, color, shape, size=mean_or_seed_size(), tooltip=tooltip),
        # Only these are labelled: of several methods at one sparsity the labels would lie upon one another.
        alt.Chart(labelled(on_front, means, cost.metric))
        .mark_text(dy=-13, fontSize=11, color=TEXT)
        .encode(x, y, text=alt.Text("sparsity:Q", format="~g")),
    ]
    return alt.LayerChart(layer=layers)


def labelled(front: pd.DataFrame, shown: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The rows of ``front`` whose labels do not touch, from the most accurate on, in a chart of ``shown``."""
    x, y = np.log(front[cost]), front["test_accuracy"]
    width = _LABEL_SIZE[0] * (np.ptp(np.log(shown[cost])) or 1.0)
    height = _LABEL_SIZE[1] * (np.ptp(shown["test_accuracy"]) or 1.0)
    selected: list[Any] = []
    for row in reversed(front.index):
        if all(abs(x[row] - x[other]) > width or abs(y[row] - y[other]) > height for other in selected):
            selected.append(row)
    return front.loc[selected]


def with_recommendation(spec: Mapping[str, Any], cost: Panel) -> dict[str, Any]:
    """The ``spec`` of a Pareto chart with a line at the accuracy target and a ring around the recommended network. Their
    data sets, TARGET with the field test_accuracy and CHOICE with this and the cost, are the caller's to give."""
    y = {"field": "test_accuracy", "type": "quantitative"}
    target = {
        "data": {"name": TARGET},
        "mark": {"type": "rule", "color": GREY, "strokeWidth": 1.5, "tooltip": None},
        "encoding": {"y": y},
    }
    ring = {
        "data": {"name": CHOICE},
        "mark": {
            "type": "point",
            "size": RING_SIZE,
            "strokeWidth": 2.5,
            "filled": False,
            "color": GREY,
            "tooltip": None,
        },
        "encoding": {"x": {"field": cost.metric, "type": "quantitative"}, "y": y},
    }
    return {**spec, "layer": [target, *spec["layer"], ring]}
