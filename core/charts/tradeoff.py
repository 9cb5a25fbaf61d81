"""Charts of what pruning keeps and costs. The same method has the same colour and point shape everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import pandas as pd

from core.charts.tooltips import TOOLTIP_FIELDS, range_tooltip, run_tooltip
from core.i18n import N_, t
from core.labels import variant_names
from core.results.metrics import METRICS
from core.spec.methods import DENSE, variant_label
from core.spec.methods import METHODS as PRUNING_METHODS

# Okabe and Ito's colours, told apart by colour-blind people, those first that stand out on white and on black alike; then
# three of Paul Tol's. No two methods share a colour or a shape.
_STAR = "M0,.5L.6,.8L.5,.1L1,-.3L.3,-.4L0,-1L-.3,-.4L-1,-.3L-.5,.1L-.6,.8L0,.5Z"
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#AA4499", "#999933", "#CC3311")
_TRIANGLES = ("triangle-down", "triangle-right", "triangle-left")
_SHAPES = ("circle", "square", "triangle-up", "diamond", *_TRIANGLES, "cross", _STAR)
_GLYPHS = ("●○", "■□", "▲△", "◆◇", "▼▽", "▶▷", "◀◁", "✚✛", "★☆")
_DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))
_SPREAD = 0.016  # over which the seeds of all methods at one sparsity are laid side by side


@dataclass(frozen=True, slots=True)
class Style:
    """How a method variant is drawn and what it is called: colour and shape are its method's, dash and filling tell its
    variants apart."""

    color: str
    shape: str
    glyph: str
    dash: tuple[int, ...] = (1, 0)
    filled: bool = True
    name: str = ""


BEFORE_DASH = (3, 3)  # of the lines that show accuracy before fine-tuning
DENSE_STYLE = Style("#808080", "circle", "●", (4, 4))


def with_dense(looks: Mapping[str, Style]) -> dict[str, Style]:
    """``looks`` and the dense run's, in the order of a legend."""
    return {**looks, variant_label(DENSE, {}): replace(DENSE_STYLE, name=t("Dense"))}


def localized_styles(looks: Mapping[str, Style]) -> dict[str, Style]:
    """``looks`` by the names that a legend shows."""
    return {look.name: look for look in looks.values()}


def localized_variants(frame: pd.DataFrame, looks: Mapping[str, Style]) -> pd.DataFrame:
    """``frame`` with its column ``variant`` by the same names, as far as there are any."""
    names = {variant: look.name for variant, look in with_dense(looks).items()}
    return frame.assign(variant=frame["variant"].replace(names))


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


def draws_every_run(study: pd.DataFrame, looks: Mapping[str, Style]) -> bool:
    """Whether each run of the variants shown is a point of its own."""
    return bool((study["variant"].isin(list(looks)) | (study["method"] == DENSE)).sum() <= MAX_POINTS)


def styles(summary: pd.DataFrame) -> dict[str, Style]:
    """The style of every pruned variant in ``summary``, in its order. Give it all that a study has, not what is shown,
    so that hiding one variant never changes another."""
    found: dict[str, Style] = {}
    pruned = summary[summary["method"] != DENSE].drop_duplicates("variant")
    names = variant_names(pruned)
    slots = {name: slot for slot, name in enumerate(PRUNING_METHODS)}
    for method, variants in pruned.groupby("method", sort=False)["variant"]:
        slot = slots[str(method)] % len(_COLORS)
        for rank, variant in enumerate(variants):
            filled = rank % 2 == 0
            glyph = _GLYPHS[slot][0 if filled else 1]
            dash = _DASHES[rank % len(_DASHES)]
            found[variant] = Style(_COLORS[slot], _SHAPES[slot], glyph, dash, filled, names[variant])
    return found


def tradeoff_chart(
    panel: Panel,
    study: pd.DataFrame,
    summary: pd.DataFrame,
    looks: Mapping[str, Style],
    *,
    axis: Axis = SPARSITY,
    before: pd.DataFrame | None = None,
    legend: bool = False,
    height: int = 300,
    select: str | None = None,
) -> alt.LayerChart:
    """One metric against ``axis``: every seed as a point, a line through the means that starts at dense, and the 95 %
    interval of the means as a band where there is one. ``looks`` names the variants to show. ``before``: the accuracy
    before fine-tuning, with the columns variant, sparsity and accuracy, as dashed lines behind all that; only against
    sparsity. ``select``: the selection into which a click on a point puts its run_id."""
    study, summary = (localized_variants(rows, looks) for rows in (study, summary))
    if before is not None:
        before = localized_variants(before, looks) if axis == SPARSITY else None
    looks = localized_styles(looks)
    encode = _Encoding(looks, axis, legend)
    lines = alt.Chart(_lines(panel, summary, looks, axis)).mark_line(strokeWidth=2.25, tooltip=None)
    behind = [] if before is None else [_before(before, _around(panel, study, summary, looks), looks, encode)]
    layers = [
        *behind,
        *_bands(_intervals(panel, summary, looks, axis), encode),
        _dense_rule(panel, summary),
        lines.encode(encode.x(axis.column), encode.y(panel), encode.color, encode.dash, alt.Order("sparsity:Q")),
        *_seeds(panel, study, looks, encode, select),
    ]
    return alt.LayerChart(layer=layers, height=height, padding={"left": 0, "top": 4, "right": 6, "bottom": 6})


class _Encoding:
    """The channels that all layers share, so that they share one scale and one legend."""

    def __init__(self, looks: Mapping[str, Style], axis: Axis, legend: bool) -> None:
        self.t, self.axis = t, axis
        drawn = localized_styles(with_dense(looks))
        key = (
            alt.Legend(title=None, orient="bottom", columns=2, symbolSize=90, symbolOpacity=1, symbolDash=[1, 0])
            if legend
            else None
        )

        def scale(values: Iterable[Any]) -> alt.Scale:
            return alt.Scale(domain=list(drawn), range=list(values))

        colors = scale(style.color for style in drawn.values())
        self.color = alt.Color("variant:N", scale=colors, legend=key)
        self.fill = alt.Fill("fill:N", scale=None)
        self.shape = alt.Shape("variant:N", scale=scale(style.shape for style in drawn.values()), legend=key)
        self.dash = alt.StrokeDash("variant:N", scale=scale(style.dash for style in drawn.values()), legend=None)

    def x(self, column: str) -> alt.X:
        title = t(self.axis.title)
        if self.axis.logarithmic:
            axis = alt.Axis(title=title, format="~g", grid=False, tickCount=6)
            return alt.X(f"{column}:Q", axis=axis, scale=alt.Scale(type="log", nice=False, padding=12))
        axis = alt.Axis(title=title, values=[0, 0.2, 0.4, 0.6, 0.8, 1], format=".1f", grid=False, labelFlush=False)
        return alt.X(f"{column}:Q", axis=axis, scale=alt.Scale(domain=[-0.02, 1.0], nice=False))

    def y(self, panel: Panel, column: str = "mean") -> alt.Y:
        # The title lies flat above the axis: readable, and it costs no width on a phone.
        axis = alt.Axis(
            title=t(panel.title),
            titleAngle=0,
            titleAlign="left",
            titleAnchor="start",
            titleX=0,
            titleY=-14,
            format=panel.form or alt.Undefined,
        )
        return alt.Y(f"{column}:Q", axis=axis, scale=alt.Scale(zero=panel.from_zero, nice=True))


def _lines(panel: Panel, summary: pd.DataFrame, looks: Mapping[str, Style], axis: Axis) -> pd.DataFrame:
    """The means of each variant, from the dense mean on."""
    columns = list(dict.fromkeys(["variant", "sparsity", axis.column, panel.metric]))
    dense = summary.loc[summary["method"] == DENSE, columns]
    pruned = summary.loc[summary["variant"].isin(list(looks)), columns]
    starts = [dense.assign(variant=variant) for variant in pruned["variant"].unique()]
    lines = pd.concat([*starts, pruned]).drop_duplicates(["variant", "sparsity"], keep="last")
    return lines.rename(columns={panel.metric: "mean"})


def _intervals(panel: Panel, summary: pd.DataFrame, looks: Mapping[str, Style], axis: Axis = SPARSITY) -> pd.DataFrame:
    """The ends of the means' intervals, dense included, cut to what is possible; NaN where there is none."""
    shown = summary[summary["variant"].isin(list(looks)) | (summary["method"] == DENSE)]
    mean, half = shown[panel.metric], shown[f"{panel.metric}_ci"]
    ends = {"low": (mean - half).clip(lower=0), "high": (mean + half).clip(upper=panel.highest)}
    return shown[list(dict.fromkeys(["variant", "sparsity", axis.column]))].assign(**ends)


def _bands(intervals: pd.DataFrame, encode: _Encoding) -> list[alt.Chart]:
    """The intervals as bands, and as bars so that a single one shows too; nothing where no mean has one."""
    if intervals["low"].isna().all():
        return []
    ends = {"x": encode.x(encode.axis.column), "y": alt.Y("low:Q"), "y2": alt.Y2("high"), "color": encode.color}
    chart = alt.Chart(intervals)
    return [
        chart.mark_area(opacity=0.16, strokeWidth=0, tooltip=None).encode(**ends),
        chart.mark_rule(opacity=0.5, tooltip=None).encode(**ends),
    ]


def _before(
    before: pd.DataFrame, domain: tuple[float, float], looks: Mapping[str, Style], encode: _Encoding
) -> alt.Chart:
    """Accuracy before fine-tuning, cut off at the ends of ``domain``: it falls to that of a guess, and differences between
    fine-tuned networks could not be seen beside that."""
    t = encode.t
    points = before.loc[before["variant"].isin(list(looks)), ["variant", "sparsity", "accuracy"]]
    hover = [
        alt.Tooltip("variant:N", title=t("Method")),
        alt.Tooltip("when:N", title=t("When")),
        alt.Tooltip("sparsity:Q", title=t("Sparsity"), format="~g"),
        alt.Tooltip("accuracy:Q", title=t("Test accuracy (%)"), format=".2f"),
    ]
    chart: alt.Chart = (
        alt.Chart(points.assign(when=t("before fine-tuning")))
        .mark_line(strokeWidth=1.25, strokeDash=list(BEFORE_DASH), clip=True, point={"opacity": 0, "size": 60})
        .encode(
            encode.x("sparsity"),
            alt.Y("accuracy:Q", scale=alt.Scale(domain=list(domain))),
            encode.color,
            tooltip=hover,
        )
    )
    return chart


def _around(
    panel: Panel, study: pd.DataFrame, summary: pd.DataFrame, looks: Mapping[str, Style]
) -> tuple[float, float]:
    """The range of all that is measured of the variants shown, with some room below."""
    seeds = study.loc[study["variant"].isin(list(looks)) | (study["method"] == DENSE), panel.metric]
    ends = pd.concat([seeds, *(_intervals(panel, summary, looks)[end] for end in ("low", "high"))])
    low, high = float(ends.min()), float(ends.max())
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
    panel: Panel, study: pd.DataFrame, looks: Mapping[str, Style], encode: _Encoding, select: str | None
) -> list[alt.Chart]:
    """Every run as a point; of too many to be told apart, the mean as a point and the range of the runs as a line."""
    shown = study[study["variant"].isin(list(looks)) | (study["method"] == DENSE)]
    fills = {look.name: look.color if look.filled else "transparent" for look in with_dense(looks).values()}
    ranges = []
    if draws_every_run(study, looks):
        told = run_tooltip()
        fields = dict.fromkeys(["run_id", "variant", encode.axis.column, *TOOLTIP_FIELDS])
        points = _placed(shown[list(fields)].assign(mean=shown[panel.metric]), looks, encode.axis)
    else:
        told, select = range_tooltip(), None
        groups = shown.assign(along=shown[encode.axis.column]).groupby(["variant", "sparsity"], sort=False)
        means = groups.agg(
            mean=(panel.metric, "mean"),
            low=(panel.metric, "min"),
            high=(panel.metric, "max"),
            seeds=("seed", "size"),
            along=("along", "mean"),
        )
        points = _placed(means.reset_index().assign(**{encode.axis.column: list(means["along"])}), looks, encode.axis)
        ends = {"x": encode.x("x"), "y": alt.Y("low:Q"), "y2": alt.Y2("high"), "color": encode.color}
        ranges.append(alt.Chart(points).mark_rule(strokeWidth=2, tooltip=None).encode(**ends))
    chart = (
        alt.Chart(points.assign(fill=points["variant"].map(fills)))
        .mark_point(size=46, strokeWidth=1.5, opacity=0.9, cursor="pointer" if select else "default")
        .encode(
            encode.x("x"),
            encode.y(panel),
            encode.color,
            encode.fill,
            encode.shape,
            tooltip=[alt.Tooltip("variant:N", title=t("Method")), *told],
        )
    )
    return [*ranges, chart.add_params(alt.selection_point(name=select, fields=["run_id"])) if select else chart]


def _placed(points: pd.DataFrame, looks: Mapping[str, Style], axis: Axis) -> pd.DataFrame:
    x = points[axis.column] if axis.logarithmic else _side_by_side(points, list(looks))
    return points.assign(x=x)


def _side_by_side(points: pd.DataFrame, variants: Sequence[str]) -> pd.Series[float]:
    step = _SPREAD / max(len(variants) - 1, 1)
    offsets = {variant: (rank - (len(variants) - 1) / 2) * step for rank, variant in enumerate(variants)}
    return points["sparsity"] + points["variant"].map(offsets).astype(float).fillna(0.0)
