"""SNIP (Lee et al., ICLR 2019): before training, the weights are removed whose removal would change the loss least."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine.networks.layers import prunable
from core.engine.pruning.base import Context, Pruned, lowest_masks, masked, rewound

BATCH = 128  # images that the sensitivity is computed on, as in the paper


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """The untrained network without its globally least sensitive weights."""
    initial = context.weights_at(0)
    images, labels = context.sample(BATCH)
    masks = lowest_masks(sensitivity(model, initial, images, labels), sparsity)
    return Pruned(masked(rewound(model, initial), masks), masks)


def sensitivity(model: nn.Module, initial: Mapping[str, Tensor], images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """How much the loss on ``images`` would change without each weight, to first order: abs(gradient * weight)."""
    # On a copy: a forward pass in training mode updates BatchNorm's running statistics.
    network = rewound(model, initial).train()
    weights = prunable(network)
    loss = F.cross_entropy(network(images), labels)
    gradients = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
    return {
        name: (gradient * weight).detach().abs()
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }
