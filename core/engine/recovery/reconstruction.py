"""Reconstruction: the weights that are left are solved for the outputs that each layer had before the cut.

In the spirit of J.-H. Luo, J. Wu, W. Lin (ThiNet, ICCV 2017) and Y. He, X. Zhang, J. Sun (Channel Pruning for Accelerating
Very Deep Neural Networks, ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.engine.networks.resnet18 import BLOCKS, STAGES, Block, ResNet
from core.engine.pruning.shrink import Averages

SAMPLE_SIZE = 256  # training images that the outputs are compared on
RIDGE = 1e-2  # of the mean square of a layer's inputs: what a change of the weights costs
_BATCH = 32


def none(pruned: ResNet, dense: ResNet, averages: Averages, sample: Callable[[int], tuple[Tensor, Tensor]]) -> ResNet:
    """``pruned`` as it is."""
    return pruned


@torch.no_grad()
def least_squares(
    pruned: ResNet, dense: ResNet, averages: Averages, sample: Callable[[int], tuple[Tensor, Tensor]]
) -> ResNet:
    """``pruned`` with new weights, solved layer by layer from the input on, each on the outputs of those before it.

    Each channel is to give what those channels of ``dense`` give on average that it stands for. The last layer of a block
    also makes up for what its shortcut has lost. The squared error of a layer is never larger than with the old weights,
    and nothing changes where there is none.
    """
    model, whole = deepcopy(pruned).eval(), deepcopy(dense).eval()
    device = next(model.parameters()).device
    images = sample(SAMPLE_SIZE)[0].to(device)
    averages = {group: average.to(device) for group, average in averages.items()}
    x, wanted = (F.relu(network.bn1(network.conv1(images))) for network in (model, whole))
    for stage in range(1, STAGES + 1):
        for number in range(BLOCKS):
            name = f"layer{stage}.{number}"
            block, whole_block = (network.get_submodule(name) for network in (model, whole))
            assert isinstance(block, Block)
            assert isinstance(whole_block, Block)
            pair = _Pair(block, whole_block, averages[name], averages[f"stage{stage}"])
            x, wanted = pair.reconstruct(x, wanted)
    _fit_linear(model.fc, x.mean((2, 3)), whole.fc(wanted.mean((2, 3))))
    return model.train(pruned.training)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A block, the ``whole`` one that it was, and the averages of its inner channels and of those that it writes."""

    block: Block
    whole: Block
    inner: Tensor
    outer: Tensor

    def reconstruct(self, x: Tensor, whole_x: Tensor) -> tuple[Tensor, Tensor]:
        """Solve the convolutions of the block, which reads ``x``, for the outputs of the whole one, which reads
        ``whole_x``; the outputs of both."""
        block, whole = self.block, self.whole
        shortcut, whole_shortcut = x, whole_x
        if block.downsample is not None and whole.downsample is not None:
            read = x[:, :, :: block.step, :: block.step]
            whole_shortcut = whole.downsample(whole_x[:, :, :: whole.step, :: whole.step])
            fit(block.downsample, read, _average(self.outer, whole_shortcut))
            shortcut = block.downsample(read)
        whole_hidden = whole.bn1(whole.conv1(whole_x))
        fit(nn.Sequential(block.conv1, block.bn1), x, _average(self.inner, whole_hidden))
        hidden = F.relu(block.bn1(block.conv1(x)))
        whole_branch = whole.bn2(whole.conv2(F.relu(whole_hidden)))
        lost = _average(self.outer, whole_shortcut) - shortcut
        fit(nn.Sequential(block.conv2, block.bn2), hidden, _average(self.outer, whole_branch) + lost)
        return F.relu(block.bn2(block.conv2(hidden)) + shortcut), F.relu(whole_branch + whole_shortcut)


@torch.no_grad()
def fit(layer: nn.Sequential, x: Tensor, target: Tensor) -> None:
    """Change the weights of ``layer``, a convolution and its BatchNorm, so that its output for ``x`` comes closer to
    ``target``; BatchNorm stays as it is."""
    conv, norm = layer
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    weight = conv.weight.flatten(1)
    gram = torch.zeros(weight.shape[1], weight.shape[1], dtype=torch.float64, device=x.device)
    products = torch.zeros(weight.shape[1], weight.shape[0], dtype=torch.float64, device=x.device)
    for inputs, outputs in zip(x.split(_BATCH), target.split(_BATCH), strict=True):
        patches = F.unfold(inputs, conv.kernel_size, padding=conv.padding, stride=conv.stride)  # type: ignore[arg-type]
        rows = patches.transpose(1, 2).flatten(0, 1)
        error = (outputs - layer(inputs)).permute(0, 2, 3, 1).flatten(0, 2)
        gram += rows.T @ rows
        products += rows.T @ error
    change = _ridge(gram, products) / torch.where(factor.abs() > 1e-6, factor, torch.inf)[:, None]
    conv.weight.add_(change.view_as(conv.weight))


def _fit_linear(layer: nn.Linear, x: Tensor, target: Tensor) -> None:
    """Change ``layer`` so that its output for ``x`` comes closer to ``target``."""
    rows = F.pad(x, (0, 1), value=1.0).double()
    change = _ridge(rows.T @ rows, rows.T @ (target - layer(x)).double())
    layer.weight.add_(change[:, :-1])
    layer.bias.add_(change[:, -1])


def _ridge(gram: Tensor, products: Tensor) -> Tensor:
    """The change of the weights [outputs, inputs] that lowers the squared error most, for its own square times the ridge."""
    ridge = (RIDGE * gram.diagonal().mean()).clamp_min(1e-12)
    damped = gram + ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    change: Tensor = torch.linalg.solve(damped, products)
    return change.T


def _average(average: Tensor, values: Tensor) -> Tensor:
    """The channels of ``values`` [n, channels, h, w] averaged to fewer ones."""
    return torch.einsum("kc,nchw->nkhw", average, values)
