"""The charts of the Compare page that follow the slider; a click on a point opens its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.charts import tradeoff as charts
from core.charts.slider import slider_data
from core.charts.styles import Style, with_dense
from core.i18n import t
from core.spec.methods import METHODS
from ui.compare.cards import before_help, swatch
from ui.compare.study_view import RUN, Drawing, StudyView
from ui.shared.components import select, toggle
from ui.shared.url import go

AXES = {"sparsity": charts.SPARSITY, "ratio": charts.RATIO}
CLICKED_RUN, CLICKS = "clicked run", "clicks on runs"  # in the session state


def show_charts(view: StudyView, marked: pd.DataFrame, shown: Mapping[str, Style], sparsity: float) -> None:
    st.subheader(t("Trade-off"), anchor=False)
    axis, latency, before = select_view(view, shown)
    styles = with_dense(shown).values()
    st.markdown("&ensp; ".join(f"{swatch(style)}&nbsp;{style.name.replace(' ', '&nbsp;')}" for style in styles))
    panels = (charts.ACCURACY, charts.SIZE, latency, charts.MACS)
    rows = [*st.columns(2, gap="medium"), *st.columns(2, gap="medium")]
    for column, panel in zip(rows, panels, strict=True):
        drawing = view.tradeoff(panel, shown, axis, before and panel is charts.ACCURACY)
        data = slider_data(panel, marked, shown, sparsity, axis)
        alt = t("{metric} against {axis}", metric=t(panel.title), axis=t(axis.title))
        show_chart(column, drawing, data, f"{panel.metric} {axis.column} {before}", alt)
    notes = chart_notes(view, shown, axis, before)
    if not marked["measured"].all():
        notes.append(t("A ring without points in it is interpolated; lines end where the next point is too far away."))
    st.caption(" ".join(notes))


def select_view(view: StudyView, shown: Mapping[str, Style]) -> tuple[charts.Axis, charts.Panel, bool]:
    """What the charts are drawn against, whose latency, and whether with the curves before fine-tuning."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    with row:
        x = select(
            st.segmented_control,
            t("Against"),
            "x",
            {"sparsity": t("Sparsity"), "ratio": t("Compression ratio")},
            "sparsity",
            help=t(
                "Compression ratio: the size of the dense file over that of the compressed one. Its axis is "
                "logarithmic and dense stands at 1; sparsity has no such axis, as dense is 0."
            ),
        )
        kinds = {"one": t("One image"), "batch": t("Large batch")}
        latency = select(st.segmented_control, t("Latency of"), "latency", kinds, "one")
        before = False
        if x == "sparsity" and view.before["variant"].isin(list(shown)).any():
            before = toggle(row, "┄ " + t("Before fine-tuning"), "before", True, help=before_help())
    return AXES[x], charts.BATCH_LATENCY if latency == "batch" else charts.LATENCY, before


def show_chart(
    column: DeltaGenerator, drawing: Drawing, data: Mapping[str, list[dict[str, Any]]], key: str, alt: str
) -> None:
    """The chart with ``data`` in its places; a click on a point opens its run. ``key`` tells charts apart on the page."""
    small = {name: pa.Table.from_pylist(rows) for name, rows in data.items()}
    spec = {**drawing.spec, "datasets": {**drawing.data, **small}}
    if "params" not in spec:
        column.vega_lite_chart(spec, key=f"chart {key}", alt=alt)
        return
    # A new key after each run that was opened: what was clicked then is not selected any more.
    key = f"chart {key} {st.session_state.get(CLICKS, 0)}"
    column.vega_lite_chart(spec, key=key, alt=alt, selection_mode=RUN, on_select=lambda: store_clicked_run(key))


def store_clicked_run(key: str) -> None:
    points = st.session_state[key].selection.get(RUN) or []
    if points and isinstance(points[0].get("run_id"), str):
        st.session_state[CLICKED_RUN] = points[0]["run_id"]
        st.session_state[CLICKS] = st.session_state.get(CLICKS, 0) + 1


def open_clicked_run() -> None:
    """Go to the run whose point was clicked, if one was."""
    run_id = st.session_state.pop(CLICKED_RUN, None)
    if run_id is not None:
        go("model", run=run_id)


def chart_notes(view: StudyView, shown: Mapping[str, Style], axis: charts.Axis, before: bool) -> list[str]:
    """What the charts show and what they do not."""
    if charts.draws_every_run(view.runs, shown):
        notes = [
            t(
                "Small points are seeds, and a click on one opens its run; large points are means, and the shade is "
                "their 95 % interval."
            )
        ]
    else:
        notes = [
            t(
                "Of more than {n:,} runs only the range is drawn, from the lowest seed to the highest; points are "
                "means, and the shade is the 95 % interval of the mean. Choose fewer methods to see every seed.",
                n=charts.MAX_POINTS,
            )
        ]
    notes.append(t("Each network was timed in turns with its dense one; the milliseconds stand in the table."))
    if axis.logarithmic:
        notes.append(
            t("At one sparsity each method has a ratio of its own, so the slider is a ring on each line here.")
        )
    if before:
        pictures = int(view.before["pictures"].min())
        notes.append(
            t(
                "Dashed: before fine-tuning, on {pictures:,} test pictures, cut off where it leaves the range of the "
                "runs.",
                pictures=pictures,
            )
        )
    methods = view.summary.loc[view.summary["variant"].isin(list(shown)), "method"]
    if any(METHODS[method].kind == "unstructured" for method in methods):
        notes.append(
            t("Unstructured sparsity gives no speed-up on ordinary kernels: zeros are multiplied like other numbers.")
        )
    return notes
