"""The networks of a recipe: fresh, from a run's file, and with imported weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import nn

from core.engine.artifact import load_model, save_model
from core.engine.networks.build import build_network
from core.engine.networks.external import build_external
from core.engine.networks.imported import load_weights
from core.engine.networks.layers import example_of, noise_like, with_picture_shape
from core.engine.pruning.structured import structured_prune_filters
from core.runs.folder import Home
from core.runs.imports import hash_weights
from core.spec.errors import InputError
from core.spec.networks import External, network_label
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
    model, kept = fresh_network(recipe, classes), home.imported(recipe.weights_sha256)
    if kept.is_file() and hash_weights(kept) != recipe.weights_sha256:
        raise InputError("{file} was altered after it was imported: import it again.", file=kept)
    load_weights(model, kept)
    return model


@torch.no_grad()
def check_network(recipe: Recipe, classes: int, *, cut: bool) -> None:
    """InputError unless the network from elsewhere that ``recipe`` names computes the same after it was saved and loaded,
    and, with ``cut``, can lose channels."""
    model = fresh_network(recipe, classes, seed=0)
    picture = noise_like(example_of(model))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_model(model, path)
        loaded = load_network(path, recipe, classes)
    if not torch.equal(loaded(picture), model.eval()(picture)):
        raise InputError(
            "{network} does not compute the same after it was saved and loaded: all that it learns or draws has to be a "
            "parameter or a buffer of it.",
            network=network_label(recipe.network),
        )
    if cut:
        structured_prune_filters(model, 0.5)
