"""Launch: select methods, sparsities and seeds, see what that means, and start it in the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from core.i18n import t, tn
from core.jobs.workers import runs_at_once
from core.runs.estimate import Estimate, estimate, record_forecast
from core.runs.folder import UNFINISHED, State
from core.runs.imports import keep_weights
from core.spec.spec import RunSpec
from ui.launch.grid import select_runs
from ui.launch.recipe import select_recipe
from ui.launch.summary import ACTIVE, show_summary
from ui.runs.launch import new_launch
from ui.shared.components import page_head
from ui.shared.errors import USER_ERRORS, describe, show_error
from ui.shared.services import home, queue, statuses, throughputs
from ui.shared.url import go, link


def page() -> None:
    page_head(t("Launch a study"))
    st.caption(
        t(
            "Methods that use the trained dense network get the fine-tuning epochs, those that start untrained "
            "the dense epochs, too. Runs go on in the background: you may close this page."
        )
    )
    # All widgets before the first check: one that is not drawn because of a mistake further up would be missing.
    recipe, runs = select_recipe(), select_runs()
    specs = runs.build(recipe.build())
    states = {spec.run_id: current_state(spec) for spec in specs}
    expected = estimate([spec for spec in specs if states[spec.run_id] != State.DONE], throughputs(), runs_at_once())
    show_summary(specs, states, expected)
    show_launch(specs, states, expected, recipe.weights)


def current_state(spec: RunSpec) -> State | None:
    """The state of the run, None if there is no such run yet."""
    folder = home().run(spec.run_id)
    return folder.state() if folder.path.exists() else None


def show_launch(
    specs: Sequence[RunSpec], states: Mapping[str, State | None], expected: Estimate, weights: Path | None
) -> None:
    """The button, or links to the runs where they all exist already. ``weights``: a file that the dense runs take."""
    if all(state == State.DONE for state in states.values()):
        st.success(t("All of these runs are done."), icon=":material/check_circle:")
        link("compare", t("Compare them"), icon=":material/stacked_line_chart:")
        return
    waiting = sum(state != State.DONE and state not in ACTIVE for state in states.values())
    label = tn("Launch 1 run", "Launch {n} runs", waiting) if waiting else t("Everything is under way")
    # The key stays when the number changes: a click that was on its way then still counts.
    if st.button(label, key="launch", type="primary", icon=":material/rocket_launch:", disabled=not waiting):
        launch(specs, expected, weights)
    if not waiting:
        link("runs", t("Watch the runs"))


def launch(specs: Sequence[RunSpec], expected: Estimate, weights: Path | None = None) -> None:
    """Submit the runs and go where they can be watched; else say why not, and what is to become of them."""
    launched = new_launch()
    try:
        with st.spinner(t("Handing the runs to the background…")):
            if weights is not None:
                keep_weights(home(), weights, specs[0].recipe.weights_sha256)
            queued = queue().submit(specs, launched).queued
            statuses().invalidate()
            others = [run for run in statuses().read() if run.state in UNFINISHED and run.run_id not in queued]
            if queued and not others:
                record_forecast(home(), expected, queued)
    except USER_ERRORS as error:
        show_error(describe(error))
        if any(current_state(spec) == State.QUEUED for spec in specs):
            st.info(t("The runs stay queued. The Runs page hands them over as soon as that is possible."))
            link("runs", t("Watch the runs"), launched=launched)
        return
    finally:
        statuses().invalidate()
    go("runs", launched=launched)
