"""Random filters: the baseline that shows how much a criterion of structured pruning is worth."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from core.engine.networks.channels import channels_of
from core.engine.networks.layers import example_of
from core.engine.pruning.base import Context, Pruned
from core.engine.pruning.channel_allocation import Costs, Target, allocate
from core.engine.pruning.shrink import shrink


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """``model`` without filters drawn from the run's seed, the same share in every layer."""
    rng, example = np.random.default_rng(context.seed), example_of(model)
    channels = channels_of(model, example)
    costs = Costs.of(model, channels, example)
    # Residual streams first, as when this method was new: another order of drawing would give other results.
    groups = sorted(channels.sizes, key=lambda group: costs.writers[group] == 1)
    order = {group: torch.from_numpy(rng.permutation(channels.sizes[group])).float() for group in groups}
    kept = allocate(costs, order, Target.of(sparsity, model, example))
    return Pruned(shrink(model, kept, example), kept=kept)
