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
from core.spec.errors import InputError
from core.spec.validate import check_choice

# Group name to the importance of its channels, on the CPU.
Importance = dict[str, Tensor]
Sample = tuple[Tensor, Tensor]

SAMPLE_SIZE = 256  # pictures that the Taylor criterion looks at
_BATCH = 64


def channel_importance(model: ResNet, criterion: str, sample: Sample | None = None) -> Importance:
    """For each group the importance of its channels, each at least 0.

    ``criterion`` l1, l2: norm of the filters that write the channel. bn_scale: the absolute factor of their BatchNorm
    (Liu et al., ICCV 2017). taylor: what the loss on ``sample`` (pictures, labels) would change without the channel, to
    first order (Molchanov et al., CVPR 2019). InputError for another criterion, or taylor without a sample.
    """
    check_choice("criterion", criterion, ("taylor", *_OF_WIRE))
    if criterion == "taylor":
        if sample is None or not len(sample[1]):
            raise InputError("The criterion taylor looks at pictures: give sample=(images, labels).")
        return _taylor(model, *sample)
    parts: dict[str, list[Tensor]] = {}
    for wire in conv_graph():
        parts.setdefault(wire.target, []).append(_OF_WIRE[criterion](model, wire).detach())
    return {group: torch.stack(found).mean(0).cpu() for group, found in parts.items()}


def _norm(order: int) -> Callable[[ResNet, ConvEdge], Tensor]:
    def norm(model: ResNet, wire: ConvEdge) -> Tensor:
        filters = model.get_parameter(f"{wire.conv}.weight").detach().flatten(1)
        norms: Tensor = torch.linalg.vector_norm(filters, ord=order, dim=1)
        return norms

    return norm


def _bn_scale(model: ResNet, wire: ConvEdge) -> Tensor:
    return model.get_parameter(f"{wire.norm}.weight").abs()


_OF_WIRE: dict[str, Callable[[ResNet, ConvEdge], Tensor]] = {"l1": _norm(1), "l2": _norm(2), "bn_scale": _bn_scale}


def _taylor(model: ResNet, images: Tensor, labels: Tensor) -> Importance:
    """The mean over pictures of abs(sum of gradient times value), over all values that go if the channel goes."""
    device = next(model.parameters()).device
    # A copy, so that hooks and gradients leave nothing behind; in evaluation mode, so that pictures do not mix.
    copy = deepcopy(model).eval().requires_grad_(True)
    values: dict[str, Tensor] = {}
    for wire in conv_graph():
        copy.get_submodule(wire.norm).register_forward_hook(_keep_in(values, wire.norm))
    totals = {group: torch.zeros(channels, device=device) for group, channels in model.shape.groups.items()}
    for chosen_images, chosen_labels in zip(images.split(_BATCH), labels.split(_BATCH), strict=True):
        with torch.enable_grad():
            loss = F.cross_entropy(copy(chosen_images.to(device)), chosen_labels.to(device), reduction="sum")
            gradients = dict(zip(values, torch.autograd.grad(loss, list(values.values())), strict=True))
        changes: dict[str, Tensor] = {}
        for wire in conv_graph():
            change = (gradients[wire.norm] * values[wire.norm].detach()).sum((2, 3))
            changes[wire.target] = changes.get(wire.target, 0) + change
        for group, change in changes.items():
            totals[group] += change.abs().sum(0)
    return {group: (total / len(labels)).cpu() for group, total in totals.items()}


def _keep_in(values: dict[str, Tensor], name: str) -> Callable[[torch.nn.Module, object, Tensor], None]:
    def hook(module: torch.nn.Module, inputs: object, output: Tensor) -> None:
        values[name] = output

    return hook
