"""BatchNorm (Ioffe & Szegedy, ICML 2015) that trains fast on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

REGISTER, CACHE_LINE = 8, 16  # float32 numbers in a vector register, and in a line of the cache


class BatchNorm(nn.BatchNorm2d):
    """PyTorch's BatchNorm2d, with other operations for training on a CPU in channels_last with odd numbers of channels.

    PyTorch's kernels work on the channels of one pixel at a time. Channels that do not fill a vector register are computed
    one by one, and where the sums of one thread end within a cache line, the next thread writes to the same line: with 8 or
    24 channels two threads are then slower than one. Here the channels of a row of pixels are one long vector, and only
    the sums over its positions are reduced by channel.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self._by_rows(x):
            out: Tensor = super().forward(x)
            return out
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        normalised: Tensor
        normalised, mean, variance = _Rows.apply(x, self.weight, self.bias, self.eps)
        self._track(mean, variance, x.numel() // x.shape[1])
        return normalised

    def _by_rows(self, x: Tensor) -> bool:
        return (
            self.training
            and x.device.type == "cpu"
            and x.shape[1] % (REGISTER if torch.get_num_threads() == 1 else CACHE_LINE) > 0
            and x.dtype == self.weight.dtype
            and x.is_contiguous(memory_format=torch.channels_last)
            and x.numel() > x.shape[1]
            and not torch.compiler.is_compiling()
        )

    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics by those of this batch, of ``count`` values a channel; without a momentum they are
        the means over all batches so far."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), momentum)


class _Rows(torch.autograd.Function):
    """Normalises x [N, C, H, W] by the mean and variance of each channel, which it returns, too (both [C])."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        width, rows = x.shape[3], _rows(x)
        means, variances = torch.batch_norm_update_stats(rows, None, None, 0.0)
        between, mean = torch.var_mean(means.view(width, -1), 0, correction=0)
        variance = variances.view(width, -1).mean(0).add_(between)
        inverse = (variance + eps).rsqrt_()
        scale = weight * inverse
        shift = torch.addcmul(bias, mean, scale, value=-1)
        scales, shifts, means, variances = _along_rows(width, scale, shift, mean, variance)
        out = torch.empty_like(x)
        torch.addcmul(shifts, rows, scales, out=_rows(out))
        ctx.save_for_backward(x, scale, mean, inverse, means, variances)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: None) -> tuple[Tensor, Tensor, Tensor, None]:
        x, scale, mean, inverse, means, variances = ctx.saved_tensors
        width, count = x.shape[3], x.numel() // x.shape[1]
        rows, grad_rows = _rows(x), _rows(grad.contiguous(memory_format=torch.channels_last))
        # Given the statistics, this sums grad * normalised x, and grad, for each position in a row.
        _, weight_sums, bias_sums = torch.ops.aten.native_batch_norm_backward(
            grad_rows, rows, None, means, variances, None, None, False, ctx.eps, [False, True, True]
        )
        weight_grad, bias_grad = weight_sums.view(width, -1).sum(0), bias_sums.view(width, -1).sum(0)
        slope = (scale * inverse).mul_(weight_grad).div_(-count)
        shift = (scale * bias_grad).div_(-count).addcmul_(slope, mean, value=-1)
        scales, slopes, shifts = _along_rows(width, scale, slope, shift)
        x_grad = torch.empty_like(x)
        torch.addcmul(shifts, rows, slopes, out=_rows(x_grad)).addcmul_(grad_rows, scales)
        return x_grad, weight_grad, bias_grad, None


def _rows(x: Tensor) -> Tensor:
    """x [N, C, H, W] in channels_last as a view of its rows of pixels, [N H, W C]."""
    batch, channels, height, width = x.shape
    return x.as_strided((batch * height, width * channels), (width * channels, 1))


def _along_rows(width: int, *vectors: Tensor) -> tuple[Tensor, ...]:
    """Each of ``vectors`` [C] repeated for every pixel of a row, [W C]."""
    return torch.stack(vectors).repeat(1, width).unbind()
