"""Fresh networks of the class that the package ``prunescope`` holds, and with it whoever loads one."""

from __future__ import annotations

import torch
from torch import nn

from core.spec.validate import check_int
from prunescope.network import (
    BLOCKS,
    INPUT_SHAPE,
    MAX_CHANNELS,
    STAGES,
    Block,
    ConvEdge,
    ResNet,
    Shape,
    conv_graph,
)

__all__ = [
    "BLOCKS",
    "INPUT_SHAPE",
    "STAGES",
    "Block",
    "ConvEdge",
    "ResNet",
    "Shape",
    "conv_graph",
    "initialised",
    "resnet18",
]


def resnet18(width: int = 64, classes: int = 10, *, seed: int | None = None) -> ResNet:
    """A fresh ResNet-18; width 64 with 10 classes has 11,173,962 parameters.

    ``seed`` fixes the initial weights without touching the global random generator. InputError for a bad width.
    """
    check_int("width", width, 1, MAX_CHANNELS >> (STAGES - 1))
    check_int("classes", classes, 1, MAX_CHANNELS)
    if seed is None:
        return initialised(Shape.of_width(width, classes))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return initialised(Shape.of_width(width, classes))


def initialised(shape: Shape) -> ResNet:
    """A network of ``shape`` with random weights from PyTorch's global generator."""
    model = ResNet(shape)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            # He et al., ICCV 2015: keeps the variance of the gradients from layer to layer.
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model
