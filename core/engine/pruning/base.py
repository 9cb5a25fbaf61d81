"""What every pruning method works with: prunable weights, masks, and its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from core.engine.networks.layers import Network, prunable
from core.spec.method import Scalar
from core.spec.validate import check_float

# Parameter name to bool tensor of its shape: True where the weight is kept.
Masks = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Context:
    """What a method may use besides the network: the run's seed and settings; ``weights_at(epoch)``, the dense run's
    state_dict after ``epoch`` epochs; ``sample(n)``, n training images drawn by the seed, normalised and not augmented
    (float32 [n, 3, H, W]), with their labels; ``fresh(seed)``, an untrained network of the same kind; ``masks`` of earlier
    cuts of the same run, whose zeros must stay; and ``dense``, the network that sparsity refers to, where earlier cuts have
    made it smaller; ``cache``, a folder for what is measured once on a machine."""

    seed: int
    settings: Mapping[str, Scalar]
    weights_at: Callable[[int], dict[str, Tensor]]
    sample: Callable[[int], tuple[Tensor, Tensor]]
    fresh: Callable[[int], nn.Module]
    masks: Masks = field(default_factory=dict)
    dense: nn.Module | None = None
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Pruned:
    """A pruned network. ``masks`` keep its zeros in training; a physically smaller network has none, and may name the
    channels of each group that it ``kept`` (sorted indices by group; a group that is missing is whole)."""

    model: nn.Module
    masks: Masks = field(default_factory=dict)
    kept: Mapping[str, Tensor] | None = None


def lowest_masks(scores: Mapping[str, Tensor], sparsity: float, earlier: Masks | None = None) -> Masks:
    """Masks that remove the globally lowest scores: exactly round(sparsity * n) of them, ties in order of position.
    Weights removed by the masks ``earlier`` count as removed and stay so."""
    check_float("sparsity", sparsity, 0, 1, below_high=True)
    return remove_lowest(scores, round(sparsity * sum(score.numel() for score in scores.values())), earlier or {})


def remove_lowest(scores: Mapping[str, Tensor], count: int, earlier: Masks) -> Masks:
    """Masks that remove ``count`` weights: those that ``earlier`` remove, then those with the lowest scores."""
    flat = torch.cat([score.detach().flatten() for score in scores.values()])
    masks = [earlier.get(name, torch.ones_like(score, dtype=torch.bool)) for name, score in scores.items()]
    keep = torch.cat([mask.flatten().to(flat.device) for mask in masks])
    left = keep.nonzero().flatten()
    # A stable sort, not topk: with equal scores the result is still exact and reproducible.
    order = torch.sort(flat[left], stable=True).indices
    keep[left[order[: max(0, count - (len(flat) - len(left)))]]] = False
    parts = torch.split(keep, [score.numel() for score in scores.values()])
    return {name: part.view_as(scores[name]) for name, part in zip(scores, parts, strict=True)}


def rewound(model: Network, weights: Mapping[str, Tensor]) -> Network:
    """A copy of ``model`` with other ``weights`` (a state_dict); RuntimeError for those of another network."""
    copy = deepcopy(model)
    copy.load_state_dict(weights)
    return copy


def masked(model: Network, masks: Masks) -> Network:
    """A copy of ``model`` whose masked weights are zero."""
    copy = deepcopy(model)
    weights = prunable(copy)
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name].masked_fill_(~mask, 0.0)
    return copy
