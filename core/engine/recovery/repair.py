"""Repair a network right after a cut, without training it: forward passes over a few training pictures.

batchnorm: its running statistics are estimated anew. variance: the mean and variance of each channel follow those of the
network before the cut. least-squares: so do the outputs of each convolution, by other values of its remaining weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine.evaluate import Evaluation
from core.engine.networks.channels import channels_of
from core.engine.networks.layers import conv_norm_pairs, layer_shapes
from core.engine.pruning.base import Pruned
from core.engine.pruning.shrink import mask_of

PICTURES = 500  # to repair with; as many others are for choosing
BATCH = 100
POSITIONS = 4  # along each side of a layer's output: 8 took twice as long and gained 0.2 points
RIDGE = 1e-3  # of the mean square of a layer's inputs
SOLVER_STEPS = 10  # conjugate gradients; 30 gave the same accuracy


@dataclass(frozen=True, slots=True)
class Repaired:
    """A repaired network, and the repair that was applied to it."""

    model: nn.Module
    applied: str


# (pruned, network before the cut, pictures) to a repaired copy.
Repair = Callable[[Pruned, nn.Module, Tensor], nn.Module]


def repair_best(
    names: Iterable[str],
    pruned: Pruned,
    uncut: nn.Module,
    pictures: Tensor,
    evaluate: Callable[[nn.Module], Evaluation],
) -> Repaired:
    """The most accurate of the repairs called ``names`` by ``evaluate``, which looks at pictures that none of them has
    seen; the first of equals. ``pictures``: float32 [n, 3, H, W]."""
    candidates = [Repaired(REPAIRS[name](pruned, uncut, pictures), name) for name in names]
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda candidate: _usable_accuracy(evaluate(candidate.model)))


def outputs_known(pruned: Pruned, uncut: nn.Module) -> bool:
    """Whether each channel of the pruned network is one of ``uncut``, whose outputs it could have again: not if folded."""
    return pruned.kept is not None or layer_shapes(pruned.model) == layer_shapes(uncut)


def _usable_accuracy(evaluation: Evaluation) -> float:
    return evaluation.accuracy if math.isfinite(evaluation.loss) else -1.0


def no_repair(pruned: Pruned, uncut: nn.Module, pictures: Tensor) -> nn.Module:
    return pruned.model


@torch.no_grad()
def reestimate_batchnorm(pruned: Pruned, uncut: nn.Module, pictures: Tensor) -> nn.Module:
    """BatchNorm's running statistics as their means over batches of ``pictures``."""
    model = deepcopy(pruned.model).train()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    for batch in pictures.tensor_split(max(1, len(pictures) // BATCH)):
        model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.train(pruned.model.training)


def match_variance(pruned: Pruned, uncut: nn.Module, pictures: Tensor) -> nn.Module:
    """Channel-wise variance correction with shrinkage: layer by layer, each BatchNorm gives its channels the mean and
    variance that they had before the cut. A channel that lost its signal would only have its noise amplified: its
    deviation is shrunk by the square root of its correlation with what it was.

    In the spirit of Adaptive Signal Resuscitation (Zhan et al., arXiv 2605.21426), whose exact rule of shrinkage differs.
    """
    return _match(pruned, uncut, pictures, refit=False)


def match_outputs(pruned: Pruned, uncut: nn.Module, pictures: Tensor) -> nn.Module:
    """Layer by layer, the remaining weights of each convolution are changed so that its outputs, from the inputs that the
    repaired layers below give it, come closest to those before the cut by least squares; then its BatchNorm as in
    :func:`match_variance`. As in ThiNet (Luo et al., ICCV 2017) for channels and AdaPrune (Hubara et al., NeurIPS 2021) for
    weights. It starts from the weights there are, and few steps of conjugate gradients with a ridge keep it near them.
    """
    return _match(pruned, uncut, pictures, refit=True)


REPAIRS: Mapping[str, Repair] = {
    "none": no_repair,
    "batchnorm": reestimate_batchnorm,
    "variance": match_variance,
    "least-squares": match_outputs,
}


@torch.no_grad()
def _match(pruned: Pruned, uncut: nn.Module, pictures: Tensor, *, refit: bool) -> nn.Module:
    """One pass through a copy of the pruned network that corrects each layer before the next one sees its output."""
    if not outputs_known(pruned, uncut):
        return reestimate_batchnorm(pruned, uncut, pictures)
    pairs = conv_norm_pairs(uncut, pictures)
    targets = _conv_outputs(uncut, [conv for conv, _ in pairs], pictures)
    model = deepcopy(pruned.model).eval()
    for conv, norm in pairs:
        target = targets.pop(conv)
        normalised = _apply(uncut.get_submodule(norm), target)
        if pruned.kept:
            channels = channels_of(uncut, pictures)
            axis = channels.axis(f"{conv}.weight", 0)
            if axis is not None:
                index = axis.positions(mask_of(channels, pruned.kept)).to(target.device)
                target, normalised = target[:, index], normalised[:, index]
        module = model.get_submodule(conv)
        if refit and _refittable(module):
            mask = pruned.masks.get(f"{conv}.weight")
            module.register_forward_hook(partial(_refit, target=target, mask=mask))
        model.get_submodule(norm).register_forward_hook(partial(_match_norm, target=normalised))
    model(pictures)
    # Without the hooks, and in the mode of the original.
    repaired = deepcopy(pruned.model)
    repaired.load_state_dict(model.state_dict())
    return repaired


def _conv_outputs(model: nn.Module, convs: Iterable[str], pictures: Tensor) -> dict[str, Tensor]:
    """The output of each of ``convs`` in evaluation, at POSITIONS x POSITIONS pixels."""
    outputs: dict[str, Tensor] = {}

    def keep(module: nn.Module, inputs: tuple[Tensor], output: Tensor, *, name: str) -> None:
        outputs[name] = _grid(output).clone()

    copy = deepcopy(model).eval()
    for conv in convs:
        copy.get_submodule(conv).register_forward_hook(partial(keep, name=conv))
    copy(pictures)
    return outputs


def _match_norm(norm: nn.BatchNorm2d, inputs: tuple[Tensor], output: Tensor, *, target: Tensor) -> Tensor:
    """Set ``norm`` so that its output has mean and, shrunk, variance of ``target`` [n, C, h, w]; the new output."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    (x,) = inputs
    here, there = _rows(_grid(x)), _rows(target)
    spread_here, mean = torch.var_mean(here, 0, correction=0)
    spread, level = torch.var_mean(there, 0, correction=0)
    sign = torch.where(norm.weight < 0, -1.0, 1.0)
    covariance = sign * ((here - mean) * (there - level)).mean(0)
    correlation = (covariance / (spread * spread_here + norm.eps**2).sqrt()).clamp(0, 1)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(spread_here)
    norm.weight.copy_(sign * (spread * correlation).sqrt())
    norm.bias.copy_(level)
    return _apply(norm, x)


def _apply(norm: nn.Module, x: Tensor) -> Tensor:
    """What ``norm`` makes of ``x`` in evaluation, whatever mode it is in."""
    assert isinstance(norm, nn.BatchNorm2d)
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def _refittable(conv: nn.Module) -> bool:
    """Whether :func:`_patches` gives what ``conv`` looks at: a convolution with square filters of odd size over all
    channels, whose output is as large as its input (but for a stride)."""
    assert isinstance(conv, nn.Conv2d)
    size = conv.kernel_size[0]
    plain = conv.groups == 1 and conv.dilation == (1, 1) and conv.stride[0] == conv.stride[1]
    return plain and size % 2 == 1 and conv.kernel_size == (size, size) and conv.padding == (size // 2, size // 2)


def _refit(conv: nn.Conv2d, inputs: tuple[Tensor], output: Tensor, *, target: Tensor, mask: Tensor | None) -> Tensor:
    """Bring the output of ``conv`` closer to ``target`` [n, C, h, w], up to its mean, by the weights that ``mask`` keeps
    (None: by all); the new output."""
    (x,) = inputs
    patches, wanted = _patches(conv, x), _rows(target)
    patches, wanted = patches - patches.mean(0), wanted - wanted.mean(0)
    weight = conv.weight.flatten(1)
    gram = patches.T @ patches / len(patches)
    missing = wanted.T @ patches / len(patches) - weight @ gram
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    free = torch.ones_like(weight) if mask is None else mask.flatten(1).to(weight)
    conv.weight.add_(_solve(gram, missing, free).view_as(conv.weight))
    return F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding)


def _solve(gram: Tensor, missing: Tensor, free: Tensor) -> Tensor:
    """The change [C, K] of the ``free`` weights of each filter that makes up for what is ``missing`` [C, K] of the products
    with the inputs, whose ``gram`` matrix is [K, K]: SOLVER_STEPS of conjugate gradients, scaled by its diagonal."""
    tiny = torch.finfo(gram.dtype).tiny
    scale = gram.diagonal().clamp_min(tiny)
    change, residual = torch.zeros_like(missing), missing * free
    direction = residual / scale
    size = (residual * direction).sum(1, keepdim=True)
    for _ in range(SOLVER_STEPS):
        curved = (direction @ gram) * free
        step = size / (direction * curved).sum(1, keepdim=True).clamp_min(tiny)
        change += step * direction
        residual -= step * curved
        scaled = residual / scale
        before, size = size, (residual * scaled).sum(1, keepdim=True)
        direction = scaled + size / before.clamp_min(tiny) * direction
    return change


def _patches(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """What ``conv`` looks at for each pixel of ``_grid`` of its output, [n h w, C k k]."""
    size, stride, pad = conv.kernel_size[0], conv.stride[0], conv.kernel_size[0] // 2
    padded = F.pad(x, (pad, pad, pad, pad))
    side = (padded.shape[2] - size) // stride + 1
    grid = max(1, side // POSITIONS)
    first, reach, every = stride * (grid // 2), (side - 1) * stride + 1, stride * grid
    shifted = [
        padded[:, :, row + first : row + reach : every, column + first : column + reach : every]
        for row in range(size)
        for column in range(size)
    ]
    return torch.stack(shifted, 2).permute(0, 3, 4, 1, 2).flatten(3).flatten(0, 2)


def _grid(x: Tensor) -> Tensor:
    """``x`` [n, C, H, W] at POSITIONS x POSITIONS pixels, or at all of fewer."""
    every = max(1, x.shape[2] // POSITIONS)
    first = every // 2  # not the border, where padding counts
    return x[:, :, first::every, first::every]


def _rows(x: Tensor) -> Tensor:
    """``x`` [n, C, h, w] as [n h w, C]."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)
