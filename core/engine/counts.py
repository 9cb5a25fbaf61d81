"""What can be counted in a network: parameters, sparsity, multiply-accumulates (MACs) and dead layers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from core.engine.networks.layers import evaluating, example_of, filter_count, layer_shapes, prunable, prunable_count
from core.runs.result import LayerDensity


@dataclass(frozen=True, slots=True)
class Counts:
    """Sparsity and filter ratio are shares of the dense network that are gone; ``macs`` are multiply-accumulates for one
    image as the network is executed, zeros included; ``effective_macs`` leave out those with a pruned weight, which
    ordinary kernels compute all the same."""

    params_total: int
    params_nonzero: int
    reached_sparsity: float
    filter_ratio: float
    macs: int
    effective_macs: int


def count(model: nn.Module, dense: nn.Module) -> Counts:
    """``model``'s counts, relative to the network ``dense`` that it was pruned from."""
    weights = prunable(model)
    nonzero = {name: int(weight.count_nonzero()) for name, weight in weights.items()}
    params_total = sum(parameter.numel() for parameter in model.parameters())
    each = macs_per_layer(model)
    effective = sum(n * nonzero[f"{name}.weight"] / weights[f"{name}.weight"].numel() for name, n in each.items())
    return Counts(
        params_total=params_total,
        params_nonzero=params_total - sum(weight.numel() - nonzero[name] for name, weight in weights.items()),
        reached_sparsity=1 - sum(nonzero.values()) / prunable_count(dense),
        filter_ratio=1 - filter_count(model) / filter_count(dense),
        macs=sum(each.values()),
        effective_macs=round(effective),
    )


def macs(model: nn.Module) -> int:
    """MACs of ``model`` for one image."""
    return sum(macs_per_layer(model).values())


def macs_per_layer(model: nn.Module, image: Tensor | None = None) -> dict[str, int]:
    """MACs of each convolution and linear layer for one ``image`` [1, ...], half of the FLOPs that PyTorch's FlopCounterMode
    counts; 0 for a layer that is used in training only."""
    root = type(model).__name__
    counter = FlopCounterMode(display=False)
    with evaluating(model), counter, torch.no_grad():
        model(example_of(model) if image is None else image)
    flops = {name.removeprefix(f"{root}."): sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    names = [name.removesuffix(".weight") for name in prunable(model)]
    return {name: flops.get(name, 0) // 2 for name in names}


def layers(model: nn.Module, dense: nn.Module) -> list[LayerDensity]:
    """Every prunable layer, in the order of computation."""
    weights = prunable(model)
    rows = []
    for name, dense_shape in layer_shapes(dense).items():
        weight = weights[f"{name}.weight"]
        density = int(weight.count_nonzero()) / math.prod(dense_shape)
        shape = tuple(weight.shape)
        rows.append(LayerDensity(name=name, shape=shape, dense_shape=dense_shape, density=round(density, 6)))
    return rows


def dead_layers(rows: list[LayerDensity]) -> list[str]:
    """The names of the layers that lost every weight: no signal passes them any more."""
    return [layer.name for layer in rows if layer.density == 0]
