"""Runs: what goes on, how far it is, how it learns."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from core.charts.live import MEASURES, cost_chart, curve_chart, distinct_labels
from core.i18n import N_, t, tn
from core.jobs.workers import runs_at_once
from core.labels import duration, state_name
from core.results.metrics import METRICS
from core.runs.estimate import Outcome, last_outcome, time_left
from core.runs.folder import UNFINISHED, Home, State
from core.runs.status import RunStatus, curves
from ui.runs.actions import LAST_ERROR, show_actions, show_failures
from ui.runs.details import show_details, show_load
from ui.runs.launch import read_launch
from ui.runs.rows import MARKS, in_order
from ui.runs.table import show_runs
from ui.shared.components import page_head, select, show_empty_state
from ui.shared.errors import show_error, show_errors
from ui.shared.services import home, reconcile_in_background, statuses, throughputs

LIVE_SECONDS = 2
OUTCOME_SECONDS = 5
MAX_CURVES = 6
MAX_BARS = 20


def page() -> None:
    page_head(t("Runs"))
    runs = statuses().read()
    if not runs:
        show_empty_state(t("Nothing has run yet"), t("Launch a study, and its runs appear here while they train."))
        return
    active = any_unfinished(runs)
    # The clock only ticks while something can change: a page of finished runs costs nothing.
    st.fragment(show_errors(show_live), run_every=LIVE_SECONDS if active else None)(active)


def show_live(was_active: bool) -> None:
    """The part of the page that is alive."""
    runs = statuses().read()
    if not runs or any_unfinished(runs) != was_active:
        st.rerun()
    launch = read_launch(runs)
    runs = in_order(runs, launch)
    reconcile_in_background()
    if LAST_ERROR in st.session_state:
        show_error(st.session_state[LAST_ERROR])
    show_state_counts(runs)
    if was_active:
        show_load()
    else:
        show_last_forecast()
    shown, selected = show_runs(runs, launch)
    show_actions(runs, shown, selected)
    show_failures(selected or shown)
    show_details(selected)
    show_curves(shown, selected)
    show_costs(shown, selected)


def any_unfinished(runs: Sequence[RunStatus]) -> bool:
    return any(run.state in UNFINISHED for run in runs)


def show_state_counts(runs: Sequence[RunStatus]) -> None:
    counts = Counter(run.state for run in runs)
    line = " · ".join(f"{MARKS[state]} {counts[state]} {state_name(state)}" for state in State if counts[state])
    left = time_left(runs, throughputs(), runs_at_once())
    if left.seconds:
        remaining = duration(left.seconds)
        line += " · " + (
            t("about **{time}** left", time=remaining)
            if left.measured
            else t("about **{time}** left (a rough guess)", time=remaining)
        )
    st.markdown(line)


def show_last_forecast() -> None:
    """Whether the estimate for the last launch was right."""
    outcome = _outcome(home().path, time.time() // OUTCOME_SECONDS)
    if outcome is not None:
        n = len(outcome.forecast.runs)
        runs = tn("1 run", "{n} runs", n)
        estimated, took = duration(outcome.forecast.seconds), duration(outcome.seconds)
        template = (
            N_("The last launch, {runs}: estimated about {time}, took {took}.")
            if outcome.forecast.measured
            else N_("The last launch, {runs}: guessed about {time}, took {took}.")
        )
        st.caption(t(template, runs=runs, time=estimated, took=took))


@st.cache_data(show_spinner=False, max_entries=4)
def _outcome(path: Path, period: float) -> Outcome | None:
    """Read again every few seconds at most."""
    return last_outcome(Home(path))


def show_curves(runs: Sequence[RunStatus], selected: Sequence[RunStatus]) -> None:
    """Learning curves of the selected runs; else, of ``runs``, of those that are running, else of the first."""
    shown = list(selected) or [run for run in runs if run.state == State.RUNNING] or list(runs)
    names = distinct_labels(run.spec for run in shown[:MAX_CURVES] if run.spec)
    frame = curves(home().run(run_id) for run_id in names)
    frame["run"] = frame["run_id"].map(names)
    methods = {names[run.run_id]: run.spec.method for run in shown if run.spec and run.run_id in names}
    if frame.empty:
        st.caption(t("The curves begin with the first epoch that is finished."))
        return
    # Above both charts: above one it would push that one down.
    place = st.container(horizontal=True, horizontal_alignment="right")
    measures = {name: t(title) for name, title in MEASURES.items() if name != "test_accuracy"}
    measure = select(place.selectbox, t("Second chart"), "measure", measures, "loss", width=260)
    left, right = st.columns(2)
    for place, name, key in ((left, "test_accuracy", "accuracy curve"), (right, measure, "other curve")):
        if frame[name].isna().all():
            place.caption(t("The curves begin with the first epoch that is finished."))
        else:
            place.altair_chart(curve_chart(frame, name, methods), key=key)
    if len(shown) > MAX_CURVES:
        st.caption(t("Curves of the first {n} runs; select others in the table.", n=MAX_CURVES))


def show_costs(runs: Sequence[RunStatus], selected: Sequence[RunStatus]) -> None:
    """Size and latency of the selected runs, else of the study that was launched last, as soon as each is pruned."""
    shown = list(selected) or newest_study(runs)
    names = distinct_labels(run.spec for run in shown if run.spec)
    costs = pd.DataFrame(
        [
            {"run": names[run.run_id], "size_mb": run.size_mb, "relative_latency": run.relative_latency}
            for run in shown
            if run.run_id in names and run.size_mb is not None and run.relative_latency is not None
        ][:MAX_BARS]
    )
    if costs.empty:
        return
    left, right = st.columns(2)
    left.altair_chart(cost_chart(costs, "size_mb", t("Compressed size (MB)")), key="sizes")
    right.altair_chart(cost_chart(costs, "relative_latency", t(METRICS["relative_latency"].label)), key="latencies")


def newest_study(runs: Sequence[RunStatus]) -> list[RunStatus]:
    """The runs of the recipe that was launched last, with the dense runs that they start from."""
    launched = [(run.created, not run.spec.is_dense, run.spec.recipe) for run in runs if run.spec]
    if not launched:
        return []
    *_, recipe = max(launched, key=lambda entry: entry[:2])
    needed = {run.spec.dense.run_id for run in runs if run.spec and run.spec.recipe == recipe}
    return [run for run in runs if run.run_id in needed or (run.spec and run.spec.recipe == recipe)]
