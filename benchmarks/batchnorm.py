"""BatchNorm in training on a CPU, PyTorch's own against prunescope.batch_norm, by the number of channels.

    python -m benchmarks.batchnorm [--quick]

Forward and backward of one layer on 128 pictures of 32x32, channels_last, in turns: milliseconds, median (lowest-highest),
and the median over turns of the ratio. The engine takes PyTorch's own where that has the better ratio, nearly always.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from unittest.mock import patch

import torch
from torch import nn

from benchmarks._common import interleaved, machine, options, ratio, show, spread
from benchmarks.training_cpu import cores
from core.engine.device import keep_freed_memory, threads
from prunescope.batch_norm import BatchNorm

CHANNELS = (3, 8, 12, 16, 17, 24, 31, 32, 40, 64)
BATCH, SIDE, TURNS = 128, 32, 15
QUICK = ((3, 8), 2, 4, 1)


def one_step(norm: nn.Module, x: torch.Tensor, grad: torch.Tensor) -> Callable[[], float]:
    def step() -> float:
        x.grad = None
        began = time.perf_counter()
        norm(x).backward(grad)
        return 1e3 * (time.perf_counter() - began)

    return step


def main() -> int:
    chosen = options(__doc__)
    channels, batch, side, turns = QUICK if chosen.quick else (CHANNELS, BATCH, SIDE, TURNS)
    keep_freed_memory()
    print(f"{machine()}\n", flush=True)
    for used in sorted({1, cores()}):
        rows = []
        with threads(used), patch.object(BatchNorm, "_by_rows", lambda self, x: True):
            for count in channels:
                x = torch.randn(batch, count, side, side).to(memory_format=torch.channels_last).requires_grad_()
                grad = torch.randn_like(x)
                norms = {"PyTorch's": nn.BatchNorm2d(count), "by rows": BatchNorm(count)}
                found = interleaved({name: one_step(norm, x, grad) for name, norm in norms.items()}, turns)
                own, rowed = found["PyTorch's"], found["by rows"]
                rows.append([f"{count}", spread(own, ".2f"), spread(rowed, ".2f"), ratio(own, rowed)])
        show(f"{used} threads", ["Channels", "PyTorch's, ms", "By rows, ms", "Ratio"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
