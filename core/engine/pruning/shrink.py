"""Removal of channels: which ones stay is decided elsewhere, here tensors are only sliced."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from core.engine.networks.resnet18 import ResNet, Shape, conv_graph

# Group name to the sorted indices of the channels that stay.
Kept = dict[str, Tensor]


def shrink(model: ResNet, kept: Mapping[str, Tensor]) -> ResNet:
    """The network that computes what ``model`` would with only the channels ``kept`` of each group."""
    shape = Shape.of_groups({group: len(index) for group, index in kept.items()}, model.shape.classes)
    device = next(model.parameters()).device
    kept = {group: index.to(device) for group, index in kept.items()}
    state = model.state_dict()
    for wire in conv_graph():
        weight = state[f"{wire.conv}.weight"].index_select(0, kept[wire.target])
        state[f"{wire.conv}.weight"] = weight if wire.source is None else weight.index_select(1, kept[wire.source])
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{wire.norm}.{name}"] = state[f"{wire.norm}.{name}"].index_select(0, kept[wire.target])
    state["fc.weight"] = state["fc.weight"].index_select(1, kept["stage4"])
    smaller = ResNet(shape).to(device).train(model.training)
    smaller.load_state_dict(state)
    return smaller
