"""What came out: every finished run as a row, mean and interval over seeds, and values between the measured ones."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.study.checks import InputError, finite
from core.study.files import modified
from core.study.methods import DENSE, METHODS
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
    "test_accuracy",  # percent
    "accuracy_before_finetuning",  # percent
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
    "finished",  # UTC, ISO 8601
)
# What study_frame adds to a run by looking at the dense run that it started from.
AGAINST_DENSE = (
    "accuracy_change",  # percentage points
    "size_ratio",  # compressed file of the dense network over that of this one
    # Latency over that of the dense network, timed in turns with it. Of two runs that were measured at different times
    # only these can be compared: a machine is not equally fast all day.
    "relative_latency",
    "relative_batch_latency",
)
# What is averaged over seeds.
METRICS = (*COLUMNS[COLUMNS.index("test_accuracy") : COLUMNS.index("device")], *AGAINST_DENSE)
# Dense over this: between two sparsities it is the inverse that is linear, as sizes and latencies are.
_RATIOS = ("mac_ratio", "speedup", "batch_speedup", "size_ratio")
_NUMBERS = METRICS[: -len(AGAINST_DENSE)]
_LONGEST_TEXT = 120

_Signature = tuple[int, ...]


class Results:
    """The finished runs under a home, read again only where a file has changed. Safe to share between threads."""

    def __init__(self, home: Home) -> None:
        self.home = home
        # Replaced as a whole, never changed in place: another thread sees the old state or the new one.
        self._state: tuple[dict[str, tuple[_Signature, dict[str, Any] | None]], pd.DataFrame] = ({}, _frame([]))

    def frame(self) -> pd.DataFrame:
        """One row a finished run, with COLUMNS; a damaged run has none. InputError if the home cannot be read."""
        known, frame = self._state
        seen: dict[str, tuple[_Signature, dict[str, Any] | None]] = {}
        for folder in self.home.runs():
            signature = _signature(folder.result_path, folder.spec_path)
            if signature is not None:
                entry = known.get(folder.run_id)
                unchanged = entry is not None and entry[0] == signature
                seen[folder.run_id] = entry if entry and unchanged else (signature, _row(folder))
        if seen != known:
            frame = _frame([row for _, row in seen.values() if row is not None])
            self._state = (seen, frame)
        return frame.copy(deep=False)  # the caller's to change: pandas copies what is written to


def studies(frame: pd.DataFrame) -> dict[str, str]:
    """The recipes there are results of, the one with the newest result first: key to label.

    A dense run that another recipe's pruned runs start from is part of that recipe and not listed by itself.
    """
    pruned = frame[frame["method"] != DENSE]
    alone = frame[(frame["method"] == DENSE) & ~frame["run_id"].isin(pruned["dense_id"])]
    rows = pd.concat([pruned, alone]).sort_values("finished", ascending=False, kind="stable").drop_duplicates("recipe")
    uses = Counter(rows["recipe_label"])
    return {
        key: label if uses[label] == 1 else f"{label} · {key[:4]}"
        for key, label in zip(rows["recipe"], rows["recipe_label"], strict=True)
    }


def study_frame(frame: pd.DataFrame, recipe: str) -> pd.DataFrame:
    """The rows of one recipe together with the dense runs that they start from, and the columns AGAINST_DENSE."""
    own = frame[frame["recipe"] == recipe]
    study = frame[frame["run_id"].isin({*own["run_id"], *own["dense_id"]})].reset_index(drop=True)
    dense = study[study["method"] == DENSE].set_index("run_id")
    study["accuracy_change"] = study["test_accuracy"] - study["dense_id"].map(dense["test_accuracy"])
    study["size_ratio"] = study["dense_id"].map(dense["model_size_mb"]) / study["model_size_mb"]
    study["relative_latency"] = 1 / study["speedup"]
    study["relative_batch_latency"] = 1 / study["batch_speedup"]
    return study


def summarise(study: pd.DataFrame) -> pd.DataFrame:
    """One row for each method variant and requested sparsity, dense first, then in the registry's order.

    ``n`` is the number of seeds; each of METRICS has its mean and ``<metric>_ci``, half of the 95 % Student-t interval
    of that mean, NaN where fewer than two seeds have a value.
    """
    groups = study.groupby(["method", "variant", "sparsity"], sort=False)
    values = groups[list(METRICS)]
    std = values.std()
    std[:] = half_width(std, values.count())
    summary = values.mean().join(std.add_suffix("_ci"))
    summary.insert(0, "n", groups.size())
    order = {name: rank for rank, name in enumerate((DENSE, *METHODS))}
    return summary.reset_index().sort_values(
        ["method", "variant", "sparsity"],
        key=lambda column: column.map(order) if column.name == "method" else column,
        ignore_index=True,
    )


def interpolate(summary: pd.DataFrame, sparsity: float) -> pd.DataFrame:
    """The means of each pruned variant at ``sparsity``: one row a variant whose measured range reaches there.

    ``measured`` tells whether runs at exactly this sparsity are behind the row; else it lies on the line between the
    neighbours ``below`` and ``above``, and ``n`` is 0. Dense counts as every variant's value at 0.
    """
    dense = summary[summary["method"] == DENSE]
    pruned = summary[summary["method"] != DENSE]
    rows = []
    for (method, variant), group in pruned.groupby(["method", "variant"], sort=False):
        points = pd.concat([dense, group]).drop_duplicates("sparsity", keep="last").sort_values("sparsity")
        x = points["sparsity"].to_numpy()
        nearest = int(np.abs(x - sparsity).argmin())
        if abs(x[nearest] - sparsity) < 1e-9:
            found = {**points.iloc[nearest], "measured": True, "below": sparsity, "above": sparsity}
        elif x[0] < sparsity < x[-1]:
            right = int(np.searchsorted(x, sparsity))
            found = _between(points.iloc[right - 1], points.iloc[right], sparsity)
        else:
            continue
        rows.append(found | {"method": method, "variant": variant, "sparsity": sparsity})
    return pd.DataFrame(rows, columns=[*summary.columns, "measured", "below", "above"])


def _between(low: pd.Series[Any], high: pd.Series[Any], sparsity: float) -> dict[str, Any]:
    below, above = low["sparsity"], high["sparsity"]
    share = (sparsity - below) / (above - below)
    found = {"n": 0, "measured": False, "below": below, "above": above}
    for name in METRICS:
        if name in _RATIOS:
            found[name] = 1 / ((1 - share) / low[name] + share / high[name])
        else:
            found[name] = (1 - share) * low[name] + share * high[name]
    return found


def half_width(std: ArrayLike, count: ArrayLike) -> NDArray[np.float64]:
    """Half of the 95 % Student-t interval of the mean of ``count`` values with standard deviation ``std``; NaN below two."""
    # Imported here, and not scipy.stats: half a second instead of two, and only once there is something to show.
    from scipy.special import stdtrit  # noqa: PLC0415

    given = np.asarray(count, dtype=float)
    n = np.where(given >= 2, given, np.nan)
    width: NDArray[np.float64] = np.asarray(std, dtype=float) * stdtrit(n - 1, 0.975) / np.sqrt(n)
    return width


def _signature(*paths: Path) -> _Signature | None:
    """What changes when one of the files does; None if one is missing."""
    try:
        stats = [path.stat() for path in paths]
    except OSError:
        return None
    return tuple(part for stat in stats for part in (stat.st_mtime_ns, stat.st_size, stat.st_ino))


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys((*_NUMBERS, "sparsity"), float))


def _row(folder: RunFolder) -> dict[str, Any] | None:
    try:
        result, spec = folder.result(), folder.spec
        finished = datetime.fromtimestamp(modified(folder.result_path), UTC)
    except (InputError, OSError):
        return None
    if result is None:
        return None
    return {
        **_identity(spec),
        **{name: finite(result.get(name)) for name in _NUMBERS},
        "device": _device(result),
        "train_seconds": result["train_seconds"],
        "finished": finished.isoformat(timespec="seconds"),
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
    name = environment.get("hardware") if isinstance(environment, dict) else None
    return " ".join(name.split())[:_LONGEST_TEXT] if isinstance(name, str) else "unknown"
