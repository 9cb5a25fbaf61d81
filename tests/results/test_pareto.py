"""Pareto questions against looking at every run."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.results.metrics import costs
from core.results.pareto import best, pareto_front, recommend
from core.spec.errors import InputError

NUMBERS = st.one_of(st.just(float("nan")), st.integers(0, 20).map(float))
RUNS = st.lists(
    st.tuples(st.sampled_from(["Magnitude", "Structured"]), st.sampled_from([0.5, 0.9]), NUMBERS, NUMBERS),
    min_size=1,
    max_size=25,
)


def frame(rows):
    study = pd.DataFrame(rows, columns=["variant", "sparsity", "test_accuracy", "model_size_mb"])
    study["run_id"] = [f"run-{place}" for place in range(len(study))]
    return study


def means(study):
    groups = study.groupby(["variant", "sparsity"], sort=False)[["test_accuracy", "model_size_mb"]]
    return groups.mean().reset_index().assign(n=list(groups.size()))


quick = settings(deadline=None)  # a busy machine is no mistake


@quick
@given(RUNS, st.integers(0, 21))
def test_the_answer_is_what_looking_at_every_run_and_mean_gives(rows, lowest):
    study = frame(rows)
    summary = means(study)
    known = [row for row in study.to_dict("records") if not math.isnan(row["model_size_mb"])]
    enough = [row for row in known if row["test_accuracy"] >= lowest]
    steady = [
        (mean["model_size_mb"], -mean["test_accuracy"])
        for mean in summary.to_dict("records")
        if mean["test_accuracy"] >= lowest and any(setting(row) == setting(mean) for row in enough)
    ]
    found = recommend(study, summary, "model_size_mb", lowest)
    if steady:
        assert found.met
        assert found.mean_met
        assert (found.choice.mean["model_size_mb"], -found.choice.mean["test_accuracy"]) == min(steady)
        assert cost(found.choice.run) == min(cost(row) for row in enough if setting(row) == setting(found.choice.mean))
    elif enough:
        assert found.met
        assert not found.mean_met
        assert cost(found.choice.run) == min(map(cost, enough))
    elif accurate := [row for row in known if not math.isnan(row["test_accuracy"])]:
        assert not found.met
        assert cost(found.choice.run)[::-1] == min(cost(row)[::-1] for row in accurate)
    else:
        assert found is None


@quick
@given(RUNS, st.integers(0, 21))
def test_what_is_called_lucky_is_cheaper_and_does_not_hold_on_average(rows, lowest):
    study = frame(rows)
    found = recommend(study, means(study), "model_size_mb", lowest)
    if found is None:
        return
    assert setting(found.choice.run) == setting(found.choice.mean)
    cheapest = best(study, "model_size_mb", lowest)
    if found.lucky:
        assert found.mean_met
        assert found.lucky.run == cheapest
        assert setting(found.lucky.mean) == setting(cheapest)
        assert found.lucky.mean["test_accuracy"] < lowest <= found.lucky.run["test_accuracy"]
        assert found.lucky.run["model_size_mb"] < found.choice.run["model_size_mb"]
    elif found.mean_met and cheapest["model_size_mb"] < found.choice.run["model_size_mb"]:
        alike = [row["test_accuracy"] for row in study.to_dict("records") if setting(row) == setting(cheapest)]
        assert pd.Series(alike).mean() >= lowest


def setting(row):
    return row["variant"], row["sparsity"]


def cost(row):
    return row["model_size_mb"], -row["test_accuracy"]


@quick
@given(RUNS)
def test_the_front_is_what_nothing_beats_in_both(rows):
    study = frame(rows).dropna()
    front = set(pareto_front(frame(rows))["run_id"])
    points = {row["run_id"]: (row["model_size_mb"], -row["test_accuracy"]) for row in study.to_dict("records")}

    def beaten(point):
        return any(other[0] <= point[0] and other[1] <= point[1] and other != point for other in points.values())

    assert {points[run] for run in front} == {point for point in points.values() if not beaten(point)}


@pytest.mark.parametrize(
    ("cost", "lowest"), [("test_accuracy", 50), ("model_size_mb", 101), ("model_size_mb", math.nan)]
)
def test_another_cost_or_a_percentage_that_is_none_is_refused(cost, lowest):
    with pytest.raises(InputError):
        recommend(frame([("Magnitude", 0.5, 1.0, 1.0)]), frame([("Magnitude", 0.5, 1.0, 1.0)]), cost, lowest)
    assert {"model_size_mb", "relative_latency", "relative_batch_latency"} <= set(costs())
