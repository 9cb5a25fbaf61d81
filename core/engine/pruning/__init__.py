"""Pruning methods, one a file; the registry of their names and settings is core.spec.methods."""

from __future__ import annotations

from torch import nn

from core.engine.pruning.base import Context, Pruned
from core.spec.methods import prune_function
from core.spec.validate import check_float


def prune(method: str, model: nn.Module, sparsity: float, context: Context) -> Pruned:
    """A pruned copy of ``model`` by ``method``. InputError for a bad method or sparsity."""
    check_float("sparsity", sparsity, 0, 1, below_high=True)
    pruned = prune_function(method)(model, sparsity, context)
    assert isinstance(pruned, Pruned)
    return pruned
