"""Compare: what each method keeps, costs and saves at the sparsity on the slider, with every measured number below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.study.checks import number
from core.study.methods import DENSE, METHODS
from core.study.record import UNFINISHED, State
from core.study.results import COLUMNS, interpolate, studies, study_frame, summarise
from core.study.sensitivity import accuracy_at, mean_curves, sensitivity_frame
from core.views import charts, tables
from core.views.wording import state_name
from pages._cards import before_help, show_cards, swatch
from pages._language import t
from pages._notes import DeadLayers, dead_layers, say_where_it_comes_from, warn_of_dead_layers
from pages._shared import explained, home, keep_runs_going, results, show, statuses

HIGHEST_SPARSITY = 0.99
DEFAULT_SPARSITY = 0.9
REFRESH_SECONDS = 5


@dataclass(frozen=True)
class Study:
    """The runs of one recipe, their means, how each variant looks, and what was already made of them for the page."""

    runs: pd.DataFrame
    summary: pd.DataFrame
    looks: dict[str, charts.Style]
    before: pd.DataFrame  # accuracy before fine-tuning, as mean_curves gives it, of those variants that have a curve
    dead: DeadLayers
    specs: dict[Any, dict[str, Any]] = field(default_factory=dict)
    made: dict[Any, pd.DataFrame] = field(default_factory=dict)

    def chart(self, panel: charts.Panel, shown: Mapping[str, charts.Style], with_before: bool) -> dict[str, Any]:
        """The chart without the slider's line, built once: that takes far longer than all the rest."""
        key = (panel, with_before, *shown)
        if key not in self.specs:
            before = self.before if with_before else None
            chart = charts.tradeoff_chart(panel, self.runs, self.summary, shown, before=before, t=t)
            self.specs[key] = chart.to_dict(validate=False)
        return self.specs[key]

    def table(self, shown: Mapping[str, charts.Style]) -> pd.DataFrame:
        """The efficiency table of the variants shown and dense, made once."""
        key = tuple(shown)
        if key not in self.made:
            rows = self.runs[self.runs["variant"].isin(key) | (self.runs["method"] == DENSE)]
            self.made[key] = tables.efficiency_table(rows)
        return self.made[key]


def page() -> None:
    head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom")
    head.title(t("Compare pruning methods"), anchor=False, width="content")
    frame, waiting = results().frame(), states_of_unfinished_runs()
    if waiting:
        follow_runs(len(frame))
    if frame.empty:
        say_what_to_do_first(bool(waiting))
        return
    runs = study_frame(frame, choose_study(studies(frame), head))
    summary = summarise(runs)
    looks = charts.styles(summary)
    before = mean_curves(sensitivity_frame(home(), runs["dense_id"].unique()))
    study = Study(runs, summary, looks, before[before["variant"].isin(list(looks))], dead_layers(runs))
    say_where_it_comes_from(runs)
    note_what_the_url_has_wrong(study)
    explore(study)


@st.fragment
@explained
def explore(study: Study) -> None:
    """All that follows the slider, as a fragment, so that a move of it redraws at once."""
    shown, sparsity = choose_methods_and_sparsity(study.looks)
    marked = interpolate(study.summary, sparsity)
    warn_of_dead_layers(study.runs[study.runs["variant"].isin(list(shown))], study.dead)
    show_cards(study.summary, marked, shown, sparsity, accuracy_at(study.before, sparsity))
    show_charts(study, marked, shown, sparsity)
    show_table(study.table(shown), study.runs)


@st.fragment(run_every=REFRESH_SECONDS)
@explained
def follow_runs(finished: int) -> None:
    """How many runs are under way; the whole page runs again when one has finished or none is left."""
    waiting = states_of_unfinished_runs()
    if not waiting or len(results().frame()) != finished:
        st.rerun()
    keep_runs_going()
    states = ", ".join(f"{waiting[state]} {state_name(state, t)}" for state in State if waiting[state])
    total = waiting.total()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        under_way = t("1 run is under way") if total == 1 else t("{n} runs are under way", n=total)
        st.markdown(f":material/progress_activity: **{under_way}** ({states})")
        st.page_link("pages/runs.py", label=t("Watch the runs"), icon=":material/arrow_forward:", icon_position="right")


def states_of_unfinished_runs() -> Counter[State]:
    return Counter(run.state for run in statuses().read() if run.state in UNFINISHED)


def say_what_to_do_first(under_way: bool) -> None:
    if under_way:
        st.subheader(t("The first results are on their way"), anchor=False)
        st.markdown(t("This page shows them as soon as the first run has finished."))
        return
    st.subheader(t("No results yet: three steps to the first ones"), anchor=False)
    launch, watch, compare = (column.container(border=True, height="stretch") for column in st.columns(3))
    with launch:
        st.markdown("#### :material/rocket_launch: " + t("Launch"))
        st.markdown(
            t(
                "Choose methods, sparsities and seeds. The preset *demo* draws its own pictures "
                "and takes a few minutes on any computer."
            )
        )
        st.page_link("pages/launch.py", label=f"**{t('Launch the first study')}**", icon=":material/arrow_forward:")
    with watch:
        st.markdown("#### :material/checklist: " + t("Watch"))
        st.markdown(t("Runs train in the background and go on when this page is closed."))
        st.page_link("pages/runs.py", label=t("See the runs"), icon=":material/arrow_forward:")
    with compare:
        st.markdown("#### :material/stacked_line_chart: " + t("Compare"))
        st.markdown(t("Here: what each method keeps of the accuracy, and what it really saves in size and time."))


def choose_study(labels: Mapping[str, str], head: DeltaGenerator) -> str:
    """The recipe whose runs are compared: the URL's, else the one chosen last, else the newest.

    The URL always names the study in view, which so stays there when another one appears.
    """
    asked = st.query_params.get("study")
    if asked is not None and asked != st.session_state.get("study in url"):  # a link, or the browser's way back
        if asked in labels:
            st.session_state["study choice"] = asked
        else:
            st.info(t("The study in the link has no results here: this is the newest one."), icon=":material/link_off:")
    elif asked in labels and len(labels) > 1:
        st.session_state.setdefault("study choice", asked)
    chosen = next(iter(labels))
    if len(labels) > 1:
        chosen = head.selectbox(
            t("Study"),
            list(labels),
            format_func=lambda key: labels[key],
            key="study choice",
            persist_state="session",
            label_visibility="collapsed",
            width=420,
        )
    st.query_params["study"] = st.session_state["study in url"] = chosen
    return chosen


def choose_methods_and_sparsity(looks: Mapping[str, charts.Style]) -> tuple[dict[str, charts.Style], float]:
    left, right = st.columns([3, 4], gap="medium", vertical_alignment="top")
    chosen: list[str] = left.pills(
        t("Show only"),
        list(looks),
        selection_mode="multi",
        key="methods",
        bind="query-params",
        wrap=True,
        help=t("Choose one method or several. Nothing chosen shows all."),
    )
    sparsity = right.slider(
        t("Sparsity"),
        0.0,
        HIGHEST_SPARSITY,
        DEFAULT_SPARSITY,
        0.01,
        key="sparsity",
        bind="query-params",
        help=t("The share of the network's weights that is removed. The cards and the vertical line follow it."),
    )
    return {variant: look for variant, look in looks.items() if variant in chosen or not chosen}, round(sparsity, 2)


def note_what_the_url_has_wrong(study: Study) -> None:
    """One line on what the widgets are about to pass over, and take out of the URL."""
    asked = st.query_params.get("sparsity")
    try:
        if asked is not None:
            number("sparsity", float(asked), 0, HIGHEST_SPARSITY)
    except ValueError:  # InputError is one
        st.info(
            t(
                "The sparsity in the link is not a number from 0 to {highest}: this is {used}.",
                highest=HIGHEST_SPARSITY,
                used=DEFAULT_SPARSITY,
            ),
            icon=":material/link_off:",
        )
    if not set(st.query_params.get_all("methods")) <= set(study.looks):
        st.info(t("The link names a method that has no results in this study."), icon=":material/link_off:")


def show_charts(study: Study, marked: pd.DataFrame, shown: Mapping[str, charts.Style], sparsity: float) -> None:
    looks = charts.with_dense(shown).items()
    key = " ".join(f"{swatch(look)}&nbsp;{variant.replace(' ', '&nbsp;')}&ensp;" for variant, look in looks)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(t("Trade-off"), anchor=False, width="content")
        st.markdown(key)
        curves = study.before["variant"].isin(list(shown)).any()
        before = curves and st.toggle("┄ " + t("Before fine-tuning"), True, key="before", help=before_help())
        batch = st.segmented_control(
            t("Latency of"),
            ["one", "batch"],
            default="one",
            format_func=lambda kind: t("Large batch") if kind == "batch" else t("One image"),
            required=True,
            label_visibility="collapsed",
        )
    methods = study.summary.loc[study.summary["variant"].isin(list(shown)), "method"]
    unstructured = any(METHODS[method].kind == "unstructured" for method in methods)
    latency = charts.BATCH_LATENCY if batch == "batch" else charts.LATENCY
    for column, panel in zip(st.columns(3), (charts.ACCURACY, charts.SIZE, latency), strict=True):
        spec = study.chart(panel, shown, bool(before) and panel == charts.ACCURACY)
        spec = charts.with_slider(spec, panel, marked, shown, sparsity, t=t)
        column.vega_lite_chart(spec, alt=t("{metric} against sparsity", metric=panel.title(t)))
    note = t(
        "Points are seeds, lines go through their means, the shade is the 95 % interval of the mean. Each network was "
        "timed in turns with its dense one; the milliseconds stand in the table."
    )
    if before:
        pictures = study.before["pictures"].min()
        note += " " + t(
            "Dashed: before fine-tuning, on {pictures:,} test pictures, cut off where it leaves the range of the runs.",
            pictures=int(pictures),
        )
    if unstructured:
        note += " " + t(
            "Unstructured sparsity gives no speed-up on ordinary kernels: zeros are multiplied like other numbers."
        )
    st.caption(note)


def show_table(table: pd.DataFrame, runs: pd.DataFrame) -> None:
    st.subheader(t("Efficiency table"), anchor=False)
    width = 24 + 7 * max(map(len, table["method"]))  # as wide as the longest name, and no wider: it never scrolls away
    columns = {**column_config(), "method": st.column_config.TextColumn(t("Method"), pinned=True, width=width)}
    st.dataframe(table, hide_index=True, column_config=columns, placeholder="—", height="content")
    with st.container(horizontal=True):
        st.download_button(
            t("Download CSV"),
            data=lambda: tables.to_csv(table),
            file_name="efficiency_table.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/download:",
            type="primary",
        )
        st.download_button(
            t("All runs as CSV"),
            data=lambda: tables.to_csv(runs[list(COLUMNS)]),
            file_name="all_runs.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/download:",
        )


def _number(label: str, form: str, explained: str | None = None) -> Any:
    return st.column_config.NumberColumn(label, format=form, help=explained)


def column_config() -> dict[str, Any]:
    return {
        "sparsity": st.column_config.NumberColumn(t("Sparsity"), format="%.2f", pinned=True),
        "seeds": _number(t("Seeds"), "%d"),
        "accuracy_percent": _number(t("Accuracy (%)"), "%.2f", t("Mean test accuracy after the last epoch.")),
        "accuracy_ci95": _number(
            "± 95 %", "%.2f", t("Half of the 95 % Student-t interval of the mean; none for one seed.")
        ),
        "accuracy_change_points": _number(
            t("Change"), "%+.2f", t("Percentage points against the dense runs of the same seeds.")
        ),
        "compressed_size_mb": _number(t("Size (MB)"), "%.3f", t("The compressed file that was really written.")),
        "latency_batch1_ms": _number(t("Latency, batch 1 (ms)"), "%.3f", t("Per image, one at a time.")),
        "latency_large_batch_ms": _number(t("Large batch (ms)"), "%.3f", t("Latency per image in a large batch.")),
        "speedup_batch1": _number(t("Speed-up, batch 1"), "%.2f×", t("Measured, against dense.")),
        "speedup_large_batch": _number(
            t("Large batch"), "%.2f×", t("Speed-up in a large batch, measured, against dense.")
        ),
        "params_millions": _number(t("Params (M)"), "%.3f", t("Weights that are not zero.")),
        "macs_millions": _number(t("MACs (M)"), "%.1f", t("Multiply-accumulate operations for one image.")),
        "mac_ratio": _number(
            t("MAC ratio"), "%.2f×", t("MACs of the dense network over these. This is not a speed-up.")
        ),
        "reached_sparsity": _number(t("Reached sparsity"), "%.4f", t("The share of weights that is really gone.")),
        "filter_ratio": _number(t("Filter ratio"), "%.3f", t("The share of whole filters that is gone.")),
        "plain_size_mb": _number(t("Plain size (MB)"), "%.3f", t("The weights saved as they are.")),
        "accuracy_before_finetuning_percent": _number(
            t("Before fine-tuning (%)"), "%.2f", t("Accuracy right after pruning.")
        ),
    }


show(page)
