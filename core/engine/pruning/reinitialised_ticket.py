"""The lottery ticket's mask on new random weights: the baseline of Frankle & Carbin (ICLR 2019) for what a ticket's own
weights are worth."""

from __future__ import annotations

import numpy as np
from torch import nn

from core.engine.pruning.base import Context, Pruned, masked
from core.engine.pruning.magnitude import magnitude_masks

_STREAM = 1  # of the run's seed; the seed itself drew the weights that the dense run started from


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """The method as a run executes it; the new weights follow from the run's seed."""
    masks = magnitude_masks(model, sparsity)
    seed = int(np.random.default_rng((context.seed, _STREAM)).integers(2**63))
    return Pruned(masked(context.fresh(seed), masks), masks)
