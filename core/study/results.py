"""What came out: every finished run as a row, and mean and interval over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from core.study.checks import InputError
from core.study.record import Home, RunFolder
from core.study.spec import RunSpec

# One row a finished run. Units are in the names; sizes in MB are 10^6 bytes.
COLUMNS = (
    "run_id",
    "recipe",  # key of the recipe: rows are comparable only within one
    "recipe_label",
    "dense_id",  # the dense run that this run started from (its own id, for a dense run)
    "data",
    "width",
    "method",
    "variant",  # the method with its settings, as a label
    "sparsity",  # as requested
    "seed",
    "test_accuracy",
    "accuracy_before_finetuning",
    "reached_sparsity",
    "filter_ratio",  # share of the filters that is gone; 0 for unstructured pruning
    "params_total",
    "params_nonzero",
    "params_millions",
    "macs",
    "mac_ratio",  # MACs of the dense network over MACs of this one
    "plain_size_mb",  # the plain state_dict
    "model_size_mb",  # the compressed file
    "inference_latency_ms",  # per image at batch 1
    "batch_latency_ms",  # per image at the large batch
    "speedup",  # dense over this at batch 1, timed side by side
    "batch_speedup",  # the same at the large batch
    "device",
    "train_seconds",
)
# Metrics that are averaged over seeds.
METRICS = tuple(COLUMNS[COLUMNS.index("test_accuracy") : COLUMNS.index("device")])


class Results:
    """The finished runs under a home, read again only where a file has changed."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._rows: dict[str, tuple[tuple[int, int], dict[str, Any] | None]] = {}

    def frame(self) -> pd.DataFrame:
        """One row a finished run, with COLUMNS; a damaged run has none."""
        seen: dict[str, tuple[tuple[int, int], dict[str, Any] | None]] = {}
        for folder in self.home.runs():
            try:
                stat = folder.result_path.stat()
            except OSError:
                continue
            signature = (stat.st_mtime_ns, stat.st_size)
            known = self._rows.get(folder.run_id)
            seen[folder.run_id] = known if known is not None and known[0] == signature else (signature, _row(folder))
        self._rows = seen
        return pd.DataFrame([row for _, row in seen.values() if row is not None], columns=list(COLUMNS))


def studies(frame: pd.DataFrame) -> dict[str, str]:
    """The recipes there are results of, newest label last: key to label. A dense run that a listed recipe's pruned runs
    start from is part of that recipe and not listed by itself."""
    pruned = frame[frame["method"] != "dense"]
    alone = frame[(frame["method"] == "dense") & ~frame["run_id"].isin(pruned["dense_id"])]
    rows = pd.concat([pruned, alone]).drop_duplicates("recipe")
    return dict(zip(rows["recipe"], rows["recipe_label"], strict=True))


def study_frame(frame: pd.DataFrame, recipe: str) -> pd.DataFrame:
    """The rows of one recipe together with the dense runs that they start from."""
    own = frame[frame["recipe"] == recipe]
    return frame[frame["run_id"].isin({*own["run_id"], *own["dense_id"]})].reset_index(drop=True)


def half_width(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Half of the 95 % Student-t interval of the mean; NaN for fewer than two values."""
    n = len(values)
    if n < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def summarise(study: pd.DataFrame) -> pd.DataFrame:
    """One row for each method variant and requested sparsity: ``n`` seeds, and for each metric its mean and
    ``<metric>_ci``, half of its 95 % interval over seeds."""
    columns = ["method", "variant", "sparsity", "n", *(name for metric in METRICS for name in (metric, f"{metric}_ci"))]
    rows = []
    for (method, variant, sparsity), group in study.groupby(["method", "variant", "sparsity"], sort=True):
        row: dict[str, Any] = {"method": method, "variant": variant, "sparsity": sparsity, "n": len(group)}
        for metric in METRICS:
            values = group[metric].astype(float).to_numpy()
            row[metric] = float(values.mean())
            row[f"{metric}_ci"] = half_width(values)
        rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def interpolate(summary: pd.DataFrame, sparsity: float, metric: str) -> dict[str, tuple[float, bool]]:
    """For each variant the mean of ``metric`` at ``sparsity`` and whether it was measured there; else it is interpolated
    between the neighbours that were. The dense run counts as every variant's value at 0; a variant whose measured
    range does not reach ``sparsity`` is left out."""
    dense = summary[summary["method"] == "dense"]
    found = {}
    for variant, group in summary[summary["method"] != "dense"].groupby("variant"):
        points = pd.concat([dense, group]).drop_duplicates("sparsity", keep="last").sort_values("sparsity")
        x, y = points["sparsity"].to_numpy(float), points[metric].to_numpy(float)
        if x[0] - 1e-9 <= sparsity <= x[-1] + 1e-9:
            measured = bool(np.isclose(x, sparsity, atol=1e-9).any())
            found[str(variant)] = (float(np.interp(sparsity, x, y)), measured)
    return found


def _row(folder: RunFolder) -> dict[str, Any] | None:
    try:
        result, spec = folder.result(), folder.spec
    except InputError:
        return None
    if result is None:
        return None
    return {
        **_identity(spec),
        **{name: result.get(name) for name in METRICS},
        "device": _device(result),
        "train_seconds": result["train_seconds"],
    }


def _identity(spec: RunSpec) -> dict[str, Any]:
    return {
        "run_id": spec.run_id,
        "recipe": spec.recipe.key,
        "recipe_label": spec.recipe.label,
        "dense_id": spec.dense.run_id,
        "data": spec.recipe.data,
        "width": spec.recipe.width,
        "method": spec.method,
        "variant": spec.variant,
        "sparsity": spec.sparsity,
        "seed": spec.seed,
    }


def _device(result: dict[str, Any]) -> str:
    environment = result.get("environment")
    return str(environment.get("hardware", "unknown")) if isinstance(environment, dict) else "unknown"
