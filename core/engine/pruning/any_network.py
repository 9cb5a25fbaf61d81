"""Structured pruning of networks of any class: the same allocation and sparsity, with channels that were found in the
network itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from core.engine.networks.channels import STAYS, Axis, Channels, find_channels
from core.engine.networks.resize import Network, cut_channels
from core.engine.pruning.base import prunable
from core.engine.pruning.channel_allocation import Costs, Target, choose
from core.engine.pruning.channel_importance import Importance
from core.spec.errors import InputError
from core.spec.validate import check_choice

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def prune_any_network(
    model: Network,
    sparsity: float,
    example: Tensor,
    *,
    criterion: str = "l1",
    allocation: str = "uniform",
    round_to: int = 1,
    floor: float = 0.0,
) -> Network:
    """A copy of ``model``, which takes pictures like ``example`` [n, C, H, W], without its least important channels, so many
    that the share ``sparsity`` of its prunable weights is gone, as closely as whole channels allow. InputError, with the
    reason, where it cannot be traced or cut, and for a value that is not accepted."""
    measure = _CRITERIA[check_choice("criterion", criterion, _CRITERIA)]
    channels = find_channels(model, example)
    weights = sum(weight.numel() for weight in prunable(model).values())
    target = Target(sparsity, weights, {name: len(found) for name, found in channels.groups.items()})
    kept = choose(
        Costs.of_network(model, channels, example),
        _importance(channels, measure(model)),
        target,
        allocation=allocation,
        round_to=round_to,
        floor=floor,
    )
    keep = torch.zeros(sum(target.channels.values()), dtype=torch.bool)
    for name, index in kept.items():
        keep[channels.groups[name][index]] = True
    return cut_channels(model, channels, keep, example)


def _importance(channels: Channels, values: Mapping[str, Tensor]) -> Importance:
    """For each group the mean over all tensors in ``values`` that write it, which have a value for each position."""
    axes = [axis for axis in channels.axes if axis.dim == 0 and axis.tensor in values]
    found: Importance = {}
    for name, group in channels.groups.items():
        parts = [part for axis in axes if (part := _of_group(axis, group, values[axis.tensor])) is not None]
        if not parts:
            raise InputError(
                "The channels of {layer} cannot be compared by this criterion: choose l1 or l2.", layer=name
            )
        found[name] = torch.stack(parts).mean(0)
    return found


def _of_group(axis: Axis, group: Tensor, values: Tensor) -> Tensor | None:
    """The mean over the positions along ``axis`` of each channel of ``group``; None where it has none."""
    total = 1 + int(max(axis.channels.max(), group.max()))
    here = axis.channels != STAYS
    positions, sums = torch.zeros(total), torch.zeros(total)
    positions.index_add_(0, axis.channels[here], torch.ones(int(here.sum())))
    sums.index_add_(0, axis.channels[here], values.float().cpu()[here])
    return sums[group] / positions[group] if bool((positions[group] > 0).all()) else None


def _norms_of_filters(order: int) -> Callable[[nn.Module], dict[str, Tensor]]:
    def measure(model: nn.Module) -> dict[str, Tensor]:
        return {
            name: torch.linalg.vector_norm(weight.detach().flatten(1), ord=order, dim=1)
            for name, weight in prunable(model).items()
        }

    return measure


def _factors(model: nn.Module) -> dict[str, Tensor]:
    return {
        f"{name}.weight": module.weight.detach().abs()
        for name, module in model.named_modules()
        if isinstance(module, NORMS) and module.weight is not None
    }


_CRITERIA: Mapping[str, Callable[[nn.Module], dict[str, Tensor]]] = {
    "l1": _norms_of_filters(1),
    "l2": _norms_of_filters(2),
    "bn_scale": _factors,
}
