"""What the results say: differences with their intervals, computed here and nowhere else, so that no sentence is ahead of
the numbers."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from core.results.paired import Gap, paired_difference
from core.spec.methods import DENSE, METHODS

BREAK_POINTS = 2.0  # a method "breaks down" where it loses more than this against dense


@dataclass(frozen=True, slots=True)
class Ranking:
    """The variant with the highest mean accuracy (percent, over ``n`` seeds, ``at_chance`` of them at chance level) at a
    sparsity, and its gap to each of the others there."""

    sparsity: float
    leader: str
    n: int
    accuracy: float
    at_chance: int
    gaps: tuple[tuple[str, Gap], ...]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Where a variant first loses more than BREAK_POINTS, or, not ``broken``, what it loses at its highest sparsity."""

    variant: str
    sparsity: float
    change: float
    half_width: float
    broken: bool


@dataclass(frozen=True, slots=True)
class BaselineComparison:
    """A variant beside a baseline at a sparsity that both were run at."""

    variant: str
    baseline: str
    sparsity: float
    gap: Gap


def rankings(study: pd.DataFrame, summary: pd.DataFrame) -> list[Ranking]:
    """The ranking at each sparsity, from low to high."""
    rankings = []
    for _, group in _pruned(summary).groupby("sparsity"):
        sparsity = float(group["sparsity"].iloc[0])
        ranked = group.sort_values("test_accuracy", ascending=False, kind="stable")
        leader, *others = ranked["variant"]
        gaps = tuple((other, paired_difference(study, leader, other, sparsity)) for other in others)
        top = ranked.iloc[0]
        n, dead = int(top["n"]), int(top["at_chance"])
        rankings.append(Ranking(sparsity, leader, n, float(top["test_accuracy"]), dead, gaps))
    return rankings


def clear_leaders(study: pd.DataFrame, summary: pd.DataFrame) -> set[tuple[str, float]]:
    """Variant and sparsity of each leader that is ahead of every other one by more than the interval of the paired
    differences."""
    return {
        (ranking.leader, ranking.sparsity)
        for ranking in rankings(study, summary)
        if ranking.gaps and all(gap.verdict == "ahead" for _, gap in ranking.gaps)
    }


def breakdowns(summary: pd.DataFrame) -> list[Breakdown]:
    """Where each variant breaks down, in the summary's order."""
    breakdowns = []
    for variant, group in _pruned(summary).groupby("variant", sort=False):
        rows = group.sort_values("sparsity")
        lost = rows[rows["accuracy_change"] < -BREAK_POINTS]
        row = rows.iloc[-1] if lost.empty else lost.iloc[0]
        sparsity, change, half = (float(row[name]) for name in ("sparsity", "accuracy_change", "accuracy_change_ci"))
        breakdowns.append(Breakdown(str(variant), sparsity, change, half, broken=not lost.empty))
    return breakdowns


def baseline_comparisons(study: pd.DataFrame, summary: pd.DataFrame) -> list[BaselineComparison]:
    """Every variant beside each baseline that it has to beat, where both were run."""
    rows = [(r["method"], r["variant"], r["sparsity"]) for _, r in _pruned(summary).iterrows()]
    return [
        BaselineComparison(variant, baseline, sparsity, paired_difference(study, variant, baseline, sparsity))
        for method, variant, sparsity in rows
        for name, baseline, other in rows
        if METHODS[method].has_to_beat(METHODS[name]) and sparsity == other
    ]


def shared_sparsity(summary: pd.DataFrame) -> float:
    """The highest of the sparsities at which most variants were run."""
    variants = _pruned(summary).groupby("sparsity")["variant"].nunique()
    return float(variants.index[variants == variants.max()].max())


def missing_runs(study: pd.DataFrame) -> list[tuple[str, float, int]]:
    """Variant, sparsity and seed of each run that the full grid of these would have and the study has not."""
    pruned = study[study["method"] != DENSE]
    finished = set(zip(pruned["variant"], pruned["sparsity"], pruned["seed"], strict=True))
    grid = (
        (variant, sparsity, seed)
        for variant in pruned["variant"].unique()
        for sparsity in sorted(pruned["sparsity"].unique())
        for seed in sorted(study["seed"].unique())
    )
    return [run for run in grid if run not in finished]


def _pruned(summary: pd.DataFrame) -> pd.DataFrame:
    return summary[summary["method"] != DENSE]
