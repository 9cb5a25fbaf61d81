"""The networks of a recipe: fresh, from a run's file, and with imported weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from core.engine.artifact import load_model
from core.engine.networks.build import build_network
from core.engine.networks.external import build_external
from core.engine.networks.imported import load_weights
from core.engine.networks.layers import with_picture_shape
from core.runs.folder import Home
from core.spec.networks import External
from core.spec.spec import Recipe


def fresh_network(recipe: Recipe, classes: int, *, seed: int | None = None) -> nn.Module:
    """The network of ``recipe`` before any training; ``seed`` fixes its weights without touching the global generator.
    InputError for a network from elsewhere that cannot be made."""
    external, shape = External.parse(recipe.network), (3, recipe.size, recipe.size)
    if external is None:
        return with_picture_shape(build_network(recipe.network, recipe.width, classes, seed=seed), shape)
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        model = build_external(external, recipe.network_sha256, classes, torch.zeros(1, *shape))
    return with_picture_shape(model, shape)


def load_network(path: Path, recipe: Recipe, classes: int, device: str | torch.device = "cpu") -> nn.Module:
    """The network that a run of ``recipe`` saved at ``path``; InputError as for :func:`load_model`."""
    if External.parse(recipe.network) is None:
        model = load_model(path, device)
    else:
        model = load_model(path, device, into=fresh_network(recipe, classes))
    return with_picture_shape(model, (3, recipe.size, recipe.size))


def imported_network(home: Home, recipe: Recipe, classes: int) -> nn.Module:
    """The network of ``recipe`` with its imported weights; InputError that names tensors that do not fit."""
    model = fresh_network(recipe, classes)
    load_weights(model, home.imported(recipe.weights_sha256))
    return model
