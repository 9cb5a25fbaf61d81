"""The result of a run: what ``result.json`` says.

Fields that every result had are required. What early versions did not write has a default, and a key of a later version
is kept. A number that is no number or cannot be one, whether required or not, makes the whole record damaged: who altered
one number may have altered others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import AllowInfNan, TypeAdapter

from core.runs.record import (
    Amount,
    AtLeastOne,
    Count,
    Digest,
    Flag,
    Name,
    Note,
    Percent,
    Positive,
    Record,
    Share,
    Sparsity,
)
from core.spec.methods import DENSE


class Environment(Record):
    """Where a run was executed."""

    hardware: Note | None = None
    device: Note | None = None
    precision: Note | None = None
    threads: Count | None = None
    torch: Note | None = None
    torchvision: Note | None = None
    python: Note | None = None
    system: Note | None = None
    commit: Note | None = None
    cudnn: Note | None = None
    driver: Note | None = None


class Timing(Record):
    """Milliseconds per picture at one batch size: median and quartiles of ``calls`` timed calls with ``threads``."""

    batch: AtLeastOne
    threads: AtLeastOne
    median_ms: Positive
    q1_ms: Positive
    q3_ms: Positive
    calls: AtLeastOne


class OptimisedTimings(Record):
    """The same of the networks as they are delivered; ``how`` each was optimised, or why not."""

    how: Mapping[str, str] = {}
    single: Timing | None = None
    single_dense: Timing | None = None
    batch: Timing | None = None
    batch_dense: Timing | None = None


class Timings(Record):
    """How latency was measured: of this network and the dense one, one picture and a large batch at a time."""

    how: Note | None = None
    dtype: Note | None = None
    tf32: Flag = False
    single: Timing | None = None
    single_dense: Timing | None = None
    batch: Timing | None = None
    batch_dense: Timing | None = None
    optimised: OptimisedTimings = OptimisedTimings()


class Speedup(Record):
    """The dense network's latency over another's, timed in turns: median of ``rounds`` ratios, and the ends of its 95 %
    bootstrap interval."""

    ratio: Positive
    low: Positive
    high: Positive
    rounds: AtLeastOne

    @property
    def half_width(self) -> float:
        return max(self.high - self.ratio, self.ratio - self.low)

    @property
    def from_one(self) -> float:
        """How far from 1 the ratio may be."""
        return max(self.high - 1, 1 - self.low)


class TrainingSchedule(Record):
    """SGD with momentum, as in core.spec.spec.Schedule: ``epochs`` that a run really had. What is None is at its default."""

    epochs: AtLeastOne
    lr: Positive
    batch_size: AtLeastOne
    momentum: Share
    weight_decay: Amount
    decay: Note | None = None
    warmup: Count | None = None
    nesterov: Flag | None = None
    label_smoothing: Share | None = None
    cutout: Count | None = None


class LayerDensity(Record):
    """One layer: weight shape here and in the dense network, and the share of the dense weights that is left."""

    name: Name
    shape: tuple[AtLeastOne, ...] = ()
    dense_shape: tuple[AtLeastOne, ...] = ()
    density: Share


class LatencyBudget(Record):
    """Shares of the dense network's time, as both are delivered: what the network was to take at most, what it was predicted
    to take, and what it was measured to. ``target``: for one picture (latency-1) or a large batch (latency-batch)."""

    target: Note
    budget: Share
    predicted: Positive
    measured: Positive | None = None


class Origin(Record):
    """What a run started from: the fingerprint of the data set and, of a pruned run, the SHA-256 of the dense network."""

    data: str | None = None
    dense: str | None = None


class RunResult(Record):
    """What a run measured. Accuracies are percentages, sizes in MB are 10^6 bytes, latencies ms per picture; a speed-up is
    the dense network's latency over this one's."""

    run_id: str
    method: str
    sparsity: Sparsity
    seed: Count
    test_accuracy: Percent
    params_millions: Amount
    model_size_mb: Positive
    model_sha256: Digest | None = None
    inference_latency_ms: Positive
    settings: Mapping[str, str | int | Annotated[float, AllowInfNan(False)] | bool] = {}
    data: str | None = None
    preset: str | None = None
    schedule: TrainingSchedule | None = None
    accuracy_before_finetuning: Percent  # right after the last cut, before any repair
    accuracy_after_repair: Percent | None = None  # of that cut; None where the method has none
    repair_applied: Note | None = None  # where the best one was to be chosen: which
    per_class_accuracy: tuple[Percent, ...] = ()
    test_loss: Amount | None = None
    params_total: Count
    params_nonzero: Count
    reached_sparsity: Share
    filter_ratio: Share | None = None
    macs: Count
    effective_macs: Count | None = None
    dense_macs: Count | None = None
    mac_ratio: Positive | None = None
    plain_size_mb: Positive
    dense_plain_size_mb: Positive | None = None
    # Of what can be taken away beside the PruneScope file, which is model_size_mb; zip: deflated, as in a ZIP archive.
    plain_file_mb: Positive | None = None
    onnx_file_mb: Positive | None = None
    model_zip_mb: Positive | None = None
    plain_zip_mb: Positive | None = None
    onnx_zip_mb: Positive | None = None
    batch_latency_ms: Positive | None = None
    speedup: Positive | None = None
    batch_speedup: Positive | None = None
    # Of both networks as they are delivered: BatchNorm folded, operations fused.
    optimised_latency_ms: Positive | None = None
    optimised_batch_latency_ms: Positive | None = None
    optimised_speedup: Positive | None = None
    optimised_batch_speedup: Positive | None = None
    latency: Timings = Timings()
    speedups: Mapping[str, Speedup] = {}  # with their intervals, by the name of the field above
    layers: tuple[LayerDensity, ...] = ()
    dead_layers: tuple[Name, ...] = ()
    latency_budget: LatencyBudget | None = None
    removed_channels: Count | None = None  # that did nothing any more after the training of an unstructured method
    train_seconds: Amount
    images_per_second: Amount | None = None
    train_steps: str | None = None
    origin: Origin = Origin()
    train_pictures: AtLeastOne | None = None
    test_pictures: AtLeastOne | None = None
    test_split: Note | None = None  # whose choice those were: "by name" is PruneScope's
    wall_seconds: Positive | None = None
    environment: Environment = Environment()

    @property
    def relative_latency(self) -> float | None:
        """At batch 1, where the dense network's is 1; that also where the operations are the same. None if not measured."""
        if self.same_operations:
            return 1.0
        return 1 / self.speedup if self.speedup else None

    @property
    def same_operations(self) -> bool:
        """Whether the network computes just what the dense one does: removing a channel always removes MACs."""
        return self.method == DENSE or self.mac_ratio == 1

    @property
    def shape(self) -> str:
        """A digest of the shapes of all layers: networks of one shape execute the same operations. Empty if unknown."""
        shapes = json.dumps([(layer.name, layer.shape) for layer in self.layers])
        return hashlib.sha256(shapes.encode()).hexdigest()[:16] if self.layers else ""


RESULT = TypeAdapter(RunResult)
