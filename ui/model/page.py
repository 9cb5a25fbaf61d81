"""Model: one run, and everything about its network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.charts.live import distinct_labels
from core.i18n import t
from core.jobs.command import examine
from core.labels import recipe_name, run_name, state_name
from core.report.markdown import escape_markdown
from core.results.sample import SAMPLE, is_sample
from core.runs.chance import is_at_chance
from core.runs.diagnostics import Diagnostics, read_diagnostics
from core.runs.failure import RunFailure
from core.runs.folder import UNFINISHED, Home, RunFolder, State
from core.runs.latencies import Latencies, read_latencies
from core.runs.result import RunResult
from core.runs.status import RunStatus
from core.spec.datasets import SYNTHETIC
from core.spec.errors import InputError
from core.spec.methods import DENSE
from core.spec.spec import RunSpec
from ui.model.downloads import show_downloads
from ui.model.notes import show_notes
from ui.model.sections import show_classes, show_filters, show_layers, show_mistakes, show_size, show_weights
from ui.shared.components import page_head, select, show_empty_state, times
from ui.shared.errors import describe, show_error, show_errors
from ui.shared.services import home, reconcile_in_background, statuses
from ui.shared.url import link

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
    own, sample = statuses().read(), statuses(SAMPLE).read()
    if not own and not sample:
        show_empty_state(
            t("No network yet"),
            t("Launch a study. When its first run is done, this page shows what is in the network."),
        )
        return
    folder = select_run(own, sample, head)
    state, failure = folder.describe()
    show_run_title(folder, state)
    if state != State.DONE:
        show_unfinished(folder, state, failure)
        return
    result = folder.result()
    assert result is not None
    diagnostics = load_diagnostics(folder, result)
    show_cards(folder, result, diagnostics)
    show_notes(folder, result)
    show_section(folder, diagnostics)


def select_run(own: Sequence[RunStatus], sample: Sequence[RunStatus], place: DeltaGenerator) -> RunFolder:
    """The run of the address, else the one selected last, else the pruned one that was finished last."""
    own_ids = [run.run_id for run in own]
    sample_ids = [run.run_id for run in sample if run.run_id not in own_ids]
    labels = distinct_labels(run.spec for run in (*own, *sample) if run.spec)
    names = {run_id: labels.get(run_id, run_id) for run_id in own_ids}
    names |= {run_id: t("Sample study: {label}", label=labels.get(run_id, run_id)) for run_id in sample_ids}
    run_id = select(
        place.selectbox, t("Run"), "run", names, default_run(own or sample), label_visibility="collapsed", width=440
    )
    return (SAMPLE if run_id in sample_ids else home()).run(run_id)


def default_run(runs: Sequence[RunStatus]) -> str:
    def rank(run: RunStatus) -> tuple[bool, bool, float]:
        return run.state == State.DONE, run.spec is not None and not run.spec.is_dense, run.created

    return max(runs, key=rank).run_id


def show_run_title(folder: RunFolder, state: State) -> None:
    """One line on the run: its state, name and data."""
    color = {State.DONE: "green", State.FAILED: "red"}.get(state, "blue" if state in UNFINISHED else "gray")
    parts = [f":{color}-badge[{state_name(state)}]"]
    if is_sample(folder):
        parts.append(f":violet-badge[{t('sample study')}]")
    try:
        spec = folder.spec
        if spec.recipe.data == SYNTHETIC:
            parts.append(f":orange-badge[:material/draw: {t('drawn pictures, not photographs')}]")
        parts.append(f"**{escape_markdown(run_name(spec))}** :gray[· {escape_markdown(recipe_name(spec.recipe))}]")
    except InputError:  # its reason is shown below
        parts.append(f"**{escape_markdown(folder.run_id)}**")
    st.markdown(" ".join(parts))


def show_unfinished(folder: RunFolder, state: State, failure: RunFailure | None) -> None:
    """Why there is no network to look at yet, and what to do."""
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
        follow_run(folder)


@st.fragment(run_every=POLL_SECONDS)
@show_errors
def follow_run(folder: RunFolder) -> None:
    """Run the page again as soon as the run has ended."""
    reconcile_in_background()
    if folder.state() not in UNFINISHED:
        st.rerun()


def load_diagnostics(folder: RunFolder, result: RunResult) -> Diagnostics | None:
    """The diagnostics of the network; None, with a line on it, if they are damaged or of another network."""
    try:
        diagnostics = read_diagnostics(folder)
    except InputError as error:
        show_error(describe(error), icon=":material/warning:")
        return None
    if diagnostics is not None and not diagnostics.is_of(result.model_sha256):
        st.info(
            t("The network was examined before it was trained again; that is out of date."), icon=":material/update:"
        )
        return None
    return diagnostics


def dense_result(folder: RunFolder) -> RunResult | None:
    """The result of the dense run, None if that is gone."""
    try:
        return RunFolder(folder.path.with_name(folder.spec.dense.run_id)).result()
    except InputError:
        return None


def show_cards(folder: RunFolder, result: RunResult, diagnostics: Diagnostics | None) -> None:
    """What the network costs and keeps, against the dense one."""
    spec, dense = folder.spec, dense_result(folder)
    latencies = read_latencies(Home(folder.path.parent.parent), spec.recipe.key)
    change, smaller = (math.nan, math.nan) if spec.is_dense else compare_with_dense(result, dense, diagnostics)
    gone, fewer = result.filter_ratio or 0.0, result.mac_ratio or 0.0
    if is_at_chance(result, spec.recipe.data):
        st.warning(t("No better than guessing on the test pictures."), icon=":material/warning:")
    row = st.container(horizontal=True)

    def card(label: str, value: str, delta: str | None, help: str, color: Literal["normal", "off"] = "off") -> None:
        arrow: Literal["auto", "off"] = "off" if color == "off" else "auto"
        row.metric(label, value, delta, color, help=help, delta_arrow=arrow, border=True, height="stretch")

    card(
        t("Accuracy"),
        f"{result.test_accuracy:.2f} %",
        None if math.isnan(change) else t("{change:+.2f} points", change=change),
        t("On the test pictures, and against the dense run that this one started from."),
        "normal" if abs(change) >= 0.005 else "off",
    )
    card(
        t("Size"),
        f"{result.model_size_mb:.3g} MB",
        t("{ratio:.1f}× smaller", ratio=smaller) if smaller >= 1 else None,
        t("The compressed file, and against that of the dense network."),
    )
    card(
        t("Sparsity"),
        f"{100 * result.reached_sparsity:.2f} %",
        t("{share:.0f} % of filters gone", share=100 * gone) if gone else None,
        t("The share of the weights that is really gone."),
    )
    card(
        t("MACs"),
        f"{result.macs / 1e6:,.1f} M",
        t("{ratio:.1f}× fewer", ratio=fewer) if fewer > 1 and not spec.is_dense else None,
        t("Multiply-accumulate operations for one picture, zeros included."),
    )
    single = t("Measured in turns with the dense network, one picture at a time.")
    card(t("Speed-up, 1 image"), *describe_speedup(result, latencies, "speedup", result.speedup), single)
    batch = t("Measured in turns with the dense network, many pictures at once.")
    card(t("Speed-up, batch"), *describe_speedup(result, latencies, "batch_speedup", result.batch_speedup), batch)


def describe_speedup(
    result: RunResult, latencies: Latencies | None, name: str, recorded: float | None
) -> tuple[str, str | None]:
    """The speed-up ``name`` as it was measured with the whole study, else as ``recorded`` by the run; and what to know."""
    if result.same_operations:
        return "1×", None if result.method == DENSE else t("same operations")
    measured = latencies.speedups.get(result.shape, {}).get(name) if latencies else None
    measured = measured or result.speedups.get(name)
    return (times(measured.ratio), f"± {measured.half_width:.2f}") if measured else (times(recorded), None)


def compare_with_dense(
    result: RunResult, dense: RunResult | None, diagnostics: Diagnostics | None
) -> tuple[float, float]:
    """The change of accuracy (points), and how many times smaller the file is; NaN if nothing of the dense one is left."""
    if dense is not None:
        return result.test_accuracy - dense.test_accuracy, dense.model_size_mb / result.model_size_mb
    if diagnostics is None:
        return math.nan, math.nan
    accuracy = 100 * sum(diagnostics.dense_correct) / sum(diagnostics.pictures)
    return result.test_accuracy - accuracy, diagnostics.dense_size / 1e6 / result.model_size_mb


def show_section(folder: RunFolder, diagnostics: Diagnostics | None) -> None:
    """The section that is selected."""
    names = {
        "layers": t(":material/layers: Layers"),
        "filters": t(":material/filter_alt: Filters"),
        "weights": t(":material/bar_chart: Weights"),
        "classes": t(":material/category: Classes"),
        "mistakes": t(":material/image_search: Mistakes"),
        "size": t(":material/hard_drive: Size"),
        DOWNLOADS: t(":material/download: Download"),
    }
    section = select(
        st.segmented_control, t("Section"), "section", names, "layers", label_visibility="collapsed", wrap=True
    )
    if section == DOWNLOADS:
        show_downloads(folder)
    elif diagnostics is None:
        show_examine_button(folder)
    else:
        SECTIONS[section](folder.spec, diagnostics)


@show_errors
def show_examine_button(folder: RunFolder) -> None:
    if not folder.model_path.is_file():
        st.info(t("This network was never examined, and its file is not here any more."), icon=":material/search_off:")
        return
    st.info(t("This network was not examined yet. That takes some seconds."), icon=":material/search:")
    if st.button(t("Examine it now"), type="primary", key="examine"):
        with st.spinner(t("Examining the network …")):
            examine(folder)
        st.rerun()
