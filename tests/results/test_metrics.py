"""The registry of metrics: each is what RunResult has or follows from it, and a new one is one entry."""

from __future__ import annotations

import io
import math

import pandas as pd
import pytest

from core.report.all_results import all_results
from core.report.study import find_study
from core.report.tables import efficiency_table, to_csv
from core.results.frame import Results, columns, study_frame
from core.results.metrics import INT8_METRICS, METRICS, Metric, costs, measured_metrics, table_metrics
from core.results.statistics import interpolate, summarise
from core.runs.folder import Home
from core.runs.int8 import Int8Result
from core.runs.result import RunResult
from core.spec.grid import study_runs
from core.spec.presets import build_recipe
from tests.records import write_result

RECIPE = build_recipe("demo")


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path).prepare()
    for spec in study_runs(RECIPE, ["magnitude"], (0.0, 0.7, 0.9), (1, 2)):
        write_result(home, spec, energy_mj=10.0 * (1 - spec.sparsity) + spec.seed)
    return home


def test_what_is_measured_is_a_field_of_the_result():
    assert set(measured_metrics()) - set(INT8_METRICS) <= set(RunResult.model_fields)
    assert set(INT8_METRICS) <= set(Int8Result.model_fields)


def test_columns_of_the_table_are_distinct_and_ratios_are_marked():
    names = [metric.column for metric in table_metrics()]
    assert len(names) == len(set(names))
    assert {metric.name for metric in METRICS.values() if metric.is_ratio} == {
        *("mac_ratio", "speedup", "batch_speedup", "optimised_speedup", "optimised_batch_speedup", "size_ratio"),
        *("plain_file_ratio", "onnx_file_ratio", "model_zip_ratio", "plain_zip_ratio", "onnx_zip_ratio"),
        *(name for name in INT8_METRICS if name.endswith(("speedup", "gain"))),
    }
    assert "inference_latency_ms" not in costs()  # two runs are not measured at the same time


def test_a_metric_is_one_entry(home, monkeypatch):
    monkeypatch.setitem(
        METRICS, "energy_mj", Metric("energy_mj", "Energy (mJ)", better="lower", column="energy_joules", unit=1e3)
    )
    saved = Metric(
        "energy_ratio",
        "Energy ratio",
        is_ratio=True,
        column="energy_ratio",
        against_dense=lambda study, dense: dense["energy_mj"] / study["energy_mj"],
    )
    monkeypatch.setitem(METRICS, saved.name, saved)
    frame = Results(home).frame()
    study = study_frame(frame, RECIPE.key)
    row = study[(study["sparsity"] == 0.9) & (study["seed"] == 2)].iloc[0]
    assert row["energy_mj"] == pytest.approx(3.0)
    assert row["energy_ratio"] == pytest.approx(4.0)
    summary = summarise(study)
    assert summary["energy_mj"].iloc[-1] == pytest.approx(2.5)
    assert summary["energy_mj_ci"].notna().all()
    between = interpolate(summary, 0.8).iloc[0]
    assert 1 / between["energy_ratio"] == pytest.approx((1 / summary["energy_ratio"].iloc[-2:]).mean())
    table = efficiency_table(study)
    assert list(table.columns[-2:]) == ["energy_joules", "energy_ratio"]
    assert table["energy_joules"].iloc[-1] == pytest.approx(0.0025)
    assert "energy_joules" in to_csv(table).splitlines()[0]
    runs = pd.read_csv(io.StringIO(to_csv(study[columns()])))
    assert sorted(runs["energy_mj"]) == pytest.approx(sorted(study["energy_mj"]))
    assert "energy_mj" in costs()
    found = all_results(find_study(home))
    assert {"energy_mj", "energy_ratio"} <= set(found["configurations"][0]["metrics"])


def test_a_metric_that_early_records_lack_is_missing_and_not_zero(home, monkeypatch):
    monkeypatch.setitem(METRICS, "newest", Metric("newest", "Newest", column="newest"))
    study = study_frame(Results(home).frame(), RECIPE.key)
    assert study["newest"].isna().all()
    assert math.isnan(efficiency_table(study)["newest"].iloc[0])
