"""Physical removal of channels: tensors are sliced to the channels that were chosen to stay."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from core.engine.networks.channels import Channels, channels_of
from core.engine.networks.cut import check_cut, cut_channels, zero_channels
from core.engine.networks.layers import Network

# Group name to the sorted indices of the channels that stay (int64); a group that is missing is whole.
Kept = dict[str, Tensor]


def kept_of_both(first: Kept | None, second: Mapping[str, Tensor] | None) -> Kept | None:
    """The channels that two cuts in turn keep, as those of the network before both; None where one of them is unknown."""
    if first is None or second is None:
        return None
    return {**first, **{group: first[group][index] if group in first else index for group, index in second.items()}}


def mask_of(channels: Channels, kept: Mapping[str, Tensor]) -> Tensor:
    """For each of ``channels`` whether it is among those ``kept``, bool."""
    keep = torch.ones(channels.total, dtype=torch.bool)
    for name, index in kept.items():
        keep[channels.groups[name]] = False
        keep[channels.groups[name][index]] = True
    return keep


def shrink(model: Network, kept: Mapping[str, Tensor], example: Tensor) -> Network:
    """The smaller network with only the channels ``kept`` of each group of ``model``, for pictures like ``example``.
    InputError, with the reason, if it does not compute what ``model`` does without the other channels."""
    channels = channels_of(model, example)
    keep = mask_of(channels, kept)
    smaller = cut_channels(model, channels, keep)
    check_cut(smaller, zero_channels(model, channels, keep), example)
    return smaller
