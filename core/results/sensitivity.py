"""Sensitivity curves of all dense runs of a study: one frame, the mean over runs, and the accuracy at any sparsity."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from core.runs.folder import Home
from core.runs.sensitivity import read_sensitivity
from core.spec.methods import variant_label

COLUMNS = ("dense_id", "method", "variant", "sparsity", "accuracy", "repaired", "pictures")


def sensitivity_frame(home: Home, dense_ids: Iterable[str]) -> pd.DataFrame:
    """One row a point of each curve of these dense runs, with COLUMNS; a run without curves has none."""
    rows = []
    for dense_id in dense_ids:
        record = read_sensitivity(home.run(dense_id))
        for curve in record.curves if record else ():
            variant = variant_label(curve.method, curve.settings)
            repaired = curve.repaired or (math.nan,) * len(curve.sparsity)
            for point in zip(curve.sparsity, curve.accuracy, repaired, strict=True):
                rows.append((dense_id, curve.method, variant, *point, record.pictures if record else 0))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"sparsity": float, "accuracy": float, "repaired": float})


def mean_curves(frame: pd.DataFrame) -> pd.DataFrame:
    """The mean over dense runs: one row for each variant and sparsity that all runs with a curve of it have measured;
    ``n`` is how many those are, ``pictures`` the fewest that one of them was measured on."""
    groups = frame.groupby(["method", "variant", "sparsity"], sort=False)
    means = groups.agg(
        accuracy=("accuracy", "mean"),
        repaired=("repaired", _mean_of_all),
        pictures=("pictures", "min"),
        n=("dense_id", "nunique"),
    )
    means = means.reset_index().sort_values(["variant", "sparsity"], ignore_index=True)
    runs = frame.groupby("variant")["dense_id"].nunique()
    return means[means["n"] == means["variant"].map(runs)].reset_index(drop=True)


def _mean_of_all(values: pd.Series[float]) -> float:
    """NaN where one run has no value: it would be a mean over other runs than beside it."""
    return float(values.mean(skipna=False))


def accuracy_at(curves: pd.DataFrame, sparsity: float, line: str = "accuracy") -> dict[str, float]:
    """For each variant in ``curves``, one row a sparsity, the accuracy (percent) on the line through its points, right
    after pruning or, for the ``line`` repaired, after repair; nothing for a variant that was not measured so far."""
    accuracies = {}
    for variant, curve in curves.groupby("variant", sort=False):
        x, y = curve["sparsity"].to_numpy(), curve[line].to_numpy()
        if x[0] <= sparsity <= x[-1] and not np.isnan(y).any():
            accuracies[str(variant)] = float(np.interp(sparsity, x, y))
    return accuracies
