"""Charts of one network: what pruning left of its layers, where it errs, and what its file consists of."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from core.charts.styles import GREY, KEPT, LOST, TEXT
from core.i18n import t
from core.runs.diagnostics import BINS, Diagnostics, Layer

# Opacity shows how much there is: that reads on white and on black alike.
MAX_CLASSES = 25  # of which the accuracy is shown one by one
_PART_COLORS = (KEPT, "#A9BAC8", "#7F95A8", "#C3CFD9")  # neighbours differ in lightness
_ROW = alt.Step(26)


def layer_table(diagnostics: Diagnostics) -> pd.DataFrame:
    """One row a layer: its weights before and after pruning, and the percentage left; headings in the user's language."""
    return pd.DataFrame(
        {
            t("Layer"): [layer.name for layer in diagnostics.layers],
            t("Before"): [shape_text(layer.dense_shape) for layer in diagnostics.layers],
            t("After"): [shape_text(layer.shape) for layer in diagnostics.layers],
            t("Weights left"): [_weights_left(layer) for layer in diagnostics.layers],
            t("Left (%)"): [100 * layer.density for layer in diagnostics.layers],
        }
    )


def shape_text(shape: Sequence[int]) -> str:
    """A weight's shape as people write it: filters x channels x height x width."""
    return "×".join(map(str, shape))


def density_chart(diagnostics: Diagnostics) -> alt.LayerChart:
    """How much of each layer is left, as bars in the order of computation."""
    frame = pd.DataFrame(
        {
            "layer": layer.name,
            "left": 100 * layer.density,
            "all": 100,
            "label": f"{100 * layer.density:.3g} %",
            "shapes": f"{shape_text(layer.dense_shape)} → {shape_text(layer.shape)}",
            "weights": _weights_left(layer),
        }
        for layer in diagnostics.layers
    )
    tooltip = [
        alt.Tooltip("layer:N", title=t("Layer")),
        alt.Tooltip("shapes:N", title=t("Shape")),
        alt.Tooltip("weights:Q", title=t("Weights left"), format=",d"),
        alt.Tooltip("left:Q", title=t("Weights left (%)"), format=".4~g"),
    ]
    return _bars(frame, t("Weights left (%)"), tooltip)


def filter_chart(diagnostics: Diagnostics) -> alt.LayerChart:
    """How many filters each convolution has left, as bars in the order of computation."""
    frame = pd.DataFrame(
        {
            "layer": layer.name,
            "left": 100 * layer.filters_left / layer.dense_shape[0],
            "all": 100,
            "label": t("{left} of {all}", left=layer.filters_left, all=layer.dense_shape[0]),
        }
        for layer in convolutions(diagnostics)
    )
    tooltip = [alt.Tooltip("layer:N", title=t("Layer")), alt.Tooltip("label:N", title=t("Filters left"))]
    return _bars(frame, t("Filters left (%)"), tooltip)


def filter_map(diagnostics: Diagnostics) -> alt.Chart:
    """Every filter of the dense network as a cell in the row of its layer: gone, or how much of it is left."""
    rows = [
        {
            "layer": layer.name,
            "filter": index,
            "start": index / layer.dense_shape[0],
            "end": (index + 1) / layer.dense_shape[0],
            "left": left,
        }
        for layer in convolutions(diagnostics)
        for index, left in enumerate(layer.filters or ())
    ]
    tooltip = [
        alt.Tooltip("layer:N", title=t("Layer")),
        alt.Tooltip("filter:Q", title=t("Filter")),
        alt.Tooltip("left:Q", title=t("Weights left (%)")),
    ]
    gone = alt.datum.left == 0
    chart: alt.Chart = (
        alt.Chart(pd.DataFrame(rows, columns=["layer", "filter", "start", "end", "left"]))
        .mark_rect(height={"band": 0.84})
        .encode(
            y=_names("layer:N"),
            x=alt.X("start:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1], nice=False)),
            x2="end:Q",
            color=alt.when(gone).then(alt.value(LOST)).otherwise(alt.value(KEPT)),
            opacity=alt.when(gone)
            .then(alt.value(0.75))
            .otherwise(alt.Opacity("left:Q", scale=alt.Scale(domain=[0, 100], range=[0.35, 1]), legend=None)),
            tooltip=tooltip,
        )
        .properties(height=_ROW)
    )
    return chart


def weight_chart(layer: Layer) -> alt.Chart:
    """The weights of ``layer`` that are not zero, counted by their value."""
    edges = np.linspace(-layer.limit, layer.limit, BINS + 1)
    frame = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": layer.counts})
    tooltip = [
        alt.Tooltip("low:Q", title=t("From"), format=".3g"),
        alt.Tooltip("high:Q", title=t("To"), format=".3g"),
        alt.Tooltip("count:Q", title=t("Weights"), format=",d"),
    ]
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(color=KEPT, opacity=0.85, binSpacing=1)
        .encode(
            x=alt.X("low:Q", title=t("Value of the weight"), bin="binned", axis=alt.Axis(tickCount=7, grid=False)),
            x2="high:Q",
            y=alt.Y("count:Q", title=t("Weights"), axis=alt.Axis(tickCount=5, format="~s", tickMinStep=1)),
            tooltip=tooltip,
        )
        .properties(height=320)
    )
    return chart


def class_table(diagnostics: Diagnostics) -> pd.DataFrame:
    """One row a class that has test pictures: class, pictures, accuracy, dense_accuracy (percent) and change (points), the
    largest loss first."""
    frame = pd.DataFrame(
        {
            "class": diagnostics.classes,
            "pictures": diagnostics.pictures,
            "accuracy": 100 * np.array(diagnostics.correct),
            "dense_accuracy": 100 * np.array(diagnostics.dense_correct),
        }
    )
    frame = frame[frame["pictures"] > 0]
    frame[["accuracy", "dense_accuracy"]] = frame[["accuracy", "dense_accuracy"]].div(frame["pictures"], axis=0)
    frame["change"] = frame["accuracy"] - frame["dense_accuracy"]
    return frame.sort_values(["change", "accuracy"], ignore_index=True, kind="stable")


def class_chart(classes: pd.DataFrame, *, dense: bool) -> alt.LayerChart:
    """The accuracy of each class in ``classes``, rows of :func:`class_table`, and unless ``dense`` the change from the dense
    network's."""
    frame = classes.assign(
        label=classes["change"].map("{:+.1f}".format), end=classes[["accuracy", "dense_accuracy"]].max(axis=1)
    )
    low = float(frame[["accuracy", "dense_accuracy"]].min().min())
    scale = alt.Scale(domain=[max(0.0, 5 * (low // 5) - 5), 104], nice=False)
    ticks = alt.Axis(tickCount=6, grid=True, labelFlush=False, labelExpr="datum.value > 100 ? '' : datum.label")
    tooltip = [
        alt.Tooltip("class:N", title=t("Class")),
        alt.Tooltip("accuracy:Q", title=t("Accuracy (%)"), format=".1f"),
        *([] if dense else [alt.Tooltip("dense_accuracy:Q", title=t("Dense (%)"), format=".1f")]),
        *([] if dense else [alt.Tooltip("change:Q", title=t("Change (points)"), format="+.1f")]),
        alt.Tooltip("pictures:Q", title=t("Test pictures"), format="d"),
    ]
    base = alt.Chart(frame).encode(y=_names("class:N"), tooltip=tooltip)
    x = alt.X("accuracy:Q", title=t("Accuracy (%)"), scale=scale, axis=ticks)
    tone = alt.when(alt.datum.change < 0).then(alt.value(LOST)).otherwise(alt.value(KEPT))
    now = base.mark_point(shape="diamond", filled=True, size=95, opacity=1).encode(x=x, color=tone)
    if dense:
        return alt.LayerChart(layer=[now], height=_ROW)
    change_line = base.mark_rule(strokeWidth=3, opacity=0.55).encode(x=x, x2="dense_accuracy:Q", color=tone)
    before = base.mark_point(shape="circle", filled=True, size=70, color=GREY, opacity=1).encode(
        x=alt.X("dense_accuracy:Q", scale=scale)
    )
    change = base.mark_text(align="left", dx=9, color=TEXT).encode(x=alt.X("end:Q", scale=scale), text="label:N")
    return alt.LayerChart(layer=[change_line, before, now, change], height=_ROW)


def confusion_chart(diagnostics: Diagnostics) -> alt.Chart:
    """Which class (row) is taken for which (column): what is right in one colour, mistakes in another."""
    rows = [
        {
            "truth": diagnostics.classes[truth],
            "predicted": diagnostics.classes[predicted],
            "count": count,
            "share": 100 * count / max(1, diagnostics.pictures[truth]),
            "right": truth == predicted,
        }
        for truth, row in enumerate(diagnostics.confusion)
        for predicted, count in enumerate(row)
    ]
    order = list(diagnostics.classes)
    tooltip = [
        alt.Tooltip("truth:N", title=t("Class")),
        alt.Tooltip("predicted:N", title=t("Taken for")),
        alt.Tooltip("count:Q", title=t("Test pictures"), format="d"),
        alt.Tooltip("share:Q", title=t("Share of the class (%)"), format=".1f"),
    ]
    crowded = len(order) > 20
    names = alt.Axis(
        labelLimit=90, labelFlush=False, labelAngle=-40, labelOverlap=crowded, ticks=False, domain=False, grid=False
    )
    chart: alt.Chart = (
        alt.Chart(pd.DataFrame(rows, columns=["truth", "predicted", "count", "share", "right"]))
        .mark_rect(stroke=GREY, strokeOpacity=0.25, strokeWidth=0.5)
        .encode(
            x=alt.X("predicted:N", sort=order, title=t("Taken for"), axis=names),
            y=_names("truth:N", order),
            color=alt.when(alt.datum.right).then(alt.value(KEPT)).otherwise(alt.value(LOST)),
            # The square root makes the few mistakes seen beside the many pictures that are right.
            opacity=alt.Opacity("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 100], range=[0, 1]), legend=None),
            tooltip=tooltip,
        )
        .properties(height=alt.Step(max(8, min(32, 700 // len(order)))))
    )
    return chart


def size_table(diagnostics: Diagnostics) -> pd.DataFrame:
    """The parts of the compressed file: part, bytes, share (percent) and the color that stands for it."""
    parts = diagnostics.parts
    sizes = {
        t("Values of the weights"): parts["values"],
        t("Their positions among the zeros"): parts["positions"],
        t("BatchNorm and bias"): parts["norm"] + parts["bias"],
        t("Names and shapes"): parts["header"],
    }
    table = pd.DataFrame({"part": list(sizes), "bytes": list(sizes.values()), "color": _PART_COLORS})
    return table.assign(share=100 * table["bytes"] / max(1, diagnostics.size))


def size_chart(diagnostics: Diagnostics) -> alt.LayerChart:
    """The compressed file by its parts, beside what the network takes without compression and what the dense one takes."""
    this = t("This, compressed")
    sizes = {t("This, plain weights"): diagnostics.plain_size, this: diagnostics.size}
    if diagnostics.dense != diagnostics.model:
        dense = {
            t("Dense, plain weights"): diagnostics.dense_plain_size,
            t("Dense, compressed"): diagnostics.dense_size,
        }
        sizes = dense | sizes
    totals = pd.DataFrame({"file": list(sizes), "bytes": list(sizes.values())})
    whole = totals[totals["file"] != this].assign(part=t("In one piece"), color=GREY)
    parts = size_table(diagnostics).drop(columns="share").assign(file=this)
    frame = pd.concat([whole, parts], ignore_index=True)
    frame = frame.assign(mb=frame["bytes"] / 1e6, order=frame.index)
    totals = totals.assign(mb=totals["bytes"] / 1e6, label=(totals["bytes"] / 1e6).map("{:.3g} MB".format))
    scale = alt.Scale(domain=[0, 1.18 * totals["mb"].max()], nice=False)  # the longest bar leaves space for its label
    x, y = alt.X("mb:Q", title=t("Size (MB)"), scale=scale, axis=alt.Axis(tickCount=5)), _names("file:N")
    tooltip = [
        alt.Tooltip("file:N", title=t("File")),
        alt.Tooltip("part:N", title=t("Part")),
        alt.Tooltip("bytes:Q", title=t("Bytes"), format=",d"),
    ]
    color = alt.Color("color:N", scale=None)
    bars = alt.Chart(frame).mark_bar(height={"band": 0.62})
    bars = bars.encode(y=y, x=x.stack("zero"), order="order:Q", color=color, tooltip=tooltip)
    numbers = alt.Chart(totals).mark_text(align="left", dx=5, color=TEXT).encode(y=y, x=x, text="label:N")
    return alt.LayerChart(layer=[bars, numbers], height=alt.Step(38))


def convolutions(diagnostics: Diagnostics) -> list[Layer]:
    """The layers that have filters."""
    return [layer for layer in diagnostics.layers if len(layer.shape) > 2]


def _weights_left(layer: Layer) -> int:
    return int(np.prod(layer.shape)) - layer.zeros


def _bars(frame: pd.DataFrame, title: str, tooltip: list[alt.Tooltip]) -> alt.LayerChart:
    """Bars of the percentage ``left`` of each ``layer`` before a track of 100, each with its ``label``."""
    axis = alt.Axis(values=[0, 25, 50, 75, 100], grid=False, labelFlush=False)
    scale = alt.Scale(domain=[0, 118], nice=False)  # room for the labels
    left, full = (alt.X(f"{name}:Q", title=title, scale=scale, axis=axis) for name in ("left", "all"))
    base = alt.Chart(frame).encode(y=_names("layer:N"), tooltip=tooltip)
    track = base.mark_bar(color=GREY, opacity=0.16, height={"band": 0.66}).encode(x=full)
    bars = base.mark_bar(color=KEPT, opacity=0.9, height={"band": 0.66}).encode(x=left)
    numbers = base.mark_text(align="left", dx=5, color=TEXT).encode(x=full, text="label:N")
    return alt.LayerChart(layer=[track, bars, numbers], height=_ROW)


def _names(field: str, order: list[str] | None = None) -> alt.Y:
    """Names along the y axis, in ``order`` or in that of the rows."""
    axis = alt.Axis(labelLimit=150, labelFlush=False, ticks=False, domain=False, grid=False, labelPadding=6)
    return alt.Y(field, sort=order, title=None, axis=axis)
