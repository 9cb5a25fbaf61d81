"""Speed-ups that can be compared: measured in one go, with their intervals, and 1 where the operations are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.runs.latencies import Latencies
from core.spec.methods import DENSE

# Each speed-up and the latency that belongs to it, both fields of RunResult.
LATENCY_OF = {
    "speedup": "inference_latency_ms",
    "batch_speedup": "batch_latency_ms",
    "optimised_speedup": "optimised_latency_ms",
    "optimised_batch_speedup": "optimised_batch_latency_ms",
}

# The latencies relative to dense, in METRICS, and the speed-up that each is the inverse of.
SPEED_OF = {"relative_latency": "speedup", "relative_batch_latency": "batch_speedup"}


def half_width_of(name: str) -> str:
    """The column with half of the 95 % interval of one run's speed-up ``name``, NaN where none was measured."""
    return f"{name}_half_width"


def noise_of(name: str) -> str:
    """The column with the noise floor of the speed-up ``name``: how far the ratio of the dense network and a copy of it
    may be from 1. NaN until it was measured."""
    return f"{name}_noise"


def dense_of(latency: str) -> str:
    """The column with the dense network's ``latency`` (ms per image), measured in one go with the others; else NaN."""
    return f"{latency}_dense"


# The measurements of the network in int8, by those of the network in float32 whose place they take.
INT8_OF = {
    "test_accuracy": "int8_accuracy",
    "model_size_mb": "int8_file_mb",
    "onnx_file_mb": "int8_file_mb",
    "inference_latency_ms": "int8_latency_ms",
    "batch_latency_ms": "int8_batch_latency_ms",
    "speedup": "int8_speedup",
    "batch_speedup": "int8_batch_speedup",
    "optimised_speedup": "int8_optimised_speedup",
    "optimised_batch_speedup": "int8_optimised_batch_speedup",
}
# What is not known of the network in int8.
_FLOAT32_ONLY = ("plain_file_mb", "plain_zip_mb", "onnx_zip_mb", "model_zip_mb", "plain_size_mb")
FLOAT32, INT8 = "float32", "int8"
PRECISIONS = (FLOAT32, INT8)

SPEEDUPS = (*LATENCY_OF, *(INT8_OF[name] for name in LATENCY_OF))
HALF_WIDTHS = [half_width_of(name) for name in SPEEDUPS]


def as_int8(runs: pd.DataFrame) -> pd.DataFrame:
    """Those of ``runs`` that were measured in int8, with these measurements in the place of those in float32."""
    measured = runs[runs["int8_accuracy"].notna()]
    places = INT8_OF | {half_width_of(name): half_width_of(INT8_OF[name]) for name in LATENCY_OF}
    columns = {name: measured[int8] for name, int8 in places.items()}
    columns["int8_loss"] = measured["test_accuracy"] - measured["int8_accuracy"]
    return measured.assign(**columns, **dict.fromkeys(_FLOAT32_ONLY, np.nan), precision=INT8)


def with_speed(frame: pd.DataFrame, latencies: Mapping[str, Latencies]) -> pd.DataFrame:
    """The runs of ``frame`` with the speed-ups of ``latencies``, by recipe, in place of those measured amid the study, and
    with the columns that half_width_of, noise_of and dense_of name. What executes the same operations on the same shapes as
    the dense network has the speed-up 1."""
    same = same_operations(frame).to_numpy()
    studies = frame["recipe"].map(latencies.get)
    for name, latency in LATENCY_OF.items():
        timed = [
            None if study is None else study.speedups.get(shape, {}).get(name)
            for study, shape in zip(studies, frame["shape"], strict=True)
        ]
        ratio = np.array([np.nan if one is None else one.ratio for one in timed], float)
        width = np.array([np.nan if one is None else one.half_width for one in timed], float)
        amid = frame[half_width_of(name)].to_numpy(float)
        frame[name] = np.where(same, 1.0, np.where(np.isnan(ratio), frame[name], ratio))
        frame[half_width_of(name)] = np.where(same, 0.0, np.where(np.isnan(ratio), amid, width))
        frame[noise_of(name)] = [
            np.nan if study is None or name not in study.noise else study.noise[name].from_one for study in studies
        ]
        frame[dense_of(latency)] = [np.nan if study is None else study.dense_ms.get(latency) for study in studies]
    return frame


def same_operations(rows: Any) -> Any:
    """Whether a row, or which rows of a frame, of runs or of their means, compute just what the dense network in float32
    does: removing a channel always removes MACs."""
    precise = rows.get("precision", FLOAT32) == FLOAT32
    return precise & ((rows["method"] == DENSE) | (abs(rows["mac_ratio"] - 1) < 1e-9))


def with_latencies(study: pd.DataFrame, dense: pd.DataFrame) -> pd.DataFrame:
    """``study`` with latencies that can be compared: that of the dense network over the speed-up. ``dense`` has, row by
    row, the dense run of each run."""
    for name, latency in LATENCY_OF.items():
        measured = study[dense_of(latency)].max()  # of dense runs, which belong to several studies, it is not known
        reference = dense[latency] if np.isnan(measured) else measured
        study[latency] = (reference / study[name]).fillna(study[latency])
    return study


def is_faster_or_slower(rows: pd.DataFrame, name: str, width: str, noise: float) -> pd.Series[bool]:
    """Where the speed-up ``name`` differs from 1 by more than half of its interval, the column ``width``, and by more than
    ``noise``; nowhere while neither is known."""
    differs: pd.Series[bool] = (rows[name] - 1).abs() > np.fmax(rows[width], noise)
    return differs
