"""Training ResNet-18 on a GPU, everything in one call of less than ten minutes.

    python -m benchmarks.training_gpu [--quick] [--device cpu]

Images a second, median (lowest-highest), in turns: the plain loop (DataLoader, torchvision transforms, NCHW, float32), then
the engine's step one by one, as a CUDA graph, and compiled and captured, in float32 and bfloat16, for the dense network,
one with masks and one that is really smaller. Then: whether a step ever waits for the device, evaluation, inference of
dense and smaller network, where the time of a step goes, and the distance to the arithmetic of 3.33 GFLOP a picture.
Everything is also written as JSON to $OUT, if that is set. Without a GPU only --device cpu --quick does something: the
same code on a tiny network.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from benchmarks._common import (
    MEAN,
    PLAN,
    STD,
    interleaved,
    machine,
    options,
    our_step,
    pictures,
    plain_training,
    show,
    spread,
)
from core.engine.counts import macs_per_layer
from core.engine.data.augment import DeviceImages, draw_epoch
from core.engine.device import choose_device, place
from core.engine.evaluate import evaluate
from core.engine.latency import large_batch, time_deployed
from core.engine.networks.build import resnet18
from core.engine.networks.layers import prunable
from core.engine.pruning.base import Masks, lowest_masks, masked
from core.engine.pruning.structured import structured_prune_filters
from core.engine.step import Step
from core.engine.train import train_epoch

SPARSITY, BATCH, MAX_SECONDS = 0.9, 128, 480.0
GOALS = {"whole experiment in an hour": 76_000, "good": 105_000}


def one_by_one(work: Callable[[], None]) -> Callable[[], object]:
    """Stands for capturing: the same static step, without a graph."""
    return work


def networks(width: int) -> dict[str, tuple[nn.Module, Masks]]:
    dense = resnet18(width, seed=0)
    masks = lowest_masks({name: weight.abs() for name, weight in prunable(dense).items()}, SPARSITY)
    smaller = structured_prune_filters(dense, SPARSITY)
    return {"dense": (dense, {}), "masked 0.9": (masked(dense, masks), masks), "smaller 0.9": (smaller, {})}


def speed(step: Step) -> float:
    return train_epoch(step, plan=PLAN, seed=0, epoch=0).images_per_second


def training(device: str, width: int, count: int, batch: int, *, rounds: int, began: float) -> dict[str, Any]:
    """Images a second of every form of every network; forms for which no time is left are named and left out."""
    source = pictures(count)
    forms: dict[str, dict[str, Any]] = {
        "one by one": {"capture": one_by_one},
        "CUDA graph": {"capture": None if device == "cuda" else one_by_one},
        "compiled, CUDA graph": {"capture": None if device == "cuda" else one_by_one, "compiled": True},
    }
    found: dict[str, Any] = {"left out": []}
    for name, (model, masks) in networks(width).items():
        calls: dict[str, Callable[[], float]] = {}
        steps: dict[str, Step] = {}
        if name == "dense":
            part = pictures(min(count, 5_000))
            calls["plain loop, fp32"] = plain_training(
                resnet18(width, seed=0), part, batch, workers=8 if device == "cuda" else 0, device=device
            )
        for precision in ("fp32", "bf16"):
            for form, settings in forms.items():
                label = f"{form}, {precision}"
                compiled = "compiled" in settings
                if compiled and (device == "cpu" or precision == "fp32" or time.monotonic() - began > MAX_SECONDS / 2):
                    found["left out"].append(f"{name}, {label}")
                    continue
                steps[label] = our_step(
                    model, source, batch, device=device, masks=masks, precision=precision, **settings
                )
                calls[label] = partial(speed, steps[label])
        values = interleaved(calls, rounds)
        found[name] = {
            label: {
                "images_per_second": median(seen),
                "all": seen,
                "how": how_of(steps.get(label)),
            }
            for label, seen in values.items()
        }
    return found


def how_of(step: Step | None) -> str:
    """How the steps of a form were really executed: a capture that failed is named here."""
    if step is None:
        return "plain"
    return "one by one" if step.capture is one_by_one else step.mode


@contextmanager
def no_waiting(device: str) -> Iterator[None]:
    """Inside, an operation that makes the host wait for the device is a RuntimeError."""
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def never_waits(device: str, width: int, batch: int) -> str:
    """Whether a captured step and one taken by itself leave the host free."""
    for name, capture in (("one by one", one_by_one), ("captured", None)):
        step = our_step(
            resnet18(width, seed=0), pictures(batch * 8), batch, device=device, precision="bf16", capture=capture
        )
        step.begin_epoch(draw_epoch(batch * 8, 0, 0, device), [0.1] * 8)
        for number in range(5):  # libraries are set up, the graph is captured
            step.run(number)
        try:
            with no_waiting(device):
                step.run(5)
        except RuntimeError as error:
            return f"{name}: waits ({str(error).splitlines()[0][:200]})"
    return "no step waits"


def where_time_goes(device: str, width: int, batch: int) -> list[dict[str, Any]]:
    """The kernels (operations, on a CPU) that take the most time in steps taken one by one."""
    step = our_step(
        resnet18(width, seed=0), pictures(batch * 10), batch, device=device, precision="bf16", capture=one_by_one
    )
    speed(step)
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]) as seen:
        speed(step)
    attribute = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    events = [event for event in seen.key_averages() if getattr(event, attribute, 0) > 0]
    if device == "cuda":
        events = [event for event in events if str(event.device_type).endswith("CUDA")]
    total = sum(getattr(event, attribute) for event in events) or 1
    events.sort(key=lambda event: -getattr(event, attribute))
    return [
        {"what": event.key[:100], "share": getattr(event, attribute) / total, "calls": event.count}
        for event in events[:15]
    ]


def evaluation(device: str, width: int, count: int) -> float:
    """Images a second of an evaluation of ``count`` pictures in bfloat16."""
    there = DeviceImages(pictures(count), MEAN, STD, device)
    model = place(resnet18(width, seed=0), torch.device(device))
    evaluate(model, there, 10, "bf16")
    began = time.perf_counter()
    evaluate(model, there, 10, "bf16")
    return count / (time.perf_counter() - began)


def inference(device: str, width: int, seconds: float) -> dict[str, Any]:
    """Milliseconds a picture of dense and smaller network, as they are and optimised."""
    found: dict[str, Any] = {}
    dense = place(resnet18(width, seed=0), torch.device(device)).eval()
    small = place(structured_prune_filters(dense, SPARSITY), torch.device(device)).eval()
    for batch in (1, large_batch(torch.device(device))):
        timed = time_deployed({"dense": dense, "smaller": small}, batch, seconds=seconds)
        for name, one in timed.items():
            found[f"{name}, batch {batch}"] = {
                "eager": one.eager.median_ms,
                "optimised": one.optimised and one.optimised.median_ms,
                "how": one.note,
            }
    return found


def report(found: dict[str, Any], flops: int) -> None:
    base = found["training"]["dense"]["plain loop, fp32"]["images_per_second"]
    rows = [
        [
            name,
            label,
            one["how"],
            spread(one["all"]),
            f"{one['images_per_second'] / base:.1f}",
            f"{one['images_per_second'] * flops / 1e12:.0f}",
        ]
        for name, labels in found["training"].items()
        if name != "left out"
        for label, one in labels.items()
    ]
    show("Training", ["Network", "Form", "How", "Images a second", "Ratio", "Dense TFLOP/s"], rows, texts=3)
    print(f"Left out: {'; '.join(found['training']['left out']) or 'nothing'}. Goals on an H200: {GOALS}.\n")
    print(f"{found['waits']}. Evaluation: {found['evaluation']:,.0f} images a second.\n")
    times = [
        [name, *(f"{one[form]:.4f}" if one[form] else "-" for form in ("eager", "optimised")), one["how"]]
        for name, one in found["inference"].items()
    ]
    show("Inference, ms a picture", ["Network", "Eager", "Optimised", "How"], times)
    shares = [[one["what"].replace("|", "/"), f"{one['share']:.1%}", f"{one['calls']}"] for one in found["profile"]]
    show("Where the time of a step goes", ["Kernel", "Share", "Calls"], shares)


def main() -> int:
    chosen = options(__doc__, ("--device", {"choices": ("cuda", "cpu"), "default": "cuda"}))
    if chosen.device == "cuda" and choose_device().type != "cuda":
        print("No GPU here: only --device cpu --quick can be tried.", file=sys.stderr)
        return 2
    if chosen.device == "cpu" and not chosen.quick:
        print("On a CPU give --quick: this measures a GPU.", file=sys.stderr)
        return 2
    began = time.monotonic()
    width, count, batch, rounds = (4, 64, 16, 1) if chosen.quick else (64, 50_000, BATCH, 3)
    found: dict[str, Any] = {
        "machine": machine(torch.device(chosen.device)),
        "width": width,
        "batch": batch,
        "pictures": count,
    }
    print(f"{found['machine']}\n", flush=True)
    flops = 6 * sum(macs_per_layer(resnet18(width)).values())  # forward, and twice as much backward
    found["waits"] = never_waits(chosen.device, width, batch)
    found["evaluation"] = evaluation(chosen.device, width, 32 if chosen.quick else 10_000)
    found["inference"] = inference(chosen.device, width, 0.01 if chosen.quick else 1.0)
    found["profile"] = where_time_goes(chosen.device, width, batch)
    found["training"] = training(chosen.device, width, count, batch, rounds=rounds, began=began)
    found["seconds"] = time.monotonic() - began
    report(found, flops)
    if os.environ.get("OUT"):
        (Path(os.environ["OUT"]) / "training_gpu.json").write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
