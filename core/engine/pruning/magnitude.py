"""Magnitude pruning (Han et al., NIPS 2015): the weights smallest in absolute value are removed."""

from __future__ import annotations

from torch import nn

from core.engine.networks.layers import Network, prunable
from core.engine.pruning.allocation import Allocation
from core.engine.pruning.base import Context, Masks, Pruned, masked
from core.spec.methods import setting_function


def magnitude_masks(
    model: nn.Module, sparsity: float, allocation: str = "global", earlier: Masks | None = None
) -> Masks:
    """Masks that remove the share ``sparsity`` of all prunable weights, the smallest in absolute value, spread over the
    layers by ``allocation``. Weights removed by the masks ``earlier`` count as removed and stay so."""
    allocate: Allocation = setting_function("magnitude", "allocation", allocation)
    return allocate({name: weight.abs() for name, weight in prunable(model).items()}, sparsity, earlier or {})


def magnitude_prune_global(model: Network, sparsity: float = 0.9) -> Network:
    """A copy of ``model`` with the globally smallest weights zero. ValueError for a sparsity outside [0, 1)."""
    return masked(model, magnitude_masks(model, sparsity))


def prune(model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """The method as a run executes it."""
    masks = magnitude_masks(model, sparsity, str(context.settings["allocation"]), context.masks)
    return Pruned(masked(model, masks), masks)
