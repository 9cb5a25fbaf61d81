"""Pareto questions against looking at every run."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.study.checks import InputError
from core.study.pareto import COSTS, answer, best, pareto_front

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
def test_the_answer_is_what_looking_at_every_run_gives(rows, lowest):
    study = frame(rows)
    known = [row for row in study.to_dict("records") if not math.isnan(row["model_size_mb"])]
    enough = [row for row in known if row["test_accuracy"] >= lowest]
    found = answer(study, means(study), "model_size_mb", lowest)
    if enough:
        expected = min((row["model_size_mb"], -row["test_accuracy"]) for row in enough)
        assert found is not None
        assert found.met
        assert (found.run["model_size_mb"], -found.run["test_accuracy"]) == expected
    elif accurate := [row for row in known if not math.isnan(row["test_accuracy"])]:
        expected = min((-row["test_accuracy"], row["model_size_mb"]) for row in accurate)
        assert found is not None
        assert not found.met
        assert (-found.run["test_accuracy"], found.run["model_size_mb"]) == expected
    else:
        assert found is None


@quick
@given(RUNS, st.integers(0, 21))
def test_a_lucky_seed_is_told_from_a_mean_that_holds(rows, lowest):
    study = frame(rows)
    summary = means(study)
    found = answer(study, summary, "model_size_mb", lowest)
    if found is None:
        return
    alike = study[(study["variant"] == found.run["variant"]) & (study["sparsity"] == found.run["sparsity"])]
    mean = alike["test_accuracy"].mean()
    assert found.mean["test_accuracy"] == pytest.approx(mean)
    assert found.mean_met == (mean >= lowest)
    if found.steady is None:
        assert not ((summary["test_accuracy"] >= lowest) & summary["model_size_mb"].notna()).any()
    else:
        assert found.steady["test_accuracy"] >= lowest
        assert found.steady == best(summary, "model_size_mb", lowest)


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
        answer(frame([("Magnitude", 0.5, 1.0, 1.0)]), frame([("Magnitude", 0.5, 1.0, 1.0)]), cost, lowest)
    assert "model_size_mb" in COSTS
