"""Launch: choose methods, sparsities and seeds, see what that means, and start it in the background."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.i18n import t, tn
from core.jobs.workers import runs_at_once
from core.labels import duration, run_name, state_name
from core.runs.estimate import Estimate, estimate
from core.runs.folder import UNFINISHED, State
from core.runs.forecast import record_forecast
from core.spec.spec import RunSpec
from ui.launch.grid import choose_runs, read_runs
from ui.launch.recipe import choose_recipe
from ui.shared.components import page_head
from ui.shared.errors import USER_ERRORS, describe, show_error
from ui.shared.services import home, queue, statuses, throughputs
from ui.shared.url import go, link

ACTIVE = (State.QUEUED, State.RUNNING, State.CANCELLING)


def page() -> None:
    page_head(t("Launch a study"))
    st.caption(
        t(
            "Every method starts from the same dense network and gets the same budget to recover. "
            "Runs go on in the background: you may close this page."
        )
    )
    # All widgets before the first check: one that is not drawn because of a mistake further up would be missing.
    recipe, runs = choose_recipe(), choose_runs()
    specs = read_runs(recipe, runs)
    states = {spec.run_id: state_of(spec) for spec in specs}
    known = show_summary(specs, states)
    launch_button(specs, states, known)


def state_of(spec: RunSpec) -> State | None:
    """The state of the run, None if there is no such run yet."""
    folder = home().run(spec.run_id)
    return folder.state() if folder.path.exists() else None


def show_summary(specs: list[RunSpec], states: Mapping[str, State | None]) -> Estimate:
    """The plain sentence, and the runs behind it; the estimate that is in it."""
    todo = [spec for spec in specs if states[spec.run_id] != State.DONE]
    done, active = len(specs) - len(todo), sum(state in ACTIVE for state in states.values())
    known = estimate(todo, throughputs(), runs_at_once())
    dense = sum(spec.is_dense for spec in specs)
    dense_runs = tn("1 dense run", "{n} dense runs", dense)
    n = len(specs) - dense
    pruned_runs = tn("1 pruned run", "{n} pruned runs", n)
    parts = [t("**{dense_runs} and {pruned_runs}**", dense_runs=dense_runs, pruned_runs=pruned_runs)]
    if todo:
        time = duration(known.seconds)
        at_once = tn("1 run at a time", "{n} runs at a time", runs_at_once())
        parts.append(
            t("about **{time}** (from runs measured here; {at_once})", time=time, at_once=at_once)
            if known.measured
            else t(
                "about **{time}** (a rough guess for a CPU: nothing like it was measured here yet; {at_once})",
                time=time,
                at_once=at_once,
            )
        )
    if done:
        parts.append(tn("1 is done already", "{n} are done already", done))
    if active:
        parts.append(tn("1 is under way", "{n} are under way", active))
    st.info("; ".join(parts) + ".", icon=":material/schedule:")
    with st.expander(t("All {n} runs", n=len(specs)), icon=":material/list:"):
        rows = []
        for spec in specs:
            state = states[spec.run_id]
            rows.append({"Run": run_name(spec), "State": state_name(state) if state else t("new")})
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={"Run": t("Run"), "State": t("State")})
    return known


def launch_button(specs: list[RunSpec], states: Mapping[str, State | None], known: Estimate) -> None:
    if all(state == State.DONE for state in states.values()):
        st.success(t("All of these runs are done."), icon=":material/check_circle:")
        link("compare", t("Compare them"), icon=":material/stacked_line_chart:")
        return
    waiting = sum(state != State.DONE and state not in ACTIVE for state in states.values())
    label = tn("Launch 1 run", "Launch {n} runs", waiting) if waiting else t("Everything is under way")
    # The key stays when the number changes: a click that was on its way then still counts.
    clicked = st.button(label, key="launch", type="primary", icon=":material/rocket_launch:", disabled=not waiting)
    if clicked:
        launch(specs, known)
    if not waiting:
        link("runs", t("Watch the runs"))


def launch(specs: list[RunSpec], known: Estimate) -> None:
    """Submit the runs and go where they can be watched; else say why not, and what is to become of them."""
    try:
        with st.spinner(t("Handing the runs to the background…")):
            queued = queue().submit(specs).queued
            statuses().invalidate()
            others = [run for run in statuses().read() if run.state in UNFINISHED and run.run_id not in queued]
            if queued and not others:
                record_forecast(home(), known.seconds, known.measured, queued)
    except USER_ERRORS as error:
        show_error(describe(error))
        if any(state_of(spec) == State.QUEUED for spec in specs):
            st.info(t("The runs stay queued. The Runs page hands them over as soon as that is possible."))
            link("runs", t("Watch the runs"))
        return
    finally:
        statuses().invalidate()
    go("runs")
