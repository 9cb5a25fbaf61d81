"""The table of runs, with its filter and selection."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.i18n import t
from core.labels import state_name, variant_name
from core.results.metrics import METRICS
from core.runs.folder import State
from core.runs.status import RunStatus
from ui.runs.rows import LAUNCH_MARK, Filter, group_row, groups, run_row
from ui.shared.components import method_column, toggle
from ui.shared.url import read_choices, read_text, write_if_chosen

MAX_ROWS = 14
MAX_UNFILTERED = 8  # runs that need no filter
SELECTED = "selected runs"
# Pixels. What comes first fits a window of 400, and the mark of the state with it.
SPARSITY_WIDTH, SEED_WIDTH, ACCURACY_WIDTH = 66, 46, 92


def show_runs(runs: Sequence[RunStatus], launch: str) -> tuple[list[RunStatus], list[RunStatus]]:
    """The filter and the table of the runs that match it, those that ``launch`` queued marked; these runs, and those that
    are selected among them.

    Streamlit knows a selection as a list of rows, of these runs in this order: a table in another order is another one to
    it, which begins with the same runs selected.
    """
    run_filter, grouped = select_filter(runs) if len(runs) > MAX_UNFILTERED else (Filter(), False)
    shown = [run for run in runs if run_filter.matches(run)]
    if not shown:
        st.info(t("No run is like that: take something out of the filter."), icon=":material/filter_alt:")
        return [], []
    rows = groups(shown) if grouped else [[run] for run in shown]
    if len(shown) < len(runs):
        st.caption(t("{shown} of {n} runs", shown=len(shown), n=len(runs)))
    if any(launch in run.launches for run in shown):
        st.caption(t("{mark} marks the runs of the last launch.", mark=LAUNCH_MARK))
    ids = " ".join(run.run_id for run in shown)
    before: Collection[str] = st.session_state.get(SELECTED, ())
    table = pd.DataFrame([group_row(row, launch) if grouped else run_row(row[0], launch) for row in rows])
    digits = max((len(str(run.spec.seed)) for run in shown if run.spec), default=0)
    event = st.dataframe(
        table if grouped or table["phase"].notna().any() else table.drop(columns="phase"),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={
            "selection": {"rows": [n for n, row in enumerate(rows) if all(run.run_id in before for run in row)]}
        },
        key=f"runs table {hashlib.sha256(f'{grouped} {ids}'.encode()).hexdigest()[:16]}",
        height="content" if len(rows) <= MAX_ROWS else 35 * MAX_ROWS,
        placeholder="—",
        column_config={**column_config(digits), "method": method_column(set(table["method"]))},
    )
    selected = [run for index in event.selection.rows if index < len(rows) for run in rows[index]]
    st.session_state[SELECTED] = {run.run_id for run in selected}
    return shown, selected


def select_filter(runs: Sequence[RunStatus]) -> tuple[Filter, bool]:
    """The filter, and whether runs that differ only in the seed share a row."""
    states = [state for state in State if any(run.state == state for run in runs)]
    variants = {run.spec.variant: variant_name(run.spec.method, run.spec.settings) for run in runs if run.spec}
    read_choices("state", states)
    read_choices("method", variants)
    read_text("find")
    columns = st.columns([2, 2, 3, 2], vertical_alignment="bottom")
    text = columns[0].text_input(
        t("Find"), key="find", placeholder=t("seed 42, width 8 …"), help=t("Words and numbers of the table.")
    )
    selected_states = columns[1].multiselect(
        t("State"), states, key="state", format_func=lambda state: state_name(State(state)), placeholder=t("All")
    )
    selected_variants = columns[2].multiselect(
        t("Method"),
        list(variants),
        key="method",
        format_func=variants.__getitem__,
        placeholder=t("All"),
    )
    explanation = t("One row for the runs that differ in nothing but the seed.")
    grouped = toggle(columns[3], t("Group seeds"), "group", False, help=explanation)
    state = [str(state) for state in selected_states]
    write_if_chosen(find=(text, ""), state=(state, []), method=(selected_variants, []))
    return Filter(selected_states, selected_variants, text), grouped


def column_config(digits: int) -> dict[str, Any]:
    """How each column is shown; ``digits``: of the longest seed."""
    config = st.column_config
    return {
        "sparsity": config.NumberColumn(t("Sparsity"), format="%.2f", width=SPARSITY_WIDTH, help=t("As requested.")),
        "seed": config.NumberColumn(t("Seed"), format="%d", width=max(SEED_WIDTH, 20 + 8 * digits)),
        "done": config.NumberColumn(t("Seeds done"), width=90),
        "state": config.TextColumn(t("State"), width=110),
        "progress": config.ProgressColumn(t("Progress"), min_value=0, max_value=100, format="%.0f %%"),
        "phase": config.TextColumn(t("Now"), width="medium"),
        "accuracy": config.NumberColumn(
            t("Accuracy (%)"),
            format="%.2f",
            width=ACCURACY_WIDTH,
            help=t("On the test pictures, after the newest epoch."),
        ),
        "interval": config.NumberColumn(
            "± 95 %", format="%.2f", help=t("Half of the 95 % Student-t interval of the mean; none for one seed.")
        ),
        "size_mb": config.NumberColumn(
            t("Size (MB)"), format="%.3f", help=t("The compressed file, known once pruned.")
        ),
        "relative_latency": config.NumberColumn(
            t(METRICS["relative_latency"].label),
            format="%.2f",
            help=t("Timed in turns with the dense network; 1 where the operations are the same."),
        ),
        "launched": config.DatetimeColumn(t("Launched"), format="distance"),
        "recipe": t("Recipe"),
    }
