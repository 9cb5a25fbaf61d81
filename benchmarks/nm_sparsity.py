"""2:4 sparsity: what its masks cost in time, where there is hardware for it and where there is none.

    python -m benchmarks.nm_sparsity [--quick]

On CUDA a linear layer in half precision, dense and as torch.sparse.to_sparse_semi_structured makes it, in turns. On a CPU
there are no kernels for it: the network with masks is timed beside the dense one, to show that it is as fast.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks._common import interleaved, machine, options, ratio, show, spread
from core.engine.device import choose_device
from core.engine.latency import large_batch, time_latency
from core.engine.networks.build import resnet18
from core.engine.pruning.base import masked
from core.engine.pruning.magnitude import magnitude_masks

ALLOCATION, SPARSITY = "nm-2:4", 0.5
ROUNDS, QUICK_ROUNDS = 50, 2
HEAD = ["Rows", "Size", "Form", "µs", "Ratio"]


def time_linear(device: torch.device, rows: int, size: int, rounds: int) -> list[list[str]]:
    """A linear layer of ``size`` x ``size`` for ``rows`` inputs, dense and sparse."""
    dense = nn.Linear(size, size, bias=False, device=device, dtype=torch.float16)
    pruned = masked(dense, {"weight": magnitude_masks(nn.Sequential(dense), SPARSITY, ALLOCATION)["0.weight"]})
    pruned.weight = nn.Parameter(torch.sparse.to_sparse_semi_structured(pruned.weight.detach()))
    x = torch.randn(rows, size, device=device, dtype=torch.float16)
    found = interleaved({name: partial(_seconds, net, x) for name, net in (("dense", dense), ("2:4", pruned))}, rounds)
    return [
        [f"{rows}", f"{size}", name, spread([1e6 * one for one in times], ".1f"), ratio(found["dense"], times)]
        for name, times in found.items()
    ]


@torch.no_grad()
def _seconds(call: Callable[[Tensor], Tensor], x: Tensor) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    call(x)
    torch.cuda.synchronize()
    return time.perf_counter() - began


def time_network(width: int, batch: int, seconds: float) -> list[list[str]]:
    """The masks on a CPU: the same operations on the same shapes."""
    dense = resnet18(width, seed=0).eval()
    sparse = masked(dense, magnitude_masks(dense, SPARSITY, ALLOCATION))
    found = time_latency({"dense": dense, "2:4": sparse}, batch, seconds=seconds)
    return [
        [
            f"{batch}",
            f"width {width}",
            name,
            f"{1e3 * one.median_ms:.0f}",
            f"{found['dense'].median_ms / one.median_ms:.2f}",
        ]
        for name, one in found.items()
    ]


def main() -> int:
    chosen, device = options(__doc__), choose_device()
    print(f"{machine(device, 'fp32')}\n", flush=True)
    if device.type == "cuda":
        rounds = QUICK_ROUNDS if chosen.quick else ROUNDS
        rows = [cells for size in (1024, 4096) for cells in time_linear(device, 4096, size, rounds)]
    else:
        width, batch, seconds = (8, 4, 0.02) if chosen.quick else (32, large_batch(device), 2.0)
        rows = time_network(width, batch, seconds)
        print("There is no hardware for 2:4 sparsity here: a network with such masks is as fast as without.\n")
    show("2:4 sparsity", HEAD, rows, texts=3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
