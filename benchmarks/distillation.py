"""What a teacher costs: a training step that learns from the dense network against one that does not.

    python -m benchmarks.distillation [--quick] [--width W]

Both train in turns: milliseconds of a step, median (lowest-highest), and the median over turns of the ratio. A masked
network computes as much as the dense one; one that was shrunk by structured pruning computes less, its teacher does not.
"""

from __future__ import annotations

import sys

from benchmarks._common import PLAN, interleaved, machine, options, our_step, pictures, ratio, show, spread
from benchmarks.training_cpu import cores
from core.engine.device import choose_device, keep_freed_memory, place, resolve_precision, threads
from core.engine.networks.build import resnet18
from core.engine.pruning.structured import structured_prune_filters
from core.engine.recovery.distillation import Teacher
from core.engine.step import Step
from core.engine.train import train_epoch

BATCH, STEPS, TURNS = 128, 6, 7
SPARSITY = 0.9


def step_ms(step: Step) -> float:
    return 1e3 * train_epoch(step, plan=PLAN, seed=0, epoch=0).seconds / step.per_epoch


def main() -> int:
    chosen = options(__doc__, ("--width", {"type": int, "default": 16, "help": "of the network"}))
    width, batch, turns = (4, 16, 1) if chosen.quick else (chosen.width, BATCH, TURNS)
    keep_freed_memory()
    device, source, used = choose_device(), pictures(batch * STEPS), 1 if chosen.quick else cores()
    precision, dense = resolve_precision("auto", device), resnet18(width, seed=0)
    networks = {"masked": dense, f"shrunk {SPARSITY}": structured_prune_filters(dense, SPARSITY)}
    rows = []
    with threads(used):
        print(f"{machine(device)}; width {width}, batches of {batch}\n", flush=True)
        teacher = Teacher(place(dense, device))
        for name, network in networks.items():
            steps = {
                kind: our_step(network, source, batch, device=str(device), precision=precision, teacher=who)
                for kind, who in (("without", None), ("with", teacher))
            }
            found = interleaved({kind: lambda step=step: step_ms(step) for kind, step in steps.items()}, turns)
            without, taught = found["without"], found["with"]
            rows.append([name, spread(without, ".1f"), spread(taught, ".1f"), ratio(taught, without)])
    show(f"A training step, {used} threads", ["Network", "Without a teacher, ms", "With, ms", "Ratio"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
