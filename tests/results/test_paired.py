"""Differences seed by seed, against scipy's paired t test and Holm's procedure as it is defined."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.results.paired import holm, paired_difference, pairwise

RNG = np.random.default_rng(7)
SEEDS = (1, 2, 3, 4)
VARIANTS = ["Dense", *(f"variant {n}" for n in range(10))]


def study_of(accuracies, sparsity=0.9):
    """A study of {variant: {seed: accuracy}}; what is called Dense is at 0."""
    rows = [
        (
            "dense" if variant == "Dense" else "magnitude",
            variant,
            0.0 if variant == "Dense" else sparsity,
            seed,
            accuracy,
        )
        for variant, by_seed in accuracies.items()
        for seed, accuracy in by_seed.items()
    ]
    return pd.DataFrame(rows, columns=["method", "variant", "sparsity", "seed", "test_accuracy"])


def rejected_by_holm(p_values, alpha):
    """Holm (1979): from the smallest on, until one of the k that are left is above alpha / k."""
    rejected = set()
    for k, index in zip(range(len(p_values), 0, -1), np.argsort(p_values, kind="stable"), strict=True):
        if p_values[index] > alpha / k:
            break
        rejected.add(int(index))
    return rejected


def adjusted_by_definition(p_values):
    """The smallest family-wise error rate at which each would be rejected, 1 if there is none."""
    candidates = sorted({p * k for p in p_values for k in range(1, len(p_values) + 1)})
    return [
        min((a for a in candidates if i in rejected_by_holm(p_values, a * (1 + 1e-12)) and a < 1), default=1)
        for i in range(len(p_values))
    ]


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=8))
def test_adjusted_p_values_are_those_of_the_definition(p_values):
    assert holm(np.array(p_values)) == pytest.approx(adjusted_by_definition(p_values))


def test_what_was_not_tested_does_not_count_as_a_test():
    assert holm(np.array([0.02, math.nan, 0.01])) == pytest.approx([0.02, math.nan, 0.02], nan_ok=True)
    assert not len(holm(np.array([])))


def test_more_than_eight_variants_agree_with_scipy():
    values = {name: dict(zip(SEEDS, RNG.normal(80 + n, 1, 4), strict=True)) for n, name in enumerate(VARIANTS)}
    pairs = pairwise(study_of(values), VARIANTS, 0.9)
    assert [(pair.first, pair.second) for pair in pairs] == list(combinations(VARIANTS, 2))
    tests = [stats.ttest_rel(list(values[pair.first].values()), list(values[pair.second].values())) for pair in pairs]
    assert [pair.p for pair in pairs] == pytest.approx(holm(np.array([test.pvalue for test in tests])))
    for pair, test in zip(pairs, tests, strict=True):
        interval = test.confidence_interval()
        assert pair.gap.n == 4
        assert pair.gap.mean - pair.gap.half_width == pytest.approx(interval.low)
        assert pair.gap.mean + pair.gap.half_width == pytest.approx(interval.high)
    assert {"level", "behind"} == {pair.verdict for pair in pairs}


def test_a_pair_says_the_opposite_from_its_other_side():
    values = {name: dict(zip(SEEDS, RNG.normal(80 + 9 * n, 1, 4), strict=True)) for n, name in enumerate("ab")}
    (pair,) = pairwise(study_of(values), "ab", 0.9)
    (other,) = pairwise(study_of(values), "ba", 0.9)
    assert (pair.verdict, other.verdict) == ("behind", "ahead")
    assert (other.gap.mean, other.gap.half_width, other.p) == pytest.approx(
        (-pair.gap.mean, pair.gap.half_width, pair.p)
    )
    assert pair.swapped() == other


def test_only_common_seeds_count_and_one_is_no_interval():
    study = study_of({"Dense": {1: 90.0, 2: 91.0, 3: 92.0}, "a": {2: 80.0, 3: 82.0}, "b": {3: 81.0}, "c": {9: 70.0}})
    gaps = {(pair.first, pair.second): pair for pair in pairwise(study, ["Dense", "a", "b", "c"], 0.9)}
    assert {names: pair.gap.n for names, pair in gaps.items()} == {
        ("Dense", "a"): 2,
        ("Dense", "b"): 1,
        ("Dense", "c"): 0,
        ("a", "b"): 1,
        ("a", "c"): 0,
        ("b", "c"): 0,
    }
    assert gaps["Dense", "a"].gap.mean == pytest.approx(10.5)
    assert gaps["Dense", "a"].p == pytest.approx(stats.ttest_rel([91.0, 92.0], [80.0, 82.0]).pvalue)
    assert gaps["a", "b"].gap.mean == 1.0
    assert math.isnan(gaps["Dense", "c"].gap.mean)
    unknown = [pair for names, pair in gaps.items() if names != ("Dense", "a")]
    assert {pair.verdict for pair in unknown} == {"unknown"}
    assert all(math.isnan(pair.p) for pair in unknown)


def test_only_what_was_measured_there_is_compared():
    study = study_of({"Dense": {1: 90.0, 2: 90.5}, "a": {1: 80.0, 2: 80.0}})
    assert len(pairwise(study, ["Dense", "a"], 0.9)) == 1
    assert pairwise(study, ["Dense", "a"], 0.89) == ()
    assert math.isnan(paired_difference(study, "Dense", "a", 0.89).mean)


def test_equal_results_are_no_difference():
    (pair,) = pairwise(study_of({"a": {1: 80.0, 2: 80.5}, "b": {1: 80.0, 2: 80.5}}), "ab", 0.9)
    assert (pair.p, pair.verdict, pair.gap.verdict) == (1.0, "level", "level")
