"""The shape that structured pruning finds, with new weights (Liu et al., ICLR 2019): are the trained ones worth anything?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from core.engine.networks.resnet18 import ResNet, Shape, initialised
from core.engine.pruning import structured
from core.engine.pruning.base import Context, Pruned
from core.spec.methods import METHODS

_STREAM = 2  # of the run's seed; the seed itself drew the weights that the dense run started from


def prune(model: ResNet, sparsity: float, context: Context) -> Pruned:
    """A fresh network of the shape that structured pruning as published gives any: all layers lose the same share."""
    published = METHODS["structured"].initial_settings(as_published=True)
    kept = structured.choose(model, sparsity, replace(context, settings=published))
    shape = Shape.of_groups({group: len(index) for group, index in kept.items()}, model.shape.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.default_rng((context.seed, _STREAM)).integers(2**63)))
        fresh = initialised(shape)
    return Pruned(fresh.to(next(model.parameters()).device).train(model.training))
