"""The cards of the Compare page: one method at one sparsity, against dense."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.charts.styles import DENSE_STYLE, Style
from core.i18n import t, tn
from core.report import tables
from core.results.metrics import METRICS
from core.results.sensitivity import accuracy_at
from core.results.speed import same_operations
from core.results.statistics import nearest
from core.spec.methods import DENSE
from ui.compare.study_view import StudyView
from ui.compare.table import number_column
from ui.launch.link import launch_query
from ui.shared.components import colored, times
from ui.shared.url import link

MAX_CARDS, MAX_CARDS_PER_ROW = 8, 4
METRIC_WIDTH = 125
TABLE = ("test_accuracy", "accuracy_change", "model_size_mb", "batch_speedup", "speedup")


def before_help() -> str:
    return t(
        "Accuracy right after pruning and after the best repair, from curves that were measured on the dense networks of "
        "the study at 20 sparsities and more; in between it is interpolated. No run is needed for it."
    )


def show_cards(view: StudyView, marked: pd.DataFrame, shown: Mapping[str, Style], sparsity: float) -> None:
    """A card for each variant shown, with the means at ``sparsity`` of those that ``marked`` has."""
    dense = view.summary[view.summary["method"] == DENSE]
    if not dense.empty:
        show_dense(dense.iloc[0])
    at = {row["variant"]: row for _, row in marked.iterrows()}
    before, repaired = (accuracy_at(view.before, sparsity, line) for line in ("accuracy", "repaired"))
    cards, more = list(shown)[:MAX_CARDS], list(shown)[MAX_CARDS:]
    if not cards:
        st.info(t("Only dense runs so far: launch a pruning method, and its cards appear here."))
        return
    per_row = math.ceil(len(cards) / math.ceil(len(cards) / MAX_CARDS_PER_ROW))
    for start in range(0, len(cards), per_row):
        for column, variant in zip(st.columns(per_row), cards[start : start + per_row], strict=False):
            with column.container(border=True, height="stretch"):
                if variant in at:
                    show_card(shown[variant], at[variant])
                else:
                    show_not_measured(view, shown[variant], variant, sparsity)
                if variant in repaired:
                    st.caption(
                        t(
                            "≈ {accuracy:.1f} % after the cut, {repaired:.1f} % after repair, without training",
                            accuracy=before[variant],
                            repaired=repaired[variant],
                        ),
                        help=before_help(),
                    )
                elif variant in before:
                    st.caption(t("≈ {accuracy:.1f} % before fine-tuning", accuracy=before[variant]), help=before_help())
    if more:
        with st.expander(t("{n} more variants at {sparsity:g}", n=len(more), sparsity=sparsity)):
            show_table(view, more, shown, at, sparsity)


def show_table(
    view: StudyView, variants: list[str], shown: Mapping[str, Style], at: Mapping[str, pd.Series[Any]], sparsity: float
) -> None:
    """What cards would show, a row a variant."""
    rows = []
    for variant in variants:
        row = {"variant": f"{shown[variant].glyph} {shown[variant].name}"}
        if (values := at.get(variant)) is not None:
            row["origin"] = seeds(values["n"]) if values["measured"] else interpolated(values)
            if values["at_chance"]:
                row["origin"] += f", {describe_chance(values)}"
            row |= {name: values[name] / METRICS[name].unit for name in TABLE}
        else:
            row["origin"] = describe_nearest(view.summary, variant, sparsity)
        rows.append(row)
    config: dict[str, Any] = {"variant": t("Method"), "origin": t("Value")}
    config |= {name: number_column(METRICS[name]) for name in TABLE}
    st.dataframe(pd.DataFrame(rows, columns=list(config)), hide_index=True, column_config=config, placeholder="—")


def show_dense(dense: pd.Series[Any]) -> None:
    batch = dense["batch_latency_ms"]
    accuracy = tables.with_interval(dense["test_accuracy"], dense["test_accuracy_ci"])
    parts = [
        t("accuracy {accuracy} %", accuracy=accuracy)
        if math.isnan(dense["test_accuracy_ci"])
        else t("accuracy {accuracy} % (95 % interval of the mean)", accuracy=accuracy),
        f"{dense['model_size_mb']:.3g} MB",
        t("{ms:.3g} ms per image", ms=dense["inference_latency_ms"])
        + ("" if math.isnan(batch) else " " + t("({ms:.3g} ms in a large batch)", ms=batch)),
        seeds(dense["n"]),
    ]
    heading = f"{swatch(DENSE_STYLE)} **{t('Dense, the network before pruning:')}**"
    st.markdown(" ".join((heading, " · ".join(parts), *chance_badge(dense))))


def show_card(style: Style, at: pd.Series[Any]) -> None:
    st.markdown(" ".join((swatch(style), f"**{style.name}**", origin(at), *chance_badge(at))))
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
            t("PruneScope file"),
            f"{at['model_size_mb']:.3g} MB",
            help=describe_files(at),
            delta=None if math.isnan(at["size_ratio"]) else times_smaller(at["size_ratio"]),
            delta_color="off",
            delta_arrow="off",
            width=METRIC_WIDTH,
        )
        show_speedup(t("Speed-up, batch"), at, "batch_speedup")
        show_speedup(t("Speed-up, 1 image"), at, "speedup")


def describe_files(at: pd.Series[Any]) -> str:
    """The sizes of the other files of the network, as far as they were measured."""
    names = {"plain_file_mb": t("Plain safetensors"), "onnx_file_mb": "ONNX"}
    known = [f"{name}: {at[metric]:.3g} MB" for metric, name in names.items() if not math.isnan(at[metric])]
    return "  \n".join([t("The compressed file, which PruneScope and its package read."), *known])


def show_speedup(label: str, at: pd.Series[Any], name: str) -> None:
    same, half_width = bool(same_operations(at)), at[f"{name}_ci"]
    interval = None if math.isnan(half_width) else f"± {half_width:.2f}"
    st.metric(
        label,
        "1×" if same else times(at[name]),
        delta=t("same operations") if same else interval,
        delta_color="off",
        delta_arrow="off",
        width=METRIC_WIDTH,
    )


def origin(at: pd.Series[Any]) -> str:
    """Where the numbers of a card come from, as a badge."""
    if not at["measured"]:
        return f":orange-badge[{interpolated(at)}]"
    return f":gray-badge[{seeds(at['n']) if at['n'] > 1 else t('1 seed, no interval')}]"


def interpolated(at: pd.Series[Any]) -> str:
    return t("interpolated, {low:g} to {high:g}", low=at["below"], high=at["above"])


def describe_chance(row: Mapping[str, Any] | pd.Series[Any]) -> str:
    """How many of the seeds behind a mean are at chance level, one at least."""
    dead = int(row["at_chance"])
    if not row["n"]:
        return t("next to a network at chance level")
    if dead == row["n"]:
        return t("at chance level")
    return t("{n} of {seeds} at chance level", n=dead, seeds=seeds(row["n"]))


def chance_badge(row: pd.Series[Any]) -> Iterator[str]:
    """A badge for a mean that has a seed at chance level."""
    if row["at_chance"]:
        yield f":red-badge[{describe_chance(row)}]"


def show_not_measured(view: StudyView, style: Style, variant: str, sparsity: float) -> None:
    st.markdown(f"{swatch(style)} **{style.name}** :gray-badge[{t('not measured here')}]")
    st.markdown(describe_nearest(view.summary, variant, sparsity))
    query = launch_query(view.runs, variant, sparsity)
    if query is not None:
        label = t("Launch it at {sparsity:g}", sparsity=sparsity)
        link("launch", label, icon=":material/rocket_launch:", **query)


def describe_nearest(summary: pd.DataFrame, variant: str, sparsity: float) -> str:
    """Where ``variant`` was measured around ``sparsity``, and with which accuracy."""
    points = [
        t("{accuracy:.2f} % at {sparsity:g}", accuracy=row["test_accuracy"], sparsity=row["sparsity"])
        + (f" ({describe_chance(row)})" if row["at_chance"] else "")
        for _, row in nearest(summary, variant, sparsity).iterrows()
    ]
    return t("Not measured at {sparsity:g}; nearest: {points}.", sparsity=sparsity, points=", ".join(points))


def swatch(style: Style) -> str:
    return colored(style.glyph, style.color)


def seeds(n: int) -> str:
    return tn("1 seed", "{n} seeds", n)


def times_smaller(ratio: float) -> str:
    return t("{ratio:.1f}× smaller", ratio=ratio) if ratio >= 1 else t("{ratio:.1f}× larger", ratio=1 / ratio)
