"""Runs: what goes on, how far it is, how it learns; cancel and retry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from core.study.checks import InputError
from core.study.estimate import Estimate, estimate, read_paces, words
from core.study.record import UNFINISHED, State
from core.study.status import RunStatus, curves
from core.study.watch import PHASES
from core.views.live import MEASURES, cost_chart, curve_chart
from pages._shared import home, keep_runs_going, queue, show, statuses

LIVE_SECONDS = 2
CURVES_AT_ONCE = 6
ROWS_AT_ONCE = 14
BARS_AT_ONCE = 20
RETRYABLE = (State.FAILED, State.CANCELLED, State.INTERRUPTED)
# Plain characters, which every font has.
MARKS = {
    State.QUEUED: "○",
    State.RUNNING: "▶",
    State.CANCELLING: "■",
    State.CANCELLED: "–",
    State.INTERRUPTED: "‖",
    State.FAILED: "✕",
    State.DONE: "✓",
}


def page() -> None:
    st.title("Runs", anchor=False)
    try:
        runs = statuses().read()
    except InputError as error:
        st.error(str(error), icon=":material/folder_off:")
        return
    if not runs:
        with st.container(border=True):
            st.markdown("#### Nothing has run yet")
            st.markdown("Launch a study, and its runs appear here while they train.")
            st.page_link("pages/launch.py", label="Launch the first study", icon=":material/rocket_launch:")
        return
    going = any(run.state in UNFINISHED for run in runs)
    # The clock only ticks while something can change: a page of finished runs costs nothing.
    st.fragment(show_runs, run_every=LIVE_SECONDS if going else None)(going)


def show_runs(was_going: bool) -> None:
    """The part of the page that is alive."""
    runs = statuses().read()
    if was_going and not any(run.state in UNFINISHED for run in runs):
        st.rerun()
    problem = keep_runs_going()
    if problem:
        st.error(problem, icon=":material/cloud_off:")
    say_how_it_stands(runs)
    chosen = choose(runs)
    show_actions(runs, chosen)
    show_failures(chosen or runs)
    show_curves(runs, chosen)
    show_costs(runs, chosen)


def say_how_it_stands(runs: Sequence[RunStatus]) -> None:
    parts = [f"{MARKS[state]} {count} {state}" for state in State if (count := sum(r.state == state for r in runs))]
    line = " · ".join(parts)
    left = time_left(runs)
    if left.seconds:
        line += f" · about **{words(left.seconds)}** left" + ("" if left.measured else " (a rough guess)")
    st.markdown(line)


def time_left(runs: Sequence[RunStatus]) -> Estimate:
    """What remains of all that goes on, one after another."""
    going = [run for run in runs if run.state in (State.QUEUED, State.RUNNING, State.INTERRUPTED) and run.spec]
    paces = read_paces(home()) if going else []
    seconds, measured = 0.0, True
    for run in going:
        assert run.spec is not None
        if run.seconds_left is not None:
            seconds += run.seconds_left
            continue
        known = estimate([run.spec], paces)
        seconds += known.seconds * (1 - run.fraction)
        measured &= known.measured
    return Estimate(seconds, measured)


def choose(runs: Sequence[RunStatus]) -> list[RunStatus]:
    """The table of all runs; those that are selected in it."""
    event = st.dataframe(
        pd.DataFrame([as_row(run) for run in runs]),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key="runs table",
        height="content" if len(runs) <= ROWS_AT_ONCE else 35 * ROWS_AT_ONCE,
        placeholder="—",
        column_config={
            "State": st.column_config.TextColumn(pinned=True),
            "Now": st.column_config.TextColumn(width="medium"),
            "Progress": st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.0f %%"),
            "Sparsity": st.column_config.NumberColumn(format="%.2f", help="As requested."),
            "Accuracy (%)": st.column_config.NumberColumn(
                format="%.2f", help="On the test pictures, after the newest epoch."
            ),
            "Size (MB)": st.column_config.NumberColumn(format="%.3f", help="The compressed file, known once pruned."),
            "Latency (ms)": st.column_config.NumberColumn(
                format="%.2f", help="Per image at batch 1, known once pruned; measured again at the end."
            ),
            "Launched": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    return [runs[row] for row in event.selection.rows if row < len(runs)]


def as_row(run: RunStatus) -> dict[str, object]:
    spec = run.spec
    phase = PHASES.get(run.phase, run.phase)
    left = f", {words(run.seconds_left)} left" if run.seconds_left is not None else ""
    return {
        "State": f"{MARKS[run.state]} {run.state.capitalize()}",
        "Method": spec.variant if spec else run.run_id,
        "Sparsity": spec.sparsity if spec else None,
        "Seed": spec.seed if spec else None,
        "Progress": round(100 * run.fraction, 1),
        "Now": phase + left if run.state == State.RUNNING else None,
        "Accuracy (%)": run.test_accuracy,
        "Size (MB)": run.size_mb,
        "Latency (ms)": run.latency_ms,
        "Recipe": spec.recipe.label if spec else "",
        "Launched": datetime.fromtimestamp(run.created, UTC),
    }


def show_actions(runs: Sequence[RunStatus], chosen: Sequence[RunStatus]) -> None:
    """Buttons for the selected runs, or for all when none is selected."""
    scope, name = (chosen, "selected") if chosen else (runs, "all")
    stoppable = [run for run in scope if run.state in UNFINISHED and run.state != State.CANCELLING]
    retryable = [run for run in scope if run.state in RETRYABLE and run.spec is not None]
    with st.container(horizontal=True):
        if stoppable and st.button(f"Cancel {name} ({len(stoppable)})", icon=":material/stop_circle:", key="cancel"):
            for run in stoppable:
                queue().cancel(run.run_id)
            st.rerun()
        if retryable and st.button(f"Retry {name} ({len(retryable)})", icon=":material/refresh:", key="retry"):
            try:
                with st.spinner("Handing the runs to the background…"):
                    queue().submit([run.spec for run in retryable if run.spec is not None])
            except InputError as error:
                st.error(str(error), icon=":material/error:")
            else:
                st.rerun()
        if any(run.state == State.DONE for run in runs):
            st.page_link("pages/compare.py", label="Compare the results", icon=":material/stacked_line_chart:")
    if not chosen and len(runs) > 1:
        st.caption("Select rows to see their curves, or to cancel or retry only those.")


def show_failures(runs: Sequence[RunStatus]) -> None:
    for run in [run for run in runs if run.state == State.FAILED][:CURVES_AT_ONCE]:
        st.error(f"**{run.run_id}**: {run.reason}", icon=":material/error:")


def show_curves(runs: Sequence[RunStatus], chosen: Sequence[RunStatus]) -> None:
    """Learning curves of the selected runs; else of those that are running, else of the newest."""
    shown = list(chosen) or [run for run in runs if run.state == State.RUNNING] or list(runs)
    frame = curves(home().run(run.run_id) for run in shown[:CURVES_AT_ONCE])
    if frame.empty:
        st.caption("The curves begin with the first epoch that is finished.")
        return
    left, right = st.columns(2)
    left.altair_chart(curve_chart(frame, "test_accuracy"), key="accuracy curve")
    with right:
        measure = st.selectbox(
            "Second chart",
            [name for name in MEASURES if name != "test_accuracy"],
            1,
            format_func=MEASURES.__getitem__,
            key="measure",
            label_visibility="collapsed",
        )
        st.altair_chart(curve_chart(frame, measure), key="other curve")
    if len(shown) > CURVES_AT_ONCE:
        st.caption(f"Curves of the first {CURVES_AT_ONCE} runs; select others in the table.")


def show_costs(runs: Sequence[RunStatus], chosen: Sequence[RunStatus]) -> None:
    """Size and latency of the selected runs, else of the study that was launched last, as soon as each is pruned."""
    newest = next((run.spec.dense.recipe for run in runs if run.spec), None)
    shown = chosen or [run for run in runs if run.spec and run.spec.dense.recipe == newest]
    costs = pd.DataFrame(
        [
            {"run": run.spec.label, "size_mb": run.size_mb, "latency_ms": run.latency_ms}
            for run in shown
            if run.spec and run.size_mb is not None and run.latency_ms is not None
        ][:BARS_AT_ONCE]
    )
    if costs.empty:
        return
    left, right = st.columns(2)
    left.altair_chart(cost_chart(costs, "size_mb", "Compressed size (MB)"), key="sizes")
    right.altair_chart(cost_chart(costs, "latency_ms", "Latency (ms per image, batch 1)"), key="latencies")


show(page)
