"""The efficiency table of the Compare page and its downloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import t
from core.labels import short_variant_name
from core.report import tables
from core.results.frame import COLUMNS
from ui.shared.components import method_column
from ui.shared.url import read_choice, write_if_chosen

_FIRST = ("method", "sparsity", "seeds")
# What fits a window beside each other; the rest is a click away, and in the files.
VIEWS: Mapping[str, Sequence[str]] = {
    "results": (
        *_FIRST,
        "accuracy_percent",
        "accuracy_ci95",
        "accuracy_change_points",
        "accuracy_change_ci95",
        "compressed_size_mb",
        "size_ratio",
        "macs_millions",
        "speedup_batch1",
        "speedup_large_batch",
    ),
    "latency": (
        *_FIRST,
        "latency_batch1_ms",
        "speedup_batch1",
        "latency_large_batch_ms",
        "speedup_large_batch",
    ),
    "optimised": (
        *_FIRST,
        "optimised_latency_batch1_ms",
        "optimised_speedup_batch1",
        "optimised_latency_large_batch_ms",
        "optimised_speedup_large_batch",
    ),
    "all": (),  # in the order of the files
}


def show_table(table: pd.DataFrame, runs: pd.DataFrame) -> None:
    # Records made before networks were timed as delivered have none of these: four empty columns would say nothing.
    empty = {name for name in table.columns if str(name).startswith("optimised_") and table[name].isna().all()}
    head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom")
    head.subheader(t("Efficiency table"), anchor=False, width="content")
    view = choose_view(head, [name for name, shown in VIEWS.items() if not shown or set(shown) - empty - set(_FIRST)])
    names = [short_variant_name(variant) for variant in table["method"]]
    columns = {**column_config(), "method": method_column(names)}
    st.dataframe(
        table.assign(method=names)[[name for name in VIEWS[view] or table.columns if name not in empty]],
        hide_index=True,
        column_config=columns,
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
            data=lambda: tables.to_csv(runs[list(COLUMNS)]),
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


def _number(label: str, form: str, explained: str | None = None) -> Any:
    return st.column_config.NumberColumn(label, format=form, help=explained)


def column_config() -> dict[str, Any]:
    return {
        "sparsity": _number(t("Sparsity"), "%.2f"),
        "seeds": _number(t("Seeds"), "%d"),
        "accuracy_percent": _number(t("Accuracy (%)"), "%.2f", t("Mean test accuracy after the last epoch.")),
        "accuracy_ci95": _number(
            "± 95 %", "%.2f", t("Half of the 95 % Student-t interval of the mean; none for one seed.")
        ),
        "accuracy_change_points": _number(
            t("Change"), "%+.2f", t("Percentage points against the dense runs of the same seeds.")
        ),
        "accuracy_change_ci95": _number(
            t("Change ± 95 %"), "%.2f", t("Half of the 95 % Student-t interval of the change; none for one seed.")
        ),
        "size_ratio": _number(t("Times smaller"), "%.1f×", t("The dense network's file over this one.")),
        "compressed_size_mb": _number(t("Size (MB)"), "%.3f", t("The compressed file that was really written.")),
        "latency_batch1_ms": _number(t("Latency, batch 1 (ms)"), "%.3f", t("Per image, one at a time.")),
        "latency_large_batch_ms": _number(
            t("Latency, large batch (ms)"), "%.3f", t("Latency per image in a large batch.")
        ),
        "speedup_batch1": _number(t("Speed-up, batch 1"), "%.2f×", t("Measured, against dense.")),
        "speedup_large_batch": _number(
            t("Speed-up, large batch"), "%.2f×", t("Speed-up in a large batch, measured, against dense.")
        ),
        "optimised_latency_batch1_ms": _number(
            t("Optimised, batch 1 (ms)"), "%.3f", t("Latency per image with BatchNorm folded and operations fused.")
        ),
        "optimised_latency_large_batch_ms": _number(
            t("Optimised, large batch (ms)"), "%.3f", t("The same per image in a large batch.")
        ),
        "optimised_speedup_batch1": _number(
            t("Optimised speed-up, batch 1"), "%.2f×", t("Measured, against the dense network optimised alike.")
        ),
        "optimised_speedup_large_batch": _number(
            t("Optimised speed-up, large batch"), "%.2f×", t("The same in a large batch.")
        ),
        "params_millions": _number(t("Params (M)"), "%.3f", t("Weights that are not zero.")),
        "macs_millions": _number(t("MACs (M)"), "%.1f", t("Multiply-accumulate operations for one image.")),
        "mac_ratio": _number(
            t("MAC ratio"), "%.2f×", t("MACs of the dense network over these. This is not a speed-up.")
        ),
        "reached_sparsity": _number(t("Reached sparsity"), "%.4f", t("The share of weights that is really gone.")),
        "filter_ratio": _number(t("Filter ratio"), "%.3f", t("The share of whole filters that is gone.")),
        "plain_size_mb": _number(t("Plain size (MB)"), "%.3f", t("The weights saved as they are.")),
        "accuracy_before_finetuning_percent": _number(
            t("Before fine-tuning (%)"), "%.2f", t("Accuracy right after pruning.")
        ),
    }
