"""What every pruning method works with: prunable weights, masks, and what a method may know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from core.engine.networks.resnet18 import ResNet
from core.spec.method import Scalar
from core.spec.validate import check_float

# Parameter name to bool tensor of its shape: True where the weight is kept.
Masks = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Context:
    """What a method may use besides the network as it is now: its seed and settings, the dense run's earlier weights,
    ``sample(n)``: n training pictures, normalised and as they are (N x 3 x 32 x 32), with their labels, drawn by the
    run's seed; and ``masks``, what earlier cuts of the same run removed, which must stay so."""

    seed: int
    settings: Mapping[str, Scalar]
    weights_at: Callable[[int], dict[str, Tensor]]
    sample: Callable[[int], tuple[Tensor, Tensor]]
    masks: Masks = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pruned:
    """A pruned network. ``masks`` hold its zeros in training; a physically smaller network has none, and may say which of
    the channels of each group it ``kept`` (sorted indices by group)."""

    model: ResNet
    masks: Masks = field(default_factory=dict)
    kept: Mapping[str, Tensor] | None = None


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """The weights that sparsity counts: those of convolutions and linear layers, by parameter name."""
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def lowest_masks(scores: Mapping[str, Tensor], sparsity: float, held: Masks | None = None) -> Masks:
    """Masks that remove the globally lowest scores: exactly round(sparsity * n) of them, ties in order of position.
    What the masks ``held`` have removed counts as removed and stays so."""
    check_float("sparsity", sparsity, 0, 1, below_high=True)
    return remove_lowest(scores, round(sparsity * sum(score.numel() for score in scores.values())), held or {})


def remove_lowest(scores: Mapping[str, Tensor], count: int, held: Masks) -> Masks:
    """Masks that remove ``count`` weights: all that ``held`` have removed, then those with the lowest scores."""
    flat = torch.cat([score.detach().flatten() for score in scores.values()])
    kept = [held.get(name, torch.ones_like(score, dtype=torch.bool)) for name, score in scores.items()]
    keep = torch.cat([mask.flatten().to(flat.device) for mask in kept])
    left = keep.nonzero().flatten()
    # Sorting is stable where topk is not: with equal scores the result is still exact and repeatable.
    order = torch.sort(flat[left], stable=True).indices
    keep[left[order[: max(0, count - (len(flat) - len(left)))]]] = False
    parts = torch.split(keep, [score.numel() for score in scores.values()])
    return {name: part.view_as(scores[name]) for name, part in zip(scores, parts, strict=True)}


def rewound(model: ResNet, weights: Mapping[str, Tensor]) -> ResNet:
    """A copy of ``model`` with other ``weights`` (a state_dict); RuntimeError for those of another network."""
    copy = deepcopy(model)
    copy.load_state_dict(weights)
    return copy


def masked(model: ResNet, masks: Masks) -> ResNet:
    """A copy of ``model`` whose masked weights are zero."""
    copy = deepcopy(model)
    weights = prunable(copy)
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name].masked_fill_(~mask, 0.0)
    return copy
