"""Networks of any class with fewer channels: tensors are replaced, and the sizes that modules know of themselves follow."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from core.engine.networks.channels import STAYS, Channels
from core.spec.errors import InputError, first_line

Network = TypeVar("Network", bound=nn.Module)

TOLERANCE = 1e-4  # of the largest logit: what rounding may change


def cut_channels(model: Network, channels: Channels, keep: Tensor, example: Tensor) -> Network:
    """A copy of ``model`` that has only the channels for which ``keep`` (bool) is true. InputError, with the reason, if it
    does not compute for ``example`` what ``model`` does with zeros in the place of the others."""
    smaller = deepcopy(model)
    tensors = {**dict(smaller.named_parameters()), **dict(smaller.named_buffers())}
    cut: dict[str, Tensor] = {}
    for axis in channels.axes:
        stays = (axis.channels == STAYS) | keep[axis.channels.clamp_min(0)]
        tensor = cut.get(axis.tensor, tensors[axis.tensor].detach())
        cut[axis.tensor] = tensor.index_select(axis.dim, stays.nonzero().flatten().to(tensor.device))
    resize(smaller, cut)
    _check_equal(smaller, zero_channels(model, channels, keep), example)
    return smaller


def zero_channels(model: nn.Module, channels: Channels, keep: Tensor) -> nn.Module:
    """A copy of ``model`` with zeros in all that writes the channels for which ``keep`` (bool) is false."""
    copy = deepcopy(model)
    parameters = dict(copy.named_parameters())
    with torch.no_grad():
        for axis in channels.axes:
            if axis.tensor in parameters and axis.dim == 0:
                goes = (axis.channels != STAYS) & ~keep[axis.channels.clamp_min(0)]
                parameters[axis.tensor][goes.to(parameters[axis.tensor].device)] = 0.0
    return copy


def resize(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put ``tensors``, by their names in the state_dict, in the place of those of ``model``, whatever their sizes."""
    for name, tensor in tensors.items():
        path, _, attribute = name.rpartition(".")
        module = model.get_submodule(path)
        old = getattr(module, attribute)
        fresh = tensor.clone(memory_format=torch.contiguous_format)
        if isinstance(old, nn.Parameter):
            setattr(module, attribute, nn.Parameter(fresh, requires_grad=old.requires_grad))
        else:
            setattr(module, attribute, fresh)
    for module in model.modules():
        _follow_sizes(module)


def _follow_sizes(module: nn.Module) -> None:
    """Let ``module`` know the sizes of its tensors."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        per_group = module.out_channels // module.groups
        module.out_channels = module.weight.shape[0]
        module.groups = module.out_channels // per_group if module.groups > 1 else 1
        module.in_channels = module.weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) and module.weight is not None:
        module.num_features = module.weight.shape[0]


@torch.no_grad()
def _check_equal(smaller: nn.Module, zeroed: nn.Module, example: Tensor) -> None:
    expected = zeroed.eval()(example)
    training = smaller.training
    try:
        found = smaller.eval()(example)
        error = float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
    # A forward method may rely on a number of channels in any way.
    except Exception as failure:
        raise InputError(
            "The network does not work with fewer channels: {reason}.", reason=first_line(failure).rstrip(".")
        ) from None
    if not error <= TOLERANCE:  # nan is an error, too
        raise InputError(
            "The network with fewer channels computes something else (off by {error:.1g} of the largest logit): a part of "
            "it depends on channels in a way that cannot be seen.",
            error=error,
        )
    smaller.train(training)
