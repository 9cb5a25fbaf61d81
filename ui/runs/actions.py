"""What a person can do with runs on the Runs page: cancel, retry, delete, and launch again what ran out of memory.

A button acts on the runs that it was drawn for and says how many they are. It asks where others have to go along, which are
not in view or not selected; and what was done can be undone until something else is done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from core.i18n import N_, t, tn
from core.jobs.queue import WAITING
from core.runs.folder import UNFINISHED, State
from core.runs.status import FailureGroup, RunStatus, group_failures
from core.runs.trash import move_back, move_to_trash
from core.spec.grid import with_batch_size, with_dense
from core.spec.spec import RunSpec
from ui.runs.launch import new_launch
from ui.shared.errors import USER_ERRORS, describe, show_error
from ui.shared.services import home, queue, results, statuses
from ui.shared.url import link, write

MAX_NAMED_RUNS = 14
MAX_FAILURES = 5
BROKEN = (State.FAILED, State.INTERRUPTED)
RETRYABLE = (*BROKEN, State.CANCELLED)
LAST_ERROR, LAST_ACTION = "error of the last action", "last action"
CANCEL = {"all": N_("Cancel all ({n})"), "shown": N_("Cancel shown ({n})"), "selected": N_("Cancel selected ({n})")}
RETRY = {"all": N_("Retry all ({n})"), "shown": N_("Retry shown ({n})"), "selected": N_("Retry selected ({n})")}


@dataclass(frozen=True, slots=True)
class Done:
    """An action that was carried out on runs, in a sentence, and the one that undoes it."""

    sentence: str
    run_ids: Collection[str]
    undo: Callable[[], Done]


def show_actions(runs: Sequence[RunStatus], shown: Sequence[RunStatus], selected: Sequence[RunStatus]) -> None:
    """Buttons for the selected runs; for all that are shown when none is selected."""
    scope = selected or shown
    name = "selected" if selected else "shown" if len(shown) < len(runs) else "all"
    stoppable = [run.run_id for run in scope if run.state in UNFINISHED and run.state != State.CANCELLING]
    # What somebody has cancelled goes on only if it is selected.
    again = [run for run in scope if run.state in (RETRYABLE if selected else BROKEN) and run.spec is not None]
    with st.container(horizontal=True, vertical_alignment="center"):
        if stoppable:
            show_cancel(name, stoppable, waiting_for(runs, stoppable))
        if again:
            show_retry(name, [run.run_id for run in again], needed_dense(runs, again))
        if ended := [run.run_id for run in selected if run.state not in UNFINISHED]:
            show_delete(ended)
        if len(selected) == 1 and selected[0].state == State.DONE:
            link("model", t("Look into this network"), icon=":material/deployed_code:", run=selected[0].run_id)
        if any(run.state == State.DONE for run in runs):
            link("compare", t("Compare the results"), icon=":material/stacked_line_chart:")
    if done := st.session_state.get(LAST_ACTION):
        show_undo(done, runs)
    hints = [t("Select rows to see their curves, or to cancel or retry only those.")] if len(runs) > 1 else []
    if any(run.state == State.CANCELLED for run in runs):
        hints.append(t("A cancelled run goes on when it is selected and retried."))
    if hints and not selected:
        st.caption(" ".join(hints))


def waiting_for(runs: Iterable[RunStatus], run_ids: Collection[str]) -> list[str]:
    """The runs besides ``run_ids`` that wait for a dense run among these, and are cancelled with it."""
    others = (run for run in runs if run.state in WAITING and run.spec is not None and run.run_id not in run_ids)
    return [run.run_id for run in others if run.spec and run.spec.dense.run_id in run_ids]


def needed_dense(runs: Iterable[RunStatus], again: Iterable[RunStatus]) -> list[str]:
    """The dense runs besides ``again`` that these start from, and that have to be queued with them."""
    present = {run.run_id for run in again} | {run.run_id for run in runs if run.state not in RETRYABLE}
    return list(
        dict.fromkeys(run.spec.dense.run_id for run in again if run.spec and run.spec.dense.run_id not in present)
    )


def show_cancel(scope: str, run_ids: list[str], others: list[str]) -> None:
    label, confirm = t(CANCEL[scope], n=count(run_ids, others)), t("Cancel {n} runs", n=len(run_ids) + len(others))
    why = t("These wait for a dense run that is to be cancelled, and are cancelled with it.")
    action = partial(cancel, run_ids)
    show_with_others((label, confirm), f"cancel {scope}", action, others, why=why, icon=":material/stop_circle:")


def show_retry(scope: str, run_ids: list[str], others: list[str]) -> None:
    label, confirm = t(RETRY[scope], n=count(run_ids, others)), t("Retry {n} runs", n=len(run_ids) + len(others))
    why = t("The runs start from these dense ones, which are queued with them.")
    show_with_others(
        (label, confirm), f"retry {scope}", partial(retry, run_ids), others, why=why, icon=":material/refresh:"
    )


def show_with_others(
    labels: tuple[str, str], key: str, action: Callable[[], Done], others: list[str], *, why: str, icon: str
) -> None:
    """A button with the first of ``labels``; if the action is on ``others``, too, it names them and ``why``, and asks by a
    button with the second."""
    label, confirm = labels
    if not others:
        show_button(label, key, action, icon=icon)
        return
    with st.popover(label, icon=icon):
        name_runs(others, why)
        show_button(confirm, key, action, type="primary")


def show_delete(run_ids: list[str]) -> None:
    explanation = t(
        "Their folders move to *trash*, beside *checkpoints*; moving one back, without the time after its name, brings its "
        "run back."
    )
    with st.popover(t("Delete selected ({n})", n=len(run_ids)), icon=":material/delete:"):
        name_runs(run_ids, explanation)
        show_button(t("Move to trash"), "delete", partial(delete, run_ids), type="primary")


def count(run_ids: Sequence[str], others: Sequence[str]) -> str:
    return f"{len(run_ids)} + {len(others)}" if others else str(len(run_ids))


def name_runs(run_ids: Sequence[str], explanation: str) -> None:
    st.markdown("\n".join(f"- `{run_id}`" for run_id in run_ids[:MAX_NAMED_RUNS]))
    if len(run_ids) > MAX_NAMED_RUNS:
        st.caption(tn("and 1 more", "and {n} more", len(run_ids) - MAX_NAMED_RUNS))
    st.caption(explanation)


def show_button(label: str, key: str, action: Callable[[], Done], **options: Any) -> None:
    st.button(label, key=key, on_click=perform, args=[action], **options)


def perform(action: Callable[[], Done]) -> None:
    """What a click does, before anything is drawn again; what came of it stays on the page until the next click."""
    st.session_state.pop(LAST_ERROR, None)
    try:
        st.session_state[LAST_ACTION] = action()
    except USER_ERRORS as error:
        st.session_state[LAST_ERROR] = describe(error)
    finally:
        statuses().invalidate()
        results().invalidate()


def show_undo(done: Done, runs: Iterable[RunStatus]) -> None:
    """What the last click did, and the way back."""
    stopping = any(run.state == State.CANCELLING and run.run_id in done.run_ids for run in runs)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/check: {done.sentence}", width="content")
        if done.run_ids:
            # What is stopping cannot be queued yet.
            explanation = t("As soon as the runs have stopped.") if stopping else None
            show_button(t("Undo"), "undo", done.undo, icon=":material/undo:", disabled=stopping, help=explanation)


def cancel(run_ids: Iterable[str]) -> Done:
    cancelled = [each for run_id in run_ids for each in queue().cancel(run_id)]
    sentence = tn("1 run was cancelled.", "{n} runs were cancelled.", len(cancelled))
    return Done(sentence, cancelled, partial(retry, cancelled))


def retry(run_ids: Iterable[str]) -> Done:
    queued = queue().submit([home().run(run_id).spec for run_id in run_ids]).queued
    sentence = tn("1 run was queued again.", "{n} runs were queued again.", len(queued))
    return Done(sentence, queued, partial(cancel, queued))


def launch(specs: Sequence[RunSpec]) -> Done:
    """As a launch of its own, which is marked from now on."""
    launched = new_launch()
    write(launched=launched)
    queued = queue().submit(specs, launched).queued
    return Done(tn("1 run was launched.", "{n} runs were launched.", len(queued)), queued, partial(cancel, queued))


def delete(run_ids: Collection[str]) -> Done:
    moved = dict(zip(run_ids, move_to_trash(home(), run_ids), strict=True))
    sentence = tn("1 run was moved to the trash.", "{n} runs were moved to the trash.", len(moved))
    return Done(sentence, run_ids, partial(undelete, moved))


def undelete(moved: Mapping[str, Path]) -> Done:
    move_back(home(), moved)
    sentence = tn("1 run is back from the trash.", "{n} runs are back from the trash.", len(moved))
    return Done(sentence, list(moved), partial(delete, list(moved)))


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
    failed = [run.spec for run in runs if run.spec and run.state == State.FAILED and run.spec.recipe.train in needed]
    if batch and failed:
        again = with_dense(with_batch_size(failed, batch))
        show_button(
            tn("Launch it with batch size {batch}", "Launch all {n} with batch size {batch}", len(again), batch=batch),
            f"smaller {group.run_ids[0]}",
            partial(launch, again),
            icon=":material/compress:",
            help=t("As a study of its own: runs of different batch sizes are not compared with each other."),
        )
