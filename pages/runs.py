"""Runs: what goes on, how far it is, how it learns."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from core.jobs.workers import runs_at_once
from core.study.estimate import time_left
from core.study.record import UNFINISHED, State
from core.study.status import RunStatus, curves
from core.views.live import MEASURES, cost_chart, curve_chart, distinct_labels
from core.views.wording import duration, phase_name, state_name
from pages._actions import PROBLEM, show_actions, show_failures
from pages._language import t
from pages._shared import complain, explained, home, keep_runs_going, paces, show, statuses

LIVE_SECONDS = 2
CURVES_AT_ONCE = 6
ROWS_AT_ONCE = 14
BARS_AT_ONCE = 20
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
    st.title(t("Runs"), anchor=False)
    runs = statuses().read()
    if not runs:
        with st.container(border=True):
            st.markdown("#### " + t("Nothing has run yet"))
            st.markdown(t("Launch a study, and its runs appear here while they train."))
            st.page_link("pages/launch.py", label=t("Launch the first study"), icon=":material/rocket_launch:")
        return
    going = any_going(runs)
    # The clock only ticks while something can change: a page of finished runs costs nothing.
    st.fragment(explained(show_runs), run_every=LIVE_SECONDS if going else None)(going)


def show_runs(was_going: bool) -> None:
    """The part of the page that is alive."""
    runs = statuses().read()
    if not runs or any_going(runs) != was_going:
        st.rerun()
    keep_runs_going()
    if PROBLEM in st.session_state:
        complain(st.session_state[PROBLEM])
    say_how_it_stands(runs)
    chosen = choose(runs)
    show_actions(runs, chosen)
    show_failures(chosen or runs)
    show_curves(runs, chosen)
    show_costs(runs, chosen)


def any_going(runs: Sequence[RunStatus]) -> bool:
    return any(run.state in UNFINISHED for run in runs)


def say_how_it_stands(runs: Sequence[RunStatus]) -> None:
    counts = Counter(run.state for run in runs)
    line = " · ".join(f"{MARKS[state]} {counts[state]} {state_name(state, t)}" for state in State if counts[state])
    left = time_left(runs, paces(), runs_at_once())
    if left.seconds:
        time = duration(left.seconds, t)
        line += " · " + (
            t("about **{time}** left", time=time)
            if left.measured
            else t("about **{time}** left (a rough guess)", time=time)
        )
    st.markdown(line)


def choose(runs: Sequence[RunStatus]) -> list[RunStatus]:
    """The table of all runs; those that are selected in it.

    A selection is a list of rows: it holds for these runs in this order only, and goes when another is launched.
    """
    ids = " ".join(run.run_id for run in runs)
    event = st.dataframe(
        pd.DataFrame([as_row(run) for run in runs]),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"runs table {hashlib.sha256(ids.encode()).hexdigest()[:16]}",
        height="content" if len(runs) <= ROWS_AT_ONCE else 35 * ROWS_AT_ONCE,
        placeholder="—",
        column_config={
            "State": st.column_config.TextColumn(t("State"), pinned=True, width=110),
            "Method": t("Method"),
            "Sparsity": st.column_config.NumberColumn(t("Sparsity"), format="%.2f", help=t("As requested.")),
            "Seed": t("Seed"),
            "Progress": st.column_config.ProgressColumn(t("Progress"), min_value=0, max_value=100, format="%.0f %%"),
            "Now": st.column_config.TextColumn(t("Now"), width="medium"),
            "Accuracy (%)": st.column_config.NumberColumn(
                t("Accuracy (%)"), format="%.2f", help=t("On the test pictures, after the newest epoch.")
            ),
            "Size (MB)": st.column_config.NumberColumn(
                t("Size (MB)"), format="%.3f", help=t("The compressed file, known once pruned.")
            ),
            "Latency (ms)": st.column_config.NumberColumn(
                t("Latency (ms)"),
                format="%.2f",
                help=t("Per image at batch 1, known once pruned; measured again at the end."),
            ),
            "Launched": st.column_config.DatetimeColumn(t("Launched"), format="distance"),
            "Recipe": t("Recipe"),
        },
    )
    return [runs[row] for row in event.selection.rows if row < len(runs)]


def as_row(run: RunStatus) -> dict[str, object]:
    spec = run.spec
    now = phase_name(run.phase, t)
    if run.seconds_left is not None:
        now = t("{phase}, {time} left", phase=now, time=duration(run.seconds_left, t))
    return {
        "State": f"{MARKS[run.state]} {state_name(run.state, t).capitalize()}",
        "Method": spec.variant if spec else run.run_id,
        "Sparsity": spec.sparsity if spec else None,
        "Seed": spec.seed if spec else None,
        "Progress": round(100 * run.fraction, 1),
        "Now": now if run.state == State.RUNNING else None,
        "Accuracy (%)": run.test_accuracy,
        "Size (MB)": run.size_mb,
        "Latency (ms)": run.latency_ms,
        "Launched": datetime.fromtimestamp(run.created, UTC),
        "Recipe": spec.recipe.label if spec else "",
    }


def show_curves(runs: Sequence[RunStatus], chosen: Sequence[RunStatus]) -> None:
    """Learning curves of the selected runs; else of those that are running, else of the newest."""
    shown = list(chosen) or [run for run in runs if run.state == State.RUNNING] or list(runs)
    names = distinct_labels(run.spec for run in shown[:CURVES_AT_ONCE] if run.spec)
    frame = curves(home().run(run_id) for run_id in names)
    frame["run"] = frame["run_id"].map(names)
    if frame.empty:
        st.caption(t("The curves begin with the first epoch that is finished."))
        return
    left, right = st.columns(2)
    left.altair_chart(curve_chart(frame, "test_accuracy", t), key="accuracy curve")
    with right:
        measure = st.selectbox(
            t("Second chart"),
            [name for name in MEASURES if name != "test_accuracy"],
            1,
            format_func=lambda name: MEASURES[name](t),
            key="measure",
            label_visibility="collapsed",
        )
        st.altair_chart(curve_chart(frame, measure, t), key="other curve")
    if len(shown) > CURVES_AT_ONCE:
        st.caption(t("Curves of the first {n} runs; select others in the table.", n=CURVES_AT_ONCE))


def show_costs(runs: Sequence[RunStatus], chosen: Sequence[RunStatus]) -> None:
    """Size and latency of the selected runs, else of the study that was launched last, as soon as each is pruned."""
    shown = list(chosen) or newest_study(runs)
    names = distinct_labels(run.spec for run in shown if run.spec)
    costs = pd.DataFrame(
        [
            {"run": names[run.run_id], "size_mb": run.size_mb, "latency_ms": run.latency_ms}
            for run in shown
            if run.run_id in names and run.size_mb is not None and run.latency_ms is not None
        ][:BARS_AT_ONCE]
    )
    if costs.empty:
        return
    left, right = st.columns(2)
    left.altair_chart(cost_chart(costs, "size_mb", t("Compressed size (MB)"), t), key="sizes")
    right.altair_chart(cost_chart(costs, "latency_ms", t("Latency (ms per image, batch 1)"), t), key="latencies")
    st.caption(
        t(
            "Latencies of different runs were measured at different times, and a machine is not equally fast all day. "
            "*Compare* shows each beside the dense network that was timed in turns with it."
        )
    )


def newest_study(runs: Sequence[RunStatus]) -> list[RunStatus]:
    """The runs of the recipe that was launched last, with the dense runs that they start from."""
    launched = [(run.created, not run.spec.is_dense, run.spec.recipe) for run in runs if run.spec]
    if not launched:
        return []
    *_, recipe = max(launched, key=lambda entry: entry[:2])
    needed = {run.spec.dense.run_id for run in runs if run.spec and run.spec.recipe == recipe}
    return [run for run in runs if run.run_id in needed or (run.spec and run.spec.recipe == recipe)]


show(page)
