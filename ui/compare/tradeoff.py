"""The charts of the Compare page that follow the slider, and the way from a point to its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.charts import tradeoff as charts
from core.charts.slider import slider_data
from core.i18n import t
from core.spec.methods import METHODS
from ui.compare.cards import before_help, swatch
from ui.compare.study_view import BOUND, RUN, Drawing, Study
from ui.shared.url import go, read_choice, read_flag, write_if_chosen

AXES = {"sparsity": charts.SPARSITY, "ratio": charts.RATIO}
OPENED = "run to open"  # in the session state
CLICKS = "runs opened"


def show_charts(study: Study, marked: pd.DataFrame, shown: Mapping[str, charts.Style], sparsity: float) -> None:
    st.subheader(t("Trade-off"), anchor=False)
    axis, latency, before = choose_view(study, shown)
    looks = charts.with_dense(shown).values()
    st.markdown("&ensp; ".join(f"{swatch(look)}&nbsp;{look.name.replace(' ', '&nbsp;')}" for look in looks))
    panels = (charts.ACCURACY, charts.SIZE, latency, charts.MACS)
    rows = [*st.columns(2, gap="medium"), *st.columns(2, gap="medium")]
    for column, panel in zip(rows, panels, strict=True):
        drawing = study.tradeoff(panel, shown, axis, before and panel is charts.ACCURACY)
        data = slider_data(panel, marked, shown, sparsity, axis)
        alt = t("{metric} against {axis}", metric=t(panel.title), axis=t(axis.title))
        draw(column, drawing, data, f"{panel.metric} {axis.column} {before}", alt)
    st.caption(" ".join(notes(study, shown, axis, before)))


def choose_view(study: Study, shown: Mapping[str, charts.Style]) -> tuple[charts.Axis, charts.Panel, bool]:
    """What the charts are drawn against, whose latency, and whether with the curves before fine-tuning."""
    read_choice("x", list(AXES), "sparsity")
    read_choice("latency", ["one", "batch"], "one")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        x = st.segmented_control(
            t("Against"),
            list(AXES),
            format_func=lambda name: t("Sparsity") if name == "sparsity" else t("Compression ratio"),
            required=True,
            key="x",
            help=t(
                "Compression ratio: the size of the dense file over that of the compressed one. Its "
                "axis is logarithmic and dense stands at 1; sparsity has no such axis, as dense is 0.",
            ),
        )
        latency = st.segmented_control(
            t("Latency of"),
            ["one", "batch"],
            format_func=lambda kind: t("Large batch") if kind == "batch" else t("One image"),
            required=True,
            key="latency",
        )
        before = False
        if x == "sparsity" and study.before["variant"].isin(list(shown)).any():
            read_flag("before", True)
            before = st.toggle("┄ " + t("Before fine-tuning"), key="before", help=before_help())
            write_if_chosen(before=(before, True))
    write_if_chosen(x=(x, "sparsity"), latency=(latency, "one"))
    return AXES[x or "sparsity"], charts.BATCH_LATENCY if latency == "batch" else charts.LATENCY, before


def draw(
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
    column.vega_lite_chart(spec, key=key, alt=alt, selection_mode=RUN, on_select=lambda: note_click(key))


def note_click(key: str) -> None:
    points = st.session_state[key].selection.get(RUN) or []
    if points and isinstance(points[0].get("run_id"), str):
        st.session_state[OPENED] = points[0]["run_id"]
        st.session_state[CLICKS] = st.session_state.get(CLICKS, 0) + 1


def open_clicked_run() -> None:
    """Go to the run whose point was clicked, if one was."""
    run_id = st.session_state.pop(OPENED, None)
    if run_id is not None:
        go("model", bound=BOUND, run=run_id)


def notes(study: Study, shown: Mapping[str, charts.Style], axis: charts.Axis, before: bool) -> list[str]:
    """What the charts show and what they do not."""
    if charts.draws_every_run(study.runs, shown):
        found = [
            t(
                "Points are seeds, and a click on one opens its run. Lines go through the means, the shade is the 95 % "
                "interval of the mean."
            )
        ]
    else:
        found = [
            t(
                "Of more than {n:,} runs only the range is drawn, from the lowest seed to the highest; "
                "points are means, and the shade is the 95 % interval of the mean. Choose fewer "
                "methods to see every seed.",
                n=charts.MAX_POINTS,
            )
        ]
    found.append(t("Each network was timed in turns with its dense one; the milliseconds stand in the table."))
    if axis.logarithmic:
        found.append(
            t("At one sparsity each method has a ratio of its own, so the slider is a ring on each line here.")
        )
    if before:
        pictures = int(study.before["pictures"].min())
        found.append(
            t(
                "Dashed: before fine-tuning, on {pictures:,} test pictures, cut off where it leaves "
                "the range of the runs.",
                pictures=pictures,
            )
        )
    methods = study.summary.loc[study.summary["variant"].isin(list(shown)), "method"]
    if any(METHODS[method].kind == "unstructured" for method in methods):
        found.append(
            t("Unstructured sparsity gives no speed-up on ordinary kernels: zeros are multiplied like other numbers.")
        )
    return found
