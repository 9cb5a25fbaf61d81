"""The shape that structured pruning finds, with new weights (Liu et al., ICLR 2019): are the trained ones worth anything?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import nn

from core.engine.networks.build import in_registry, reinitialised
from core.engine.networks.layers import example_of
from core.engine.pruning import structured
from core.engine.pruning.base import Context, Pruned
from core.engine.pruning.shrink import shrink
from core.spec.methods import METHODS

_STREAM = 2  # of the run's seed; the seed itself drew the weights that the dense run started from


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """A fresh network of the shape that structured pruning as published gives any: all layers lose the same share."""
    published = METHODS["structured"].initial_settings(as_published=True)
    kept = structured.choose(model, sparsity, replace(context, settings=published))
    seed = int(np.random.default_rng((context.seed, _STREAM)).integers(2**63))
    smaller = shrink(model, kept, example_of(model))
    if in_registry(model):
        return Pruned(reinitialised(smaller, seed))
    # Only the code that makes it knows how weights of another class are drawn, and knows the whole network alone.
    return Pruned(shrink(context.fresh(seed), kept, example_of(model)))
