"""Which network to take: the smallest or the fastest one that is accurate enough, and those that no other one beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.results.metrics import costs
from core.results.speed import SPEED_OF, half_width_of, is_faster_or_slower, noise_of
from core.spec.validate import check_choice, check_float


@dataclass(frozen=True, slots=True)
class Candidate:
    """The row of a ``run``, and the row of the ``mean`` over the seeds of its method and sparsity."""

    run: Mapping[str, Any]
    mean: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """``choice``: accurate enough by its mean and by its run, with the lowest mean cost. If there is none (``mean_met`` is
    false), the run with the lowest cost that is accurate enough by itself; without one (``met`` is false) the most accurate.
    ``lucky``: beside a mean that is met, a run of still lower cost that is accurate enough although its mean is not."""

    choice: Candidate
    met: bool
    mean_met: bool
    lucky: Candidate | None


def recommend(study: pd.DataFrame, summary: pd.DataFrame, cost: str, lowest: float) -> Recommendation | None:
    """Which of the runs of ``study``, whose means are ``summary``, to take for the lowest ``cost``, one of costs(), with at
    least ``lowest`` percent accuracy; None if no run has both numbers. InputError for another cost, or a percentage that is
    none."""
    check_choice("cost", cost, costs())
    check_float("accuracy", lowest, 0, 100)
    study, summary = _without_noise(study, summary, cost)
    run, mean = best(study, cost, lowest), best(_with_a_run(summary, study, cost, lowest), cost, lowest)
    if run is None:
        run = most_accurate(study, cost)
        return None if run is None else Recommendation(_candidate(run, summary), met=False, mean_met=False, lucky=None)
    if mean is None:
        return Recommendation(_candidate(run, summary), met=True, mean_met=False, lucky=None)
    choice = best(study[_alike(study, mean)], cost, lowest)
    assert choice is not None
    single = _candidate(run, summary)
    is_lucky = single.mean["test_accuracy"] < lowest and run[cost] < choice[cost]
    return Recommendation(Candidate(choice, mean), met=True, mean_met=True, lucky=single if is_lucky else None)


def _without_noise(study: pd.DataFrame, summary: pd.DataFrame, cost: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both with a ``cost`` of 1, the dense network's, where that is a latency and no difference to dense was measured."""
    name = SPEED_OF.get(cost)
    if name is None:
        return study, summary
    noise = float(study[noise_of(name)].max())
    ranked = []
    for rows, width in ((study, half_width_of(name)), (summary, f"{name}_ci")):
        noisy = rows[cost].notna() & ~is_faster_or_slower(rows, name, width, noise)
        ranked.append(rows.assign(**{cost: rows[cost].mask(noisy, 1.0)}))
    return ranked[0], ranked[1]


def _with_a_run(summary: pd.DataFrame, study: pd.DataFrame, cost: str, lowest: float) -> pd.DataFrame:
    """The rows of ``summary`` with a run in ``study`` that is accurate enough and whose cost is known."""
    enough = study[(study["test_accuracy"] >= lowest) & study[cost].notna()]
    keys = ["variant", "sparsity"]
    return summary[pd.MultiIndex.from_frame(summary[keys]).isin(pd.MultiIndex.from_frame(enough[keys]))]


def _candidate(run: Mapping[str, Any], summary: pd.DataFrame) -> Candidate:
    return Candidate(run, _row(summary[_alike(summary, run)]))


def _alike(rows: pd.DataFrame, one: Mapping[str, Any]) -> pd.Series[bool]:
    alike: pd.Series[bool] = (rows["variant"] == one["variant"]) & (rows["sparsity"] == one["sparsity"])
    return alike


def best(rows: pd.DataFrame, cost: str, lowest: float) -> dict[str, Any] | None:
    """The row with the lowest ``cost`` among those with at least ``lowest`` percent accuracy;
    of equals the more accurate one."""
    ranked = _sort(rows[rows["test_accuracy"] >= lowest], cost, "test_accuracy")
    return None if ranked.empty else _row(ranked)


def most_accurate(rows: pd.DataFrame, cost: str) -> dict[str, Any] | None:
    """The row with the highest accuracy; of equals the one with the lower ``cost``."""
    ranked = _sort(rows, "test_accuracy", cost)
    return None if ranked.empty else _row(ranked)


def pareto_front(rows: pd.DataFrame, cost: str = "model_size_mb") -> pd.DataFrame:
    """The rows that no other row beats in ``cost`` without losing accuracy, or the other way round; from the lowest cost
    to the highest."""
    ranked = _sort(rows, cost, "test_accuracy")
    before = ranked["test_accuracy"].cummax().shift(fill_value=float("-inf"))
    return ranked[ranked["test_accuracy"] > before]


def _sort(rows: pd.DataFrame, *by: str) -> pd.DataFrame:
    """The rows that have these metrics: the lowest cost first, the highest accuracy first."""
    ascending = [name != "test_accuracy" for name in by]
    return rows.dropna(subset=list(by)).sort_values(list(by), ascending=ascending, kind="stable")


def _row(rows: pd.DataFrame) -> dict[str, Any]:
    return {str(name): value for name, value in rows.iloc[0].items()}
