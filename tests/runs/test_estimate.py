"""Estimates from the throughput of finished runs, and what the runs then took."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from core.runs.estimate import Estimate, estimate, last_outcome, read_throughputs, record_forecast
from core.runs.folder import Home
from core.spec.presets import build_recipe
from core.spec.spec import RunSpec
from tests.records import write_result

RECIPE = build_recipe("demo")
DENSE, PRUNED = SPECS = [RunSpec(RECIPE, "dense", 1), RunSpec(RECIPE, "magnitude", 1, 0.5)]


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path).prepare()


def test_the_last_run_to_end_tells_how_long_it_took(home):
    record_forecast(home, Estimate(100.0, True), [spec.run_id for spec in SPECS])
    assert last_outcome(home) is None  # nothing is done yet
    for spec, after in zip(SPECS, (50, 120), strict=True):
        path = write_result(home, spec).result_path
        os.utime(path, (time.time() + after,) * 2)
    outcome = last_outcome(home)
    assert outcome is not None
    assert (outcome.forecast.seconds, outcome.forecast.measured) == (100.0, True)
    assert outcome.seconds == pytest.approx(120, abs=5)


@pytest.mark.parametrize("kind", ["queued", "started", "cancelled"])
def test_what_was_stopped_or_launched_again_is_no_outcome(home, kind):
    record_forecast(home, Estimate(100.0, True), [SPECS[0].run_id])
    folder = write_result(home, SPECS[0])
    os.utime(folder.result_path, (time.time() + 60,) * 2)
    assert last_outcome(home) is not None
    folder.append(kind)
    assert last_outcome(home) is None


def test_garbled_forecasts_are_passed_over(home):
    record_forecast(home, Estimate(100.0, False), [SPECS[0].run_id])
    os.utime(write_result(home, SPECS[0]).result_path, (time.time() + 60,) * 2)
    with (home.cache / "forecasts.jsonl").open("a") as file:
        file.write(
            '{"t": 1, "seconds": "much", "runs": ["x"]}\n{"t": 1, "seconds": 2, "runs": ["../x"]}\nnonsense\n{"t":'
        )
    outcome = last_outcome(home)
    assert outcome is not None
    assert not outcome.forecast.measured


def test_a_forecast_that_cannot_be_recorded_stops_nothing(home):
    (home.cache / "forecasts.jsonl").mkdir()
    record_forecast(home, Estimate(1.0, True), ["x"])
    assert last_outcome(home) is None


def test_the_estimate_comes_from_runs_of_the_same_kind(home):
    guess = estimate([DENSE, PRUNED], read_throughputs(home))
    assert not guess.measured
    assert guess.seconds > 0
    write_result(home, DENSE, train_pictures=1000, wall_seconds=50.0)
    write_result(home, PRUNED, train_pictures=1000, wall_seconds=8.0)
    throughputs = read_throughputs(home)
    another = [RunSpec(RECIPE, "dense", 2), RunSpec(RECIPE, "structured", 2, 0.5)]
    known = estimate(another, throughputs)
    assert known.measured
    assert known.seconds == pytest.approx(58.0)
    untrained = RunSpec(RECIPE, "snip", 2, 0.5)  # three epochs more
    assert estimate([untrained], throughputs).seconds == pytest.approx(4 * 8.0)
    wider = RunSpec(replace(RECIPE, width=64), "dense", 1)
    assert not estimate([wider], throughputs).measured
    assert estimate([wider], throughputs).seconds > 5 * 50


def test_runs_at_a_time_shorten_the_estimate_but_none_comes_before_its_dense_run(home):
    write_result(home, DENSE, train_pictures=1000, wall_seconds=50.0)
    write_result(home, PRUNED, train_pictures=1000, wall_seconds=8.0)
    throughputs = read_throughputs(home)
    dense = RunSpec(RECIPE, "dense", 2)
    pruned = [RunSpec(RECIPE, "magnitude", 2, sparsity) for sparsity in (0.3, 0.5, 0.7, 0.9)]
    assert estimate([dense, *pruned], throughputs, 2).seconds == pytest.approx(50 + 2 * 8)
    assert estimate(pruned, throughputs, 4).seconds == pytest.approx(8)
