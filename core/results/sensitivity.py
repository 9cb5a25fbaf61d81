"""Sensitivity curves of all dense runs of a study: one frame, the mean over runs, and the accuracy at any sparsity."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from core.runs.folder import Home
from core.runs.sensitivity import read_sensitivity
from core.spec.methods import variant_label

COLUMNS = ("dense_id", "method", "variant", "sparsity", "accuracy", "pictures")


def sensitivity_frame(home: Home, dense_ids: Iterable[str]) -> pd.DataFrame:
    """One row a point of each curve of these dense runs, with COLUMNS; a run without curves has none."""
    rows = []
    for dense_id in dense_ids:
        record = read_sensitivity(home.run(dense_id))
        for curve in record.curves if record else ():
            variant = variant_label(curve.method, curve.settings)
            for point in zip(curve.sparsity, curve.accuracy, strict=True):
                rows.append((dense_id, curve.method, variant, *point, record.pictures if record else 0))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"sparsity": float, "accuracy": float})


def mean_curves(frame: pd.DataFrame) -> pd.DataFrame:
    """The mean over dense runs: one row for each variant and sparsity that all runs with a curve of it have measured;
    ``n`` is how many those are, ``pictures`` the fewest that one of them was measured on."""
    groups = frame.groupby(["method", "variant", "sparsity"], sort=False)
    means = groups.agg(accuracy=("accuracy", "mean"), pictures=("pictures", "min"), n=("dense_id", "nunique"))
    means = means.reset_index().sort_values(["variant", "sparsity"], ignore_index=True)
    runs = frame.groupby("variant")["dense_id"].nunique()
    return means[means["n"] == means["variant"].map(runs)].reset_index(drop=True)


def accuracy_at(curves: pd.DataFrame, sparsity: float) -> dict[str, float]:
    """For each variant in ``curves``, one row a sparsity, the accuracy (percent) on the line through its points; nothing
    for a variant that was not measured so far."""
    accuracies = {}
    for variant, curve in curves.groupby("variant", sort=False):
        x = curve["sparsity"].to_numpy()
        if x[0] <= sparsity <= x[-1]:
            accuracies[str(variant)] = float(np.interp(sparsity, x, curve["accuracy"].to_numpy()))
    return accuracies
