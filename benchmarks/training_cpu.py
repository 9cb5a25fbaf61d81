"""Training on this machine's CPU against a plain PyTorch loop (DataLoader, torchvision transforms on PIL, eager, NCHW).

    python -m benchmarks.training_cpu [--quick] [--compile]

Each loop is a process of its own, the plain one with PyTorch's own settings. They train the same network on the same
pictures in turns: images a second, median (lowest-highest), the median over turns of the ratio to the better plain loop,
and the share of what all cores reach in a large matrix product. Below, what a study of several runs gets through on the same
cores: runs one after the other with all threads, as a plain script has them, and two at once with one thread each (their
sum), as the workers of a study are. --compile adds the engine with torch.compile, which takes minutes to compile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Self

import torch

from benchmarks._common import (
    PLAN,
    interleaved,
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
from core.engine.counts import macs_per_layer
from core.engine.device import keep_freed_memory, threads
from core.engine.networks.build import resnet18
from core.engine.train import train_epoch

BATCH = 128
# Width: pictures in an epoch, which is a second or a few.
SIZES = {8: 1_536, 16: 768, 64: 256}
QUICK_SIZES = {4: 32}
ROUNDS, SECONDS = 7, 10.0
PLAIN, OURS, COMPILED = "plain", "ours", "ours, compiled"
SETTINGS_OF_OURS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # set in this process when the engine was imported


class Loop:
    """A process that trains an epoch when it is told to, of ``count`` pictures or for ``seconds``; as a context."""

    def __init__(
        self, kind: str, width: int, count: int, batch: int, *, used: int, workers: int = 0, seconds: float = 0.0
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if kind != PLAIN or name not in SETTINGS_OF_OURS}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.training_cpu", "--child", kind]
            + [str(number) for number in (width, count, batch, used, workers, seconds)],
            env=kept | {"OMP_NUM_THREADS": str(used)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()  # it is warm

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def begin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def end(self) -> float:
        """Images a second since :meth:`begin`."""
        return float(self._read())

    def epoch(self) -> float:
        self.begin()
        return self.end()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("A measured process has failed; what it said is above.")
        return line


def child(kind: str, width: int, count: int, batch: int, *, workers: int, seconds: float) -> None:
    """The other side of :class:`Loop`: warm up, say so, and for each line that comes train and print images a second."""
    epoch = _epoch(kind, width, count, batch, workers)
    spent = count / max(epoch(), epoch())
    print("warm", flush=True)
    for _ in sys.stdin:
        speeds = [epoch() for _ in range(max(1, round(seconds / spent)))]
        print(len(speeds) / sum(1 / speed for speed in speeds), flush=True)


def _epoch(kind: str, width: int, count: int, batch: int, workers: int) -> Callable[[], float]:
    model, source = resnet18(width, seed=0), pictures(count)
    if kind == PLAIN:
        return plain_training(model, source, batch, workers=workers)
    keep_freed_memory()
    step = our_step(model, source, batch, compiled=kind == COMPILED)
    return lambda: train_epoch(step, plan=PLAN, seed=0, epoch=0).images_per_second


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def alone(sizes: dict[int, int], batch: int, rounds: int, *, compiled: bool, most: int) -> None:
    """One run at a time."""
    rows = []
    for width, count in sizes.items():
        with ExitStack() as stack:

            def loop(kind: str, used: int, workers: int = 0, *, width: int = width, count: int = count) -> Loop:
                return stack.enter_context(Loop(kind, width, count, batch, used=used, workers=workers))

            loops = {f"plain, {most} threads, {workers} workers": loop(PLAIN, most, workers) for workers in (0, 2)}
            loops |= {f"ours, {used} threads": loop(OURS, used) for used in sorted({1, most})}
            if compiled:
                loops[f"ours, {most} threads, compiled"] = loop(COMPILED, most)
            found = interleaved({name: one.epoch for name, one in loops.items()}, rounds)
        base = max((values for name, values in found.items() if name.startswith(PLAIN)), key=median)
        with threads(most):
            peak = peaks(torch.device("cpu"), 64 if width < min(SIZES) else 2048)[0]
        flops = 6 * sum(macs_per_layer(resnet18(width)).values())  # forward, and twice as much backward
        for name, values in found.items():
            share = f"{median(values) * flops / peak:.0%}"
            rows.append([f"{width}", name, spread(values), ratio(values, base), share])
    show("One run", ["Width", "Loop", "Images a second", "Ratio", "Of all cores' arithmetic"], rows, texts=2)


def study(sizes: dict[int, int], batch: int, rounds: int, seconds: float, *, most: int) -> None:
    """What a study gets through: plain loops one after the other, two plain loops at once, two runs of ours at once."""
    rows = []
    for width, count in sizes.items():
        with ExitStack() as stack:

            def loop(kind: str, used: int, workers: int = 0, *, width: int = width, count: int = count) -> Loop:
                made = Loop(kind, width, count, batch, used=used, workers=workers, seconds=seconds)
                return stack.enter_context(made)

            groups = {f"plain, one by one, {workers} workers": [loop(PLAIN, most, workers)] for workers in (0, 2)}
            groups |= {f"{kind}, two at once": [loop(kind, 1) for _ in range(2)] for kind in (PLAIN, OURS)}
            found = interleaved({name: partial(_sum, group) for name, group in groups.items()}, rounds)
        base = max((values for name, values in found.items() if "one by one" in name), key=median)
        rows += [[f"{width}", name, spread(sums), ratio(sums, base)] for name, sums in found.items()]
    show("A study of several runs", ["Width", "Loops", "Images a second, in all", "Ratio"], rows, texts=2)


def _sum(loops: Sequence[Loop]) -> float:
    for one in loops:
        one.begin()
    return sum(one.end() for one in loops)


def main() -> int:
    chosen = options(
        __doc__,
        ("--compile", {"action": "store_true", "help": "measure torch.compile, too"}),
        ("--child", {"nargs": 7, "help": "used by the script itself"}),
    )
    if chosen.child:
        kind, width, count, batch, _, workers, seconds = chosen.child
        child(kind, int(width), int(count), int(batch), workers=int(workers), seconds=float(seconds))
        return 0
    print(f"{machine()}\n", flush=True)
    sizes = QUICK_SIZES if chosen.quick else SIZES
    batch = 16 if chosen.quick else BATCH
    rounds, most = (1, 1) if chosen.quick else (ROUNDS, cores())
    alone(sizes, batch, rounds, compiled=chosen.compile, most=most)
    study(sizes, batch, 1 if chosen.quick else 3, 0.1 if chosen.quick else SECONDS, most=most)
    return 0


if __name__ == "__main__":
    sys.exit(main())
