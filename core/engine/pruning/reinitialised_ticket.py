"""The lottery ticket's mask on new random weights: the baseline of Frankle & Carbin (ICLR 2019) for what a ticket's own
weights are worth."""

from __future__ import annotations

import numpy as np

from core.engine.networks.resnet18 import ResNet, resnet18
from core.engine.pruning.base import Context, Pruned, masked
from core.engine.pruning.magnitude import magnitude_masks

_STREAM = 1  # of the run's seed; the seed itself drew the weights that the dense run started from


def prune(model: ResNet, sparsity: float, context: Context) -> Pruned:
    """The method as a run executes it; the new weights follow from the run's seed."""
    masks = magnitude_masks(model, sparsity)
    seed = int(np.random.default_rng((context.seed, _STREAM)).integers(2**63))
    fresh = resnet18(model.shape.stages[0], model.shape.classes, seed=seed).to(next(model.parameters()).device)
    return Pruned(masked(fresh.train(model.training), masks), masks)
