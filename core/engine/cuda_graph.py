"""CUDA graphs: kernels are recorded once and replayed without the host launching each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

WARM_UP = 3  # calls before a capture: libraries choose their algorithms in them
Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Replay:
    """A captured graph. It reads the memory of what ``work`` refers to, which must not be freed before it."""

    work: Work
    graph: torch.cuda.CUDAGraph

    def __call__(self) -> None:
        self.graph.replay()


def warm_up(work: Work, device: torch.device) -> None:
    """Call ``work`` on a side stream, as PyTorch asks for before a capture; on a CPU simply call it."""
    if device.type != "cuda":
        work()
        return
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        work()
    torch.cuda.current_stream(device).wait_stream(side)


def capture(work: Work) -> Replay:
    """The replay of ``work``, which was warmed up WARM_UP times; RuntimeError if it cannot be captured."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return Replay(work, graph)
