"""Pruning methods, one a file; the registry of their names and settings is core.spec.methods."""

from __future__ import annotations

from importlib import import_module

from core.engine.networks.resnet18 import ResNet
from core.engine.pruning.base import Context, Pruned
from core.spec.methods import find_method
from core.spec.validate import check_float


def prune(method: str, model: ResNet, sparsity: float, context: Context) -> Pruned:
    """``model`` pruned by ``method``; the model itself stays as it is. InputError for a bad method or sparsity."""
    find_method(method)
    check_float("sparsity", sparsity, 0, 1, below_high=True)
    pruned = import_module(f"{__name__}.{method}").prune(model, sparsity, context)
    assert isinstance(pruned, Pruned)
    return pruned
