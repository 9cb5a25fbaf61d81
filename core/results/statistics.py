"""Means and intervals over seeds, and values between the measured sparsities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.results.metrics import METRICS
from core.results.speed import LATENCY_OF, half_width_of
from core.spec.methods import DENSE, METHODS


def summarise(study: pd.DataFrame) -> pd.DataFrame:
    """One row for each method variant and requested sparsity, dense first, then in the registry's order. ``n``: the number
    of seeds; each metric has its mean and ``<metric>_ci``, half of the 95 % Student-t interval of that mean, NaN where
    fewer than two seeds have a value."""
    groups = study.groupby(["method", "variant", "sparsity"], sort=False)
    values = groups[list(METRICS)]
    std = values.std()
    std[:] = half_width(std, values.count())
    summary = values.mean().join(std.add_suffix("_ci"))
    for name in LATENCY_OF:  # a timing has an interval of its own: that of the mean is no narrower
        own = groups[half_width_of(name)].mean()
        summary[f"{name}_ci"] = np.fmax(summary[f"{name}_ci"], own)
    summary.insert(0, "n", groups.size())
    summary = summary.reset_index()
    settings = study.drop_duplicates("variant").set_index("variant")["settings"]
    summary.insert(2, "settings", summary["variant"].map(settings))
    order = {name: rank for rank, name in enumerate((DENSE, *METHODS))}
    return summary.sort_values(
        ["method", "variant", "sparsity"],
        key=lambda column: column.map(order) if column.name == "method" else column,
        ignore_index=True,
    )


def interpolate(summary: pd.DataFrame, sparsity: float) -> pd.DataFrame:
    """The means of each pruned variant at ``sparsity``: one row a variant whose measured range reaches there. ``measured``:
    whether runs at exactly this sparsity are behind the row; else it lies on the line between the neighbours ``below`` and
    ``above``, and ``n`` is 0. Dense counts as every variant's value at 0."""
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
    columns: dict[str, Any] = {name: summary[name].to_numpy()[first] for name in ("method", "variant", "settings")}
    columns |= {"sparsity": sparsity, "n": np.where(measured, n, 0), "measured": measured}
    columns |= {name: np.where(measured, sparsity, x[side]) for name, side in (("below", low), ("above", high))}
    for name in METRICS:
        values = summary[name].to_numpy()
        columns[name] = np.where(measured, values[low], _between(name, values[low], values[high], share))
        columns[f"{name}_ci"] = np.where(measured, summary[f"{name}_ci"].to_numpy()[low], np.nan)
    return pd.DataFrame(columns, columns=[*summary.columns, "measured", "below", "above"])


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
    if METRICS[name].is_ratio:  # sizes and latencies are linear, so it is the inverse of a ratio that is
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = 1 / low, 1 / high
            return np.asarray(1 / ((1 - share) * low + share * high), dtype=float)
    return np.asarray((1 - share) * low + share * high, dtype=float)


def half_width(std: ArrayLike, count: ArrayLike) -> NDArray[np.float64]:
    """Half of the 95 % Student-t interval of the mean of ``count`` values with standard deviation ``std``; NaN below two."""
    # Imported here, and not scipy.stats: half a second instead of two, and only once there is something to show.
    from scipy.special import stdtrit  # noqa: PLC0415

    counts = np.asarray(count, dtype=float)
    n = np.where(counts >= 2, counts, np.nan)
    width: NDArray[np.float64] = np.asarray(std, dtype=float) * stdtrit(n - 1, 0.975) / np.sqrt(n)
    return width
