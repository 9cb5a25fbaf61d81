"""Training on this machine's CPU against a plain PyTorch loop (DataLoader, torchvision transforms on PIL, eager, NCHW).

    python -m benchmarks.training_cpu [--quick] [--compile]

Both train the same network on the same pictures in turns: images a second, median (lowest-highest), the median over turns
of the ratio to the better plain loop, and the share of what all cores reach in a large matrix product. Below, two runs at
once, each in a process of its own with one thread, as the workers of a study are: the sum of both. --compile adds the
engine with torch.compile, which takes minutes to compile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from statistics import median

import torch

from benchmarks._common import (
    PLAN,
    in_turns,
    machine,
    options,
    our_step,
    peaks,
    pictures,
    plain_training,
    ratio,
    show,
    spread,
)
from core.engine.device import keep_memory, threads
from core.engine.metrics import macs_per_layer
from core.engine.models.resnet import resnet18
from core.engine.step import Step
from core.engine.train import train_epoch

BATCH = 128
# Width: pictures in an epoch, which is a second or a few.
SIZES = {8: 1_536, 16: 768, 64: 256}
QUICK_SIZES = {4: 32}
ROUNDS, PAIRS = 7, 3


def ours(width: int, count: int, batch: int, *, count_threads: int, compiled: bool = False) -> partial[float]:
    step = our_step(resnet18(width, seed=0), pictures(count), batch, compiled=compiled)
    return partial(_epoch, step, count_threads)


def _epoch(step: Step, count_threads: int) -> float:
    with threads(count_threads):
        return train_epoch(step, plan=PLAN, seed=0, epoch=0).images_per_second


def plain(width: int, count: int, batch: int, *, workers: int, count_threads: int) -> partial[float]:
    epoch = plain_training(resnet18(width, seed=0), pictures(count), batch, workers=workers)

    def run() -> float:
        with threads(count_threads):
            return epoch()

    return partial(run)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def alone(sizes: dict[int, int], batch: int, rounds: int, *, compiled: bool, most_threads: int) -> None:
    """One run at a time."""
    rows = []
    for width, count in sizes.items():
        calls = {
            f"plain, {most_threads} threads, {workers} workers": plain(
                width, count, batch, workers=workers, count_threads=most_threads
            )
            for workers in (0, 2)
        }
        for used in sorted({1, most_threads}):
            calls[f"ours, {used} threads"] = ours(width, count, batch, count_threads=used)
        if compiled:
            calls["ours, compiled"] = ours(width, count, batch, count_threads=most_threads, compiled=True)
        found = in_turns(calls, rounds)
        base = max((values for name, values in found.items() if name.startswith("plain")), key=median)
        with threads(most_threads):
            peak = peaks(torch.device("cpu"), 64 if width < min(SIZES) else 2048)[0]
        flops = 6 * sum(macs_per_layer(resnet18(width)).values())  # forward, and twice as much backward
        for name, values in found.items():
            share = f"{median(values) * flops / peak:.0%}"
            rows.append([f"{width}", name, spread(values), ratio(values, base), share])
    show("One run", ["Width", "Loop", "Images a second", "Ratio", "Of all cores' arithmetic"], rows, texts=2)


def together(sizes: dict[int, int], batch: int, seconds: float, pairs: int) -> None:
    """Two runs at once, in turns with two plain loops at once."""
    rows = []
    for width, count in sizes.items():
        found: dict[str, list[float]] = {"plain": [], "ours": []}
        for _ in range(pairs):
            for kind, sums in found.items():
                sums.append(_sum_of_two(kind, width, count, batch, seconds))
        rows += [[f"{width}", name, spread(sums), ratio(sums, found["plain"])] for name, sums in found.items()]
    show(
        "Two runs at once, one thread each",
        ["Width", "Loop", "Images a second, both", "Ratio"],
        rows,
        texts=2,
    )


def _sum_of_two(kind: str, width: int, count: int, batch: int, seconds: float) -> float:
    arguments = ["--child", kind, str(width), str(count), str(batch), str(seconds)]
    command = [sys.executable, "-m", "benchmarks.training_cpu", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [(child.stdin, child.stdout) for child in children]
    for _, out in outputs:  # warm
        assert out is not None
        out.readline()
    for into, _ in outputs:  # and off, at the same moment
        assert into is not None
        into.write("go\n")
        into.flush()
    return sum(float(child.communicate()[0]) for child in children)


def child(kind: str, width: int, count: int, batch: int, seconds: float) -> None:
    """Warm up, say so, wait for a line, train for some seconds, print images a second."""
    torch.set_num_threads(1)
    made = plain(width, count, batch, workers=0, count_threads=1)
    epoch = made if kind == "plain" else ours(width, count, batch, count_threads=1)
    spent = count / epoch()
    print("ready", flush=True)
    sys.stdin.readline()
    epochs = max(1, round(seconds / spent))
    speeds = [epoch() for _ in range(epochs)]
    print(epochs / sum(1 / speed for speed in speeds))


def main() -> int:
    keep_memory()
    chosen = options(
        __doc__,
        ("--compile", {"action": "store_true", "help": "measure torch.compile, too"}),
        ("--child", {"nargs": 5, "help": "used by the script itself"}),
    )
    if chosen.child:
        kind, *numbers = chosen.child
        child(kind, int(numbers[0]), int(numbers[1]), int(numbers[2]), float(numbers[3]))
        return 0
    print(f"{machine()}\n", flush=True)
    sizes = QUICK_SIZES if chosen.quick else SIZES
    batch = 16 if chosen.quick else BATCH
    rounds, most = (1, 1) if chosen.quick else (ROUNDS, cores())
    alone(sizes, batch, rounds, compiled=chosen.compile, most_threads=most)
    together(sizes, batch, 0.1 if chosen.quick else 10.0, 1 if chosen.quick else PAIRS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
