"""Charts of one network: what pruning left of its layers, where it errs, and what its file consists of."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from core.i18n import t
from core.runs.diagnostics import BINS, Diagnostics, Layer

# Okabe and Ito's, as in the other charts. How much there is, is told by opacity: that reads on white and on black alike.
LEFT, GONE, GREY = "#0072B2", "#D55E00", "#808080"
_WORDS = "#7A7A7A"  # equally far from white and from the dark background
MAX_CLASSES = 25  # of which the accuracy is shown one by one
_PART_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
_ROW = alt.Step(26)
_PERCENT_AXIS = [0, 25, 50, 75, 100]


def layer_table(found: Diagnostics) -> pd.DataFrame:
    """One row a layer: its weights before and after pruning, and the percentage that is left; headings in the language."""
    return pd.DataFrame(
        {
            t("Layer"): [layer.name for layer in found.layers],
            t("Before"): [shape_text(layer.dense_shape) for layer in found.layers],
            t("After"): [shape_text(layer.shape) for layer in found.layers],
            t("Weights left"): [_weights_left(layer) for layer in found.layers],
            t("Left (%)"): [100 * layer.density for layer in found.layers],
        }
    )


def shape_text(shape: Sequence[int]) -> str:
    """A weight's shape as people write it: filters x channels x height x width."""
    return "×".join(map(str, shape))


def density_chart(found: Diagnostics) -> alt.LayerChart:
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
        for layer in found.layers
    )
    hover = [
        alt.Tooltip("layer:N", title=t("Layer")),
        alt.Tooltip("shapes:N", title=t("Shape")),
        alt.Tooltip("weights:Q", title=t("Weights left"), format=",d"),
        alt.Tooltip("left:Q", title=t("Weights left (%)"), format=".4~g"),
    ]
    return _bars(frame, t("Weights left (%)"), hover)


def filter_chart(found: Diagnostics) -> alt.LayerChart:
    """How many filters each convolution has left, as bars in the order of computation."""
    frame = pd.DataFrame(
        {
            "layer": layer.name,
            "left": 100 * layer.filters_left / layer.dense_shape[0],
            "all": 100,
            "label": t("{left} of {all}", left=layer.filters_left, all=layer.dense_shape[0]),
        }
        for layer in convolutions(found)
    )
    hover = [alt.Tooltip("layer:N", title=t("Layer")), alt.Tooltip("label:N", title=t("Filters left"))]
    return _bars(frame, t("Filters left (%)"), hover)


def filter_map(found: Diagnostics) -> alt.Chart:
    """Every filter of the dense network as a cell in the row of its layer: gone, or how much of it is left."""
    rows = [
        {
            "layer": layer.name,
            "filter": index,
            "start": index / layer.dense_shape[0],
            "end": (index + 1) / layer.dense_shape[0],
            "left": left,
        }
        for layer in convolutions(found)
        for index, left in enumerate(layer.filters or ())
    ]
    hover = [
        alt.Tooltip("layer:N", title=t("Layer")),
        alt.Tooltip("filter:Q", title=t("Filter")),
        alt.Tooltip("left:Q", title=t("Weights left (%)")),
    ]
    gone = alt.datum.left == 0
    chart: alt.Chart = (
        alt.Chart(pd.DataFrame(rows, columns=["layer", "filter", "start", "end", "left"]))
        .mark_rect(height={"band": 0.84})
        .encode(
            y=_layers_axis(),
            x=alt.X("start:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1], nice=False)),
            x2="end:Q",
            color=alt.when(gone).then(alt.value(GONE)).otherwise(alt.value(LEFT)),
            opacity=alt.when(gone)
            .then(alt.value(0.75))
            .otherwise(alt.Opacity("left:Q", scale=alt.Scale(domain=[0, 100], range=[0.35, 1]), legend=None)),
            tooltip=hover,
        )
        .properties(height=_ROW)
    )
    return chart


def weight_chart(layer: Layer) -> alt.Chart:
    """The weights of ``layer`` that are not zero, counted by their value."""
    edges = np.linspace(-layer.limit, layer.limit, BINS + 1)
    frame = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": layer.counts})
    hover = [
        alt.Tooltip("low:Q", title=t("From"), format=".3g"),
        alt.Tooltip("high:Q", title=t("To"), format=".3g"),
        alt.Tooltip("count:Q", title=t("Weights"), format=",d"),
    ]
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(color=LEFT, opacity=0.85, binSpacing=1)
        .encode(
            x=alt.X("low:Q", title=t("Value of the weight"), bin="binned", axis=alt.Axis(tickCount=7, grid=False)),
            x2="high:Q",
            y=alt.Y("count:Q", title=t("Weights"), axis=alt.Axis(tickCount=5, format="~s", tickMinStep=1)),
            tooltip=hover,
        )
        .properties(height=320)
    )
    return chart


def class_table(found: Diagnostics) -> pd.DataFrame:
    """One row a class that has test pictures: class, pictures, accuracy, dense_accuracy (percent) and change (points), the
    largest loss first."""
    frame = pd.DataFrame(
        {
            "class": found.classes,
            "pictures": found.pictures,
            "accuracy": 100 * np.array(found.correct),
            "dense_accuracy": 100 * np.array(found.dense_correct),
        }
    )
    frame = frame[frame["pictures"] > 0]
    for name in ("accuracy", "dense_accuracy"):
        frame[name] = frame[name] / frame["pictures"]
    frame["change"] = frame["accuracy"] - frame["dense_accuracy"]
    return frame.sort_values(["change", "accuracy"], ignore_index=True, kind="stable")


def class_chart(classes: pd.DataFrame, *, dense: bool) -> alt.LayerChart:
    """The accuracy of each class in ``classes``, rows of :func:`class_table`, and unless ``dense`` the way there from the
    dense network's."""
    frame = classes.assign(
        label=classes["change"].map("{:+.1f}".format), end=classes[["accuracy", "dense_accuracy"]].max(axis=1)
    )
    low = float(frame[["accuracy", "dense_accuracy"]].min().min())
    scale = alt.Scale(domain=[max(0.0, 5 * (low // 5) - 5), 104], nice=False)
    ticks = alt.Axis(tickCount=6, grid=True, labelFlush=False, labelExpr="datum.value > 100 ? '' : datum.label")
    hover = [
        alt.Tooltip("class:N", title=t("Class")),
        alt.Tooltip("accuracy:Q", title=t("Accuracy (%)"), format=".1f"),
        *([] if dense else [alt.Tooltip("dense_accuracy:Q", title=t("Dense (%)"), format=".1f")]),
        *([] if dense else [alt.Tooltip("change:Q", title=t("Change (points)"), format="+.1f")]),
        alt.Tooltip("pictures:Q", title=t("Test pictures"), format="d"),
    ]
    base = alt.Chart(frame).encode(y=alt.Y("class:N", sort=None, title=None, axis=_names_axis()), tooltip=hover)
    x = alt.X("accuracy:Q", title=t("Accuracy (%)"), scale=scale, axis=ticks)
    tone = alt.when(alt.datum.change < 0).then(alt.value(GONE)).otherwise(alt.value(LEFT))
    now = base.mark_point(shape="diamond", filled=True, size=95, opacity=1).encode(x=x, color=tone)
    if dense:
        return alt.LayerChart(layer=[now], height=alt.Step(26))
    way = base.mark_rule(strokeWidth=3, opacity=0.55).encode(x=x, x2="dense_accuracy:Q", color=tone)
    before = base.mark_point(shape="circle", filled=True, size=70, color=GREY, opacity=1).encode(
        x=alt.X("dense_accuracy:Q", scale=scale)
    )
    change = base.mark_text(align="left", dx=9, color=_WORDS).encode(x=alt.X("end:Q", scale=scale), text="label:N")
    return alt.LayerChart(layer=[way, before, now, change], height=alt.Step(26))


def confusion_chart(found: Diagnostics) -> alt.Chart:
    """Which class (row) is taken for which (column): what is right in one colour, mistakes in another."""
    rows = [
        {
            "truth": found.classes[truth],
            "predicted": found.classes[predicted],
            "count": count,
            "share": 100 * count / max(1, found.pictures[truth]),
            "right": truth == predicted,
        }
        for truth, row in enumerate(found.confusion)
        for predicted, count in enumerate(row)
    ]
    order = list(found.classes)
    hover = [
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
            y=alt.Y("truth:N", sort=order, title=None, axis=_names_axis()),
            color=alt.when(alt.datum.right).then(alt.value(LEFT)).otherwise(alt.value(GONE)),
            # The square root makes the few mistakes seen beside the many pictures that are right.
            opacity=alt.Opacity("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 100], range=[0, 1]), legend=None),
            tooltip=hover,
        )
        .properties(height=alt.Step(max(8, min(32, 700 // len(order)))))
    )
    return chart


def size_table(found: Diagnostics) -> pd.DataFrame:
    """The parts of the compressed file in bytes: part, bytes and share (percent)."""
    names = {
        t("Values of the weights"): found.parts["values"],
        t("Their positions among the zeros"): found.parts["positions"],
        t("BatchNorm and bias"): found.parts["norm"] + found.parts["bias"],
        t("Names and shapes"): found.parts["header"],
    }
    shares = [100 * size / max(1, found.size) for size in names.values()]
    return pd.DataFrame({"part": list(names), "bytes": list(names.values()), "share": shares})


def size_chart(found: Diagnostics) -> alt.LayerChart:
    """The compressed file by its parts, beside what the network takes without compression and what the dense one takes."""
    parts = size_table(found)
    this = t("This, compressed")
    whole = [(t("This, plain weights"), found.plain_size)]
    if found.dense != found.model:
        dense = [(t("Dense, plain weights"), found.dense_plain_size), (t("Dense, compressed"), found.dense_size)]
        whole = [*dense, *whole]
    rows = [{"file": name, "part": t("In one piece"), "bytes": size, "color": GREY} for name, size in whole]
    rows += [
        {"file": this, "part": part, "bytes": size, "color": color}
        for part, size, color in zip(parts["part"], parts["bytes"], _PART_COLORS, strict=True)
    ]
    frame = pd.DataFrame(rows).assign(mb=lambda frame: frame["bytes"] / 1e6, order=range(len(rows)))
    totals = pd.DataFrame([*whole, (this, found.size)], columns=["file", "bytes"])
    totals = totals.assign(mb=totals["bytes"] / 1e6, label=[f"{size / 1e6:.3g} MB" for size in totals["bytes"]])
    y = alt.Y("file:N", sort=None, title=None, axis=_names_axis())
    top = (
        1.18 * max(size for _, size in (*whole, (this, found.size))) / 1e6
    )  # room for the number beside the longest bar
    x = alt.X("mb:Q", title=t("Size (MB)"), scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=5))
    bars = (
        alt.Chart(frame)
        .mark_bar(height={"band": 0.62})
        .encode(
            y=y,
            x=x.stack("zero"),
            order="order:Q",
            color=alt.Color("color:N", scale=None),
            tooltip=[
                alt.Tooltip("file:N", title=t("File")),
                alt.Tooltip("part:N", title=t("Part")),
                alt.Tooltip("bytes:Q", title=t("Bytes"), format=",d"),
            ],
        )
    )
    numbers = alt.Chart(totals).mark_text(align="left", dx=5, color=_WORDS).encode(y=y, x=x, text="label:N")
    return alt.LayerChart(layer=[bars, numbers], height=alt.Step(38))


def part_colors() -> Sequence[str]:
    """The colours of the rows of :func:`size_table`."""
    return _PART_COLORS


def convolutions(found: Diagnostics) -> list[Layer]:
    """The layers that have filters."""
    return [layer for layer in found.layers if len(layer.shape) > 2]


def _weights_left(layer: Layer) -> int:
    return int(np.prod(layer.shape)) - layer.zeros


def _bars(frame: pd.DataFrame, title: str, hover: list[alt.Tooltip]) -> alt.LayerChart:
    """Bars of the percentage ``left`` of each ``layer`` before a track of 100, each with its ``label``."""
    axis = alt.Axis(values=_PERCENT_AXIS, grid=False, labelFlush=False)
    scale = alt.Scale(domain=[0, 118], nice=False)  # room for the labels
    left, full = (alt.X(f"{name}:Q", title=title, scale=scale, axis=axis) for name in ("left", "all"))
    base = alt.Chart(frame).encode(y=_layers_axis(), tooltip=hover)
    track = base.mark_bar(color=GREY, opacity=0.16, height={"band": 0.66}).encode(x=full)
    bars = base.mark_bar(color=LEFT, opacity=0.9, height={"band": 0.66}).encode(x=left)
    numbers = base.mark_text(align="left", dx=5, color=_WORDS).encode(x=full, text="label:N")
    return alt.LayerChart(layer=[track, bars, numbers], height=_ROW)


def _layers_axis() -> alt.Y:
    return alt.Y("layer:N", sort=None, title=None, axis=_names_axis())


def _names_axis() -> alt.Axis:
    return alt.Axis(labelLimit=150, labelFlush=False, ticks=False, domain=False, grid=False, labelPadding=6)
