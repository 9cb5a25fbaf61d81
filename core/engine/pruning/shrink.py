"""Physical removal of channels: tensors are sliced to the channels that were chosen to stay."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from core.engine.networks.resnet18 import ResNet, Shape, conv_graph

# Group name to the sorted indices of the channels that stay (int64).
Kept = dict[str, Tensor]


def all_channels(shape: Shape) -> Kept:
    """What a cut of no filter keeps of a network of this ``shape``."""
    return {group: torch.arange(channels) for group, channels in shape.groups.items()}


def kept_of_both(first: Kept | None, second: Mapping[str, Tensor] | None) -> Kept | None:
    """The channels that two cuts in turn keep, as those of the network before both; None where one of them is unknown."""
    return {group: first[group][index.cpu()] for group, index in second.items()} if first and second else None


def shrink(model: ResNet, kept: Mapping[str, Tensor]) -> ResNet:
    """The smaller network with only the channels ``kept`` of each group of ``model``."""
    shape = Shape.of_groups({group: len(index) for group, index in kept.items()}, model.shape.classes)
    device = next(model.parameters()).device
    kept = {group: index.to(device) for group, index in kept.items()}
    state = model.state_dict()
    for edge in conv_graph():
        weight = state[f"{edge.conv}.weight"].index_select(0, kept[edge.target])
        state[f"{edge.conv}.weight"] = weight if edge.source is None else weight.index_select(1, kept[edge.source])
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{edge.norm}.{name}"] = state[f"{edge.norm}.{name}"].index_select(0, kept[edge.target])
    state["fc.weight"] = state["fc.weight"].index_select(1, kept["stage4"])
    smaller = ResNet(shape).to(device).train(model.training)
    smaller.load_state_dict(state)
    return smaller
