"""The pruned network as it is delivered: dense against structured pruning at 0.9, eager against optimised.

    python -m benchmarks.inference [--quick] [--width 64] [--compile]

Milliseconds a picture, median (quartiles), all taking turns in one process: batch 1 on one thread, the large batch on all.
Speed-ups are against the dense network in the same form. The floor is arithmetic: twice the multiply-accumulates at the
speed of a large matrix product, or every weight and activation once to and from memory, both measured here at the same
time. --compile adds torch.compile, which takes a minute to compile.
"""

from __future__ import annotations

import sys

import torch
from torch import nn

from benchmarks._common import machine, options, peaks, show
from core.engine.counts import macs_per_layer
from core.engine.deploy import folded
from core.engine.device import choose_device, place, threads
from core.engine.latency import large_batch, time_deployed, time_latency
from core.engine.networks.build import resnet18
from core.engine.networks.layers import example_of
from core.engine.pruning.structured import structured_prune_filters
from core.runs.result import Timing

SPARSITY, SECONDS, QUICK_SECONDS = 0.9, 4.0, 0.02
HEAD = ["Batch", "Network", "Form", "ms a picture", "Speed-up", "Floor, ms", "Distance"]


def activations(model: nn.Module) -> int:
    """Numbers that the convolutions put out for one picture."""
    total = 0

    def note(module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel()

    handles = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        model.eval()(example_of(model))
    for handle in handles:
        handle.remove()
    return total


def floor_ms(model: nn.Module, batch: int, flops: float, bandwidth: float) -> float:
    """Milliseconds a picture that arithmetic or memory take at the least."""
    arithmetic = 2 * sum(macs_per_layer(model).values()) / flops
    weights = sum(p.numel() for p in model.parameters())
    moved = 4 * (2 * activations(model) + weights / batch)  # float32; each activation is written and read
    return 1e3 * max(arithmetic, moved / bandwidth)


def measure(
    networks: dict[str, nn.Module], batch: int, seconds: float, *, compiled: bool, size: int
) -> list[list[str]]:
    device = next(networks["dense"].parameters()).device
    found = time_deployed(networks, batch, seconds=seconds)
    forms: dict[str, dict[str, Timing]] = {
        "eager": {name: one.eager for name, one in found.items()},
        "optimised": {name: one.optimised for name, one in found.items() if one.optimised},
    }
    if compiled:
        made = {
            name: torch.compile(folded(model, example_of(model)), dynamic=False) for name, model in networks.items()
        }
        forms["compiled"] = time_latency(made, batch, seconds=seconds)
    with threads(1 if batch == 1 else torch.get_num_threads()):
        flops, bandwidth = peaks(device, size)
    print(f"Batch {batch}: {flops / 1e9:,.0f} GFLOP/s, {bandwidth / 1e9:,.1f} GB/s; ", end="")
    print("; ".join(f"{name}: {one.note}" for name, one in found.items()) + ".\n")
    rows = []
    for form, times in forms.items():
        for name, latency in times.items():
            floor = floor_ms(networks[name], batch, flops, bandwidth)
            speedup = times["dense"].median_ms / latency.median_ms
            text = f"{latency.median_ms:.3f} ({latency.q1_ms:.3f}-{latency.q3_ms:.3f})"
            distance = f"{latency.median_ms / floor:.1f}"
            rows.append([f"{batch}", name, form, text, f"{speedup:.2f}", f"{floor:.3f}", distance])
    return rows


def main() -> int:
    chosen = options(
        __doc__,
        ("--width", {"type": int, "default": 64}),
        ("--compile", {"action": "store_true", "help": "measure torch.compile, too"}),
    )
    device = choose_device()
    width = 8 if chosen.quick else chosen.width
    dense = place(resnet18(width, seed=0), device).eval()
    small = place(structured_prune_filters(dense, SPARSITY), device).eval()
    print(f"{machine(device, 'fp32')}, {torch.get_num_threads()} threads\n", flush=True)
    rows = []
    for batch in (1, 4 if chosen.quick else large_batch(device)):
        rows += measure(
            {"dense": dense, f"structured {SPARSITY:g}": small},
            batch,
            QUICK_SECONDS if chosen.quick else SECONDS,
            compiled=chosen.compile,
            size=128 if chosen.quick else 2048,
        )
    show(f"Inference, width {width}", HEAD, rows, texts=3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
