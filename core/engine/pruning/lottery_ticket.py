"""Lottery ticket (Frankle & Carbin, ICLR 2019): the mask of the trained network on earlier weights, trained again.

Rewinding to an early epoch instead of to initialisation: Frankle et al., ICML 2020.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from core.engine.networks.layers import Network
from core.engine.pruning.base import Context, Pruned, masked, rewound
from core.engine.pruning.magnitude import magnitude_masks


def lottery_ticket_prune(model: Network, initial_weights: Mapping[str, Tensor], sparsity: float = 0.9) -> Network:
    """A copy of the trained ``model`` with its largest weights rewound to ``initial_weights`` (a state_dict) and the
    others zero. ValueError for a sparsity outside [0, 1), RuntimeError for weights of another network."""
    return masked(rewound(model, initial_weights), magnitude_masks(model, sparsity))


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """The method as a run executes it. In later rounds ``model`` is the network that the round before trained."""
    masks = magnitude_masks(model, sparsity, earlier=context.masks)
    epoch = context.settings["rewind_epoch"]
    assert isinstance(epoch, int)
    return Pruned(masked(rewound(model, context.weights_at(epoch)), masks), masks)
