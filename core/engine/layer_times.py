"""How long a network takes on this machine, predicted from its layers: each shape is timed once and kept.

As in NetAdapt (Yang et al., ECCV 2018) and HALP (Shen et al., NeurIPS 2022), the times of the layers, from a table, are
added up. What remains of the whole network's time is shared out by the sizes of the layers' outputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine.deploy import FusedConv, optimise
from core.engine.device import cpu_name, threads
from core.engine.disk_cache import cached
from core.engine.latency import large_batch, random_images, threads_for, timed_call
from core.engine.networks.channels import Channels
from core.engine.networks.layers import evaluating, prunable
from prunescope.residual import ResNet

STEP = 8  # channels: what a processor computes at once, so that one fewer saves nothing
CALLS, SECONDS = 5, 0.004  # that a layer is timed for at least, after WARM_UP calls
WARM_UP = 2


Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LayerShape:
    """A layer with all that its time depends on. ``kernel`` is None for a linear layer, ``size`` that of its input in
    pixels; ``fused``: it is one operation together with its ReLU."""

    inputs: int
    outputs: int
    kernel: Pair | None
    stride: Pair
    padding: Pair
    groups: int
    size: tuple[int, ...]
    fused: bool


class LayerTimes:
    """The table of layer times at ``batch`` images on ``device``, kept in the folder ``cache``, if any, by hardware and
    versions."""

    def __init__(self, batch: int, device: torch.device, cache: Path | None) -> None:
        self.batch, self._device, self._cache = batch, device, cache
        self._known: dict[LayerShape, float] = {}

    def seconds(self, shape: LayerShape) -> float:
        """Of one call of a layer of ``shape``; it is measured if it is not known."""
        if shape not in self._known:
            measure = partial(self._measure, shape)
            self._known[shape] = measure() if self._cache is None else cached(self._cache, self._key(shape), measure)
        return self._known[shape]

    def _key(self, shape: LayerShape) -> tuple[object, ...]:
        name = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else cpu_name()
        return name, torch.__version__, threads_for(self.batch), self.batch, astuple(shape)

    @torch.no_grad()
    def _measure(self, shape: LayerShape) -> float:
        with threads(threads_for(self.batch)):
            return call_seconds(_call_of(shape, self.batch, self._device))


class LatencyModel:
    """The time of ``model`` at a batch of ``times.batch`` pictures like ``example``, for any number of its ``channels``."""

    def __init__(self, model: nn.Module, channels: Channels, example: Tensor, times: LayerTimes) -> None:
        self._times = times
        self._layers = _layers(model, channels, example)
        self._full = channels.sizes
        whole = measure_network(model, times.batch)
        self._rest = whole - sum(layer.seconds(self._full, times) for layer in self._layers.values())
        self._outputs = self._count_outputs(self._full)

    def seconds(self, left: Mapping[str, int]) -> float:
        """Of the network whose groups have the channels ``left``."""
        layers = sum(layer.seconds(left, self._times) for layer in self._layers.values())
        return layers + self._rest * self._count_outputs(left) / self._outputs

    def share(self, left: Mapping[str, int]) -> float:
        """The same as a share of the whole network's time."""
        return self.seconds(left) / self.seconds(self._full)

    def saved(self, group: str, left: Mapping[str, int], after: int) -> float:
        """The share of the whole network's time that goes when ``group`` comes to have ``after`` channels."""
        fewer = {**left, group: after}
        own = [layer for layer in self._layers.values() if layer.has(group)]
        seconds = sum(layer.seconds(left, self._times) - layer.seconds(fewer, self._times) for layer in own)
        outputs = sum(layer.outputs(left) - layer.outputs(fewer) for layer in own)
        return (seconds + self._rest * outputs / self._outputs) / self.seconds(self._full)

    def _count_outputs(self, left: Mapping[str, int]) -> float:
        return sum(layer.outputs(left) for layer in self._layers.values())


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of the whole network, and how many positions of its inputs and outputs each channel of a group has."""

    whole: LayerShape
    rows: Mapping[str, int]
    columns: Mapping[str, int]
    full: Mapping[str, int]
    pixels: int

    def has(self, group: str) -> bool:
        return group in self.rows or group in self.columns

    def outputs(self, left: Mapping[str, int]) -> int:
        return self._size(self.whole.outputs, self.rows, left) * self.pixels

    def seconds(self, left: Mapping[str, int], times: LayerTimes) -> float:
        """With the channels ``left``: between those of the neighbouring shapes in the table."""
        outputs = _neighbours(self._size(self.whole.outputs, self.rows, left), self.whole.outputs)
        inputs = _neighbours(self._size(self.whole.inputs, self.columns, left), self.whole.inputs)
        if self.whole.groups > 1:
            inputs = [(self.whole.inputs, 1.0)]  # they follow from the outputs
        return sum(
            by_output * by_input * times.seconds(self._shape(rows, columns))
            for rows, by_output in outputs
            for columns, by_input in inputs
        )

    def _shape(self, outputs: int, inputs: int) -> LayerShape:
        if self.whole.groups == 1:
            return replace(self.whole, outputs=outputs, inputs=inputs)
        each_in, each_out = self.whole.inputs // self.whole.groups, self.whole.outputs // self.whole.groups
        groups = -(-outputs // each_out)
        return replace(self.whole, outputs=groups * each_out, inputs=groups * each_in, groups=groups)

    def _size(self, whole: int, counts: Mapping[str, int], left: Mapping[str, int]) -> int:
        return whole - sum(count * (self.full[group] - left[group]) for group, count in counts.items())


def _neighbours(size: int, whole: int) -> list[tuple[int, float]]:
    """The sizes in the table on either side of ``size``, multiples of STEP and the ``whole`` one, with their weights."""
    low, high = max(size // STEP * STEP, min(STEP, whole)), min(-(-size // STEP) * STEP, whole)
    if size >= whole or low >= high:
        return [(min(high, whole), 1.0)]
    share = (size - low) / (high - low)
    return [(low, 1 - share), (high, share)]


@torch.no_grad()
def measure_network(model: nn.Module, batch: int) -> float:
    """Seconds of one call of ``model`` as it is delivered, on its device."""
    with threads(threads_for(batch)):
        images = random_images(model, batch)
        return call_seconds(timed_call(optimise(deepcopy(model).eval(), images).run, images))


def call_seconds(call: Callable[[], object]) -> float:
    """The fastest of a few calls: what else computes on the machine only adds to others."""
    for _ in range(WARM_UP):
        call()
    spent: list[float] = []
    while len(spent) < CALLS or sum(spent) < SECONDS:
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return min(spent)


def times_for(target: str, device: torch.device, cache: Path | None) -> LayerTimes:
    """The table for the latency of one picture (``target`` latency-1), or of a large batch."""
    batch = 1 if target == "latency-1" else large_batch(device)
    return LayerTimes(batch, device, None if cache is None else cache / "layer-times")


def _layers(model: nn.Module, channels: Channels, example: Tensor) -> dict[str, _Layer]:
    found: dict[str, _Layer] = {}
    fused = isinstance(model, ResNet) and example.device.type == "cpu"

    def note(module: nn.Module, inputs: tuple[Tensor], output: Tensor, *, name: str) -> None:
        rows, columns = (channels.counts(f"{name}.weight", dim) for dim in (0, 1))
        shape, pixels = _shape_of(module, inputs[0], fused), output[0].numel() // _outputs_of(module)
        found[name] = _Layer(shape, rows, columns, channels.sizes, pixels)

    names = [name.removesuffix(".weight") for name in prunable(model)]
    hooks = [model.get_submodule(name).register_forward_hook(partial(note, name=name)) for name in names]
    try:
        with evaluating(model), torch.no_grad():
            model(example[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _outputs_of(module: nn.Module) -> int:
    return module.out_channels if isinstance(module, nn.Conv2d) else module.get_parameter("weight").shape[0]


def _shape_of(module: nn.Module, x: Tensor, fused: bool) -> LayerShape:
    if not isinstance(module, nn.Conv2d):
        outputs, inputs = module.get_parameter("weight").shape
        return LayerShape(inputs, outputs, None, (1, 1), (0, 0), 1, tuple(x.shape[1:-1]), fused=False)
    height, width = module.kernel_size
    padding = (height // 2, width // 2) if isinstance(module.padding, str) else module.padding
    return LayerShape(
        module.in_channels,
        module.out_channels,
        (height, width),
        (module.stride[0], module.stride[-1]),
        (padding[0], padding[-1]),
        module.groups,
        tuple(x.shape[-2:]),
        fused,
    )


def _call_of(shape: LayerShape, batch: int, device: torch.device) -> Callable[[], object]:
    if shape.kernel is None:
        linear = nn.Linear(shape.inputs, shape.outputs, device=device).eval()
        return timed_call(linear, torch.randn(batch, *shape.size, shape.inputs, device=device))
    images = torch.randn(batch, shape.inputs, *shape.size, device=device).contiguous(memory_format=torch.channels_last)
    conv = nn.Conv2d(
        shape.inputs, shape.outputs, shape.kernel, shape.stride, shape.padding, groups=shape.groups, device=device
    ).to(memory_format=torch.channels_last)
    if shape.fused:
        fused = FusedConv(conv)
        return timed_call(lambda x: fused(x, "relu"), images)
    return timed_call(lambda x: F.relu(conv(x)), images)
