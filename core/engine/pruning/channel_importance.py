"""Criteria of structured pruning: how important each channel of each group is.

Channels whose values are added together form one group (a stage's residual stream) and go together: what such a channel
is worth is put together from all layers that write it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine.networks.channels import STAYS, Axis, Channels
from core.engine.networks.layers import conv_norm_pairs, prunable
from core.spec.errors import InputError

# Group name to the importance of its channels, each at least 0, on the CPU.
Importance = dict[str, Tensor]
Sample = tuple[Tensor, Tensor]  # images float32 [n, 3, H, W], normalised, and labels int64 [n]
# Takes the network, its channels and what gives n training images, which is only called by criteria that need images.
Criterion = Callable[[nn.Module, Channels, Callable[[int], Sample]], Importance]

SAMPLE_SIZE = 256  # images that the Taylor criterion uses
_BATCH = 64
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def l1(model: nn.Module, channels: Channels, sample: Callable[[int], Sample]) -> Importance:
    """The L1 norm of the filters that write a channel (Li et al., ICLR 2017)."""
    return _mean_over_layers(channels, _filter_norms(model, 1))


def l2(model: nn.Module, channels: Channels, sample: Callable[[int], Sample]) -> Importance:
    """The L2 norm of the filters that write a channel."""
    return _mean_over_layers(channels, _filter_norms(model, 2))


def bn_scale(model: nn.Module, channels: Channels, sample: Callable[[int], Sample]) -> Importance:
    """The absolute BatchNorm factor of a channel (Liu et al., ICCV 2017)."""
    factors = {
        f"{name}.weight": module.weight.detach().abs()
        for name, module in model.named_modules()
        if isinstance(module, _NORMS) and module.weight is not None
    }
    return _mean_over_layers(channels, factors)


def taylor(model: nn.Module, channels: Channels, sample: Callable[[int], Sample]) -> Importance:
    """What the loss would change without a channel, to first order (Molchanov et al., CVPR 2019): the mean over images of
    abs(sum of gradient times value), over all values that are removed with the channel: those after the BatchNorm of each
    convolution that writes it. InputError for a channel that has none."""
    images, labels = sample(SAMPLE_SIZE)
    device = next(model.parameters()).device
    # A copy, so that hooks and gradients leave nothing behind; in evaluation mode, so that pictures do not mix.
    copy = deepcopy(model).eval().requires_grad_(True)
    values: dict[str, Tensor] = {}
    norms = [norm for _, norm in conv_norm_pairs(model, images.to(device))]
    for norm in norms:
        copy.get_submodule(norm).register_forward_hook(partial(_keep_output, values=values, name=norm))
    axes = {norm: axis for norm in norms if (axis := channels.axis(f"{norm}.weight", 0)) is not None}
    totals = torch.zeros(channels.total, device=device, dtype=images.dtype)
    for chosen_images, chosen_labels in zip(images.split(_BATCH), labels.split(_BATCH), strict=True):
        with torch.enable_grad():
            loss = F.cross_entropy(copy(chosen_images.to(device)), chosen_labels.to(device), reduction="sum")
            gradients = dict(zip(values, torch.autograd.grad(loss, list(values.values())), strict=True))
        change = torch.zeros(len(chosen_images), channels.total, device=device, dtype=images.dtype)
        for norm, axis in axes.items():
            here = axis.channels != STAYS
            found = (gradients[norm] * values[norm].detach()).sum((2, 3))
            change.index_add_(1, axis.channels[here].to(device), found[:, here.to(device)])
        totals += change.abs().sum(0)
    measured = {int(channel) for axis in axes.values() for channel in axis.channels}
    for name, group in channels.groups.items():
        if not measured.issuperset(group.tolist()):
            raise _no_importance(name)
    return {name: (totals[group.to(device)] / len(labels)).cpu() for name, group in channels.groups.items()}


def _mean_over_layers(channels: Channels, values: Mapping[str, Tensor]) -> Importance:
    """For each group the mean over all tensors in ``values`` that write it, which have a value for each position."""
    found: Importance = {}
    axes = [axis for tensor in values if (axis := channels.axis(tensor, 0)) is not None]
    for name, group in channels.groups.items():
        parts = [part for axis in axes if (part := _of_group(axis, group, values[axis.tensor])) is not None]
        if not parts:
            raise _no_importance(name)
        found[name] = torch.stack(parts).mean(0).cpu()
    return found


def _of_group(axis: Axis, group: Tensor, values: Tensor) -> Tensor | None:
    """The mean over the positions along ``axis`` of each channel of ``group``; None where it has none."""
    if torch.equal(axis.channels, group):
        return values
    total = 1 + int(max(axis.channels.max(), group.max()))
    here = axis.channels != STAYS
    positions, sums = torch.zeros(total), torch.zeros(total)
    positions.index_add_(0, axis.channels[here], torch.ones(int(here.sum())))
    sums.index_add_(0, axis.channels[here], values.float().cpu()[here])
    return (sums[group] / positions[group]).to(values.device) if bool((positions[group] > 0).all()) else None


def _filter_norms(model: nn.Module, order: int) -> dict[str, Tensor]:
    return {
        name: torch.linalg.vector_norm(weight.detach().flatten(1), ord=order, dim=1)
        for name, weight in prunable(model).items()
    }


def _keep_output(module: nn.Module, inputs: object, output: Tensor, *, values: dict[str, Tensor], name: str) -> None:
    values[name] = output


def _no_importance(group: str) -> InputError:
    return InputError("The channels of {layer} cannot be compared by this criterion: choose l1 or l2.", layer=group)
