"""The network as it is deployed: the same function, computed with fewer and larger operations.

BatchNorm is folded into the convolutions. On a CPU each convolution can then be one oneDNN operation together with its ReLU
or addition, over weights packed once: measured as fast as ``torch.compile``, without its half a minute of compiling. On CUDA
the caller replays all of it as one graph.
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

from core.engine.device import without_tf32
from core.engine.networks.layers import Network, conv_norm_pairs, noise_like
from core.spec.errors import first_line
from prunescope.residual import ResNet

TOLERANCE = 1e-3  # of the largest logit: what rounding may change
PROBES, PROBE_SECONDS = 7, 0.2
FUSED, FOLDED = "BatchNorm folded, oneDNN operations fused", "BatchNorm folded"

Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Optimised:
    """``run`` takes images [N, 3, H, W] and gives logits [N, classes]. ``note`` says what was done, and why not more if
    more was tried."""

    run: Run
    note: str


def folded(model: Network, images: Tensor) -> Network:
    """A copy of ``model``, which takes pictures like ``images``, in evaluation mode with BatchNorm folded into the
    convolutions, where that changes nothing."""
    whole = deepcopy(model).eval().requires_grad_(False)
    copy, picture = deepcopy(whole), noise_like(images)
    for conv_name, norm_name in conv_norm_pairs(copy, images):
        conv, norm = copy.get_submodule(conv_name), copy.get_submodule(norm_name)
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        copy.set_submodule(conv_name, fuse_conv_bn_eval(conv, norm))
        copy.set_submodule(norm_name, nn.Identity())
    with torch.no_grad(), without_tf32():
        same = _error(copy(picture), whole(picture)) <= TOLERANCE
    return (copy if same else whole).to(memory_format=torch.channels_last)


@torch.no_grad()
def optimise(model: nn.Module, images: Tensor) -> Optimised:
    """``model`` as fast as it gets for batches like ``images`` ([N, 3, H, W] on its device); others work, too.

    The faster of the networks that compute the same logits for ``images`` is chosen: on a single image of a thin network
    fused operations gain nothing. RuntimeError if none computes the same.
    """
    plain, fused = folded(model, images), fuse(model, images)
    with without_tf32():  # its rounding alone comes close to the tolerance; what is timed may use it
        _check(plain(images), model.eval()(images))
    if fused.note != FUSED:
        return fused
    faster = _call_seconds(fused.run, images) <= _call_seconds(plain, images)
    return fused if faster else Optimised(plain, FOLDED)


@torch.no_grad()
def fuse(model: nn.Module, images: Tensor) -> Optimised:
    """``model`` with BatchNorm folded and, on a CPU, operations fused, where that computes the same logits for ``images``:
    the same on one machine every time, unlike what :func:`optimise` finds fastest."""
    plain = folded(model, images)
    if images.device.type != "cpu" or not isinstance(plain, ResNet):
        return Optimised(plain, FOLDED)
    try:
        fused = _OneDNN(plain)
        _check(fused(images), plain(images))
    # These operations are PyTorch's own, not part of its interface: another version may lack or change them.
    except (AttributeError, RuntimeError, TypeError) as error:
        return Optimised(plain, f"{FOLDED}; not fused: {first_line(error)}")
    return Optimised(fused, FUSED)


def _call_seconds(run: Run, images: Tensor) -> float:
    """Seconds of one call: the fastest of a few."""
    seconds: list[float] = []
    while len(seconds) < PROBES and sum(seconds) < PROBE_SECONDS:
        began = time.perf_counter()
        run(images)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _check(logits: Tensor, expected: Tensor) -> None:
    if logits.shape != expected.shape:
        raise RuntimeError(f"its logits have the shape {tuple(logits.shape)}")
    error = _error(logits, expected)
    if not error <= TOLERANCE:  # nan is an error, too
        raise RuntimeError(f"its logits are off by {error:.2g} of the largest")


def _error(logits: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest logit."""
    return float((logits - expected).abs().max() / expected.abs().max().clamp_min(1e-6))


class _OneDNN:
    """A folded residual network on a CPU. Weights are packed at the first call, for the input shape of that call."""

    def __init__(self, network: ResNet) -> None:
        self._stem, self._head = FusedConv(network.conv1), network.fc
        self._blocks: list[tuple[FusedConv, FusedConv, FusedConv | None]] = []
        for _, block in network.blocks():
            # The network slices every second pixel before the projection; without a backward pass a stride does, too.
            down = block.downsample
            projection = None if down is None else FusedConv(down.get_submodule("0"), block.step)
            self._blocks.append((FusedConv(block.conv1), FusedConv(block.conv2), projection))

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        x = self._stem(x.contiguous(memory_format=torch.channels_last), "relu")
        for conv1, conv2, projection in self._blocks:
            residual = x if projection is None else projection(x, "none")
            x = conv2.add_relu(residual, conv1(x, "relu"))
        return F.linear(x.mean((2, 3)), self._head.weight, self._head.bias)


class FusedConv:
    """A convolution fused with the operation after it."""

    def __init__(self, conv: nn.Module, stride: int | None = None) -> None:
        assert isinstance(conv, nn.Conv2d)
        self._weight, self._bias = conv.weight, conv.bias
        self._arguments = (
            list(conv.padding),
            [stride] * 2 if stride else list(conv.stride),
            list(conv.dilation),
            conv.groups,
        )
        self._packed: Tensor | None = None

    def __call__(self, x: Tensor, activation: str) -> Tensor:
        """The convolution of ``x`` with the ``activation`` "relu" or "none"."""
        out: Tensor = torch.ops.mkldnn._convolution_pointwise.default(
            x, self._pack(x), self._bias, *self._arguments, activation, [], ""
        )
        return out

    def add_relu(self, residual: Tensor, x: Tensor) -> Tensor:
        """ReLU of ``residual`` and the convolution of ``x`` added up, in the memory of ``residual``."""
        out: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            residual, x, self._pack(x), self._bias, *self._arguments, "add", 1.0, "relu", [], ""
        )
        return out

    def _pack(self, x: Tensor) -> Tensor:
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(self._weight, *self._arguments, list(x.shape))
        return self._packed
