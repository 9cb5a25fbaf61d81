"""Means and intervals over seeds, and values between the measured sparsities.

A value is interpolated, and a line drawn, only between neighbours that are close: pruned points at most MAX_GAP apart, and
the dense network and a pruned point of at most MAX_GAP_TO_DENSE. Accuracy falls off a cliff somewhere, and a longer line
would say where without a measurement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from core.results.metrics import METRICS
from core.results.speed import FLOAT32, LATENCY_OF, half_width_of
from core.spec.methods import DENSE, METHODS

MAX_GAP, MAX_GAP_TO_DENSE = 0.25, 0.3  # in sparsity
_ROUNDING = 1e-9  # 0.55 - 0.3 is a little more than 0.25


def summarise(study: pd.DataFrame) -> pd.DataFrame:
    """One row for each method variant and requested sparsity, dense first, then in the registry's order. ``n``: the number
    of seeds, ``at_chance`` of which are at chance level; each metric has its mean and ``<metric>_ci``, half of the 95 %
    Student-t interval of that mean, NaN where fewer than two seeds have a value."""
    groups = study.groupby(["method", "variant", "sparsity"], sort=False)
    values = groups[list(METRICS)]
    std = values.std()
    std[:] = half_width(std, values.count())
    summary = values.mean().join(std.add_suffix("_ci"))
    for name in LATENCY_OF:  # a timing has an interval of its own: that of the mean is no narrower
        own = groups[half_width_of(name)].mean()
        summary[f"{name}_ci"] = np.fmax(summary[f"{name}_ci"], own)
    summary.insert(0, "n", groups.size())
    summary.insert(1, "at_chance", groups["at_chance"].sum())
    summary = summary.reset_index()
    settings = study.drop_duplicates("variant").set_index("variant")["settings"]
    summary.insert(2, "settings", summary["variant"].map(settings))
    summary.insert(3, "precision", study["precision"].iloc[0] if "precision" in study and len(study) else FLOAT32)
    order = {name: rank for rank, name in enumerate((DENSE, *METHODS))}
    return summary.sort_values(
        ["method", "variant", "sparsity"],
        key=lambda column: column.map(order) if column.name == "method" else column,
        ignore_index=True,
    )


def interpolate(summary: pd.DataFrame, sparsity: float) -> pd.DataFrame:
    """The means of each pruned variant at ``sparsity``: one row a variant that was measured there or has close neighbours.
    ``measured``: whether runs at exactly this sparsity are behind the row; else it lies on the line between the neighbours
    ``below`` and ``above``, ``n`` is 0, and ``at_chance`` counts their runs. Dense is every variant's value at 0."""
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
    columns: dict[str, Any] = {
        name: summary[name].to_numpy()[first] for name in ("method", "variant", "settings", "precision")
    }
    columns |= {"sparsity": sparsity, "n": np.where(measured, n, 0), "measured": measured}
    at_chance = summary["at_chance"].to_numpy()
    columns["at_chance"] = np.where(measured, at_chance[low], at_chance[low] + at_chance[high])
    columns |= {name: np.where(measured, sparsity, x[side]) for name, side in (("below", low), ("above", high))}
    for name in METRICS:
        values = summary[name].to_numpy()
        columns[name] = np.where(measured, values[low], _between(name, values[low], values[high], share))
        columns[f"{name}_ci"] = np.where(measured, summary[f"{name}_ci"].to_numpy()[low], np.nan)
    return pd.DataFrame(columns, columns=[*summary.columns, "measured", "below", "above"])


def _neighbours(x: NDArray[Any], rows: NDArray[Any], dense: NDArray[Any], sparsity: float) -> tuple[int, int] | None:
    """The rows of a variant right below and right above ``sparsity``, twice the same if one is there; None where there is
    none on one side, and where they are too far apart."""
    own_zero = (x[rows] == 0).any()
    points = rows if own_zero else np.concatenate([dense, rows])
    points = points[np.argsort(x[points], kind="stable")]
    nearest = points[np.abs(x[points] - sparsity).argmin()]
    if abs(x[nearest] - sparsity) < 1e-9:
        return int(nearest), int(nearest)
    right = int(np.searchsorted(x[points], sparsity))
    if not 0 < right < len(points):
        return None
    low, high = points[right - 1 : right + 1]
    return (int(low), int(high)) if _close(x[high] - x[low], low in dense) else None


def _close(gap: ArrayLike, from_dense: ArrayLike) -> NDArray[np.bool_]:
    """Whether two neighbours that are ``gap`` apart may be joined; ``from_dense``: the lower one is the dense network."""
    return np.asarray(np.asarray(gap) <= np.where(from_dense, MAX_GAP_TO_DENSE, MAX_GAP) + _ROUNDING)


def segments(summary: pd.DataFrame) -> pd.DataFrame:
    """The means along which a line may be drawn, each variant's in the order of sparsity: ``segment`` tells the lines apart,
    and each has two points at least. The dense network is the start of those lines that reach it, under their variant."""
    is_dense = summary["method"] == DENSE
    dense, pruned = summary[is_dense], summary[~is_dense]
    untouched = pruned.loc[pruned["sparsity"] == 0, "variant"].unique()
    starts = [dense.assign(variant=variant) for variant in pruned["variant"].unique() if variant not in untouched]
    points = pd.concat([*starts, pruned]).sort_values(["variant", "sparsity"], ignore_index=True)
    gaps = points.groupby("variant")["sparsity"].diff()
    points["segment"] = (~_close(gaps, points["method"].shift() == DENSE)).cumsum()
    return points[points["segment"].duplicated(keep=False)]


def nearest(summary: pd.DataFrame, variant: str, sparsity: float) -> pd.DataFrame:
    """The measured points of ``variant`` right below and right above ``sparsity``, as far as there are any."""
    points = summary[summary["variant"] == variant].sort_values("sparsity")
    return pd.concat([points[points["sparsity"] <= sparsity].tail(1), points[points["sparsity"] > sparsity].head(1)])


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
