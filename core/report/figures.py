"""Figures for files: the same charts as in the app, with a title and where the numbers come from, and three more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from core.charts.pareto import pareto_chart
from core.charts.styles import (
    MEAN_SIZE,
    SEED_SIZE,
    Style,
    assign_styles,
    color_and_shape,
    localized_styles,
    localized_variants,
    with_dense,
)
from core.charts.tradeoff import ACCURACY, BATCH_LATENCY, LATENCY, SIZE, tradeoff_chart
from core.i18n import N_, current_language, t
from core.results.statistics import summarise

# What the report says below each figure, by the name of its file.
CAPTIONS = {
    "tradeoff_curve": N_(
        "Accuracy against sparsity: small points are seeds, large ones their means, bands the 95 % intervals of the means"
    ),
    "size_latency": N_("Compressed size and measured latency against sparsity"),
    "pareto": N_(
        "Accuracy against compressed size, means over seeds; the wide grey line joins those that no other beats in both"
    ),
    "layer_density": N_(
        "Share of the weights that is left in each layer, mean over seeds; the points of a layer lie a little below one "
        "another, so that none hides another"
    ),
    "training_curves": N_("Test accuracy after every epoch, one line a run; epoch 0 is right after pruning"),
}
_WIDTH, _HEIGHT = 720, 420
_COLUMNS = 3  # small charts beside one another
_FEW_EPOCHS = 20  # of which each is marked by a point
_EPOCHS = alt.Axis(labelExpr="datum.value % 1 ? '' : format(datum.value, 'd')", ticks=False, tickCount=6, grid=False)
_MAX_LINE = 160  # letters of a subtitle that have room
_FONTS = {
    "en": "DejaVu Sans, Noto Sans, sans-serif",
    "ko": "NanumGothic, Noto Sans CJK KR, Noto Sans KR, Apple SD Gothic Neo, Malgun Gothic, DejaVu Sans, sans-serif",
}
_CONFIG: dict[str, Any] = {
    "background": "white",
    "title": {
        "anchor": "start",
        "frame": "group",
        "offset": 26,
        "fontSize": 18,
        "subtitleFontSize": 12,
        "subtitlePadding": 6,
        "subtitleColor": "#555555",
    },
    "axis": {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal", "gridColor": "#e6e6e6"},
    "legend": {"labelFontSize": 12, "symbolStrokeWidth": 2, "labelLimit": 340, "columnPadding": 24},
    "header": {"labelFontSize": 13, "title": None},
    "view": {"stroke": "#cccccc"},
}
_LIGHT, _FAINT, _LINE = "#e6ecf2", "#a3b1bf", "#2c3945"  # letters and lines, as the app has them on its dark page
_DARK: dict[str, dict[str, Any]] = {
    "title": {"color": _LIGHT, "subtitleColor": _FAINT},
    "axis": {
        "labelColor": _FAINT,
        "titleColor": _LIGHT,
        "gridColor": _LINE,
        "domainColor": _FAINT,
        "tickColor": _FAINT,
    },
    "legend": {"labelColor": _LIGHT},
    "text": {"color": _LIGHT},
    "header": {"labelColor": _LIGHT},
    "view": {"stroke": _LINE},
}


def figures(
    study: pd.DataFrame,
    layers: pd.DataFrame,
    curves: pd.DataFrame,
    caption: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Every figure that ``study`` has numbers for, as Vega-Lite, by the name of its file.

    ``layers``: run_id, layer and density (0 to 1), in the order of computation. ``curves``: run_id, epoch and
    test_accuracy. ``caption``: the lines under each title.
    """
    summary = summarise(study)
    variant_styles = assign_styles(summary)
    charts = {
        "tradeoff_curve": (t("Accuracy against sparsity"), _tradeoff(study, summary, variant_styles)),
        "size_latency": (t("What is saved against sparsity"), _costs(study, summary, variant_styles)),
    }
    if variant_styles:
        charts["pareto"] = t("Accuracy against size"), _pareto(summary, variant_styles)
    names = localized_variants(study[["run_id", "variant", "sparsity", "seed"]], variant_styles)
    variant_styles = localized_styles(variant_styles)
    pruned_layers = layers.merge(names[names["variant"].isin(list(variant_styles))], on="run_id")
    if len(pruned_layers):
        charts["layer_density"] = t("What is left of each layer"), _density(pruned_layers, variant_styles)
    trained = curves.merge(names, on="run_id").dropna(subset="test_accuracy")
    if len(trained):
        charts["training_curves"] = t("Training"), _training(trained, variant_styles)
    with alt.data_transformers.enable("default", max_rows=None):  # a long study has more epochs than Altair expects
        return {name: _to_spec(chart, title, caption) for name, (title, chart) in charts.items()}


def without_title(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The figure for a paper, which has its caption below it."""
    return {key: value for key, value in spec.items() if key != "title"}


def on_dark(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The figure as it looks well on a dark page: what is black on white is light, on nothing."""
    config = dict(spec["config"])
    for part, colors in _DARK.items():
        config[part] = {**config.get(part, {}), **colors}
    return {**spec, "config": {**config, "background": "transparent"}}


def _to_spec(chart: Any, title: str, caption: Sequence[str]) -> dict[str, Any]:
    lines = [line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "…" for line in caption]
    spec: dict[str, Any] = chart.properties(title=alt.TitleParams(title, subtitle=lines), padding=18).to_dict()
    # A chart for the app brings settings of its own; these are for paper.
    return {
        **spec,
        "config": {**spec.get("config", {}), **_CONFIG, "font": _FONTS.get(current_language(), _FONTS["en"])},
    }


def _tradeoff(study: pd.DataFrame, summary: pd.DataFrame, styles: Mapping[str, Style]) -> alt.LayerChart:
    chart = tradeoff_chart(ACCURACY, study, summary, styles, legend="lines", height=_HEIGHT)
    chart.width = _WIDTH
    return chart


def _costs(study: pd.DataFrame, summary: pd.DataFrame, styles: Mapping[str, Style]) -> alt.HConcatChart:
    """Size and latency side by side, with one legend below all."""
    panels = (SIZE, LATENCY, BATCH_LATENCY)
    parts = []
    for panel in panels:
        part = tradeoff_chart(panel, study, summary, styles, legend="below" if panel is SIZE else None, height=260)
        part.width = 270
        part.padding = alt.Undefined  # a part of a larger chart has none of its own
        parts.append(part)
    chart: alt.HConcatChart = alt.hconcat(*parts, spacing=34)
    return chart


def _pareto(summary: pd.DataFrame, styles: Mapping[str, Style]) -> alt.LayerChart:
    chart = pareto_chart(summary, styles, legend=_legend())
    chart.width, chart.height = _WIDTH, _HEIGHT
    return chart


def _density(layers: pd.DataFrame, styles: Mapping[str, Style]) -> alt.FacetChart:
    """A small chart for each sparsity: layers from top to bottom, a line for each variant. Those of a layer lie below one
    another, so that of equal masks each is seen."""
    order = list(layers["layer"].drop_duplicates())
    means = layers.groupby(["variant", "sparsity", "layer"], sort=False)["density"].mean().reset_index()
    means["rank"] = means["layer"].map(order.index)
    means = means.sort_values("variant", key=lambda variants: variants.map(list(styles).index), kind="stable")
    color, shape = _key(styles)
    y = alt.Y("layer:N", sort=order, title=None, axis=alt.Axis(labelFontSize=10, grid=True))
    x = alt.X(
        "density:Q", title=t("Share of the weights left"), scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".1f")
    )
    base = alt.Chart(means).encode(x, y, color, alt.YOffset("variant:N", sort=list(styles)))
    lines = base.mark_line(strokeWidth=1.25, opacity=0.6).encode(alt.Order("rank:Q"))
    points = base.mark_point(filled=True, size=MEAN_SIZE / 2, opacity=1).encode(shape)
    chart: alt.FacetChart = (
        alt.layer(lines, points)
        .properties(width=190, height=max(15, 6 * len(styles)) * len(order))
        .facet(facet=_panel("sparsity:Q", _sparsity_label()), columns=_COLUMNS)
        .resolve_axis(x="independent")  # a shared one also stands below a place without a chart
    )
    return chart


def _training(curves: pd.DataFrame, styles: Mapping[str, Style]) -> alt.FacetChart:
    """A small chart for the dense runs and for each sparsity: a line for each run, with a point after each epoch, of many
    after the last."""
    color, shape = _key(localized_styles(with_dense(styles)))
    curves = curves[["run_id", "variant", "sparsity", "seed", "epoch", "test_accuracy"]]
    last = curves["epoch"] == curves.groupby("run_id")["epoch"].transform("max")
    base = alt.Chart(curves.assign(point=last | (curves["epoch"].max() <= _FEW_EPOCHS))).encode(
        alt.X("epoch:Q", title=t("Epoch"), axis=_EPOCHS),
        alt.Y("test_accuracy:Q", title=t(ACCURACY.title), scale=alt.Scale(zero=False, nice=True)),
        color,
    )
    lines = base.mark_line(strokeWidth=1.25, opacity=0.85).encode(alt.Detail("run_id:N"))
    points = base.mark_point(filled=True, size=SEED_SIZE, opacity=1).encode(shape).transform_filter("datum.point")
    chart: alt.FacetChart = (
        alt.layer(lines, points)
        .properties(width=215, height=200)
        .facet(
            facet=_panel("sparsity:Q", f"datum.value == 0 ? {json.dumps(t('Dense'))} : {_sparsity_label()}"),
            columns=_COLUMNS,
        )
        .resolve_scale(x="independent")
    )
    return chart


def _sparsity_label() -> str:
    return f"{json.dumps(t('Sparsity'))} + ' ' + format(datum.value, '~g')"


def _panel(field: str, label: str) -> alt.Facet:
    return alt.Facet(field, header=alt.Header(title=None, labelExpr=label, labelAnchor="start"))


def _key(styles: Mapping[str, Style]) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape of each variant, with one legend below the chart."""
    return color_and_shape(styles, _legend())


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="bottom", columns=_COLUMNS, symbolSize=90, symbolOpacity=1)
