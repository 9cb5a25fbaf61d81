"""What came out: every finished run as a row, mean and interval over seeds, and values between the measured ones."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.results.row_cache import Row, load_rows, save_rows
from core.runs.atomic_io import modified
from core.runs.folder import Home, RunFolder
from core.runs.polling import MANY, Signature, ThrottledReader, signature
from core.spec.errors import InputError
from core.spec.methods import DENSE, METHODS
from core.spec.spec import RunSpec
from core.spec.validate import finite

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
    # The same four of both networks as they are delivered: BatchNorm folded, operations fused. Missing in early records.
    "optimised_latency_ms",
    "optimised_batch_latency_ms",
    "optimised_speedup",
    "optimised_batch_speedup",
    "device",
    "train_seconds",
    "finished",  # UTC, ISO 8601
    "dead_layers",  # names of the layers that lost all their weights, a space between
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
_RATIOS = ("mac_ratio", "speedup", "batch_speedup", "optimised_speedup", "optimised_batch_speedup", "size_ratio")
_MAX_BELIEVABLE = 1e15
_NUMBERS = METRICS[: -len(AGAINST_DENSE)]
_MAX_TEXT = 120


class Results:
    """The finished runs under a home, read again only where a file has changed. Safe to share between threads."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._known: dict[str, tuple[Signature, Row | None]] | None = None
        self._frame = _frame([])
        self._look = ThrottledReader(self._read)

    def frame(self) -> pd.DataFrame:
        """One row a finished run, with COLUMNS; a damaged run has none. InputError if the home cannot be read.

        Where there are hundreds of runs it may be a moment old, two seconds at most.
        """
        return self._look.get().copy(deep=False)  # the caller's to change: pandas copies what is written to

    def invalidate(self) -> None:
        """Let the next frame be read anew: runs were just deleted, or brought back."""
        self._look.invalidate()

    def _read(self) -> tuple[pd.DataFrame, int]:
        folders, seen, changed = self.home.runs(), dict[str, tuple[Signature, Row | None]](), 0
        first = self._known is None
        known = load_rows(self.home.cache, frozenset(COLUMNS)) if self._known is None else self._known
        for folder in folders:
            found = signature(folder.path, ("result.json", "spec.json"))
            if -1 in found:  # one is missing
                continue
            entry = known.get(folder.run_id)
            if entry is None or entry[0] != found:
                entry, changed = (found, _row(folder)), changed + 1
            seen[folder.run_id] = entry
        if changed >= MANY:  # fewer are read in a moment
            save_rows(self.home.cache, seen)
        if first or changed or len(seen) != len(known):
            self._frame = _frame([row for _, row in seen.values() if row is not None])
        self._known = seen
        return self._frame, len(folders)


def studies(frame: pd.DataFrame) -> dict[str, str]:
    """The recipes there are results of, the one with the newest result first: key to label.

    A dense run that another recipe's pruned runs start from is part of that recipe and not listed by itself.
    """
    is_dense = frame["method"] == DENSE
    part = is_dense & frame["run_id"].isin(frame.loc[~is_dense, "dense_id"].unique())
    rows = frame.loc[~part, ["recipe", "recipe_label", "finished"]]
    newest = rows.groupby("recipe", sort=False).agg({"recipe_label": "first", "finished": "max"})
    newest = newest.sort_values("finished", ascending=False, kind="stable")
    uses = Counter(newest["recipe_label"])
    return {
        str(key): label if uses[label] == 1 else f"{label} · {str(key)[:4]}"
        for key, label in newest["recipe_label"].items()
    }


def study_frame(frame: pd.DataFrame, recipe: str) -> pd.DataFrame:
    """The rows of one recipe together with the dense runs that they start from, and the columns AGAINST_DENSE."""
    own = frame[frame["recipe"] == recipe]
    study = frame[frame["run_id"].isin({*own["run_id"], *own["dense_id"]})].reset_index(drop=True)
    dense = study[study["method"] == DENSE].set_index("run_id")
    study["accuracy_change"] = study["test_accuracy"] - study["dense_id"].map(dense["test_accuracy"])
    study["size_ratio"] = study["dense_id"].map(dense["model_size_mb"]) / _above_zero(study["model_size_mb"])
    study["relative_latency"] = 1 / _above_zero(study["speedup"])
    study["relative_batch_latency"] = 1 / _above_zero(study["batch_speedup"])
    return study


def content_key(runs: pd.DataFrame) -> int:
    """What changes when anything in ``runs`` does, whatever their order: for caches of what is made of them."""
    return int(pd.util.hash_pandas_object(runs, index=False).sum())


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
    x = summary["sparsity"].to_numpy()
    dense = np.flatnonzero(summary["method"] == DENSE)[:1]
    pruned = np.flatnonzero(summary["method"] != DENSE)
    places = []
    for _, rows in pd.Series(pruned).groupby(summary["variant"].to_numpy()[pruned], sort=False):
        own = rows.to_numpy()
        around = _neighbours(x, own, dense, sparsity)
        if around:
            places.append((own[0], *around))
    first, low, high = np.array(places, dtype=int).reshape(-1, 3).T
    measured = low == high
    share = np.where(measured, 0.0, (sparsity - x[low]) / np.where(measured, 1.0, x[high] - x[low]))
    n = summary["n"].to_numpy()[low]
    found: dict[str, Any] = {name: summary[name].to_numpy()[first] for name in ("method", "variant")}
    found |= {"sparsity": sparsity, "n": np.where(measured, n, 0)}
    for name in METRICS:
        values = summary[name].to_numpy()
        found[name] = np.where(measured, values[low], _between(name, values[low], values[high], share))
        found[f"{name}_ci"] = np.where(measured, summary[f"{name}_ci"].to_numpy()[low], np.nan)
    found |= {
        "measured": measured,
        "below": np.where(measured, sparsity, x[low]),
        "above": np.where(measured, sparsity, x[high]),
    }
    return pd.DataFrame(found, columns=[*summary.columns, "measured", "below", "above"])


def _neighbours(x: NDArray[Any], rows: NDArray[Any], dense: NDArray[Any], sparsity: float) -> tuple[int, int] | None:
    """The rows of a variant right below and right above ``sparsity``, twice the same if one is there; None outside."""
    own_zero = (x[rows] == 0).any()
    points = rows if own_zero else np.concatenate([dense, rows])
    points = points[np.argsort(x[points], kind="stable")]
    nearest = points[np.abs(x[points] - sparsity).argmin()]
    if abs(x[nearest] - sparsity) < 1e-9:
        return int(nearest), int(nearest)
    right = int(np.searchsorted(x[points], sparsity))
    return (int(points[right - 1]), int(points[right])) if 0 < right < len(points) else None


def _between(name: str, low: NDArray[Any], high: NDArray[Any], share: NDArray[Any]) -> NDArray[np.float64]:
    if name in _RATIOS:
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = 1 / low, 1 / high
            return np.asarray(1 / ((1 - share) * low + share * high), dtype=float)
    return np.asarray((1 - share) * low + share * high, dtype=float)


def half_width(std: ArrayLike, count: ArrayLike) -> NDArray[np.float64]:
    """Half of the 95 % Student-t interval of the mean of ``count`` values with standard deviation ``std``; NaN below two."""
    # Imported here, and not scipy.stats: half a second instead of two, and only once there is something to show.
    from scipy.special import stdtrit  # noqa: PLC0415

    given = np.asarray(count, dtype=float)
    n = np.where(given >= 2, given, np.nan)
    width: NDArray[np.float64] = np.asarray(std, dtype=float) * stdtrit(n - 1, 0.975) / np.sqrt(n)
    return width


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
        **{name: _believed(result.get(name)) for name in _NUMBERS},
        "device": _device(result),
        "train_seconds": result["train_seconds"],
        "finished": finished.isoformat(timespec="seconds"),
        "dead_layers": _dead_layers(result),
    }


def _believed(value: object) -> float | None:
    """A number with which one can go on: the square of a larger one may be infinite."""
    number = finite(value)
    return number if number is not None and abs(number) < _MAX_BELIEVABLE else None


def _above_zero(values: pd.Series) -> pd.Series:
    return values.where(values > 0)


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
    return " ".join(name.split())[:_MAX_TEXT] if isinstance(name, str) else "unknown"


def _dead_layers(result: dict[str, Any]) -> str:
    layers = result.get("dead_layers")
    return " ".join("".join(str(layer).split()) for layer in layers) if isinstance(layers, list) else ""
