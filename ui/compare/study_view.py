"""The study that the Compare page shows, and what is made of it once for all sessions that look at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.charts import tradeoff as charts
from core.charts.pareto import pareto_chart, with_recommendation
from core.charts.slider import with_slider
from core.charts.styles import Style, assign_styles, select_variants
from core.i18n import current_language
from core.report import tables
from core.results.frame import content_key, study_frame
from core.results.paired import Pair, pairwise
from core.results.pareto import Recommendation, recommend
from core.results.sensitivity import mean_curves, sensitivity_frame
from core.results.speed import FLOAT32
from core.results.statistics import summarise
from core.runs.folder import Home
from core.runs.polling import signature
from core.spec.methods import DENSE, METHODS, variant_label

MANY_VARIANTS = 8  # of more, only the main ones are shown until others are selected
RUN = "run"  # the selection into which a click on a point puts the run

T = TypeVar("T")


@dataclass(frozen=True)
class Drawing:
    """A chart without the data in it, and the data: a browser keeps the chart where only data change."""

    spec: dict[str, Any]
    data: dict[str, pa.Table]


@dataclass(frozen=True)
class StudyView:
    """The runs of one recipe, their means, and the style of each variant. ``key`` stands for it in the caches below."""

    key: tuple[Any, ...]
    runs: pd.DataFrame
    summary: pd.DataFrame
    styles: Mapping[str, Style]
    before: pd.DataFrame  # accuracy before fine-tuning, as mean_curves gives it, of those variants that have a curve
    dead: pd.DataFrame  # the runs with layers that lost all their weights

    def main_variants(self) -> list[str]:
        """What is shown until something is selected: all variants, or of many those of the main methods."""
        if len(self.styles) <= MANY_VARIANTS:
            return list(self.styles)
        main = [variant_label(name, {}) for name, method in METHODS.items() if method.group == "main"]
        return ([name for name in self.styles if name in main] or list(self.styles))[:MANY_VARIANTS]

    def tradeoff(
        self, panel: charts.Panel, shown: Mapping[str, Style], axis: charts.Axis, with_before: bool
    ) -> Drawing:
        """The chart with places for the slider's line and rings: building it takes far longer than all the rest."""

        def build() -> Drawing:
            before = self.before if with_before else None
            chart = charts.tradeoff_chart(
                panel, self.runs, self.summary, shown, axis=axis, before=before, height=270, select=RUN
            )
            return _drawing(with_slider(chart.to_dict(validate=False), panel, axis))

        return _cached((*self.key, "tradeoff", panel.metric, axis.column, with_before, *shown), build)

    def pareto(self, cost: charts.Panel, shown: Mapping[str, Style]) -> Drawing:
        """Accuracy against ``cost``, with places for the accuracy target and the recommended network."""

        def build() -> Drawing:
            chart = pareto_chart(self.summary, shown, cost, runs=self.runs, select=RUN).properties(height=330)
            return _drawing(with_recommendation(chart.to_dict(validate=False), cost))

        return _cached((*self.key, "pareto", cost.metric, *shown), build)

    def recommend(self, cost: str, target: float, shown: Mapping[str, Style]) -> Recommendation | None:
        """The run with the lowest ``cost`` of those accurate enough, among the variants shown and dense."""

        def build() -> Recommendation | None:
            runs, summary = (select_variants(rows, shown) for rows in (self.runs, self.summary))
            return recommend(runs, summary, cost, target)

        return _cached((*self.key, "recommend", cost, target, *shown), build)

    def pairs(self, shown: Sequence[str], sparsity: float) -> tuple[Pair, ...]:
        """Dense and the variants shown, as far as they were run at ``sparsity``, each beside each other."""

        def build() -> tuple[Pair, ...]:
            return pairwise(self.runs, [variant_label(DENSE, {}), *shown], sparsity)

        return _cached((*self.key, "pairs", sparsity, *shown), build)

    def table(self, shown: Sequence[str]) -> pd.DataFrame:
        """The efficiency table of the variants shown and dense."""
        rows = select_variants(self.runs, shown)
        return _cached((*self.key, "table", *shown), lambda: tables.efficiency_table(rows))


def load_study_view(home: Home, frame: pd.DataFrame, recipe: str, precision: str = FLOAT32) -> StudyView:
    """The study of ``recipe`` among the results ``frame`` of ``home``, its networks in ``precision``, made anew only if
    something is new in it."""
    own = frame[frame["recipe"] == recipe]
    dense = sorted(set(own["dense_id"]))
    part = frame[frame["run_id"].isin({*own["run_id"], *dense})]
    curves = tuple(signature(home.checkpoints / run_id, ("sensitivity.json",)) for run_id in dense)
    # The language is a part of the key, as the charts have words in them.
    return _study_view((home.path, recipe, precision, current_language(), content_key(part), curves), part)


@st.cache_resource(show_spinner=False, max_entries=12)
def _study_view(key: tuple[Any, ...], _frame: pd.DataFrame) -> StudyView:
    path, recipe, precision, *_ = key
    runs = study_frame(_frame, recipe)
    summary = summarise(runs)
    styles = assign_styles(summary)  # the same in each precision
    if precision != FLOAT32:
        runs = study_frame(_frame, recipe, precision)
        summary = summarise(runs)
    before = mean_curves(sensitivity_frame(Home(path), runs["dense_id"].unique()))
    dead = runs[runs["dead_layers"] != ""]
    return StudyView(key, runs, summary, styles, before[before["variant"].isin(list(styles))], dead)


@st.cache_resource(show_spinner=False, max_entries=400)
def _cached(key: tuple[Any, ...], _build: Callable[[], T]) -> T:
    return _build()


def _drawing(spec: dict[str, Any]) -> Drawing:
    return Drawing(spec, {name: pa.Table.from_pylist(rows) for name, rows in spec.pop("datasets", {}).items()})
