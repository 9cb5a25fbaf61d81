"""What every pruning method works with: prunable weights, masks, and what a method may know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from core.engine.models.resnet import ResNet
from core.study.checks import number
from core.study.methods import Scalar

# Parameter name to bool tensor of its shape: True where the weight is kept.
Masks = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Context:
    """What a method may use besides the trained network: its seed and settings, the dense run's earlier weights, and
    ``sample(n)``: n training pictures, normalised and as they are (N x 3 x 32 x 32), with their labels, drawn by the
    run's seed."""

    seed: int
    settings: Mapping[str, Scalar]
    weights_at: Callable[[int], dict[str, Tensor]]
    sample: Callable[[int], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Pruned:
    """A pruned network. ``masks`` hold its zeros in training; a physically smaller network has none."""

    model: ResNet
    masks: Masks = field(default_factory=dict)


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """The weights that sparsity counts: those of convolutions and linear layers, by parameter name."""
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def lowest_masks(scores: Mapping[str, Tensor], sparsity: float) -> Masks:
    """Masks that remove the globally lowest scores: exactly round(sparsity * n) of them, ties in order of position."""
    number("sparsity", sparsity, 0, 1, below_high=True)
    flat = torch.cat([score.detach().flatten() for score in scores.values()])
    keep = torch.ones(len(flat), dtype=torch.bool, device=flat.device)
    # Sorting is stable where topk is not: with equal scores the result is still exact and repeatable.
    keep[torch.sort(flat, stable=True).indices[: round(sparsity * len(flat))]] = False
    parts = torch.split(keep, [score.numel() for score in scores.values()])
    return {name: part.view_as(scores[name]) for name, part in zip(scores, parts, strict=True)}


def masked(model: ResNet, masks: Masks) -> ResNet:
    """A copy of ``model`` whose masked weights are zero."""
    copy = deepcopy(model)
    weights = prunable(copy)
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name].masked_fill_(~mask, 0.0)
    return copy
