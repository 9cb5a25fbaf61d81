"""Pruning masks in training: the optimizer moves every weight, so pruned ones are set back to zero after each step."""

from __future__ import annotations

import torch
from torch import nn

from core.engine.networks.layers import prunable
from core.engine.pruning.base import Masks


class WeightMasks:
    """Multiplies the weights of ``model`` by masks, all of them in one fused operation."""

    def __init__(self, model: nn.Module, masks: Masks) -> None:
        self._model = model
        self.version = -1  # changes whenever apply() reads other memory than before
        self._factors: list[torch.Tensor] = []
        self.masks: Masks = {}
        self.set_masks(masks)

    @torch.no_grad()
    def set_masks(self, masks: Masks) -> None:
        """Replace the masks; in place if they are of the same weights."""
        weights = prunable(self._model)
        self._weights = [weights[name] for name in masks]
        # In the layout of the weights (channels_last), so that the multiplication runs straight through memory.
        factors = [
            mask.to(w).to(memory_format=_layout(w)) for w, mask in zip(self._weights, masks.values(), strict=True)
        ]
        if self.version >= 0 and list(masks) == list(self.masks):
            for old, new in zip(self._factors, factors, strict=True):
                old.copy_(new)  # a captured step goes on reading the same memory
        else:
            self._factors = factors
            self.version += 1
        self.masks = masks

    @torch.no_grad()
    def apply(self) -> None:
        """Set every masked weight to zero."""
        if self._weights:
            torch._foreach_mul_(self._weights, self._factors)


def _layout(weight: torch.Tensor) -> torch.memory_format:
    return torch.channels_last if weight.dim() == 4 else torch.contiguous_format
