"""Channels that zeros have cut off: how many go from sparse networks, and what that saves.

    python -m benchmarks.dead_channels [--quick] [--width 16]
    python -m benchmarks.dead_channels --home DIR

MACs and the time of the network as it is delivered, with and without them, in turns in one process; and by how much the
logits differ, as a share of the largest. Without a home the networks have random weights pruned by magnitude; with one they
are those of its finished unstructured runs, of before this was done after training.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from benchmarks._common import machine, options, show
from core.engine.context import RunContext
from core.engine.counts import macs
from core.engine.dead_channels import remove_dead_channels
from core.engine.latency import large_batch, time_deployed
from core.engine.networks.build import resnet18
from core.engine.networks.layers import filter_count, noise_like
from core.engine.pruning.magnitude import magnitude_prune_global
from core.runs.folder import Home, State
from core.spec.methods import METHODS

SECONDS, QUICK_SECONDS = 2.0, 0.02
HEAD = ["Network", "Filters", "Removed", "MAC ratio", "Speed-up, batch 1", "Speed-up, large batch", "Difference"]


def networks(width: int) -> Iterator[tuple[str, nn.Module]]:
    for sparsity in (0.9, 0.95, 0.98):
        yield f"magnitude {sparsity:g}", magnitude_prune_global(resnet18(width, seed=0), sparsity)


def trained(home: Home) -> Iterator[tuple[str, nn.Module]]:
    for folder in home.runs():
        spec = folder.spec
        if folder.state() == State.DONE and not spec.is_dense and METHODS[spec.method].kind == "unstructured":
            yield folder.run_id, RunContext(folder).load(folder)


def row(name: str, model: nn.Module, seconds: float, batch: int) -> list[str]:
    found = remove_dead_channels(model)
    picture = noise_like(torch.zeros(1, 3, 32, 32))
    with torch.no_grad():
        expected, logits = model.eval()(picture), found.model.eval()(picture)
    cells = [name, f"{filter_count(model)}", f"{found.removed}", f"{macs(model) / macs(found.model):.3f}"]
    for size in (1, batch):
        times = time_deployed({"whole": model, "without": found.model}, size, seconds=seconds)
        whole, without = (one.optimised or one.eager for one in (times["whole"], times["without"]))
        cells.append(f"{whole.median_ms / without.median_ms:.2f}")
    return [*cells, f"{float((logits - expected).abs().max() / expected.abs().max()):.0e}"]


def main() -> int:
    chosen = options(
        __doc__,
        ("--width", {"type": int, "default": 16}),
        ("--home", {"type": Path, "help": "finished runs to take the networks from"}),
    )
    seconds, batch = (QUICK_SECONDS, 4) if chosen.quick else (SECONDS, large_batch(torch.device("cpu")))
    print(f"{machine()}, {torch.get_num_threads()} threads\n", flush=True)
    source = trained(Home(chosen.home)) if chosen.home else networks(8 if chosen.quick else chosen.width)
    show("Without dead channels", HEAD, [row(name, model, seconds, batch) for name, model in source])
    return 0


if __name__ == "__main__":
    sys.exit(main())
