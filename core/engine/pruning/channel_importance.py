"""Criteria of structured pruning: how important each channel of each group is.

Channels whose values are added together form one group (a stage's residual stream) and go together: what such a channel
is worth is put together from all layers that write it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import functional as F

from core.engine.networks.resnet18 import ConvEdge, ResNet, conv_graph

# Group name to the importance of its channels, each at least 0, on the CPU.
Importance = dict[str, Tensor]
Sample = tuple[Tensor, Tensor]  # images float32 [n, 3, 32, 32], normalised, and labels int64 [n]
# Takes the network and what gives n training images; the latter is only called by criteria that need images.
Criterion = Callable[[ResNet, Callable[[int], Sample]], Importance]

SAMPLE_SIZE = 256  # images that the Taylor criterion uses
_BATCH = 64


def l1(model: ResNet, sample: Callable[[int], Sample]) -> Importance:
    """The L1 norm of the filters that write a channel (Li et al., ICLR 2017)."""
    return _mean_over_layers(model, lambda edge: _filter_norms(model, edge, 1))


def l2(model: ResNet, sample: Callable[[int], Sample]) -> Importance:
    """The L2 norm of the filters that write a channel."""
    return _mean_over_layers(model, lambda edge: _filter_norms(model, edge, 2))


def bn_scale(model: ResNet, sample: Callable[[int], Sample]) -> Importance:
    """The absolute BatchNorm factor of a channel (Liu et al., ICCV 2017)."""
    return _mean_over_layers(model, lambda edge: model.get_parameter(f"{edge.norm}.weight").detach().abs())


def taylor(model: ResNet, sample: Callable[[int], Sample]) -> Importance:
    """What the loss would change without a channel, to first order (Molchanov et al., CVPR 2019): the mean over images of
    abs(sum of gradient times value), over all values that are removed with the channel."""
    images, labels = sample(SAMPLE_SIZE)
    device = next(model.parameters()).device
    # A copy, so that hooks and gradients leave nothing behind; in evaluation mode, so that pictures do not mix.
    copy = deepcopy(model).eval().requires_grad_(True)
    values: dict[str, Tensor] = {}
    for edge in conv_graph():
        copy.get_submodule(edge.norm).register_forward_hook(_keep_in(values, edge.norm))
    totals = {group: torch.zeros(channels, device=device) for group, channels in model.shape.groups.items()}
    for chosen_images, chosen_labels in zip(images.split(_BATCH), labels.split(_BATCH), strict=True):
        with torch.enable_grad():
            loss = F.cross_entropy(copy(chosen_images.to(device)), chosen_labels.to(device), reduction="sum")
            gradients = dict(zip(values, torch.autograd.grad(loss, list(values.values())), strict=True))
        changes: dict[str, Tensor] = {}
        for edge in conv_graph():
            change = (gradients[edge.norm] * values[edge.norm].detach()).sum((2, 3))
            changes[edge.target] = changes.get(edge.target, 0) + change
        for group, change in changes.items():
            totals[group] += change.abs().sum(0)
    return {group: (total / len(labels)).cpu() for group, total in totals.items()}


def _mean_over_layers(model: ResNet, importance: Callable[[ConvEdge], Tensor]) -> Importance:
    """For each group the mean over all layers that write it."""
    parts: dict[str, list[Tensor]] = {}
    for edge in conv_graph():
        parts.setdefault(edge.target, []).append(importance(edge))
    return {group: torch.stack(found).mean(0).cpu() for group, found in parts.items()}


def _filter_norms(model: ResNet, edge: ConvEdge, order: int) -> Tensor:
    filters = model.get_parameter(f"{edge.conv}.weight").detach().flatten(1)
    norms: Tensor = torch.linalg.vector_norm(filters, ord=order, dim=1)
    return norms


def _keep_in(values: dict[str, Tensor], name: str) -> Callable[[torch.nn.Module, object, Tensor], None]:
    def hook(module: torch.nn.Module, inputs: object, output: Tensor) -> None:
        values[name] = output

    return hook
