"""The layers of any network: which can be pruned, their shapes, and which BatchNorm follows which convolution."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn

from prunescope.residual import INPUT_SHAPE

Network = TypeVar("Network", bound=nn.Module)


def with_picture_shape(model: Network, shape: tuple[int, ...]) -> Network:
    """``model``, which from now on, as its copies, is known to take pictures of ``shape`` (channels, height, width)."""
    model.picture_shape = shape  # type: ignore[assignment] # a plain attribute
    return model


def example_of(model: nn.Module) -> Tensor:
    """A black picture [1, C, H, W] of the shape that ``model`` takes, on its device; [1, 3, 32, 32] where nobody said so."""
    shape: tuple[int, ...] = getattr(model, "picture_shape", INPUT_SHAPE)
    return torch.zeros(1, *shape, device=next(model.parameters()).device)


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """The weights that can be pruned: those of convolutions and linear layers, by parameter name."""
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def prunable_count(model: nn.Module) -> int:
    """The number of prunable weights, which sparsity refers to."""
    return sum(weight.numel() for weight in prunable(model).values())


def layer_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The weight shape of each prunable layer, by its name."""
    return {name.removesuffix(".weight"): tuple(weight.shape) for name, weight in prunable(model).items()}


def filter_count(model: nn.Module) -> int:
    """The number of filters of all convolutions."""
    return sum(module.weight.shape[0] for module in model.modules() if isinstance(module, nn.Conv2d))


@torch.no_grad()
def conv_norm_pairs(model: nn.Module, example: Tensor) -> list[tuple[str, str]]:
    """The names of each convolution and of the BatchNorm that its output goes to directly, in the order of computation,
    as seen while ``model`` computes with ``example`` in evaluation. Layers that are used twice are left out."""
    written: dict[int, str] = {}  # by the identity of an output, which `alive` keeps from being given to another
    alive: list[Tensor] = []
    pairs: list[tuple[str, str]] = []
    uses: list[str] = []

    def note_conv(module: nn.Module, inputs: tuple[Tensor], output: Tensor, *, name: str) -> None:
        uses.append(name)
        written[id(output)] = name
        alive.append(output)

    def note_norm(module: nn.Module, inputs: tuple[Tensor], *, name: str) -> None:
        uses.append(name)
        if id(inputs[0]) in written:
            pairs.append((written[id(inputs[0])], name))

    training = model.training
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(partial(note_conv, name=name)))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(partial(note_norm, name=name)))
    try:
        model.eval()(example[:1])
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return _used_once(pairs, uses)


def _used_once(pairs: Iterable[tuple[str, str]], uses: list[str]) -> list[tuple[str, str]]:
    return [(conv, norm) for conv, norm in pairs if uses.count(conv) == uses.count(norm) == 1]
