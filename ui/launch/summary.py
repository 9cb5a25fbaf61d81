"""What the runs that are selected on the Launch page amount to: how many, how long, and each by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core.i18n import t, tn
from core.jobs.workers import runs_at_once
from core.labels import duration, run_name, state_name, training_name, variant_name
from core.runs.estimate import Estimate
from core.runs.folder import State
from core.spec.spec import RunSpec

ACTIVE = (State.QUEUED, State.RUNNING, State.CANCELLING)


def show_summary(specs: Sequence[RunSpec], states: Mapping[str, State | None], estimate: Estimate) -> None:
    """One sentence, and the list of the runs. ``states`` by run id, None for a new run; ``estimate`` for those to do."""
    dense = sum(spec.is_dense for spec in specs)
    done = sum(state == State.DONE for state in states.values())
    active = sum(state in ACTIVE for state in states.values())
    dense_runs = tn("1 dense run", "{n} dense runs", dense)
    pruned_runs = tn("1 pruned run", "{n} pruned runs", len(specs) - dense)
    parts = [t("**{dense_runs} and {pruned_runs}**", dense_runs=dense_runs, pruned_runs=pruned_runs)]
    if done < len(specs):
        parts.append(describe_estimate(estimate))
    if done:
        parts.append(tn("1 is done already", "{n} are done already", done))
    if active:
        parts.append(tn("1 is under way", "{n} are under way", active))
    st.info("; ".join(parts) + ".", icon=":material/schedule:")
    st.caption(describe_training(specs))
    with st.expander(tn("The only run", "All {n} runs", len(specs)), icon=":material/list:"):
        rows = [
            {"run": run_name(spec), "state": state_name(state) if (state := states[spec.run_id]) else t("new")}
            for spec in specs
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={"run": t("Run"), "state": t("State")})


def describe_training(specs: Sequence[RunSpec]) -> str:
    """The epochs that each variant gets, those with the same together."""
    groups: dict[str, dict[str, None]] = {}
    for spec in specs:
        groups.setdefault(training_name(spec), {})[variant_name(spec.method, spec.settings)] = None
    return "  \n".join(
        t("{variants} ({training})", variants=", ".join(names), training=training) for training, names in groups.items()
    )


def describe_estimate(estimate: Estimate) -> str:
    time, at_once = duration(estimate.seconds), tn("1 run at a time", "{n} runs at a time", runs_at_once())
    if estimate.measured:
        return t("about **{time}** (from runs measured here; {at_once})", time=time, at_once=at_once)
    return t(
        "about **{time}** (a rough guess for a CPU: nothing like it was measured here yet; {at_once})",
        time=time,
        at_once=at_once,
    )
