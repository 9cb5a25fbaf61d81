"""Fresh networks of the classes that the package ``prunescope`` holds, and with it whoever loads one."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from core.engine.networks.layers import Network
from core.spec.networks import NETWORKS, RESNET18
from core.spec.validate import check_choice, check_int
from prunescope import networks
from prunescope.networks import MAX_CLASSES, MAX_WIDTH
from prunescope.residual import ResNet


def build_network(network: str, width: int, classes: int = 10, *, seed: int | None = None) -> nn.Module:
    """A fresh ``network`` of the registry; ``seed`` fixes the initial weights without touching the global random generator.
    InputError for a name, width or number of classes that is not accepted."""
    check_choice("network", network, tuple(NETWORKS))
    check_int("width", width, 1, MAX_WIDTH)
    check_int("classes", classes, 1, MAX_CLASSES)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        model = networks.build(network, width, classes)
        initialise(model)
    return model


def resnet18(width: int = 64, classes: int = 10, *, seed: int | None = None) -> nn.Module:
    """A fresh ResNet-18; width 64 with 10 classes has 11,173,962 parameters. For the rest see :func:`build_network`."""
    return build_network(RESNET18, width, classes, seed=seed)


def in_registry(model: nn.Module) -> bool:
    """Whether ``model`` is of a class of the registry, pruned or not."""
    return isinstance(model, ResNet) or networks.blueprint_of(model) is not None


def reinitialised(model: Network, seed: int) -> Network:
    """A copy of ``model``, which is of the registry, with the initial weights that a fresh network of its shape gets from
    ``seed``."""
    # The generator of the CPU gives the same numbers on every machine, to a weight by its place in memory.
    copy = deepcopy(model).cpu().to(memory_format=torch.contiguous_format)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in copy.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
        initialise(copy)
    return copy.to(next(model.parameters()).device)


def initialise(model: nn.Module) -> None:
    """Draw the weights of the convolutions from PyTorch's global generator."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            # He et al., ICCV 2015: keeps the variance of the gradients from layer to layer.
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
