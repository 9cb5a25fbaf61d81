"""The registry of metrics: everything about each number of a run that tables, charts and files say.

A new metric that is measured is one entry here and one field of ``RunResult``; one that follows from others is an entry
with a function. Frame, averages, interpolation, the efficiency table, CSV and JSON find it by this registry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from core.i18n import N_


@dataclass(frozen=True, slots=True)
class Interval:
    """The column of the efficiency table beside a metric's own: half of the 95 % interval of its mean."""

    column: str
    label: str
    help: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a run. ``name``: its column in frames and, if it is measured, the field of RunResult; ``against_dense``
    computes it otherwise, from a study and, row by row, the dense runs.

    ``label`` heads a column of a table, ``title`` names an axis of a chart. ``column``: its heading in the efficiency table
    as a file, in multiples of ``unit``; empty for a metric that is not in it. There a lower ``rank`` stands further left.
    ``is_ratio``: dense over this. ``better`` is None where runs measured at different times cannot be compared.
    """

    name: str
    label: str
    title: str = ""
    help: str = ""
    digits: int = 3
    signed: bool = False
    is_ratio: bool = False
    better: Literal["higher", "lower"] | None = None
    highest: float = math.inf
    column: str = ""
    unit: float = 1.0
    rank: int = 9
    interval: Interval | None = None
    against_dense: Callable[[pd.DataFrame, pd.DataFrame], pd.Series[float]] | None = None


def above_zero(values: pd.Series[float]) -> pd.Series[float]:
    """``values``, NaN where they are not above zero: to divide by."""
    return values.where(values > 0)


_ENTRIES = (
    Metric(
        "test_accuracy",
        N_("Accuracy (%)"),
        title=N_("Test accuracy (%)"),
        help=N_("Mean test accuracy after the last epoch."),
        digits=2,
        better="higher",
        highest=100,
        column="accuracy_percent",
        rank=1,
        interval=Interval(
            "accuracy_ci95", "± 95 %", N_("Half of the 95 % Student-t interval of the mean; none for one seed.")
        ),
    ),
    Metric(
        "accuracy_before_finetuning",
        N_("Before fine-tuning (%)"),
        help=N_("Accuracy right after pruning."),
        digits=2,
        better="higher",
        highest=100,
        column="accuracy_before_finetuning_percent",
        rank=8,
    ),
    Metric(
        "reached_sparsity",
        N_("Reached sparsity"),
        help=N_("The share of weights that is really gone."),
        digits=4,
        highest=1,
        column="reached_sparsity",
        rank=6,
    ),
    Metric(
        "filter_ratio",
        N_("Filter ratio"),
        help=N_("The share of whole filters that is gone."),
        highest=1,
        column="filter_ratio",
        rank=6,
    ),
    Metric("params_total", N_("Params"), digits=0, better="lower"),
    Metric("params_nonzero", N_("Params that are not zero"), digits=0, better="lower"),
    Metric(
        "params_millions",
        N_("Params (M)"),
        help=N_("Weights that are not zero."),
        better="lower",
        column="params_millions",
        rank=5,
    ),
    Metric(
        "macs",
        N_("MACs (M)"),
        title=N_("MACs (per image)"),
        help=N_("Multiply-accumulate operations for one image."),
        digits=1,
        better="lower",
        column="macs_millions",
        unit=1e6,
        rank=5,
    ),
    Metric(
        "mac_ratio",
        N_("MAC ratio"),
        help=N_("MACs of the dense network over these. This is not a speed-up."),
        digits=2,
        is_ratio=True,
        better="higher",
        column="mac_ratio",
        rank=5,
    ),
    Metric(
        "plain_size_mb",
        N_("Plain size (MB)"),
        help=N_("The weights saved as they are."),
        better="lower",
        column="plain_size_mb",
        rank=7,
    ),
    Metric(
        "model_size_mb",
        N_("Size (MB)"),
        title=N_("Compressed size (MB)"),
        help=N_("The compressed file that was really written."),
        better="lower",
        column="compressed_size_mb",
        rank=2,
    ),
    Metric(
        "inference_latency_ms",
        N_("Latency, batch 1 (ms)"),
        help=N_("Per image, one at a time."),
        column="latency_batch1_ms",
        rank=3,
    ),
    Metric(
        "batch_latency_ms",
        N_("Latency, large batch (ms)"),
        help=N_("Latency per image in a large batch."),
        column="latency_large_batch_ms",
        rank=3,
    ),
    Metric(
        "speedup",
        N_("Speed-up, batch 1"),
        help=N_("Measured, against dense."),
        digits=2,
        is_ratio=True,
        better="higher",
        column="speedup_batch1",
        rank=3,
    ),
    Metric(
        "batch_speedup",
        N_("Speed-up, large batch"),
        help=N_("Speed-up in a large batch, measured, against dense."),
        digits=2,
        is_ratio=True,
        better="higher",
        column="speedup_large_batch",
        rank=3,
    ),
    Metric(
        "optimised_latency_ms",
        N_("Optimised, batch 1 (ms)"),
        help=N_("Latency per image with BatchNorm folded and operations fused."),
        column="optimised_latency_batch1_ms",
        rank=4,
    ),
    Metric(
        "optimised_batch_latency_ms",
        N_("Optimised, large batch (ms)"),
        help=N_("The same per image in a large batch."),
        column="optimised_latency_large_batch_ms",
        rank=4,
    ),
    Metric(
        "optimised_speedup",
        N_("Optimised speed-up, batch 1"),
        help=N_("Measured, against the dense network optimised alike."),
        digits=2,
        is_ratio=True,
        better="higher",
        column="optimised_speedup_batch1",
        rank=4,
    ),
    Metric(
        "optimised_batch_speedup",
        N_("Optimised speed-up, large batch"),
        help=N_("The same in a large batch."),
        digits=2,
        is_ratio=True,
        better="higher",
        column="optimised_speedup_large_batch",
        rank=4,
    ),
    Metric(
        "accuracy_change",
        N_("Change"),
        help=N_("Percentage points against the dense runs of the same seeds."),
        digits=2,
        signed=True,
        better="higher",
        column="accuracy_change_points",
        rank=1,
        interval=Interval(
            "accuracy_change_ci95",
            N_("Change ± 95 %"),
            N_("Half of the 95 % Student-t interval of the change; none for one seed."),
        ),
        against_dense=lambda study, dense: study["test_accuracy"] - dense["test_accuracy"],
    ),
    Metric(
        "size_ratio",
        N_("Times smaller"),
        title=N_("Times smaller than the dense file, logarithmic"),
        help=N_("The dense network's file over this one."),
        digits=1,
        is_ratio=True,
        better="higher",
        column="size_ratio",
        rank=2,
        against_dense=lambda study, dense: dense["model_size_mb"] / above_zero(study["model_size_mb"]),
    ),
    # Over the latency of the dense network, timed in turns with it. Of two runs that were measured at different times only
    # these can be compared: a machine is not equally fast all day.
    Metric(
        "relative_latency",
        N_("Latency, batch 1 (dense = 1)"),
        better="lower",
        against_dense=lambda study, dense: 1 / above_zero(study["speedup"]),
    ),
    Metric(
        "relative_batch_latency",
        N_("Latency, large batch (dense = 1)"),
        better="lower",
        against_dense=lambda study, dense: 1 / above_zero(study["batch_speedup"]),
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ENTRIES}


def measured_metrics() -> list[str]:
    """The names of the metrics that a run's result has, whatever other runs there are."""
    return [name for name, metric in METRICS.items() if metric.against_dense is None]


def costs() -> list[str]:
    """The names of what is to be as low as possible, and can be compared between runs."""
    return [name for name, metric in METRICS.items() if metric.better == "lower"]


def table_metrics() -> list[Metric]:
    """The metrics of the efficiency table, from left to right."""
    return sorted((metric for metric in METRICS.values() if metric.column), key=lambda metric: metric.rank)
