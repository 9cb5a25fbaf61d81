"""The table of runs: what is wanted in it, and which rows are chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.i18n import t
from core.labels import state_name, variant_name
from core.runs.folder import State
from core.runs.status import RunStatus
from ui.launch.recipe import ANY_TEXT
from ui.runs.rows import Filter, group_row, groups, run_row
from ui.shared.columns import method_column
from ui.shared.url import read_choice, read_choices, read_flag, write_if_chosen

MAX_ROWS = 14
FEW = 8  # runs that need no filter
# Pixels. What comes first fits a window of 400, and the mark of the state with it.
SPARSITY_WIDTH, SEED_WIDTH, ACCURACY_WIDTH = 66, 46, 92


def choose(runs: Sequence[RunStatus]) -> list[RunStatus]:
    """The table of all runs that are wanted; those that are selected in it.

    A selection is a list of rows: it holds for these runs in this order only, and goes when another is launched.
    """
    wanted, grouped = choose_filter(runs) if len(runs) > FEW else (Filter(), False)
    shown = [run for run in runs if wanted.holds(run)]
    if not shown:
        st.info(t("No run is like that: take something out of the filter."), icon=":material/filter_alt:")
        return []
    rows = groups(shown) if grouped else [[run] for run in shown]
    if len(shown) < len(runs):
        st.caption(t("{shown} of {n} runs", shown=len(shown), n=len(runs)))
    ids = " ".join(run.run_id for run in shown)
    table = pd.DataFrame([group_row(row) if grouped else run_row(row[0]) for row in rows])
    event = st.dataframe(
        table if grouped or table["Now"].notna().any() else table.drop(columns="Now"),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"runs table {hashlib.sha256(f'{grouped} {ids}'.encode()).hexdigest()[:16]}",
        height="content" if len(rows) <= MAX_ROWS else 35 * MAX_ROWS,
        placeholder="—",
        column_config={
            **columns(max((len(str(run.spec.seed)) for run in shown if run.spec), default=0)),
            "Method": method_column(set(table["Method"])),
        },
    )
    return [run for place in event.selection.rows if place < len(rows) for run in rows[place]]


def choose_filter(runs: Sequence[RunStatus]) -> tuple[Filter, bool]:
    """Which runs are wanted, and whether those that differ only in the seed share a row."""
    states = [state for state in State if any(run.state == state for run in runs)]
    variants = {run.spec.variant: variant_name(run.spec.method, run.spec.settings) for run in runs if run.spec}
    read_choices("state", states)
    read_choices("method", variants)
    read_choice("find", ANY_TEXT, "")
    read_flag("group", False)
    columns = st.columns([2, 2, 3, 2], vertical_alignment="bottom")
    text = columns[0].text_input(
        t("Find"), key="find", placeholder=t("seed 42, width 8 …"), help=t("Words of a run's name or recipe.")
    )
    chosen_states = columns[1].multiselect(
        t("State"), states, key="state", format_func=lambda state: state_name(State(state)), placeholder=t("All")
    )
    chosen_variants = columns[2].multiselect(
        t("Method"),
        list(variants),
        key="method",
        format_func=variants.__getitem__,
        placeholder=t("All"),
    )
    grouped = columns[3].toggle(
        t("Group seeds"), key="group", help=t("One row for the runs that differ in nothing but the seed.")
    )
    wanted_states = [str(state) for state in chosen_states]
    write_if_chosen(find=(text, ""), state=(wanted_states, []), method=(chosen_variants, []), group=(grouped, False))
    return Filter(chosen_states, chosen_variants, text), grouped


def columns(digits: int) -> dict[str, Any]:
    """How each column is shown; ``digits``: of the longest seed."""
    config = st.column_config
    return {
        "Sparsity": config.NumberColumn(t("Sparsity"), format="%.2f", width=SPARSITY_WIDTH, help=t("As requested.")),
        "Seed": config.NumberColumn(t("Seed"), format="%d", width=max(SEED_WIDTH, 20 + 8 * digits)),
        "Done": config.NumberColumn(t("Seeds done"), width=90),
        "State": config.TextColumn(t("State"), width=110),
        "Progress": config.ProgressColumn(t("Progress"), min_value=0, max_value=100, format="%.0f %%"),
        "Now": config.TextColumn(t("Now"), width="medium"),
        "Accuracy (%)": config.NumberColumn(
            t("Accuracy (%)"),
            format="%.2f",
            width=ACCURACY_WIDTH,
            help=t("On the test pictures, after the newest epoch."),
        ),
        "± 95 %": config.NumberColumn(
            "± 95 %", format="%.2f", help=t("Half of the 95 % Student-t interval of the mean; none for one seed.")
        ),
        "Size (MB)": config.NumberColumn(
            t("Size (MB)"), format="%.3f", help=t("The compressed file, known once pruned.")
        ),
        "Latency (ms)": config.NumberColumn(
            t("Latency (ms)"),
            format="%.2f",
            help=t("Per image at batch 1, known once pruned; measured again at the end."),
        ),
        "Launched": config.DatetimeColumn(t("Launched"), format="distance"),
        "Recipe": t("Recipe"),
    }
