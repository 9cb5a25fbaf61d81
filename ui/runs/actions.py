"""What a person can do with runs on the Runs page: cancel, retry, delete, and launch again what ran out of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import streamlit as st

from core.i18n import t, tn
from core.runs.folder import UNFINISHED, State
from core.runs.status import FailureGroup, RunStatus, group_failures
from core.runs.trash import move_to_trash
from core.spec.grid import with_batch_size
from core.spec.spec import RunSpec
from ui.shared.errors import USER_ERRORS, describe, show_error
from ui.shared.services import home, queue, results, statuses
from ui.shared.url import link

MAX_NAMED_RUNS = 14
MAX_FAILURES = 5
BROKEN = (State.FAILED, State.INTERRUPTED)
RETRYABLE = (*BROKEN, State.CANCELLED)
LAST_ERROR = "error of the last action"

Subject = TypeVar("Subject")


def show_actions(runs: Sequence[RunStatus], selected: Sequence[RunStatus]) -> None:
    """Buttons for the selected runs, or for all when none is selected; each acts on the runs that it was drawn for."""
    scope, name = (selected, "selected") if selected else (runs, "all")
    stoppable = [run.run_id for run in scope if run.state in UNFINISHED and run.state != State.CANCELLING]
    # What somebody has cancelled goes on only if it is selected.
    again = RETRYABLE if selected else BROKEN
    retryable = [run.run_id for run in scope if run.state in again and run.spec is not None]
    with st.container(horizontal=True, vertical_alignment="center"):
        if stoppable:
            n = len(stoppable)
            label = t("Cancel selected ({n})", n=n) if selected else t("Cancel all ({n})", n=n)
            st.button(
                label, key=f"cancel {name}", icon=":material/stop_circle:", on_click=perform, args=[cancel, stoppable]
            )
        if retryable:
            n = len(retryable)
            label = t("Retry selected ({n})", n=n) if selected else t("Retry all ({n})", n=n)
            st.button(label, key=f"retry {name}", icon=":material/refresh:", on_click=perform, args=[retry, retryable])
        if ended := [run.run_id for run in selected if run.state not in UNFINISHED]:
            show_delete(ended)
        if len(selected) == 1 and selected[0].state == State.DONE:
            link("model", t("Look into this network"), icon=":material/deployed_code:", run=selected[0].run_id)
        if any(run.state == State.DONE for run in runs):
            link("compare", t("Compare the results"), icon=":material/stacked_line_chart:")
    hints = [t("Select rows to see their curves, or to cancel or retry only those.")] if len(runs) > 1 else []
    if any(run.state == State.CANCELLED for run in runs):
        hints.append(t("A cancelled run goes on when it is selected and retried."))
    if hints and not selected:
        st.caption(" ".join(hints))


def perform(action: Callable[[list[Subject]], None], subjects: list[Subject]) -> None:
    """What a click does, before anything is drawn again; an error stays on the page until the next click."""
    st.session_state.pop(LAST_ERROR, None)
    try:
        action(subjects)
    except USER_ERRORS as error:
        st.session_state[LAST_ERROR] = describe(error)
    finally:
        statuses().invalidate()
        results().invalidate()


def cancel(run_ids: list[str]) -> None:
    for run_id in run_ids:
        queue().cancel(run_id)


def retry(run_ids: list[str]) -> None:
    queue().submit([home().run(run_id).spec for run_id in run_ids])


def show_delete(run_ids: list[str]) -> None:
    with st.popover(t("Delete selected ({n})", n=len(run_ids)), icon=":material/delete:"):
        st.markdown("\n".join(f"- `{run_id}`" for run_id in run_ids[:MAX_NAMED_RUNS]))
        if len(run_ids) > MAX_NAMED_RUNS:
            st.caption(tn("and 1 more", "and {n} more", len(run_ids) - MAX_NAMED_RUNS))
        st.caption(t("Their folders move to *trash*, beside *checkpoints*; moving one back brings its run back."))
        st.button(t("Move to trash"), key="delete", type="primary", on_click=perform, args=[delete, run_ids])


def delete(run_ids: list[str]) -> None:
    move_to_trash(home(), run_ids)


def show_failures(runs: Sequence[RunStatus]) -> None:
    """Each reason once: what is wrong with the data, say, fails all runs of a study."""
    groups = group_failures(runs)
    for group in groups[:MAX_FAILURES]:
        first = group.run_ids[0]
        text = tn(
            "{run}: {reason}.",
            "{n} runs, the first of them {run}: {reason}.",
            len(group.run_ids),
            run=first,
            reason=group.failure.message,
        )
        if group.dependants:
            text += " " + tn(
                "1 more failed with it, as it starts from there.",
                "{n} more failed with it, as they start from there.",
                group.dependants,
            )
        if home().run(first).log_path.exists():
            text += " " + t("Details: log.txt in checkpoints/{run}.", run=first)
        show_error(text)
        show_smaller_batch(runs, group)
    if len(groups) > MAX_FAILURES:
        st.caption(
            t("The first {shown} of {n} reasons; select others in the table.", shown=MAX_FAILURES, n=len(groups))
        )


def show_smaller_batch(runs: Sequence[RunStatus], group: FailureGroup) -> None:
    """One click to launch again what ran out of memory, with the batch size that it suggests, and what waits for it."""
    batch = group.failure.smaller_batch
    recipes = {run.spec.recipe for run in runs if run.spec and run.run_id in group.run_ids}
    needed = {recipe.train for recipe in recipes}
    again = [run.spec for run in runs if run.spec and run.state == State.FAILED and run.spec.recipe.train in needed]
    if batch and again:
        st.button(
            tn("Launch it with batch size {batch}", "Launch all {n} with batch size {batch}", len(again), batch=batch),
            key=f"smaller {group.run_ids[0]}",
            icon=":material/compress:",
            on_click=perform,
            args=[partial(launch_smaller, batch), again],
            help=t("As a study of its own: runs of different batch sizes are not compared with each other."),
        )


def launch_smaller(batch: int, specs: list[RunSpec]) -> None:
    queue().submit(with_batch_size(specs, batch))
