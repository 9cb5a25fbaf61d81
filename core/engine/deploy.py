"""The network as it is put to use: the same function, computed with fewer and larger operations.

BatchNorm is folded into the convolutions. On a CPU each convolution can then be one oneDNN operation together with its ReLU
or addition, over weights packed once: measured as fast as ``torch.compile``, without its half a minute of compiling. On CUDA
whoever calls it replays all of it as one graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.engine.networks.resnet18 import BLOCKS, STAGES, Block, ResNet, conv_graph

TOLERANCE = 1e-3  # of the largest logit: what rounding may change
PROBES, PROBE_SECONDS = 7, 0.2
FUSED, FOLDED = "BatchNorm folded, oneDNN operations fused", "BatchNorm folded"

Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Optimised:
    """``run`` takes pictures [N, 3, 32, 32] and gives logits [N, classes]. ``how`` says what was done, and why not more if
    more was tried."""

    run: Run
    how: str


def folded(model: ResNet) -> ResNet:
    """A copy of ``model`` in evaluation mode that needs no BatchNorm: its convolutions scale and shift by themselves."""
    copy = deepcopy(model).eval().requires_grad_(False)
    for wire in conv_graph():
        conv, norm = copy.get_submodule(wire.conv), copy.get_submodule(wire.norm)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        copy.set_submodule(wire.conv, fuse_conv_bn_eval(conv, norm))
        copy.set_submodule(wire.norm, nn.Identity())
    return copy.to(memory_format=torch.channels_last)


@torch.no_grad()
def optimise(model: ResNet, pictures: Tensor) -> Optimised:
    """``model`` as fast as it gets for batches like ``pictures`` ([N, 3, 32, 32] on its device); others work, too.

    Of what computes the same on ``pictures`` the faster one is taken: single pictures of a thin network are too short for
    fused operations to gain anything. RuntimeError if nothing computes the same.
    """
    expected = model.eval()(pictures)
    plain = folded(model)
    _check(plain(pictures), expected)
    if pictures.device.type != "cpu":
        return Optimised(plain, FOLDED)
    try:
        fused = _OneDNN(plain)
        _check(fused(pictures), expected)
    # These operations are PyTorch's own, not part of its interface: another version may lack or change them.
    except (AttributeError, RuntimeError, TypeError) as error:
        return Optimised(plain, f"{FOLDED}; not fused: {(str(error).splitlines() or [''])[0][:200]}")
    faster = _seconds(fused, pictures) <= _seconds(plain, pictures)
    return Optimised(fused, FUSED) if faster else Optimised(plain, FOLDED)


def _seconds(run: Run, pictures: Tensor) -> float:
    """What one call takes: the fastest of a few."""
    taken: list[float] = []
    while len(taken) < PROBES and sum(taken) < PROBE_SECONDS:
        began = time.perf_counter()
        run(pictures)
        taken.append(time.perf_counter() - began)
    return min(taken)


def _check(found: Tensor, expected: Tensor) -> None:
    if found.shape != expected.shape:
        raise RuntimeError(f"its logits have the shape {tuple(found.shape)}")
    off = float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
    if not off <= TOLERANCE:
        raise RuntimeError(f"its logits are off by {off:.2g} of the largest")


class _OneDNN:
    """A folded network on a CPU. Weights are packed at the first call, for pictures such as it gets."""

    def __init__(self, network: ResNet) -> None:
        self._stem, self._head = _Conv(network.conv1), network.fc
        self._blocks: list[tuple[_Conv, _Conv, _Conv | None]] = []
        for stage in range(1, STAGES + 1):
            for block in range(BLOCKS):
                found = network.get_submodule(f"layer{stage}.{block}")
                assert isinstance(found, Block)
                # The network takes every second pixel and convolves those; in a forward pass alone the stride does as well.
                way_round = found.downsample
                around = None if way_round is None else _Conv(way_round.get_submodule("0"), found.step)
                self._blocks.append((_Conv(found.conv1), _Conv(found.conv2), around))

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        x = self._stem(x.contiguous(memory_format=torch.channels_last), "relu")
        for first, second, around in self._blocks:
            residual = x if around is None else around(x, "none")
            x = second.onto(residual, first(x, "relu"))
        return F.linear(x.mean((2, 3)), self._head.weight, self._head.bias)


class _Conv:
    """A convolution as one oneDNN operation with what comes after it."""

    def __init__(self, conv: nn.Module, stride: int | None = None) -> None:
        assert isinstance(conv, nn.Conv2d)
        self._weight, self._bias = conv.weight, conv.bias
        self._how = (
            list(conv.padding),
            [stride] * 2 if stride else list(conv.stride),
            list(conv.dilation),
            conv.groups,
        )
        self._packed: Tensor | None = None

    def __call__(self, x: Tensor, then: str) -> Tensor:
        """Of ``x``, ``then`` "relu" or "none"."""
        done: Tensor = torch.ops.mkldnn._convolution_pointwise.default(
            x, self._pack(x), self._bias, *self._how, then, [], ""
        )
        return done

    def onto(self, residual: Tensor, x: Tensor) -> Tensor:
        """ReLU of the sum with ``residual``, in its memory."""
        done: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            residual, x, self._pack(x), self._bias, *self._how, "add", 1.0, "relu", [], ""
        )
        return done

    def _pack(self, x: Tensor) -> Tensor:
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(self._weight, *self._how, list(x.shape))
        return self._packed
