"""The result record of a run, put together from what was measured."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.engine.artifact import encode, notes_of, plain_size
from core.engine.counts import count, dead_layers, layers
from core.engine.evaluate import Evaluation
from core.engine.export import encode_plain
from core.engine.latency import (
    BATCH_FIELDS,
    SINGLE_FIELDS,
    DeployedLatency,
    Fields,
    large_batch,
    speedups,
    time_deployed,
    time_latency,
)
from core.engine.onnx_file import encode_onnx
from core.engine.pruning.shrink import Kept
from core.runs.atomic_io import sha256
from core.runs.result import RunResult, Speedup
from core.spec.errors import InputError
from core.spec.spec import RunSpec, Schedule

MB = 1e6
QUICK_SECONDS, FULL_SECONDS = 0.1, 0.2  # each study is timed again, and longer, after its last run


@dataclass(frozen=True, slots=True)
class Trained:
    """A network after its training by ``schedule`` (None: it was imported): its accuracy in the last epoch, right after the
    last cut (``before``) and after the repair that was applied then, if any, and what training took.

    ``seconds`` is the time spent in training epochs, ``images_per_second`` their mean speed, ``step_mode`` how steps were
    executed (:attr:`Step.mode`), ``kept`` which channels of the first network are left, where that is known, and
    ``removed_channels`` how many of them did nothing any more and were removed at the end.
    """

    model: nn.Module
    schedule: Schedule | None
    final: Evaluation
    before: Evaluation
    repaired: Evaluation | None
    repair_applied: str | None
    seconds: float
    images_per_second: float
    step_mode: str
    kept: Kept | None
    removed_channels: int | None = None


def prune_summary(model: nn.Module, dense: nn.Module) -> dict[str, Any]:
    """What pruning did, known before fine-tuning starts: size (MB), counts, a first look at latency (ms), and the layers
    that died of it, if any."""
    counts = count(model, dense)
    latency = time_latency({"dense": dense, "pruned": model}, 1, seconds=QUICK_SECONDS)
    dead = dead_layers(layers(model, dense))
    return {
        "model_size_mb": round(len(encode(model)) / MB, 5),
        "reached_sparsity": counts.reached_sparsity,
        "filter_ratio": counts.filter_ratio,
        "params_nonzero": counts.params_nonzero,
        "inference_latency_ms": latency["pruned"].median_ms,
        "dense_latency_ms": latency["dense"].median_ms,
        **({"dead_layers": dead} if dead else {}),
    }


def build_result(spec: RunSpec, trained: Trained, dense: nn.Module, file: Path) -> RunResult:
    """The record of a run whose compressed model was written to ``file``; ``dense`` is the network it was pruned from,
    or the network itself. The dense network is timed again, in turns with this one."""
    model = trained.model
    counts = count(model, dense)
    dense_counts = count(dense, dense)
    rows = layers(model, dense)
    device = next(model.parameters()).device
    networks = {"dense": dense} if model is dense else {"dense": dense, "this": model}
    single = time_deployed(networks, 1, seconds=FULL_SECONDS)
    batch = time_deployed(networks, large_batch(device), seconds=FULL_SECONDS)
    measured = _intervals(single, SINGLE_FIELDS) | _intervals(batch, BATCH_FIELDS)
    timed = {
        "single": single.get("this", single["dense"]),
        "single_dense": single["dense"],
        "batch": batch.get("this", batch["dense"]),
        "batch_dense": batch["dense"],
    }
    record = {
        "run_id": spec.run_id,
        "method": spec.method,
        "sparsity": spec.sparsity,
        "seed": spec.seed,
        "test_accuracy": round(trained.final.accuracy, 3),
        "params_millions": counts.params_nonzero / 1e6,
        "model_size_mb": file.stat().st_size / MB,
        "model_sha256": sha256(file),
        "settings": dict(spec.settings),
        "data": spec.recipe.data,
        "preset": spec.recipe.preset,
        "schedule": trained.schedule.to_json() if trained.schedule else None,
        "accuracy_before_finetuning": round(trained.before.accuracy, 3),
        "accuracy_after_repair": round(trained.repaired.accuracy, 3) if trained.repaired else None,
        "repair_applied": trained.repair_applied,
        "per_class_accuracy": list(trained.final.per_class),
        "test_loss": round(trained.final.loss, 5),
        **asdict(counts),
        "dense_macs": dense_counts.macs,
        "mac_ratio": dense_counts.macs / counts.macs,
        "plain_size_mb": plain_size(model) / MB,
        "dense_plain_size_mb": plain_size(dense) / MB,
        **_speeds(single, SINGLE_FIELDS, measured),
        **_speeds(batch, BATCH_FIELDS, measured),
        "speedups": measured,
        "latency": {
            "how": "CUDA-graph replay" if device.type == "cuda" else "eager",
            "dtype": "float32",
            "tf32": device.type == "cuda" and torch.backends.cudnn.allow_tf32,
            **{name: times.eager for name, times in timed.items()},
            "optimised": {
                "how": {name: times.note for name, times in timed.items()},
                **{name: times.optimised for name, times in timed.items()},
            },
        },
        "layers": rows,
        "dead_layers": dead_layers(rows),
        "removed_channels": trained.removed_channels,
        "train_seconds": round(trained.seconds, 2),
        "images_per_second": round(trained.images_per_second, 1),
        "train_steps": trained.step_mode,
    }
    return RunResult.model_validate(record)


def file_sizes(path: Path, model: nn.Module) -> dict[str, float | None]:
    """The fields of RunResult that say how large (MB) the file at ``path`` and the exports of the ``model`` in it are, as
    they are and deflated; None for those of an ONNX file that there cannot be."""
    notes = notes_of(path)
    plain = encode_plain(model, notes)
    sizes: dict[str, float | None] = {
        "plain_file_mb": len(plain) / MB,
        "plain_zip_mb": _deflated(plain),
        "model_zip_mb": _deflated(path.read_bytes()),
    }
    try:
        onnx = encode_onnx(model, notes)
    except InputError:
        return sizes | {"onnx_file_mb": None, "onnx_zip_mb": None}
    return sizes | {"onnx_file_mb": len(onnx) / MB, "onnx_zip_mb": _deflated(onnx)}


def _deflated(content: bytes) -> float:
    return len(zlib.compress(content, wbits=-15)) / MB


def _speeds(
    times: Mapping[str, DeployedLatency], fields: Fields, measured: Mapping[str, Speedup]
) -> dict[str, float | None]:
    """The latency of the network and its speed-up over the dense one (1 for that itself), None for a missing form."""
    this = times.get("this", times["dense"])
    record: dict[str, float | None] = {}
    for form, (speedup, latency) in fields.items():
        timing = this.timings.get(form)
        ratio = measured[speedup].ratio if speedup in measured else None
        record |= {latency: timing.median_ms if timing else None, speedup: ratio}
    return record


def _intervals(times: Mapping[str, DeployedLatency], fields: Fields) -> dict[str, Speedup]:
    this = times.get("this", times["dense"])
    return {fields[form][0]: one for form, one in speedups(times["dense"], this).items()}
