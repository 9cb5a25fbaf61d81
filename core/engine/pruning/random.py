"""Random pruning: the baseline that shows how much a criterion is worth."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from core.engine.networks.layers import prunable
from core.engine.pruning.base import Context, Pruned, lowest_masks, masked


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """``model`` with weights removed at random over the whole network, drawn from the run's seed."""
    # Not torch's generator with this seed: that drew the initial weights, and the same numbers would be used twice.
    rng = np.random.default_rng(context.seed)
    scores = {
        name: torch.from_numpy(rng.random(weight.shape)).to(weight.device) for name, weight in prunable(model).items()
    }
    masks = lowest_masks(scores, sparsity)
    return Pruned(masked(model, masks), masks)
