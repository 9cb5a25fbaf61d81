"""Model: one run, and everything about its network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.charts.live import distinct_labels
from core.i18n import t
from core.jobs.command import examine
from core.labels import recipe_name, run_name, state_name
from core.report.markdown import escape_markdown
from core.results.sample import SAMPLE, is_sample
from core.runs.diagnostics import Diagnostics, is_of, read_diagnostics
from core.runs.failure import RunFailure
from core.runs.folder import UNFINISHED, Home, RunFolder, State
from core.runs.status import RunStatus, Statuses
from core.spec.errors import InputError
from core.spec.spec import RunSpec
from core.spec.validate import finite
from ui.model.downloads import show_downloads
from ui.model.sections import show_classes, show_filters, show_layers, show_mistakes, show_size, show_weights
from ui.shared.head import page_head
from ui.shared.services import (
    USER_ERRORS,
    describe,
    home,
    reconcile_in_background,
    show_error,
    show_errors,
    statuses,
)
from ui.shared.url import link, read_choice, write_if_chosen

POLL_SECONDS = 3
DOWNLOADS = "download"
SECTIONS: Mapping[str, Callable[[RunSpec, Diagnostics], None]] = {
    "layers": show_layers,
    "filters": show_filters,
    "weights": show_weights,
    "classes": show_classes,
    "mistakes": show_mistakes,
    "size": show_size,
}


def page() -> None:
    head = page_head(t("Model"))
    own, shipped = statuses().read(), _shipped(SAMPLE.path).read()
    if not own and not shipped:
        show_empty_state()
        return
    folder = choose_run(own, shipped, head)
    state, failure = folder.describe()
    show_run_title(folder, state)
    if state != State.DONE:
        show_unfinished(folder, state, failure)
        return
    result = folder.result() or {}
    found = examined(folder, result)
    show_cards(folder.spec, result, dense_result(folder), found)
    show_section(folder, found)


def choose_run(own: Sequence[RunStatus], shipped: Sequence[RunStatus], head: DeltaGenerator) -> RunFolder:
    """The run of the address, else the one looked at last, else the pruned one that was finished last."""
    mine = {run.run_id: run for run in own}
    sample = {run.run_id: run for run in shipped if run.run_id not in mine}
    labels = distinct_labels(run.spec for run in (*own, *sample.values()) if run.spec)
    names = {run_id: labels.get(run_id, run_id) for run_id in mine}
    names |= {run_id: t("Sample study: {label}", label=labels.get(run_id, run_id)) for run_id in sample}
    usual = default_run(own or shipped)
    read_choice("run", names, usual)
    chosen = head.selectbox(
        t("Run"),
        list(names),
        format_func=lambda run_id: names[run_id],
        key="run",
        label_visibility="collapsed",
        required=True,
        width=440,
    )
    write_if_chosen(run=(chosen, usual))
    return (SAMPLE if chosen in sample else home()).run(chosen)


def default_run(runs: Sequence[RunStatus]) -> str:
    def rank(run: RunStatus) -> tuple[bool, bool, float]:
        return run.state == State.DONE, run.spec is not None and not run.spec.is_dense, run.created

    return max(runs, key=rank).run_id


def show_run_title(folder: RunFolder, state: State) -> None:
    """One line on the run: how it stands, what it is called, and what it was trained on."""
    color = {State.DONE: "green", State.FAILED: "red"}.get(state, "blue" if state in UNFINISHED else "gray")
    parts = [f":{color}-badge[{state_name(state)}]"]
    if is_sample(folder):
        parts.append(f":violet-badge[{t('sample study')}]")
    try:
        spec = folder.spec
        if spec.recipe.data == "synthetic":
            parts.append(f":orange-badge[:material/draw: {t('drawn pictures, not photographs')}]")
        parts.append(
            f"**{escape_markdown(run_name(spec))}** :gray[· {escape_markdown(recipe_name(spec.recipe.label))}]"
        )
    except InputError:  # the reason is told below
        parts.append(f"**{escape_markdown(folder.run_id)}**")
    st.markdown(" ".join(parts))


def show_unfinished(folder: RunFolder, state: State, failure: RunFailure | None) -> None:
    """What has to happen before there is a network to look at."""
    if failure is not None:
        show_error(failure.message.localized())
        link("runs", t("Open Runs to retry or delete it"), run=folder.run_id)
    elif state == State.CANCELLED:
        st.info(t("This run was cancelled before its network was finished."), icon=":material/block:")
        link("runs", t("Open Runs to go on with it"), run=folder.run_id)
    else:
        sentence = t(
            "This run is {state}. What is in its network can be seen here when it is done; the page follows by itself.",
            state=state_name(state),
        )
        st.info(sentence, icon=":material/hourglass_top:")
        link("runs", t("Watch it on Runs"), run=folder.run_id)
        follow(folder)


@st.fragment(run_every=POLL_SECONDS)
@show_errors
def follow(folder: RunFolder) -> None:
    """Runs the page again as soon as the run has come to an end."""
    reconcile_in_background()
    if folder.state() not in UNFINISHED:
        st.rerun()


def show_empty_state() -> None:
    with st.container(border=True):
        st.markdown("#### " + t("No network yet"))
        st.markdown(t("Launch a study. When its first run is done, this page shows what is in the network."))
        link("launch", t("Launch the first study"), icon=":material/rocket_launch:")


def examined(folder: RunFolder, result: Mapping[str, Any]) -> Diagnostics | None:
    """What was found out about the network; None, with a line on it, if that is damaged or of another network."""
    try:
        found = read_diagnostics(folder)
    except InputError as error:
        show_error(describe(error), icon=":material/warning:")
        return None
    if found is not None and not is_of(found, result):
        st.info(
            t("The network was examined before it was trained again; that is out of date."), icon=":material/update:"
        )
        return None
    return found


def dense_result(folder: RunFolder) -> Mapping[str, Any]:
    """The result of the dense run, empty if that is gone."""
    try:
        return RunFolder(folder.path.with_name(folder.spec.dense.run_id)).result() or {}
    except InputError:
        return {}


def show_cards(spec: RunSpec, result: Mapping[str, Any], dense: Mapping[str, Any], found: Diagnostics | None) -> None:
    """What the network costs and keeps, against the dense one."""

    def number(name: str, of: Mapping[str, Any] = result) -> float:
        known = finite(of.get(name))
        return math.nan if known is None else known

    def card(label: str, value: str, delta: str | None = None, *, color: Any = "off", show_errors: str) -> None:
        arrow: Any = "off" if color == "off" else "auto"
        st.metric(
            label,
            value,
            delta,
            delta_color=color,
            delta_arrow=arrow,
            help=show_errors,
            border=True,
            width="stretch",
            height="stretch",
        )

    accuracy, size = number("test_accuracy"), number("model_size_mb")
    dense_accuracy, dense_size = number("test_accuracy", dense), number("model_size_mb", dense)
    if found is not None and not dense:
        dense_accuracy = 100 * sum(found.dense_correct) / sum(found.pictures)
        dense_size = found.dense_size / 1e6
    change, smaller = accuracy - dense_accuracy, dense_size / size if size else math.nan
    against = not spec.is_dense
    with st.container(horizontal=True):
        card(
            t("Accuracy"),
            f"{accuracy:.2f} %",
            t("{change:+.2f} points", change=change) if against and not math.isnan(change) else None,
            color="normal" if abs(change) >= 0.005 else "off",
            show_errors=t("On the test pictures, and against the dense run that this one started from."),
        )
        card(
            t("Size"),
            f"{size:.3g} MB",
            t("{ratio:.1f}× smaller", ratio=smaller) if against and smaller >= 1 else None,
            show_errors=t("The compressed file, and against that of the dense network."),
        )
        card(
            t("Sparsity"),
            f"{100 * number('reached_sparsity'):.2f} %",
            t("{share:.0f} % of filters gone", share=100 * number("filter_ratio")) if number("filter_ratio") else None,
            show_errors=t("The share of the weights that is really gone."),
        )
        macs, fewer = number("macs") / 1e6, number("mac_ratio")
        card(
            t("MACs"),
            f"{macs:,.1f} M",
            t("{ratio:.1f}× fewer", ratio=fewer) if against and fewer > 1 else None,
            show_errors=t("Multiply-accumulate operations for one picture, zeros included."),
        )
        card(
            t("Speed-up, 1 image"),
            ratio(number("speedup")),
            show_errors=t("Measured in turns with the dense network, one picture at a time."),
        )
        card(
            t("Speed-up, batch"),
            ratio(number("batch_speedup")),
            show_errors=t("Measured in turns with the dense network, many pictures at once."),
        )


def ratio(value: float) -> str:
    return "—" if math.isnan(value) else f"{value:.2f}×"


def show_section(folder: RunFolder, found: Diagnostics | None) -> None:
    """The part of the page that was chosen."""
    names = {
        "layers": t(":material/layers: Layers"),
        "filters": t(":material/filter_alt: Filters"),
        "weights": t(":material/bar_chart: Weights"),
        "classes": t(":material/category: Classes"),
        "mistakes": t(":material/image_search: Mistakes"),
        "size": t(":material/hard_drive: Size"),
        DOWNLOADS: t(":material/download: Download"),
    }
    read_choice("section", names, "layers")
    section = st.segmented_control(
        t("Section"),
        list(names),
        format_func=names.__getitem__,
        key="section",
        required=True,
        label_visibility="collapsed",
        wrap=True,
    ) or next(iter(names))  # outside a browser there is no choice
    write_if_chosen(section=(section, "layers"))
    if section == DOWNLOADS:
        show_downloads(folder)
    elif found is None:
        offer_examination(folder)
    else:
        SECTIONS[section](folder.spec, found)


def offer_examination(folder: RunFolder) -> None:
    if not folder.model_path.is_file():
        st.info(t("This network was never examined, and its file is not here any more."), icon=":material/search_off:")
        return
    st.info(t("This network was not examined yet. That takes some seconds."), icon=":material/search:")
    if st.button(t("Examine it now"), type="primary", key="examine"):
        try:
            with st.spinner(t("Examining the network …")):
                examine(folder)
        except USER_ERRORS as error:
            show_error(describe(error))
            return
        st.rerun()


@st.cache_resource(show_spinner=False)
def _shipped(path: Path) -> Statuses:
    return Statuses(Home(path))
