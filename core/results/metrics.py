"""The registry of metrics: everything about each number of a run that tables, charts and files say.

A new metric that is measured is one entry here and one field of ``RunResult``; one that follows from others is an entry
with a function. Frame, averages, interpolation, the efficiency table, CSV and JSON find it by this registry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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

    ``label`` heads a column of a table, ``title`` names an axis of a chart. ``rank``: its place in the efficiency table, the
    lowest furthest left; 0 for a metric that is not in it. ``column``: its heading there in a file, by default its name, in
    multiples of ``unit``. ``is_ratio``: dense over this. ``better`` is None where runs measured at different times cannot
    be compared.
    """

    name: str
    label: str
    help: str = ""
    rank: int = 9
    column: str = ""
    title: str = ""
    digits: int = 3
    signed: bool = False
    is_ratio: bool = False
    better: Literal["higher", "lower"] | None = None
    highest: float = math.inf
    unit: float = 1.0
    interval: Interval | None = None
    against_dense: Callable[[pd.DataFrame, pd.DataFrame], pd.Series[float]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", self.column or self.name)


def above_zero(values: pd.Series[float]) -> pd.Series[float]:
    """``values``, NaN where they are not above zero: to divide by."""
    return values.where(values > 0)


def _dense_over_this(name: str) -> Callable[[pd.DataFrame, pd.DataFrame], pd.Series[float]]:
    return lambda study, dense: dense[name] / above_zero(study[name])


_percent = partial(Metric, digits=2, better="higher", highest=100)
_cost = partial(Metric, better="lower")
_ratio = partial(Metric, digits=2, is_ratio=True, better="higher")


def _file(name: str, label: str, help_text: str, ratio_label: str) -> tuple[Metric, Metric]:
    """The size of a file, the field ``<name>_mb`` of RunResult, and how many times smaller it is than that of dense."""
    smaller = N_("The dense network's file over this one.")
    ratio = _ratio(
        f"{name}_ratio", ratio_label, smaller, rank=7, digits=1, against_dense=_dense_over_this(f"{name}_mb")
    )
    return _cost(f"{name}_mb", label, help_text, rank=7), ratio


_INTERVAL = N_("Half of the 95 % Student-t interval of the mean; none for one seed.")
_SPEED_INTERVAL = N_("Half of the 95 % interval of the ratio, timed in turns; of several seeds that of their mean.")
_CHANGE_INTERVAL = N_("Half of the 95 % Student-t interval of the change; none for one seed.")
_ENTRIES = (
    _percent(
        "test_accuracy",
        N_("Accuracy (%)"),
        N_("Mean test accuracy after the last epoch."),
        rank=1,
        column="accuracy_percent",
        title=N_("Test accuracy (%)"),
        interval=Interval("accuracy_ci95", "± 95 %", _INTERVAL),
    ),
    _percent(
        "accuracy_before_finetuning",
        N_("Before fine-tuning (%)"),
        N_("Accuracy right after pruning, before any repair."),
        rank=8,
        column="accuracy_before_finetuning_percent",
    ),
    _percent(
        "accuracy_after_repair",
        N_("After repair (%)"),
        N_("Accuracy after pruning and repair, before fine-tuning; none for a method without repair."),
        rank=8,
        column="accuracy_after_repair_percent",
    ),
    Metric(
        "reached_sparsity", N_("Reached sparsity"), N_("The share of weights that is really gone."), rank=6, digits=4
    ),
    Metric("filter_ratio", N_("Filter ratio"), N_("The share of whole filters that is gone."), rank=6),
    _cost("params_total", N_("Params"), rank=0, digits=0),
    _cost("params_nonzero", N_("Params that are not zero"), rank=0, digits=0),
    _cost("params_millions", N_("Params (M)"), N_("Weights that are not zero."), rank=5),
    _cost(
        "macs",
        N_("MACs (M)"),
        N_("Multiply-accumulate operations for one image."),
        rank=5,
        column="macs_millions",
        title=N_("MACs (per image)"),
        digits=1,
        unit=1e6,
    ),
    _ratio("mac_ratio", N_("MAC ratio"), N_("MACs of the dense network over these. This is not a speed-up."), rank=5),
    _cost("plain_size_mb", N_("Plain size (MB)"), N_("All weights as torch.save writes them."), rank=7),
    *_file(
        "plain_file",
        N_("Plain safetensors (MB)"),
        N_("The file with all weights, zeros included, that every program reads."),
        N_("Plain safetensors, times smaller"),
    ),
    *_file(
        "onnx_file",
        N_("ONNX (MB)"),
        N_("The file for ONNX Runtime and others, zeros included."),
        N_("ONNX, times smaller"),
    ),
    *_file(
        "model_zip",
        N_("PruneScope file, zipped (MB)"),
        N_("The compressed file in a ZIP archive."),
        N_("PruneScope file, zipped, times smaller"),
    ),
    *_file(
        "plain_zip",
        N_("Plain safetensors, zipped (MB)"),
        N_("The plain file in a ZIP archive or an app package, where zeros cost little."),
        N_("Plain safetensors, zipped, times smaller"),
    ),
    *_file(
        "onnx_zip",
        N_("ONNX, zipped (MB)"),
        N_("The ONNX file in a ZIP archive or an app package, where zeros cost little."),
        N_("ONNX, zipped, times smaller"),
    ),
    _cost(
        "model_size_mb",
        N_("PruneScope file (MB)"),
        N_("The compressed file that was really written. PruneScope reads it, and the small package prunescope."),
        rank=2,
        column="compressed_size_mb",
        title=N_("PruneScope file (MB)"),
    ),
    Metric(
        "inference_latency_ms",
        N_("Latency, batch 1 (ms)"),
        N_("Per image, one at a time."),
        rank=3,
        column="latency_batch1_ms",
    ),
    Metric(
        "batch_latency_ms",
        N_("Latency, large batch (ms)"),
        N_("Latency per image in a large batch."),
        rank=3,
        column="latency_large_batch_ms",
    ),
    _ratio(
        "speedup",
        N_("Speed-up, batch 1"),
        N_("Measured, against dense."),
        rank=3,
        column="speedup_batch1",
        interval=Interval("speedup_batch1_ci95", "± 95 %", _SPEED_INTERVAL),
    ),
    _ratio(
        "batch_speedup",
        N_("Speed-up, large batch"),
        N_("Speed-up in a large batch, measured, against dense."),
        rank=3,
        column="speedup_large_batch",
        interval=Interval("speedup_large_batch_ci95", "± 95 %", _SPEED_INTERVAL),
    ),
    Metric(
        "optimised_latency_ms",
        N_("Optimised, batch 1 (ms)"),
        N_("Latency per image with BatchNorm folded and operations fused."),
        rank=4,
        column="optimised_latency_batch1_ms",
    ),
    Metric(
        "optimised_batch_latency_ms",
        N_("Optimised, large batch (ms)"),
        N_("The same per image in a large batch."),
        rank=4,
        column="optimised_latency_large_batch_ms",
    ),
    _ratio(
        "optimised_speedup",
        N_("Optimised speed-up, batch 1"),
        N_("Measured, against the dense network optimised alike."),
        rank=4,
        column="optimised_speedup_batch1",
        interval=Interval("optimised_speedup_batch1_ci95", "± 95 %", _SPEED_INTERVAL),
    ),
    _ratio(
        "optimised_batch_speedup",
        N_("Optimised speed-up, large batch"),
        N_("The same in a large batch."),
        rank=4,
        column="optimised_speedup_large_batch",
        interval=Interval("optimised_speedup_large_batch_ci95", "± 95 %", _SPEED_INTERVAL),
    ),
    _percent(
        "int8_accuracy",
        N_("Accuracy in int8 (%)"),
        N_("Test accuracy of the network in whole numbers of 8 bits, quantised after training."),
        column="int8_accuracy_percent",
    ),
    _cost("int8_file_mb", N_("ONNX in int8 (MB)"), N_("The ONNX file of the network in int8."), column="int8_size_mb"),
    Metric(
        "int8_latency_ms",
        N_("Latency in int8, batch 1 (ms)"),
        N_("Latency per image in ONNX Runtime on the CPU, one at a time."),
        column="int8_latency_batch1_ms",
    ),
    Metric(
        "int8_batch_latency_ms",
        N_("Latency in int8, large batch (ms)"),
        N_("The same per image in a large batch."),
        column="int8_latency_large_batch_ms",
    ),
    _ratio(
        "int8_speedup",
        N_("Speed-up in int8, batch 1"),
        N_("Measured, against the dense network in float32."),
        column="int8_speedup_batch1",
    ),
    _ratio(
        "int8_batch_speedup",
        N_("Speed-up in int8, large batch"),
        N_("The same in a large batch."),
        column="int8_speedup_large_batch",
    ),
    _ratio("int8_optimised_speedup", N_("Speed-up in int8 over optimised, batch 1"), rank=0),
    _ratio("int8_optimised_batch_speedup", N_("Speed-up in int8 over optimised, large batch"), rank=0),
    _ratio("int8_gain", N_("Gain by int8, batch 1"), N_("Over this network in float32 as it is delivered."), rank=0),
    _ratio("int8_batch_gain", N_("Gain by int8, large batch"), rank=0),
    Metric(
        "accuracy_change",
        N_("Change"),
        N_("Percentage points against the dense runs of the same seeds."),
        rank=1,
        column="accuracy_change_points",
        digits=2,
        signed=True,
        better="higher",
        interval=Interval("accuracy_change_ci95", N_("Change ± 95 %"), _CHANGE_INTERVAL),
        against_dense=lambda study, dense: study["test_accuracy"] - dense["test_accuracy"],
    ),
    _ratio(
        "size_ratio",
        N_("Times smaller"),
        N_("The dense network's file over this one."),
        rank=2,
        digits=1,
        against_dense=_dense_over_this("model_size_mb"),
    ),
    # Over the latency of the dense network, timed in turns with it. Of two runs that were measured at different times only
    # these can be compared: a machine is not equally fast all day.
    _cost(
        "relative_latency",
        N_("Latency, batch 1 (dense = 1)"),
        rank=0,
        against_dense=lambda study, dense: 1 / above_zero(study["speedup"]),
    ),
    _cost(
        "relative_batch_latency",
        N_("Latency, large batch (dense = 1)"),
        rank=0,
        against_dense=lambda study, dense: 1 / above_zero(study["batch_speedup"]),
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ENTRIES}
INT8_METRICS = tuple(name for name in METRICS if name.startswith("int8_"))  # fields of Int8Result


def measured_metrics() -> list[str]:
    """The names of the metrics that a run's result has, whatever other runs there are."""
    return [name for name, metric in METRICS.items() if metric.against_dense is None]


def derived_metrics() -> list[str]:
    """The names of those that follow from a study's other numbers and its dense runs."""
    return [name for name, metric in METRICS.items() if metric.against_dense is not None]


def costs() -> list[str]:
    """The names of what is to be as low as possible, and can be compared between runs."""
    return [name for name, metric in METRICS.items() if metric.better == "lower"]


def table_metrics() -> list[Metric]:
    """The metrics of the efficiency table, from left to right."""
    return sorted((metric for metric in METRICS.values() if metric.rank), key=lambda metric: metric.rank)
