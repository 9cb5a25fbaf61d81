"""CUDA graphs: kernels are recorded once and replayed without the host launching each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from threading import Event

import torch

WARM_UP = 3  # calls before a capture: libraries choose their algorithms in them
Work = Callable[[], object]

_failed = Event()


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
    side = _side_stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        work()
    torch.cuda.current_stream(device).wait_stream(side)


def capture(work: Work) -> Replay:
    """The replay of ``work``, which was warmed up WARM_UP times; RuntimeError if it cannot be captured."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph):
            work()
    except RuntimeError as error:
        _failed.set()
        torch.cuda.set_stream(stream)  # where beginning or ending the capture fails, PyTorch stays on its stream
        # The error of ending a capture hides the one in ``work`` that broke it.
        raise (error.__context__ or error) from None
    return Replay(work, graph)


def capture_failed() -> bool:
    """Whether a capture has failed in this process, in which PyTorch's allocator may then still believe in it."""
    return _failed.is_set()


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """One for all warming up: PyTorch's allocator keeps freed memory for the stream that it was used on."""
    return torch.cuda.Stream(device)
