"""Networks of any class with fewer channels."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from core.engine.device import without_tf32
from core.engine.networks.channels import Channels
from core.engine.networks.layers import Network, evaluating, noise_like
from core.spec.errors import InputError, first_line
from prunescope.resize import resize

TOLERANCE = 1e-3  # of the largest logit: what rounding may change


def cut_channels(model: Network, channels: Channels, keep: Tensor) -> Network:
    """A copy of ``model`` that has only the channels for which ``keep`` (bool) is true."""
    smaller = deepcopy(model)
    tensors = {**dict(smaller.named_parameters()), **dict(smaller.named_buffers())}
    cut: dict[str, Tensor] = {}
    for axis in channels.axes:
        tensor = cut.get(axis.tensor, tensors[axis.tensor].detach())
        cut[axis.tensor] = tensor.index_select(axis.dim, axis.positions(keep).to(tensor.device))
    resize(smaller, cut)
    return smaller


def cut_to(model: Network, channels: Channels, shapes: Mapping[str, tuple[int, ...]]) -> Network:
    """A copy of ``model`` whose layers have weights of ``shapes``, as networks have that were cut from it; which of its
    channels it has means nothing. ValueError if no cut gives those shapes."""
    keep = torch.ones(channels.total, dtype=torch.bool)
    for name, group in channels.groups.items():
        keep[group[channels.left_of(name, shapes) :]] = False
    smaller = cut_channels(model, channels, keep)
    tensors = dict(smaller.named_parameters())
    if any(tuple(tensors[f"{layer}.weight"].shape) != shape for layer, shape in shapes.items()):
        raise ValueError("no channels of the network give layers of these shapes")
    return smaller


def zero_channels(model: Network, channels: Channels, keep: Tensor) -> Network:
    """A copy of ``model`` with zeros in all that writes the channels for which ``keep`` (bool) is false."""
    copy = deepcopy(model)
    tensors = {**dict(copy.named_parameters()), **dict(copy.named_buffers())}
    with torch.no_grad():
        for axis in channels.axes:
            tensor = tensors[axis.tensor]
            size = tensor.shape[axis.dim]
            if axis.dim == 0 or tensor.numel() == size:  # else a weight that reads them
                stays = torch.zeros(size, dtype=torch.bool)
                stays[axis.positions(keep)] = True
                tensor.index_fill_(axis.dim, (~stays).nonzero().flatten().to(tensor.device), 0.0)
    return copy


@torch.no_grad()
def check_cut(smaller: nn.Module, zeroed: nn.Module, example: Tensor) -> None:
    """InputError, with the reason, unless ``smaller`` computes for pictures like ``example`` what ``zeroed`` does, the
    network with zeros in the place of the channels that are gone."""
    picture = noise_like(example)
    with evaluating(zeroed), evaluating(smaller), without_tf32():
        expected = zeroed(picture)
        try:
            found = smaller(picture)
            error = float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
        # A forward method may rely on a number of channels in any way.
        except Exception as failure:
            raise InputError(
                "The network does not work with fewer channels: {reason}.", reason=first_line(failure).rstrip(".")
            ) from None
    if not error <= TOLERANCE and bool(expected.isfinite().all()):
        raise InputError(
            "The network with fewer channels computes something else (off by {error:.1g} of the largest logit): a part of "
            "it depends on channels in a way that cannot be seen.",
            error=error,
        )
