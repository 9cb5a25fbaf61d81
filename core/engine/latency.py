"""Measured latency: of a network as it is, and as it would be deployed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from core.engine.cuda_graph import WARM_UP, capture, warm_up
from core.engine.deploy import optimise
from core.engine.device import threads
from core.engine.networks.resnet18 import INPUT_SHAPE, ResNet
from core.runs.result import Timing
from core.spec.errors import first_line


@dataclass(frozen=True, slots=True)
class DeployedLatency:
    """Latency of a network as it is and optimised; ``note`` says what was optimised, or why ``optimised`` is missing."""

    eager: Timing
    optimised: Timing | None
    note: str


@torch.no_grad()
def time_latency(models: Mapping[str, nn.Module], batch: int, *, seconds: float = 1.0) -> dict[str, Timing]:
    """Latency of each of ``models`` on its device at ``batch`` images, in float32: batch 1 on one thread, which
    for a single small image is as fast as several, and larger batches on as many as the process trains with.

    The networks are timed in turns in one process, so that a machine whose speed drifts treats all alike; each call is
    synchronised; about ``seconds`` are spent on each network after warming up. CUDA times the replay of a captured graph:
    at batch 1 an eager call would time the launching of kernels.
    """
    with threads(_threads_for(batch)):
        calls = {name: _timed_call(model.eval(), _random_images(model, batch)) for name, model in models.items()}
        return time_interleaved(calls, batch, seconds)


@torch.no_grad()
def time_deployed(models: Mapping[str, ResNet], batch: int, *, seconds: float = 1.0) -> dict[str, DeployedLatency]:
    """Latency of each of ``models`` as it is and as :func:`optimise` makes it, all in turns as in :func:`time_latency`."""
    with threads(_threads_for(batch)):
        calls: dict[str, Callable[[], object]] = {}
        notes: dict[str, str] = {}
        for name, model in models.items():
            images = _random_images(model, batch)
            calls[name] = _timed_call(model.eval(), images)
            try:
                deployed = optimise(model, images)
                calls[f"{name} optimised"] = _timed_call(deployed.run, images)
                notes[name] = deployed.note
            except RuntimeError as error:
                notes[name] = f"not optimised: {first_line(error)}"
        times = time_interleaved(calls, batch, seconds)
    return {name: DeployedLatency(times[name], times.get(f"{name} optimised"), notes[name]) for name in models}


def time_interleaved(calls: Mapping[str, Callable[[], object]], batch: int, seconds: float) -> dict[str, Timing]:
    """Time each of ``calls``, one after the other and again, until each was called for ``seconds`` and at least 10 times."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    while any(sum(spent) < seconds or len(spent) < 10 for spent in times.values()):
        for name, call in calls.items():
            for _ in range(5):
                began = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - began)
    return {name: _summary(batch, spent) for name, spent in times.items()}


def large_batch(device: torch.device) -> int:
    """The batch size that stands for throughput on ``device``."""
    return 256 if device.type == "cuda" else 64


def _threads_for(batch: int) -> int:
    return 1 if batch == 1 else torch.get_num_threads()


def _random_images(model: nn.Module, batch: int) -> Tensor:
    device = next(model.parameters()).device
    return torch.randn(batch, *INPUT_SHAPE, device=device).contiguous(memory_format=torch.channels_last)


def _timed_call(run: Callable[[Tensor], Tensor], images: Tensor) -> Callable[[], object]:
    """A call of ``run`` on ``images`` that returns when it is done; on CUDA the replay of its graph."""
    work = partial(run, images)
    if images.device.type != "cuda":
        return work
    for _ in range(WARM_UP):
        warm_up(work, images.device)
    replay = capture(work)

    def call() -> None:
        replay()
        torch.cuda.synchronize(images.device)

    return call


def _summary(batch: int, spent: list[float]) -> Timing:
    q1, median, q3 = (1e3 * float(value) / batch for value in np.percentile(spent, (25, 50, 75)))
    rounded = {"median_ms": round(median, 5), "q1_ms": round(q1, 5), "q3_ms": round(q3, 5)}
    return Timing(batch=batch, threads=torch.get_num_threads(), **rounded, calls=len(spent))
