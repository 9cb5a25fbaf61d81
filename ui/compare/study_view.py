"""The study that the Compare page shows, and what is made of it once for all sessions that look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.charts import tradeoff as charts
from core.charts.pareto import asking, pareto_chart
from core.charts.slider import with_slider
from core.i18n import current_language
from core.report import tables
from core.results.frame import content_key, study_frame
from core.results.pareto import Recommendation, recommend
from core.results.sensitivity import mean_curves, sensitivity_frame
from core.results.statistics import summarise
from core.runs.folder import Home
from core.runs.polling import signature
from core.spec.methods import DENSE, METHODS, variant_label

MAX_RECOMMENDATIONS = 500  # that are kept
MANY_VARIANTS = 8  # of more, only the main ones are shown until others are chosen
DEFAULT_SPARSITY = 0.9
# The widgets of the page that are bound to the address, and what they usually show.
BOUND: dict[str, Any] = {"sparsity": DEFAULT_SPARSITY}
RUN = "run"  # the selection into which a click on a point puts the run


@dataclass(frozen=True)
class Drawing:
    """A chart without the data in it, and the data: a browser keeps the chart where only data change."""

    spec: dict[str, Any]
    data: dict[str, pa.Table]


@dataclass(frozen=True)
class Study:
    """The runs of one recipe, their means, how each variant looks, and what was already made of them for the page."""

    runs: pd.DataFrame
    summary: pd.DataFrame
    looks: dict[str, charts.Style]
    before: pd.DataFrame  # accuracy before fine-tuning, as mean_curves gives it, of those variants that have a curve
    dead: pd.DataFrame  # the runs with layers that lost all their weights
    _drawings: dict[Any, Drawing] = field(default_factory=dict)
    _tables: dict[Any, pd.DataFrame] = field(default_factory=dict)
    _answers: dict[Any, Recommendation | None] = field(default_factory=dict)

    def main_variants(self) -> list[str]:
        """What is shown until something is chosen: all variants, or of many the methods of a usual study."""
        if len(self.looks) <= MANY_VARIANTS:
            return list(self.looks)
        usual = [variant_label(name, {}) for name, method in METHODS.items() if method.group == "main"]
        return ([name for name in self.looks if name in usual] or list(self.looks))[:MANY_VARIANTS]

    def tradeoff(
        self, panel: charts.Panel, shown: Mapping[str, charts.Style], axis: charts.Axis, with_before: bool
    ) -> Drawing:
        """The chart with places for the slider's line and rings, built once: that takes far longer than all the rest."""

        def build() -> dict[str, Any]:
            before = self.before if with_before else None
            chart = charts.tradeoff_chart(
                panel, self.runs, self.summary, shown, axis=axis, before=before, height=270, select=RUN
            )
            return with_slider(chart.to_dict(validate=False), panel, axis)

        return self._drawn((panel.metric, axis.column, with_before, *shown), build)

    def pareto(self, cost: charts.Panel, shown: Mapping[str, charts.Style]) -> Drawing:
        """Accuracy against ``cost``, with places for what is asked and answered."""

        def build() -> dict[str, Any]:
            chart = pareto_chart(self.summary, shown, cost, runs=self.runs, select=RUN).properties(height=330)
            return asking(chart.to_dict(validate=False), cost)

        return self._drawn(("pareto", cost.metric, *shown), build)

    def recommend(self, cost: str, lowest: float, shown: Mapping[str, charts.Style]) -> Recommendation | None:
        """The run with the lowest ``cost`` of those accurate enough, among the variants shown and dense."""
        key = (cost, lowest, *shown)
        if key not in self._answers:
            if len(self._answers) >= MAX_RECOMMENDATIONS:
                self._answers.clear()
            runs, summary = (
                part[part["variant"].isin(list(charts.with_dense(shown)))] for part in (self.runs, self.summary)
            )
            self._answers[key] = recommend(runs, summary, cost, lowest)
        return self._answers[key]

    def table(self, shown: Mapping[str, charts.Style]) -> pd.DataFrame:
        """The efficiency table of the variants shown and dense, made once."""
        key = tuple(shown)
        if key not in self._tables:
            rows = self.runs[self.runs["variant"].isin(key) | (self.runs["method"] == DENSE)]
            self._tables[key] = tables.efficiency_table(rows)
        return self._tables[key]

    def _drawn(self, key: tuple[Any, ...], build: Any) -> Drawing:
        if key not in self._drawings:
            spec = build()
            data = {name: pa.Table.from_pylist(rows) for name, rows in spec.pop("datasets", {}).items()}
            self._drawings[key] = Drawing(spec, data)
        return self._drawings[key]


def find_study(home: Home, frame: pd.DataFrame, recipe: str) -> Study:
    """The study of ``recipe`` among the results ``frame`` of ``home``, made anew only if something is new in it."""
    own = frame[frame["recipe"] == recipe]
    dense = sorted(set(own["dense_id"]))
    part = frame[frame["run_id"].isin({*own["run_id"], *dense})]
    curves = tuple(signature(home.checkpoints / run_id, ("sensitivity.json",)) for run_id in dense)
    return _find_study(home.path, recipe, (content_key(part), curves), current_language(), _frame=part)


# The language is a part of the key, as the charts have words in them.
@st.cache_resource(show_spinner=False, max_entries=12)
def _find_study(path: Path, recipe: str, state: Any, in_language: str, _frame: pd.DataFrame) -> Study:
    home = Home(path)
    runs = study_frame(_frame, recipe)
    summary = summarise(runs)
    looks = charts.styles(summary)
    before = mean_curves(sensitivity_frame(home, runs["dense_id"].unique()))
    return Study(runs, summary, looks, before[before["variant"].isin(list(looks))], runs[runs["dead_layers"] != ""])
