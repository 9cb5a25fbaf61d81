"""Channels that do nothing any more are removed without changing what the network computes.

Two kinds are dead: those that no layer reads, and those that hold one constant whatever the picture, because no weight is
left that writes them. What a constant still adds to the layer that reads it moves into that layer's bias, or into the
running mean of its BatchNorm, where that is exact: not where zeros are padded around it.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.engine.device import without_tf32
from core.engine.networks.channels import STAYS, Channels, channels_of
from core.engine.networks.cut import cut_channels
from core.engine.networks.layers import Network, conv_norm_pairs, example_of
from core.engine.pruning.shrink import Kept, kept_of_both

TOLERANCE = 1e-5  # of the largest logit
DRAWS = 3  # of other weights in the place of those that there are
PICTURES = 4
_FLAT = 1e-3  # of the largest value: what rounding may add to a constant


@dataclass(frozen=True, slots=True)
class Compacted:
    """A network without its dead channels: how many are ``removed``, and which it ``kept`` of each group."""

    model: nn.Module
    removed: int
    kept: Kept


class _Range(NamedTuple):
    """The least and the greatest value of each channel that a layer is given."""

    low: Tensor
    high: Tensor


def remove_dead_channels(model: nn.Module) -> Compacted:
    """The smaller network that computes the same as ``model``; a copy of it where no channel is dead."""
    channels = channels_of(model, example_of(model))
    current, removed, kept = deepcopy(model).eval(), 0, Kept()
    while True:
        keep = _keep(current, channels)
        if bool(keep.all()):
            return Compacted(current, removed, kept)
        smaller = cut_channels(_absorb(current, channels, keep), channels, keep)
        if not _same(smaller, current):
            return Compacted(current, removed, kept)
        gone = {
            name: keep[group].nonzero().flatten() for name, group in channels.groups.items() if not keep[group].all()
        }
        kept = kept_of_both(kept, gone) or kept
        current, channels, removed = smaller, channels.after_cut(keep), removed + int((~keep).sum())


def _keep(model: nn.Module, channels: Channels) -> Tensor:
    """For each channel whether it stays: bool. Each group has one at least."""
    read, removable = torch.zeros(channels.total, dtype=torch.bool), _constant(model, channels)
    values, norms = _inputs(model, channels), dict(conv_norm_pairs(model, example_of(model)))
    for name, own in _readers(model, channels).items():
        module = model.get_submodule(name)
        used = _used(module) & (own != STAYS)
        read[own[used]] = True
        if name not in values:  # it is used in training only
            removable[own[used]] = False
        elif not _takes_constants(module, name in norms):
            removable[own[used & (values[name].low != 0)]] = False
    keep = read & ~removable
    for group in channels.groups.values():
        keep[group[0]] |= not keep[group].any()
    return keep


@torch.no_grad()
def _absorb(model: Network, channels: Channels, keep: Tensor) -> Network:
    """A copy of ``model`` whose layers have in their biases what the constant channels that do not stay add to them."""
    copy, norms = deepcopy(model), dict(conv_norm_pairs(model, example_of(model)))
    values = _inputs(model, channels)
    for name, own in _readers(copy, channels).items():
        module = copy.get_submodule(name)
        goes = (own != STAYS) & ~keep[own.clamp_min(0)]
        if name not in values or not (_used(module) & goes).any():
            continue
        weight = _weight(module).double()
        constants = (values[name].low.double() * goes).to(weight.device)
        shift = (weight.flatten(2).sum(2) if weight.dim() > 2 else weight) @ constants
        if isinstance(module.bias, Tensor):
            module.bias += shift
        elif name in norms:
            copy.get_buffer(f"{norms[name]}.running_mean").sub_(shift)
    return copy


def _readers(model: nn.Module, channels: Channels) -> dict[str, Tensor]:
    """The layers that read channels, by name, with the channel of each of their inputs, or STAYS."""
    return {axis.tensor.rpartition(".")[0]: axis.channels for axis in channels.axes if axis.dim == 1}


def _weight(layer: nn.Module) -> Tensor:
    return layer.get_parameter("weight").detach()


def _used(layer: nn.Module) -> Tensor:
    """Which inputs of ``layer`` have a weight other than zero: bool."""
    return (_weight(layer) != 0).transpose(0, 1).flatten(1).any(1).cpu()


def _takes_constants(layer: nn.Module, normalised: bool) -> bool:
    """Whether a constant input adds the same to each output of ``layer``, and there is a place for it."""
    padded = isinstance(layer, nn.Conv2d) and layer.padding not in ((0, 0), "valid")
    return not padded and (isinstance(layer.bias, Tensor) or normalised)


@torch.no_grad()
def _constant(model: nn.Module, channels: Channels) -> Tensor:
    """Which channels are the same for all pictures wherever they are read, whatever the weights that are not zero: bool. As
    seen with other such weights: with its own, a network may be so just on the pictures that are tried."""
    constant = torch.ones(channels.total, dtype=torch.bool)
    for draw in range(DRAWS):
        other = _redrawn(model, torch.Generator().manual_seed(draw))
        for name, own in _readers(other, channels).items():
            found = _inputs(other, channels, draw).get(name)
            if found is not None:
                flat = (found.high - found.low) <= _FLAT * found.high.abs().maximum(found.low.abs())
                constant[own[~flat & (own != STAYS)]] = False
    return constant


def _redrawn(model: Network, generator: torch.Generator) -> Network:
    """A copy of ``model`` with random numbers in the place of all that is not zero, by which no signal vanishes or is cut
    off: BatchNorm normalises by the batch, and biases are small."""
    other = deepcopy(model).eval()
    for name, parameter in other.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        if name.endswith("bias"):
            drawn *= 0.1
        elif parameter.dim() > 1:
            drawn *= (2 / max(1, parameter[0].numel())) ** 0.5
        else:
            drawn = drawn.sign() + drawn.clamp(-0.5, 0.5)
        parameter.copy_(drawn.to(parameter) * (parameter != 0))
    for module in other.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.train()
    return other


@torch.no_grad()
def _inputs(model: nn.Module, channels: Channels, seed: int = 0) -> dict[str, _Range]:
    """What each layer that reads channels is given for a few random pictures."""
    found: dict[str, _Range] = {}

    def note(module: nn.Module, inputs: tuple[Tensor], *, name: str) -> None:
        values = inputs[0].detach().float()
        lines = values.movedim(-1 if isinstance(module, nn.Linear) else 1, 0).flatten(1).cpu()
        found[name] = _Range(lines.amin(1), lines.amax(1))

    hooks = [
        model.get_submodule(name).register_forward_pre_hook(partial(note, name=name))
        for name in _readers(model, channels)
    ]
    try:
        model(_pictures(model, seed))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _pictures(model: nn.Module, seed: int) -> Tensor:
    one = example_of(model)
    return torch.randn(PICTURES, *one.shape[1:], generator=torch.Generator().manual_seed(seed)).to(one)


@torch.no_grad()
def _same(smaller: nn.Module, model: nn.Module) -> bool:
    images = _pictures(model, DRAWS)
    with without_tf32():
        expected = model(images)
        return bool((smaller(images) - expected).abs().max() <= TOLERANCE * expected.abs().max().clamp_min(1.0))
