"""Random filters: the baseline that shows how much a criterion of structured pruning is worth."""

from __future__ import annotations

import numpy as np
import torch

from core.engine.networks.resnet18 import ResNet
from core.engine.pruning.base import Context, Pruned
from core.engine.pruning.channel_allocation import allocate
from core.engine.pruning.shrink import shrink


def prune(model: ResNet, sparsity: float, context: Context) -> Pruned:
    """``model`` without filters drawn from the run's seed, the same share in every layer."""
    rng = np.random.default_rng(context.seed)
    order = {group: torch.from_numpy(rng.permutation(n)).float() for group, n in model.shape.groups.items()}
    kept = allocate(model, order, sparsity)
    return Pruned(shrink(model, kept), kept=kept)
