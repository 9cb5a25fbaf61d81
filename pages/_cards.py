"""The cards of the Compare page: one method at one sparsity, against dense."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.study.methods import DENSE
from core.views import charts, tables

MOST_CARDS_IN_A_ROW = 4
METRIC_WIDTH = 125
BEFORE_HELP = (
    "Accuracy right after pruning, from a curve that was measured on the dense networks of the study at 20 sparsities and "
    "more; in between it is interpolated. No run is needed for it."
)


def show_cards(
    summary: pd.DataFrame,
    marked: pd.DataFrame,
    shown: Mapping[str, charts.Style],
    sparsity: float,
    before: Mapping[str, float],
) -> None:
    """A card for each variant shown; ``before``: accuracy (percent) here before fine-tuning, as far as known."""
    dense = summary[summary["method"] == DENSE]
    if not dense.empty:
        show_dense(dense.iloc[0])
    at = {row["variant"]: row for _, row in marked.iterrows()}
    names = list(shown)
    if not names:
        st.info("Only dense runs so far: launch a pruning method, and its cards appear here.")
        return
    in_a_row = math.ceil(len(names) / math.ceil(len(names) / MOST_CARDS_IN_A_ROW))
    for start in range(0, len(names), in_a_row):
        for column, variant in zip(st.columns(in_a_row), names[start : start + in_a_row], strict=False):
            with column.container(border=True, height="stretch"):
                if variant in at:
                    show_card(variant, shown[variant], at[variant])
                else:
                    measured = summary.loc[summary["variant"] == variant, "sparsity"]
                    say_no_data(variant, shown[variant], measured, sparsity)
                if variant in before:
                    st.caption(f"≈ {before[variant]:.1f} % before fine-tuning", help=BEFORE_HELP)


def show_dense(dense: pd.Series[Any]) -> None:
    batch = dense["batch_latency_ms"]
    known = "" if math.isnan(dense["test_accuracy_ci"]) else " (95 % interval of the mean)"
    in_batch = "" if math.isnan(batch) else f" ({batch:.3g} ms in a large batch)"
    st.markdown(
        f"{swatch(charts.DENSE_STYLE)} **Dense, the network before pruning:** "
        f"accuracy {tables.with_interval(dense['test_accuracy'], dense['test_accuracy_ci'])} %{known} · "
        f"{dense['model_size_mb']:.3g} MB · {dense['inference_latency_ms']:.3g} ms per image"
        f"{in_batch} · {seeds(dense['n'])}"
    )


def show_card(variant: str, look: charts.Style, at: pd.Series[Any]) -> None:
    st.markdown(f"{swatch(look)} **{variant}** {origin(at)}")
    change, interval = at["accuracy_change"], at["test_accuracy_ci"]
    with st.container(horizontal=True):
        st.metric(
            "Accuracy" if math.isnan(interval) else f"Accuracy ± {interval:.2f}",
            f"{at['test_accuracy']:.2f} %",
            delta=None if math.isnan(change) else f"{change:+.2f} points",
            delta_color="normal" if abs(change) >= 0.005 else "off",
            width=METRIC_WIDTH,
        )
        st.metric(
            "Size",
            f"{at['model_size_mb']:.3g} MB",
            delta=None if math.isnan(at["size_ratio"]) else times_smaller(at["size_ratio"]),
            delta_color="off",
            delta_arrow="off",
            width=METRIC_WIDTH,
        )
        st.metric("Speed-up, batch", times(at["batch_speedup"]), width=METRIC_WIDTH)
        st.metric("Speed-up, 1 image", times(at["speedup"]), width=METRIC_WIDTH)


def origin(at: pd.Series[Any]) -> str:
    """Where the numbers of a card come from, as a badge."""
    if not at["measured"]:
        return f":orange-badge[interpolated, {at['below']:g} to {at['above']:g}]"
    return f":gray-badge[{seeds(at['n'])}{', no interval' if at['n'] < 2 else ''}]"


def say_no_data(variant: str, look: charts.Style, measured: pd.Series[Any], sparsity: float) -> None:
    st.markdown(f"{swatch(look)} **{variant}**")
    st.markdown(f"No data at {sparsity:g}. Measured from {measured.min():g} to {measured.max():g}.")
    st.page_link("pages/launch.py", label="Open Launch", icon=":material/rocket_launch:")


def swatch(look: charts.Style) -> str:
    return f':color[{look.glyph}]{{foreground="{look.color}"}}'


def seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"


def times(ratio: float) -> str:
    return "—" if math.isnan(ratio) else f"{ratio:.2f}×"


def times_smaller(ratio: float) -> str:
    return f"{ratio:.1f}× smaller" if ratio >= 1 else f"{1 / ratio:.1f}× larger"
