"""Finished runs that look real, for tests that need results but no training."""

from __future__ import annotations

import json
import random
from typing import Any

from core.runs.atomic_io import with_checksum, write_json
from core.runs.folder import Home, RunFolder
from core.runs.int8 import Int8Result, write_int8
from core.runs.result import RunResult
from core.spec.methods import METHODS
from core.spec.spec import RunSpec

HARDWARE = "Test machine, 2 cores"
_PARAMS = 11_173_962  # ResNet-18 at width 64
_MACS = 556_651_530
_DROP = {"dense": 0.0, "magnitude": 2.0, "lottery_ticket": 1.6, "structured": 4.6, "random": 12.0}  # points at 0.9


def write_result(home: Home, spec: RunSpec, **overrides: Any) -> RunFolder:
    """A finished run's folder for ``spec``: its numbers follow from the spec alone, except where ``overrides`` say."""
    folder = home.create(spec)
    record = {**plausible_record(spec), **overrides}  # which may be what no run would commit
    lines = "".join(json.dumps(event) + "\n" for event in _events(spec, record))
    folder.events_path.write_text(lines)
    write_json(folder.result_path, with_checksum(record))
    return folder


def write_int8_result(folder: RunFolder, **overrides: Any) -> Int8Result:
    """What the finished run in ``folder`` might have measured in int8; it follows from its result in float32."""
    result = folder.result()
    assert result is not None
    latency = {"int8_latency_ms": result.inference_latency_ms / 3, "int8_batch_latency_ms": 0.4}
    speedups = {"int8_speedup": 3 * (result.speedup or 1.0), "int8_batch_speedup": 2.5 * (result.batch_speedup or 1.0)}
    record = {
        "run_id": folder.run_id,
        "model": result.model_sha256 or "0" * 64,
        "sha256": "1" * 64,
        "int8_accuracy": result.test_accuracy - 0.25,
        "int8_file_mb": result.params_total / 1e6,
        **latency,
        **speedups,
        "int8_optimised_speedup": 2.0,
        "int8_optimised_batch_speedup": 2.0,
        "int8_gain": 2.0,
        "int8_batch_gain": 2.0,
        **overrides,
    }
    found = Int8Result.model_validate(record)
    write_int8(folder, found)
    return found


def plausible_result(spec: RunSpec) -> RunResult:
    """What a run of ``spec`` might have measured."""
    return RunResult.model_validate(plausible_record(spec))


def plausible_record(spec: RunSpec) -> dict[str, Any]:
    """The same as it stands in the file, with every key that the app reads."""
    noise = random.Random(spec.run_id)
    structured = not spec.is_dense and METHODS[spec.method].kind == "structured"
    scale = (spec.recipe.width / 64) ** 2
    left = 1 - spec.sparsity
    total = round(_PARAMS * scale * (left if structured else 1))
    nonzero = round(_PARAMS * scale * left)
    mac_ratio = 1 / (0.06 + 0.94 * left) if structured else 1.0
    accuracy = 94.9 - _DROP.get(spec.method, 3.0) * (spec.sparsity / 0.9) ** 6 + noise.gauss(0, 0.15)
    bits = total / 8e6 if spec.sparsity and not structured else 0.0  # one bit a weight says where the non-zero ones are
    latency, batch_latency = 1.2 + 3.1 * scale, 0.05 + 1.6 * scale
    speedup = 1 + 0.35 * (mac_ratio - 1) ** 0.5 if structured else noise.gauss(1, 0.01)
    batch_speedup = mac_ratio**0.8 if structured else noise.gauss(1, 0.01)
    return {
        "run_id": spec.run_id,
        "method": spec.method,
        "sparsity": spec.sparsity,
        "seed": spec.seed,
        "test_accuracy": round(accuracy, 2),
        "accuracy_before_finetuning": round(10 + (accuracy - 10) * left**0.5, 2),
        "accuracy_after_repair": None if spec.is_dense else round(10 + (accuracy - 10) * left**0.25, 2),
        "repair_applied": None if spec.is_dense else "batchnorm",
        "reached_sparsity": round(spec.sparsity + (noise.gauss(0, 0.002) if structured else 0.0), 4),
        "filter_ratio": round(1 - left**0.5, 4) if structured else 0.0,
        "params_total": total,
        "params_nonzero": nonzero,
        "params_millions": round(nonzero / 1e6, 4),
        "macs": round(_MACS * scale / mac_ratio),
        "mac_ratio": round(mac_ratio, 3),
        "plain_size_mb": round(total * 4 / 1e6 + 0.05, 3),
        "model_size_mb": round(nonzero * 3.7 / 1e6 + bits + 0.05, 3),
        "plain_file_mb": round(total * 4 / 1e6 + 0.02, 3),
        "onnx_file_mb": round(total * 4 / 1e6 + 0.01, 3),
        "model_zip_mb": round(nonzero * 3.6 / 1e6 + bits + 0.04, 3),
        "plain_zip_mb": round(nonzero * 3.7 / 1e6 + 2 * bits + 0.01, 3),
        "onnx_zip_mb": round(nonzero * 3.7 / 1e6 + 2 * bits + 0.01, 3),
        "inference_latency_ms": round(latency / speedup + abs(noise.gauss(0, 0.02)), 3),
        "batch_latency_ms": round(batch_latency / batch_speedup + abs(noise.gauss(0, 0.005)), 4),
        "speedup": round(1.0 if spec.is_dense else speedup, 3),
        "batch_speedup": round(1.0 if spec.is_dense else batch_speedup, 3),
        "optimised_latency_ms": round(0.8 * latency / speedup, 3),
        "optimised_batch_latency_ms": round(0.8 * batch_latency / batch_speedup, 4),
        "optimised_speedup": round(1.0 if spec.is_dense else speedup, 3),
        "optimised_batch_speedup": round(1.0 if spec.is_dense else batch_speedup, 3),
        "train_seconds": round(3.1 * spec.retrain.epochs, 1),
        "environment": {"hardware": HARDWARE},
    }


def _events(spec: RunSpec, result: dict[str, Any]) -> list[dict[str, Any]]:
    """The journal of a run that was never interrupted, one second an event."""
    epochs = spec.retrain.epochs
    epoch = {"type": "epoch", "phase": "train" if spec.is_dense else "finetune", "epochs": epochs}
    speed = {"images_per_second": 9000.0, "lr": 0.01}
    pruned = {name: result[name] for name in ("reached_sparsity", "model_size_mb")}
    events = [
        {"type": "queued"},
        {"type": "started", "attempt": 1, "hardware": HARDWARE, "threads": 2},
        *(
            []
            if spec.is_dense
            else [{"type": "pruned", "test_accuracy": result["accuracy_before_finetuning"], **pruned}]
        ),
        *(
            {**epoch, **speed, "epoch": n, "loss": 2.3 / n, "test_accuracy": result["test_accuracy"] - (epochs - n) / 2}
            for n in range(1, epochs + 1)
        ),
        {"type": "done", "test_accuracy": result["test_accuracy"]},
    ]
    return [{"t": 1.7e9 + second, **event} for second, event in enumerate(events)]
