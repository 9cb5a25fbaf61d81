"""What a network costs: parameters, sparsity, MACs and measured latency."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from core.engine.artifact import encode
from core.engine.deploy import optimise
from core.engine.device import place, threads
from core.engine.networks.resnet18 import ResNet, Shape
from core.engine.pruning.base import prunable

PICTURE = (3, 32, 32)


@dataclass(frozen=True, slots=True)
class Counts:
    """What can be counted. Sparsity and filter ratio are shares of the dense network that are gone; ``macs`` are
    multiply-accumulates for one picture as the network is executed, zeros included; ``effective_macs`` leave out those
    with a pruned weight, which ordinary kernels compute all the same."""

    params_total: int
    params_nonzero: int
    reached_sparsity: float
    filter_ratio: float
    macs: int
    effective_macs: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its name, weight shape here and in the dense network, and the share of the dense weights that is left."""

    name: str
    shape: tuple[int, ...]
    dense_shape: tuple[int, ...]
    density: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds per picture at one batch size: median and quartiles of ``calls`` timed calls with ``threads``."""

    batch: int
    threads: int
    median_ms: float
    q1_ms: float
    q3_ms: float
    calls: int


@dataclass(frozen=True, slots=True)
class DeployedLatency:
    """Latency of a network as it is and, if that worked, optimised; ``how`` says what that did, or why it did not."""

    eager: Latency
    optimised: Latency | None
    how: str


def count(model: ResNet, dense: Shape) -> Counts:
    """``model``'s counts, as seen from the dense network of shape ``dense`` that it comes from."""
    weights = prunable(model)
    nonzero = {name: int(weight.count_nonzero()) for name, weight in weights.items()}
    others = sum(p.numel() for p in model.parameters()) - sum(w.numel() for w in weights.values())
    per_layer = macs_per_layer(model)
    effective = sum(
        macs * nonzero[f"{name}.weight"] / weights[f"{name}.weight"].numel() for name, macs in per_layer.items()
    )
    return Counts(
        params_total=sum(p.numel() for p in model.parameters()),
        params_nonzero=sum(nonzero.values()) + others,
        reached_sparsity=1 - sum(nonzero.values()) / dense.prunable,
        filter_ratio=1 - model.shape.filters / dense.filters,
        macs=sum(per_layer.values()),
        effective_macs=round(effective),
    )


def macs_per_layer(model: nn.Module) -> dict[str, int]:
    """Multiply-accumulates of each convolution and linear layer for one picture, as PyTorch's FlopCounterMode counts."""
    device = next(model.parameters()).device
    root = type(model).__name__
    was_training = model.training
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(torch.zeros(1, *PICTURE, device=device))
    model.train(was_training)
    flops = {name.removeprefix(f"{root}."): sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    names = [name.removesuffix(".weight") for name in prunable(model)]
    return {name: flops[name] // 2 for name in names}  # a multiply-accumulate is two floating-point operations


def layers(model: ResNet, dense: Shape) -> list[Layer]:
    """Every prunable layer, in the order of computation."""
    weights = prunable(model)
    found = []
    for name, full in dense.weights.items():
        weight = weights[f"{name}.weight"]
        density = int(weight.count_nonzero()) / int(np.prod(full))
        found.append(Layer(name, tuple(weight.shape), full, round(density, 6)))
    return found


def dead_layers(found: list[Layer]) -> list[str]:
    """The layers that lost every weight: nothing gets through them any more."""
    return [layer.name for layer in found if layer.density == 0]


@torch.no_grad()
def time_latency(models: Mapping[str, nn.Module], batch: int, *, seconds: float = 1.0) -> dict[str, Latency]:
    """Latency of each of ``models`` on its device at ``batch`` pictures, in float32: batch 1 on one thread, which
    for a single small picture is as fast as several, and larger batches on as many as the process trains with.

    The networks take turns in one process, so that a machine whose speed drifts treats all alike; each call is
    synchronised; about ``seconds`` are spent on each network after warming up. CUDA times the replay of a captured graph:
    at batch 1 an eager call would time the launching of kernels.
    """
    with threads(_threads_for(batch)):
        calls = {name: _callable(model.eval(), _pictures(model, batch)) for name, model in models.items()}
        return time_interleaved(calls, batch, seconds)


@torch.no_grad()
def time_as_delivered(models: Mapping[str, ResNet], batch: int, *, seconds: float = 1.0) -> dict[str, DeployedLatency]:
    """Latency of each of ``models`` as it is and as ``optimise`` makes it, all taking turns as in :func:`time_latency`."""
    with threads(_threads_for(batch)):
        calls: dict[str, Callable[[], object]] = {}
        how: dict[str, str] = {}
        for name, model in models.items():
            pictures = _pictures(model, batch)
            calls[name] = _callable(model.eval(), pictures)
            try:
                faster = optimise(model, pictures)
                calls[f"{name} optimised"] = _callable(faster.run, pictures)
                how[name] = faster.how
            except RuntimeError as error:
                how[name] = f"not optimised: {(str(error).splitlines() or [''])[0][:200]}"
        times = time_interleaved(calls, batch, seconds)
    return {name: DeployedLatency(times[name], times.get(f"{name} optimised"), how[name]) for name in models}


def _threads_for(batch: int) -> int:
    return 1 if batch == 1 else torch.get_num_threads()


def _pictures(model: nn.Module, batch: int) -> Tensor:
    device = next(model.parameters()).device
    return torch.randn(batch, *PICTURE, device=device).contiguous(memory_format=torch.channels_last)


def time_interleaved(calls: Mapping[str, Callable[[], object]], batch: int, seconds: float) -> dict[str, Latency]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(3):
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


def get_model_info(model: ResNet, device: str = "cuda", verbose: bool = True) -> dict[str, Any]:
    """Parameters (non-zero), sparsity, size of the compressed file (MB) and latency (ms per picture, batch 1) of ``model``.

    Sparsity is the share of zeros among its prunable weights. ``device`` cuda falls back to the CPU where there is none.
    """
    available = not device.startswith("cuda") or torch.cuda.is_available()
    placed = place(deepcopy(model), torch.device(device if available else "cpu"))
    counts = count(placed, model.shape)
    info = {
        "params": counts.params_nonzero,
        "sparsity": counts.reached_sparsity,
        "size_mb": len(encode(model)) / 1e6,
        "latency_ms": time_latency({"model": placed}, 1)["model"].median_ms,
        "device": next(placed.parameters()).device.type,
    }
    if verbose:
        print(
            f"parameters {info['params']:,} (non-zero)   sparsity {info['sparsity']:.4f}   "
            f"size {info['size_mb']:.2f} MB   latency {info['latency_ms']:.3f} ms per picture on {info['device']}"
        )
    return info


def _summary(batch: int, spent: list[float]) -> Latency:
    q1, median, q3 = (1e3 * float(value) / batch for value in np.percentile(spent, (25, 50, 75)))
    return Latency(batch, torch.get_num_threads(), round(median, 5), round(q1, 5), round(q3, 5), len(spent))


def _callable(run: Callable[[Tensor], Tensor], picture: Tensor) -> Callable[[], object]:
    if picture.device.type != "cuda":
        return partial(run, picture)
    replay = _graph(run, picture)

    def call() -> None:
        replay()
        torch.cuda.synchronize(picture.device)

    return call


def _graph(run: Callable[[Tensor], Tensor], picture: Tensor) -> Callable[[], None]:
    """The replay of ``run(picture)`` captured as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run(picture)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run(picture)

    def replay(picture: Tensor = picture) -> None:  # keeps the picture: the graph goes on reading its memory
        graph.replay()

    return replay
