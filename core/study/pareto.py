"""Which network to take: the smallest or the fastest one that is accurate enough, and those that no other one beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.study.checks import number, one_of

# What is to be as low as possible: columns of a study's runs and of their means.
COSTS = ("model_size_mb", "relative_batch_latency", "relative_latency")


@dataclass(frozen=True, slots=True)
class Answer:
    """``run``: the row of the best run that is accurate enough, or if ``met`` is false of the most accurate one.
    ``mean``: the row of the means over the seeds of its method and sparsity, and whether these meet the bar too.
    ``steady``: the best means that do; None if there are none."""

    run: Mapping[str, Any]
    met: bool
    mean: Mapping[str, Any]
    mean_met: bool
    steady: Mapping[str, Any] | None


def answer(study: pd.DataFrame, summary: pd.DataFrame, cost: str, lowest: float) -> Answer | None:
    """The run of ``study`` with the lowest ``cost``, one of COSTS, among those with at least ``lowest`` percent accuracy;
    None if no run has both numbers. InputError for another cost, or a percentage that is none."""
    one_of("cost", cost, COSTS)
    number("accuracy", lowest, 0, 100)
    run = best(study, cost, lowest)
    met = run is not None
    if run is None:
        run = most_accurate(study, cost)
    if run is None:
        return None
    alike = (summary["variant"] == run["variant"]) & (summary["sparsity"] == run["sparsity"])
    mean = _row(summary[alike])
    return Answer(run, met, mean, bool(mean["test_accuracy"] >= lowest), best(summary, cost, lowest))


def best(rows: pd.DataFrame, cost: str, lowest: float) -> dict[str, Any] | None:
    """The row with the lowest ``cost`` among those with at least ``lowest`` percent accuracy;
    of equals the more accurate one."""
    enough = rows[rows["test_accuracy"] >= lowest].dropna(subset=cost)
    ranked = enough.sort_values([cost, "test_accuracy"], ascending=[True, False], kind="stable")
    return None if ranked.empty else _row(ranked)


def most_accurate(rows: pd.DataFrame, cost: str) -> dict[str, Any] | None:
    """The row with the highest accuracy; of equals the one with the lower ``cost``."""
    known = rows.dropna(subset=["test_accuracy", cost])
    ranked = known.sort_values(["test_accuracy", cost], ascending=[False, True], kind="stable")
    return None if ranked.empty else _row(ranked)


def pareto_front(rows: pd.DataFrame, cost: str = "model_size_mb") -> pd.DataFrame:
    """The rows that no other row beats in ``cost`` without losing accuracy, or the other way round; from the lowest cost
    to the highest."""
    known = rows.dropna(subset=["test_accuracy", cost])
    ranked = known.sort_values([cost, "test_accuracy"], ascending=[True, False], kind="stable")
    before = ranked["test_accuracy"].cummax().shift(fill_value=float("-inf"))
    return ranked[ranked["test_accuracy"] > before]


def _row(rows: pd.DataFrame) -> dict[str, Any]:
    return {str(name): value for name, value in rows.iloc[0].items()}
