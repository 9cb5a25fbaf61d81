"""Accuracy against what it costs, with the networks marked that no other one beats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from core.charts import tradeoff
from core.charts.tooltips import run_tooltip
from core.charts.tradeoff import ACCURACY, SIZE, Panel, Style, draws_every_run, localized_variants, with_dense
from core.i18n import t
from core.results.pareto import pareto_front
from core.spec.methods import DENSE

TARGET, CHOICE = "target", "choice"  # data sets of with_recommendation()
_GRAY = "#808080"
_ROOM = (0.05, 0.06)  # that a label takes, as shares of the chart's width and height


def pareto_chart(
    summary: pd.DataFrame,
    looks: Mapping[str, Style],
    cost: Panel = SIZE,
    *,
    runs: pd.DataFrame | None = None,
    select: str | None = None,
    legend: alt.Legend | None = None,
) -> alt.LayerChart:
    """The means over seeds with their intervals, a thin line through those of each variant, and a dashed one along the
    front, whose sparsities are written beside it. ``runs``: every one as a small point, which a click puts into the
    selection called ``select``."""
    summary = localized_variants(summary, looks)
    runs = None if runs is None else localized_variants(runs, looks)
    looks = tradeoff.localized_styles(with_dense(looks))
    fields = ["variant", "sparsity", cost.metric, "test_accuracy"]
    shown = summary[summary["variant"].isin(list(looks))].dropna(subset=[cost.metric, "test_accuracy"])
    half = shown["test_accuracy_ci"]
    points = shown[[*fields, "n"]].assign(
        low=(shown["test_accuracy"] - half).clip(lower=0), high=(shown["test_accuracy"] + half).clip(upper=100)
    )
    title = t("{metric}, logarithmic", metric=t(cost.title))
    x = alt.X(
        f"{cost.metric}:Q",
        title=title,
        axis=alt.Axis(tickCount=5, format="~g", labelOverlap=True),
        scale=alt.Scale(type="log", nice=False, padding=24),
    )
    flat = alt.Axis(title=t(ACCURACY.title), titleAngle=0, titleAlign="left", titleAnchor="start", titleX=0, titleY=-14)
    y = alt.Y("test_accuracy:Q", axis=flat, scale=alt.Scale(zero=False, nice=True))
    on_front = pareto_front(shown, cost.metric)[fields]
    front, base = alt.Chart(on_front), alt.Chart(points)
    color, shape = key(looks, legend)
    hover = [
        alt.Tooltip("variant:N", title=t("Method")),
        alt.Tooltip("sparsity:Q", title=t("Sparsity"), format="~g"),
        alt.Tooltip("n:Q", title=t("Seeds")),
        alt.Tooltip("test_accuracy:Q", title=t("Mean test accuracy (%)"), format=".2f"),
        alt.Tooltip(f"{cost.metric}:Q", title=t(cost.title), format=".3~g"),
    ]
    intervals = base.mark_rule(opacity=0.55, tooltip=None).encode(x, alt.Y("low:Q"), alt.Y2("high"), color)
    layers = [
        base.mark_line(strokeWidth=1.25, opacity=0.4, tooltip=None).encode(x, y, color, alt.Order("sparsity:Q")),
        front.mark_line(color=_GRAY, strokeDash=[4, 3], strokeWidth=1.5, tooltip=None).encode(
            x, y, alt.Order(f"{cost.metric}:Q")
        ),
        *([] if half.isna().all() else [intervals]),  # of one seed there are none
        *_runs(runs, cost, looks, x, y, color, shape, select),
        base.mark_point(size=80, filled=True, opacity=1).encode(x, y, color, shape, tooltip=hover),
        # Only these are labelled: of several methods at one sparsity the labels would lie upon one another.
        alt.Chart(labelled(on_front, shown, cost.metric))
        .mark_text(dy=-13, fontSize=11, color=_GRAY)
        .encode(x, y, text=alt.Text("sparsity:Q", format="~g")),
    ]
    return alt.LayerChart(layer=layers)


def labelled(front: pd.DataFrame, shown: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The rows of ``front`` whose labels do not touch, from the most accurate on, in a chart of ``shown``."""
    x, y = np.log(front[cost]), front["test_accuracy"]
    wide, high = np.ptp(np.log(shown[cost])) or 1.0, np.ptp(shown["test_accuracy"]) or 1.0
    kept: list[Any] = []
    for row in reversed(front.index):
        apart = (abs(x[row] - x[other]) > _ROOM[0] * wide or abs(y[row] - y[other]) > _ROOM[1] * high for other in kept)
        if all(apart):
            kept.append(row)
    return front.loc[kept]


def key(looks: Mapping[str, Style], legend: alt.Legend | None) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape of each variant, with one legend for both."""
    names = list(looks)
    colors, shapes = [look.color for look in looks.values()], [look.shape for look in looks.values()]
    return (
        alt.Color("variant:N", scale=alt.Scale(domain=names, range=colors), legend=legend),
        alt.Shape("variant:N", scale=alt.Scale(domain=names, range=shapes), legend=legend),
    )


def with_recommendation(spec: Mapping[str, Any], cost: Panel) -> dict[str, Any]:
    """The ``spec`` of a Pareto chart with a line at the accuracy target and a ring around the recommended network. Their
    data sets, TARGET with the field test_accuracy and CHOICE with this and the cost, are the caller's to give."""
    y = {"field": "test_accuracy", "type": "quantitative"}
    target = {
        "data": {"name": TARGET},
        "mark": {"type": "rule", "color": _GRAY, "strokeWidth": 1.5, "tooltip": None},
        "encoding": {"y": y},
    }
    ring = {
        "data": {"name": CHOICE},
        "mark": {"type": "point", "size": 320, "strokeWidth": 2.5, "filled": False, "color": _GRAY, "tooltip": None},
        "encoding": {"x": {"field": cost.metric, "type": "quantitative"}, "y": y},
    }
    return {**spec, "layer": [target, *spec["layer"], ring]}


def _runs(
    runs: pd.DataFrame | None,
    cost: Panel,
    looks: Mapping[str, Style],
    *channels: Any,
) -> list[alt.Chart]:
    if runs is None or not draws_every_run(runs, looks):
        return []
    x, y, color, shape, select = channels
    shown = runs[runs["variant"].isin(list(looks)) | (runs["method"] == DENSE)]
    told = run_tooltip()
    columns = dict.fromkeys(["run_id", "variant", cost.metric, *(tip.shorthand.split(":")[0] for tip in told)])
    chart = alt.Chart(shown[list(columns)]).mark_point(size=26, opacity=0.55, cursor="pointer" if select else "default")
    chart = chart.encode(x, y, color, shape, tooltip=[alt.Tooltip("variant:N", title=t("Method")), *told])
    return [chart.add_params(alt.selection_point(name=select, fields=["run_id"])) if select else chart]
