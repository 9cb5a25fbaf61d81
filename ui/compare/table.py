"""The efficiency table of the Compare page and its downloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.i18n import t
from core.labels import short_variant_name, variant_names
from core.report import tables
from core.results.frame import columns
from core.results.metrics import METRICS, Metric, table_metrics
from ui.shared.components import download_button, method_column, select

# What fits a window beside each other; the rest is a click away, and in the files.
VIEWS: Mapping[str, Sequence[str]] = {
    "results": ("test_accuracy", "accuracy_change", "model_size_mb", "size_ratio", "speedup", "batch_speedup"),
    "latency": ("macs", "inference_latency_ms", "speedup", "batch_latency_ms", "batch_speedup"),
    "files": ("model_size_mb", "plain_file_mb", "onnx_file_mb", "model_zip_mb", "plain_zip_mb", "onnx_zip_mb"),
    "int8": (
        "int8_accuracy",
        "int8_file_mb",
        "int8_latency_ms",
        "int8_speedup",
        "int8_batch_latency_ms",
        "int8_batch_speedup",
    ),
    "optimised": ("optimised_latency_ms", "optimised_speedup", "optimised_batch_latency_ms", "optimised_batch_speedup"),
}


def show_table(table: pd.DataFrame, runs: pd.DataFrame) -> None:
    head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom")
    head.subheader(t("Efficiency table"), anchor=False, width="content")
    views = {view: _with_values(table, map(METRICS.__getitem__, names)) for view, names in VIEWS.items()}
    views["all"] = _with_values(table, table_metrics())
    labels = {
        "results": t("Results"),
        "latency": t("Latency"),
        "files": t("Files"),
        "int8": "int8",
        "optimised": t("Optimised"),
        "all": t("All columns"),
    }
    offered = {view: label for view, label in labels.items() if views[view]}
    options = {"label_visibility": "collapsed", "width": "content"}
    metrics = views[select(head.segmented_control, t("Columns"), "columns", offered, "results", **options)]
    names = table["method"].map(variant_names(runs, short_variant_name))
    config = {
        "method": method_column(names),
        "sparsity": st.column_config.NumberColumn(t("Sparsity"), format="%.2f"),
        "seeds": st.column_config.NumberColumn(t("Seeds"), format="%d"),
    }
    if table["at_chance"].any():
        explanation = t("How many of them do no better than guessing.")
        config["at_chance"] = st.column_config.NumberColumn(t("At chance level"), format="%d", help=explanation)
    for metric in metrics:
        config |= metric_columns(metric)
    shown = table.assign(method=names)[list(config)]
    st.dataframe(shown, hide_index=True, column_config=config, placeholder="—", height="content")
    with st.container(horizontal=True):
        download_button(t("Download CSV"), "efficiency_table.csv", lambda: tables.to_csv(table), primary=True)
        download_button(t("All runs as CSV"), "all_runs.csv", lambda: tables.to_csv(runs[columns()]))


def _with_values(table: pd.DataFrame, metrics: Iterable[Metric]) -> list[Metric]:
    """``metrics`` without those that no run has, such as what early records lack: an empty column would say nothing."""
    return [metric for metric in metrics if table[metric.column].notna().any()]


def metric_columns(metric: Metric) -> dict[str, Any]:
    """How the efficiency table shows ``metric`` and, if there is one, the interval of its mean."""
    config = {metric.column: number_column(metric)}
    if interval := metric.interval:
        config[interval.column] = st.column_config.NumberColumn(
            t(interval.label), format=f"%.{metric.digits}f", help=t(interval.help)
        )
    return config


def number_column(metric: Metric) -> Any:
    """A column of a table with the values of ``metric``."""
    form = f"%{'+' if metric.signed else ''}.{metric.digits}f{'×' if metric.is_ratio else ''}"
    return st.column_config.NumberColumn(t(metric.label), format=form, help=t(metric.help) or None)
