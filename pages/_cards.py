"""The cards of the Compare page: one method at one sparsity, against dense."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.study.methods import DENSE
from core.views import charts, tables
from pages._language import t

MOST_CARDS_IN_A_ROW = 4
METRIC_WIDTH = 125


def before_help() -> str:
    return t(
        "Accuracy right after pruning, from a curve that was measured on the dense networks of the study at 20 sparsities "
        "and more; in between it is interpolated. No run is needed for it."
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
        st.info(t("Only dense runs so far: launch a pruning method, and its cards appear here."))
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
                    st.caption(t("≈ {accuracy:.1f} % before fine-tuning", accuracy=before[variant]), help=before_help())


def show_dense(dense: pd.Series[Any]) -> None:
    batch = dense["batch_latency_ms"]
    accuracy = tables.with_interval(dense["test_accuracy"], dense["test_accuracy_ci"])
    known = not math.isnan(dense["test_accuracy_ci"])
    parts = [
        t("accuracy {accuracy} % (95 % interval of the mean)", accuracy=accuracy)
        if known
        else t("accuracy {accuracy} %", accuracy=accuracy),
        f"{dense['model_size_mb']:.3g} MB",
        t("{ms:.3g} ms per image", ms=dense["inference_latency_ms"])
        + ("" if math.isnan(batch) else " " + t("({ms:.3g} ms in a large batch)", ms=batch)),
        seeds(dense["n"]),
    ]
    st.markdown(f"{swatch(charts.DENSE_STYLE)} **{t('Dense, the network before pruning:')}** {' · '.join(parts)}")


def show_card(variant: str, look: charts.Style, at: pd.Series[Any]) -> None:
    st.markdown(f"{swatch(look)} **{variant}** {origin(at)}")
    change, interval = at["accuracy_change"], at["test_accuracy_ci"]
    with st.container(horizontal=True):
        st.metric(
            t("Accuracy") if math.isnan(interval) else f"{t('Accuracy')} ± {interval:.2f}",
            f"{at['test_accuracy']:.2f} %",
            delta=None if math.isnan(change) else t("{change:+.2f} points", change=change),
            delta_color="normal" if abs(change) >= 0.005 else "off",
            width=METRIC_WIDTH,
        )
        st.metric(
            t("Size"),
            f"{at['model_size_mb']:.3g} MB",
            delta=None if math.isnan(at["size_ratio"]) else times_smaller(at["size_ratio"]),
            delta_color="off",
            delta_arrow="off",
            width=METRIC_WIDTH,
        )
        st.metric(t("Speed-up, batch"), times(at["batch_speedup"]), width=METRIC_WIDTH)
        st.metric(t("Speed-up, 1 image"), times(at["speedup"]), width=METRIC_WIDTH)


def origin(at: pd.Series[Any]) -> str:
    """Where the numbers of a card come from, as a badge."""
    if not at["measured"]:
        return f":orange-badge[{t('interpolated, {low:g} to {high:g}', low=at['below'], high=at['above'])}]"
    return f":gray-badge[{seeds(at['n']) if at['n'] > 1 else t('1 seed, no interval')}]"


def say_no_data(variant: str, look: charts.Style, measured: pd.Series[Any], sparsity: float) -> None:
    st.markdown(f"{swatch(look)} **{variant}**")
    st.markdown(
        t(
            "No data at {sparsity:g}. Measured from {low:g} to {high:g}.",
            sparsity=sparsity,
            low=measured.min(),
            high=measured.max(),
        )
    )
    st.page_link("pages/launch.py", label=t("Open Launch"), icon=":material/rocket_launch:")


def swatch(look: charts.Style) -> str:
    return f':color[{look.glyph}]{{foreground="{look.color}"}}'


def seeds(n: int) -> str:
    return t("1 seed") if n == 1 else t("{n} seeds", n=n)


def times(ratio: float) -> str:
    return "—" if math.isnan(ratio) else f"{ratio:.2f}×"


def times_smaller(ratio: float) -> str:
    return t("{ratio:.1f}× smaller", ratio=ratio) if ratio >= 1 else t("{ratio:.1f}× larger", ratio=1 / ratio)
