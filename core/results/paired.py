"""Differences of accuracy between variants, seed by seed, and the paired t tests of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.results.statistics import half_width
from core.spec.methods import DENSE

SIGNIFICANCE = 0.05  # the family-wise error rate of all tests at one sparsity

Verdict = Literal["ahead", "behind", "level", "unknown"]


@dataclass(frozen=True, slots=True)
class Gap:
    """How many points more accurate one variant is than another: the mean over the ``n`` seeds that both have, and half
    of its 95 % Student-t interval, NaN for fewer than two seeds."""

    n: int
    mean: float
    half_width: float

    @property
    def verdict(self) -> Verdict:
        """By the interval alone, whatever else is compared."""
        return _verdict(self, level=abs(self.mean) <= self.half_width)


@dataclass(frozen=True, slots=True)
class Pair:
    """By how much ``first`` is more accurate than ``second``. ``p``: of the paired t test, corrected by Holm's method for
    all pairs that were compared; NaN for fewer than two common seeds."""

    first: str
    second: str
    gap: Gap
    p: float

    @property
    def verdict(self) -> Verdict:
        return _verdict(self.gap, level=self.p > SIGNIFICANCE)

    def swapped(self) -> Pair:
        """The same pair from the side of ``second``."""
        return Pair(self.second, self.first, Gap(self.gap.n, -self.gap.mean, self.gap.half_width), self.p)


def paired_difference(study: pd.DataFrame, first: str, second: str, sparsity: float) -> Gap:
    """How much more accurate ``first`` is than ``second`` at ``sparsity``: seed by seed, as both started from the same
    dense network; so what the seeds have in common cancels."""
    accuracy = _accuracy(study, sparsity).reindex([first, second]).to_numpy()
    return _gaps(accuracy[:1] - accuracy[1:])[0]


def pairwise(study: pd.DataFrame, variants: Iterable[str], sparsity: float) -> tuple[Pair, ...]:
    """Each two of those ``variants`` that have runs at exactly ``sparsity``, in the order given; dense counts at every
    sparsity."""
    accuracy = _accuracy(study, sparsity)
    measured = [name for name in variants if name in accuracy.index]
    values = accuracy.loc[measured].to_numpy()
    first, second = np.triu_indices(len(measured), 1)
    gaps = _gaps(values[first] - values[second])
    adjusted = holm(_p_values(gaps))
    pairs = zip(combinations(measured, 2), gaps, adjusted, strict=True)
    return tuple(Pair(one, other, gap, float(p)) for (one, other), gap, p in pairs)


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``p_values`` adjusted for their number after Holm (1979); NaN stays NaN and is not counted as a test."""
    adjusted = np.full(len(p_values), math.nan)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]  # NaN comes last
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return adjusted


def _verdict(gap: Gap, *, level: bool) -> Verdict:
    if math.isnan(gap.half_width):
        return "unknown"
    if level:
        return "level"
    return "ahead" if gap.mean > 0 else "behind"


def _accuracy(study: pd.DataFrame, sparsity: float) -> pd.DataFrame:
    """Accuracy by variant and seed at ``sparsity``, and of dense; NaN where there is no run."""
    at = (study["sparsity"] - sparsity).abs() < 1e-9
    rows = study[at | (study["method"] == DENSE)]
    return rows.groupby(["variant", "seed"])["test_accuracy"].mean().unstack()


def _gaps(differences: NDArray[np.float64]) -> list[Gap]:
    """One for each row of ``differences`` by seed, NaN where a seed is missing."""
    counts = np.count_nonzero(~np.isnan(differences), axis=1)
    n = np.where(counts > 0, counts, np.nan)
    means = np.nansum(differences, axis=1) / n
    squares = np.nansum((differences - means[:, None]) ** 2, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        widths = half_width(np.sqrt(squares / (n - 1)), counts)
    return [Gap(int(c), float(m), float(w)) for c, m, w in zip(counts, means, widths, strict=True)]


def _p_values(gaps: Sequence[Gap]) -> NDArray[np.float64]:
    """Of the two-sided t test behind each gap's interval; NaN where there is none."""
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 - as in half_width

    columns = [(gap.n - 1, abs(gap.mean), gap.half_width) for gap in gaps]
    freedom, means, widths = np.array(columns, dtype=float).reshape(-1, 3).T
    freedom[np.isnan(widths)] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((means == 0) & (widths == 0), 0, means / widths)
    p_values: NDArray[np.float64] = 2 * stdtr(freedom, -ratio * stdtrit(freedom, 0.975))
    return p_values
