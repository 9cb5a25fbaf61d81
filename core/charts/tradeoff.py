"""Charts of what pruning keeps and costs. The same method has the same colour and point shape everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from core.charts.encodings import (
    TOOLTIP_FIELDS,
    at_chance_labels,
    flat_axis,
    range_tooltip,
    run_notes,
    run_tooltip,
    variant_tooltip,
)
from core.charts.styles import (
    DENSE_STYLE,
    Style,
    color_and_shape,
    localized_styles,
    localized_variants,
    select_variants,
    with_dense,
)
from core.i18n import N_, t
from core.results.metrics import METRICS
from core.results.statistics import segments
from core.spec.methods import DENSE

_SPREAD = 0.016  # over which the seeds of all methods at one sparsity are laid side by side


BEFORE_DASH = (3, 3)  # of the lines that show accuracy before fine-tuning
_SEGMENT = alt.Detail("segment:N")


@dataclass(frozen=True, slots=True)
class Panel:
    """What one chart shows: a metric, and how its axis is drawn."""

    metric: str
    from_zero: bool = True
    form: str | None = None  # how the axis writes its numbers

    @property
    def title(self) -> str:
        """Of the axis, with the unit; to be translated."""
        return METRICS[self.metric].title or METRICS[self.metric].label

    @property
    def highest(self) -> float:
        """The highest value that is possible at all."""
        return METRICS[self.metric].highest


ACCURACY = Panel("test_accuracy", from_zero=False)
SIZE = Panel("model_size_mb")
MACS = Panel("macs", form="~s")
LATENCY = Panel("relative_latency")
BATCH_LATENCY = Panel("relative_batch_latency")


@dataclass(frozen=True, slots=True)
class Axis:
    """What a trade-off is drawn against: a column of the runs and of their means, and what to call it."""

    column: str
    title: str
    logarithmic: bool = False


SPARSITY = Axis("sparsity", N_("Sparsity"))
# Logarithmic, as a ratio is: the dense network stands at 1. Sparsity has no such axis, for dense is 0.
RATIO = Axis("size_ratio", N_("Times smaller than the dense file, logarithmic"), logarithmic=True)
MAX_POINTS = 2_000  # runs that are drawn one by one; of more, the range from the lowest to the highest is


def draws_every_run(study: pd.DataFrame, variants: Iterable[str]) -> bool:
    """Whether each run of ``variants`` and of the dense network is a point of its own."""
    return len(select_variants(study, variants)) <= MAX_POINTS


def tradeoff_chart(
    panel: Panel,
    study: pd.DataFrame,
    summary: pd.DataFrame,
    styles: Mapping[str, Style],
    *,
    axis: Axis = SPARSITY,
    before: pd.DataFrame | None = None,
    legend: bool = False,
    height: int = 300,
    select: str | None = None,
) -> alt.LayerChart:
    """One metric against ``axis``: every seed as a point, a line through the means, interrupted as segments() says, and the
    95 % interval of the means as a band where there is one. ``styles`` names the variants to show. ``before``: the accuracy
    before fine-tuning, with the columns variant, sparsity and accuracy, as dashed lines behind all that; only against
    sparsity. ``select``: the selection into which a click on a point puts its run_id."""
    study, summary = (localized_variants(select_variants(rows, styles), styles) for rows in (study, summary))
    encode, means = _Encoding(styles, axis, legend), _means(panel, summary, axis)
    layers = [
        *_bands(means, encode),
        _dense_rule(panel, summary),
        alt.Chart(segments(means.dropna(subset=["mean", axis.column])))
        .mark_line(strokeWidth=2.25, tooltip=None)
        .encode(encode.x(axis.column), encode.y(panel), encode.color, encode.dash, _SEGMENT, alt.Order("sparsity:Q")),
        *at_chance_labels(means, encode.x(axis.column), encode.y(panel)),
        *_seeds(panel, study, styles, encode, select),
    ]
    if before is not None and axis == SPARSITY:
        curves = localized_variants(before[before["variant"].isin(list(styles))], styles)
        layers.insert(0, _before(curves, _domain(panel, study, means), encode))
    return alt.LayerChart(layer=layers, height=height, padding={"left": 0, "top": 4, "right": 6, "bottom": 6})


class _Encoding:
    """The channels that all layers share, so that they share one scale and one legend."""

    def __init__(self, styles: Mapping[str, Style], axis: Axis, legend: bool) -> None:
        self.axis = axis
        named = localized_styles(with_dense(styles))
        below = alt.Legend(title=None, orient="bottom", columns=2, symbolSize=90, symbolOpacity=1, symbolDash=[1, 0])
        self.color, self.shape = color_and_shape(named, below if legend else None)
        dashes = alt.Scale(domain=list(named), range=[style.dash for style in named.values()])
        self.dash = alt.StrokeDash("variant:N", scale=dashes, legend=None)
        self.fill = alt.Fill("fill:N", scale=None)

    def x(self, column: str) -> alt.X:
        title = t(self.axis.title)
        if self.axis.logarithmic:
            axis = alt.Axis(title=title, format="~g", grid=False, tickCount=6)
            return alt.X(f"{column}:Q", axis=axis, scale=alt.Scale(type="log", nice=False, padding=12))
        axis = alt.Axis(title=title, values=[0, 0.2, 0.4, 0.6, 0.8, 1], format=".1f", grid=False, labelFlush=False)
        return alt.X(f"{column}:Q", axis=axis, scale=alt.Scale(domain=[-0.02, 1.0], nice=False))

    def y(self, panel: Panel) -> alt.Y:
        axis = flat_axis(t(panel.title), format=panel.form or alt.Undefined)
        return alt.Y("mean:Q", axis=axis, scale=alt.Scale(zero=panel.from_zero, nice=True))

    def interval(self, column: str) -> dict[str, Any]:
        """The channels of a mark from ``low`` to ``high`` at ``column``."""
        return {"x": self.x(column), "y": alt.Y("low:Q"), "y2": alt.Y2("high"), "color": self.color}


def _means(panel: Panel, summary: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """The means, dense included, and the ends of their intervals, cut to what is possible; NaN where there is none."""
    mean, half = summary[panel.metric], summary[f"{panel.metric}_ci"]
    ends = {"low": (mean - half).clip(lower=0), "high": (mean + half).clip(upper=panel.highest)}
    columns = dict.fromkeys(["method", "variant", "sparsity", axis.column, "at_chance"])
    return summary[list(columns)].assign(mean=mean, **ends)


def _bands(means: pd.DataFrame, encode: _Encoding) -> list[alt.Chart]:
    """The intervals as bands, and as bars so that a single one shows too; nothing where no mean has one."""
    known = means.dropna(subset=["low", encode.axis.column])
    if known.empty:
        return []
    channels = encode.interval(encode.axis.column)
    return [
        alt.Chart(segments(known)).mark_area(opacity=0.16, strokeWidth=0, tooltip=None).encode(_SEGMENT, **channels),
        alt.Chart(known).mark_rule(opacity=0.5, tooltip=None).encode(**channels),
    ]


def _before(curves: pd.DataFrame, domain: tuple[float, float], encode: _Encoding) -> alt.Chart:
    """Accuracy before fine-tuning, cut off at the ends of ``domain``: it falls to that of a guess, and differences between
    fine-tuned networks could not be seen beside that."""
    points = curves[["variant", "sparsity", "accuracy"]].assign(when=t("before fine-tuning"))
    tooltip = [
        variant_tooltip(),
        alt.Tooltip("when:N", title=t("When")),
        alt.Tooltip("sparsity:Q", title=t("Sparsity"), format="~g"),
        alt.Tooltip("accuracy:Q", title=t("Test accuracy (%)"), format=".2f"),
    ]
    y = alt.Y("accuracy:Q", scale=alt.Scale(domain=list(domain)))
    chart: alt.Chart = (
        alt.Chart(points)
        .mark_line(strokeWidth=1.25, strokeDash=list(BEFORE_DASH), clip=True, point={"opacity": 0, "size": 60})
        .encode(encode.x("sparsity"), y, encode.color, tooltip=tooltip)
    )
    return chart


def _domain(panel: Panel, study: pd.DataFrame, means: pd.DataFrame) -> tuple[float, float]:
    """The range of all that is measured of the variants shown, with some padding below."""
    values = pd.concat([study[panel.metric], means["low"], means["high"]])
    low, high = float(values.min()), float(values.max())
    return max(0.0, low - max(5.0, 0.3 * (high - low))), min(panel.highest, high + 0.5)


def _dense_rule(panel: Panel, summary: pd.DataFrame) -> alt.Chart:
    dense = summary.loc[summary["method"] == DENSE, [panel.metric]].rename(columns={panel.metric: "mean"})
    chart: alt.Chart = (
        alt.Chart(dense)
        .mark_rule(color=DENSE_STYLE.color, strokeDash=list(DENSE_STYLE.dash), strokeWidth=1.25)
        .encode(alt.Y("mean:Q"), tooltip=alt.Tooltip("mean:Q", title=t("Dense, mean"), format=".4~g"))
    )
    return chart


def _seeds(
    panel: Panel, study: pd.DataFrame, styles: Mapping[str, Style], encode: _Encoding, select: str | None
) -> list[alt.Chart]:
    """Every run as a point; of too many to be told apart, the mean as a point and the range of the runs as a line."""
    column, ranges = encode.axis.column, []
    if len(study) <= MAX_POINTS:
        tooltip, noted = run_tooltip(study), run_notes(study)
        points = noted[["run_id", "variant", *TOOLTIP_FIELDS, "note"]].assign(x=study[column], mean=study[panel.metric])
    else:
        tooltip, select, metric = range_tooltip(), None, panel.metric
        groups = study.assign(x=study[column]).groupby(["variant", "sparsity"], sort=False)
        ends = {"low": (metric, "min"), "high": (metric, "max")}
        points = groups.agg(x=("x", "mean"), mean=(metric, "mean"), seeds=("seed", "size"), **ends).reset_index()
    if not encode.axis.logarithmic:
        points["x"] += _offsets(points["variant"], [style.name for style in styles.values()])
    if "low" in points:
        ranges.append(alt.Chart(points).mark_rule(strokeWidth=2, tooltip=None).encode(**encode.interval("x")))
    fills = {style.name: style.color if style.filled else "transparent" for style in with_dense(styles).values()}
    chart = (
        alt.Chart(points.assign(fill=points["variant"].map(fills)))
        .mark_point(size=46, strokeWidth=1.5, opacity=0.9, cursor="pointer" if select else "default")
        .encode(encode.x("x"), encode.y(panel), encode.color, encode.fill, encode.shape, tooltip=tooltip)
    )
    return [*ranges, with_selection(chart, select)]


def with_selection(chart: alt.Chart, select: str | None) -> alt.Chart:
    """The points of ``chart``, of which a click puts the run_id into the selection called ``select``, if there is one."""
    return chart.add_params(alt.selection_point(name=select, fields=["run_id"])) if select else chart


def _offsets(variants: pd.Series[str], order: Sequence[str]) -> pd.Series[float]:
    """What moves the seeds of the variants at one sparsity side by side; the dense ones stay."""
    step = _SPREAD / max(len(order) - 1, 1)
    offsets = {variant: (rank - (len(order) - 1) / 2) * step for rank, variant in enumerate(order)}
    return variants.map(offsets).astype(float).fillna(0.0)
