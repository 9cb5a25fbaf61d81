"""The efficiency table of the Compare page and its downloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import t
from core.labels import short_variant_name, variant_names
from core.report import tables
from core.results.frame import columns
from core.results.metrics import METRICS, Metric, table_metrics
from ui.shared.components import method_column
from ui.shared.url import read_choice, write_if_chosen

# What fits a window beside each other; the rest is a click away, and in the files.
VIEWS: Mapping[str, Sequence[str]] = {
    "results": ("test_accuracy", "accuracy_change", "model_size_mb", "size_ratio", "macs", "speedup", "batch_speedup"),
    "latency": ("inference_latency_ms", "speedup", "batch_latency_ms", "batch_speedup"),
    "optimised": ("optimised_latency_ms", "optimised_speedup", "optimised_batch_latency_ms", "optimised_batch_speedup"),
}


def show_table(table: pd.DataFrame, runs: pd.DataFrame) -> None:
    head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom")
    head.subheader(t("Efficiency table"), anchor=False, width="content")
    views = {view: _with_values(table, map(METRICS.__getitem__, names)) for view, names in VIEWS.items()}
    views["all"] = _with_values(table, table_metrics())
    metrics = views[choose_view(head, [view for view, shown in views.items() if shown])]
    names = table["method"].map(variant_names(runs, short_variant_name))
    config = {
        "method": method_column(names),
        "sparsity": st.column_config.NumberColumn(t("Sparsity"), format="%.2f"),
        "seeds": st.column_config.NumberColumn(t("Seeds"), format="%d"),
    }
    for metric in metrics:
        config |= metric_columns(metric)
    st.dataframe(
        table.assign(method=names)[list(config)],
        hide_index=True,
        column_config=config,
        placeholder="—",
        height="content",
    )
    with st.container(horizontal=True):
        st.download_button(
            t("Download CSV"),
            data=lambda: tables.to_csv(table),
            file_name="efficiency_table.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/download:",
            type="primary",
        )
        st.download_button(
            t("All runs as CSV"),
            data=lambda: tables.to_csv(runs[columns()]),
            file_name="all_runs.csv",
            mime="text/csv",
            on_click="ignore",
            icon=":material/download:",
        )


def choose_view(place: DeltaGenerator, offered: Sequence[str]) -> str:
    """Which columns are shown: one of ``offered``, which are keys of VIEWS."""
    words = {"results": t("Results"), "latency": t("Latency"), "optimised": t("Optimised"), "all": t("All columns")}
    read_choice("columns", offered, "results")
    view = place.segmented_control(
        t("Columns"),
        offered,
        format_func=words.__getitem__,
        required=True,
        key="columns",
        label_visibility="collapsed",
        width="content",
    )
    write_if_chosen(columns=(view, "results"))
    return str(view)


def _with_values(table: pd.DataFrame, metrics: Iterable[Metric]) -> list[Metric]:
    """``metrics`` without those that no run has, such as what early records lack: an empty column would say nothing."""
    return [metric for metric in metrics if table[metric.column].notna().any()]


def metric_columns(metric: Metric) -> dict[str, Any]:
    """How the efficiency table shows ``metric`` and, if there is one, the interval of its mean."""
    columns = {metric.column: number_column(metric)}
    if metric.interval:
        columns[metric.interval.column] = st.column_config.NumberColumn(
            t(metric.interval.label), format=f"%.{metric.digits}f", help=t(metric.interval.help)
        )
    return columns


def number_column(metric: Metric) -> Any:
    """A column of a table with the values of ``metric``."""
    form = f"%{'+' if metric.signed else ''}.{metric.digits}f{'×' if metric.is_ratio else ''}"
    return st.column_config.NumberColumn(t(metric.label), format=form, help=t(metric.help) or None)
