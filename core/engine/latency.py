"""Measured latency: of a network as it is, and as it would be deployed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.engine.cuda_graph import WARM_UP, capture, warm_up
from core.engine.deploy import optimise
from core.engine.device import threads
from core.engine.networks.layers import example_of
from core.runs.result import Speedup, Timing
from core.spec.errors import first_line

Fields = Mapping[str, tuple[str, str]]

CALLS = 2  # of a network in a round that are timed, after one that is not: its caches hold the network before it
RESAMPLES = 1_000
FIRST_CHECK = 5  # rounds
OPTIMISED = " optimised"
FORMS = {"eager": "", "optimised": OPTIMISED}

# The fields of RunResult for the speed-up and the dense network's latency, by the form of the network.
SINGLE_FIELDS: Fields = {
    "eager": ("speedup", "inference_latency_ms"),
    "optimised": ("optimised_speedup", "optimised_latency_ms"),
}
BATCH_FIELDS: Fields = {
    "eager": ("batch_speedup", "batch_latency_ms"),
    "optimised": ("optimised_batch_speedup", "optimised_batch_latency_ms"),
}

Times = NDArray[np.float64]  # seconds of calls, [rounds, CALLS]
Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class DeployedLatency:
    """Latency of a network in each of FORMS, with the seconds of all calls; ``note`` says how it was optimised, or why that
    form is missing."""

    timings: Mapping[str, Timing]
    times: Mapping[str, Times]
    note: str

    @property
    def eager(self) -> Timing:
        return self.timings["eager"]

    @property
    def optimised(self) -> Timing | None:
        return self.timings.get("optimised")


@torch.no_grad()
def time_latency(models: Mapping[str, nn.Module], batch: int, *, seconds: float = 1.0) -> dict[str, Timing]:
    """Latency of each of ``models`` on its device at ``batch`` images, in float32: batch 1 on one thread, which
    for a single small image is as fast as several, and larger batches on as many as the process trains with.

    The networks are timed in turns in one process, so that a machine whose speed drifts treats all alike; each call is
    synchronised; about ``seconds`` are spent on each network after warming up. CUDA times the replay of a captured graph:
    at batch 1 an eager call would time the launching of kernels.
    """
    with threads(threads_for(batch)):
        calls = {name: timed_call(model.eval(), random_images(model, batch)) for name, model in models.items()}
        times = time_interleaved(calls, enough_seconds(seconds))
        return {name: timing(batch, spent) for name, spent in times.items()}


@torch.no_grad()
def time_deployed(
    models: Mapping[str, nn.Module],
    batch: int,
    *,
    seconds: float = 1.0,
    precision: float = math.inf,
    max_seconds: float = 0.0,
) -> dict[str, DeployedLatency]:
    """Latency of each of ``models`` as it is and as :func:`optimise` makes it, all in turns as in :func:`time_latency`.

    With a ``precision``, timing goes on until the 95 % interval of each one's speed-up over the first of ``models`` is no
    wider than that either way, relative to it, and at most until ``max_seconds`` were spent on all together.
    """
    with threads(threads_for(batch)):
        calls, notes = deployed_calls(models, batch)
        first, *others = models

        def precise(times: Mapping[str, Times]) -> bool:
            if not enough_seconds(seconds)(times):
                return False
            pairs = [(suffix, name) for suffix in FORMS.values() for name in others if name + suffix in times]
            ratios = (speedup(times[first + suffix], times[name + suffix]) for suffix, name in pairs)
            spent = sum(float(one.sum()) for one in times.values())
            return spent >= max_seconds or all(one.half_width <= precision * one.ratio for one in ratios)

        times = time_interleaved(calls, enough_seconds(seconds) if math.isinf(precision) else precise)
        found: dict[str, DeployedLatency] = {}
        for name in models:
            own = {form: times[name + suffix] for form, suffix in FORMS.items() if name + suffix in times}
            timings = {form: timing(batch, spent) for form, spent in own.items()}
            found[name] = DeployedLatency(timings, own, notes[name])
    return found


def speedups(dense: DeployedLatency, other: DeployedLatency) -> dict[str, Speedup]:
    """How much faster ``other`` is than ``dense``, timed in turns with it, in each form that both have."""
    return {form: speedup(dense.times[form], times) for form, times in other.times.items() if form in dense.times}


def speedup(dense: Times, other: Times) -> Speedup:
    """The ratio of two networks' times: the median over rounds, in each of which both were timed, and the interval of that
    median by resampling rounds (percentile bootstrap). What slows a whole round down cancels."""
    ratios = np.median(dense, axis=1) / np.median(other, axis=1)
    drawn = np.random.default_rng(0).integers(len(ratios), size=(RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(ratios[drawn], axis=1), (2.5, 97.5))
    ratio, low, high = (round(float(value), 5) for value in (np.median(ratios), low, high))
    return Speedup(ratio=ratio, low=low, high=high, rounds=len(ratios))


def time_interleaved(calls: Mapping[str, Call], enough: Callable[[Mapping[str, Times]], bool]) -> dict[str, Times]:
    """Time each of ``calls`` a few times, one after the other and again, until the times so far are ``enough``. That is
    asked ever more rarely: the answer takes longer the more times there are."""
    times: dict[str, list[list[float]]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    rounds, check = 0, FIRST_CHECK
    while True:
        rounds += 1
        for name, call in calls.items():
            call()
            times[name].append([_seconds(call) for _ in range(CALLS)])
        if rounds < check:
            continue
        check = max(rounds + FIRST_CHECK, math.ceil(1.1 * rounds))
        arrays = {name: np.array(spent) for name, spent in times.items()}
        if enough(arrays):
            return arrays


def large_batch(device: torch.device) -> int:
    """The batch size that stands for throughput on ``device``."""
    return 256 if device.type == "cuda" else 64


def threads_for(batch: int) -> int:
    return 1 if batch == 1 else torch.get_num_threads()


def random_images(model: nn.Module, batch: int) -> Tensor:
    one = example_of(model)
    return torch.randn(batch, *one.shape[1:], device=one.device).contiguous(memory_format=torch.channels_last)


def timed_call(run: Callable[[Tensor], Tensor], images: Tensor) -> Call:
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


def deployed_calls(models: Mapping[str, nn.Module], batch: int) -> tuple[dict[str, Call], dict[str, str]]:
    """What to time of each of ``models``: it as it is and, where that works, optimised; and how, or why not."""
    calls: dict[str, Call] = {}
    notes: dict[str, str] = {}
    for name, model in models.items():
        images = random_images(model, batch)
        calls[name] = timed_call(model.eval(), images)
        try:
            deployed = optimise(model, images)
            calls[name + OPTIMISED] = timed_call(deployed.run, images)
            notes[name] = deployed.note
        except RuntimeError as error:
            notes[name] = f"not optimised: {first_line(error)}"
    return calls, notes


def _seconds(call: Call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def enough_seconds(seconds: float) -> Callable[[Mapping[str, Times]], bool]:
    """Enough is when each was called for ``seconds`` and at least 10 times."""
    return lambda times: all(spent.sum() >= seconds and spent.size >= 10 for spent in times.values())


def timing(batch: int, spent: Times) -> Timing:
    q1, median, q3 = (1e3 * float(value) / batch for value in np.percentile(spent, (25, 50, 75)))
    rounded = {"median_ms": round(median, 5), "q1_ms": round(q1, 5), "q3_ms": round(q3, 5)}
    return Timing(batch=batch, threads=torch.get_num_threads(), **rounded, calls=spent.size)
