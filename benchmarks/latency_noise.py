"""How far the measured speed-up of a network over an identical one is from 1: while a study runs, and afterwards.

    python -m benchmarks.latency_noise [--quick]

Identical networks are timed again and again: as a run times them by the way, beside another process that trains, and as a
study's latencies are measured after its last run, while nothing trains. Median, lowest and highest ratio, and the share of
ratios within 1 +- 0.03; then the share of 95 % intervals that hold 1.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

from benchmarks._common import PLAN, machine, options, our_step, pictures, show, spread
from core.engine.device import cores, threads
from core.engine.latency import speedups, time_deployed
from core.engine.measure import MAX_SECONDS, MIN_SECONDS, PRECISION
from core.engine.networks.build import resnet18
from core.engine.result import FULL_SECONDS
from core.engine.train import train_epoch
from core.runs.latencies import Speedup

WIDTH, REPEATS, BATCHES = 16, 20, (1, 64)
NEAR = 0.03


def amid(batch: int) -> Speedup:
    """The ratio as the record of a run has it: of medians, without an interval."""
    times = time_deployed({"dense": resnet18(WIDTH), "copy": resnet18(WIDTH)}, batch, seconds=FULL_SECONDS)
    ratio = times["dense"].eager.median_ms / times["copy"].eager.median_ms
    return Speedup(ratio=ratio, low=ratio, high=ratio, rounds=times["copy"].eager.calls)


def afterwards(batch: int, precision: float) -> Speedup:
    networks = {"dense": resnet18(WIDTH), "copy": resnet18(WIDTH)}
    times = time_deployed(networks, batch, seconds=MIN_SECONDS, precision=precision, max_seconds=MAX_SECONDS / 2)
    return speedups(times["dense"], times["copy"])["eager"]


@contextmanager
def training_elsewhere() -> Iterator[None]:
    """Inside, another process trains a network, over and over."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.latency_noise", "--train"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def train() -> None:
    """Train until killed."""
    step = our_step(resnet18(WIDTH), pictures(2_000), 64)
    for epoch in count():
        train_epoch(step, plan=PLAN, seed=0, epoch=epoch % PLAN.epochs)


def row(name: str, batch: int, repeats: int, measure: Callable[[int], Speedup]) -> list[str]:
    found = [measure(batch) for _ in range(repeats)]
    near = sum(abs(one.ratio - 1) <= NEAR for one in found) / repeats
    holds = sum(one.low <= 1 <= one.high for one in found) / repeats
    return [name, str(batch), spread([one.ratio for one in found], ".3f"), f"{near:.0%}", f"{holds:.0%}"]


def main() -> int:
    chosen = options(__doc__, ("--train", {"action": "store_true", "help": "only train, until killed"}))
    repeats, precision = (2, 1.0) if chosen.quick else (REPEATS, PRECISION)
    with threads(1):  # as the workers of a study have on two cores
        if chosen.train:
            train()
        with training_elsewhere():
            rows = [row("amid a study", batch, repeats, amid) for batch in BATCHES]
    with threads(cores()):
        alone = partial(afterwards, precision=precision)
        rows += [row("afterwards", batch, repeats, alone) for batch in BATCHES]
    print(f"{machine()}\n", flush=True)
    head = ("Timed", "Batch", "Ratio of identical networks", "Within 1 ± 0.03", "Intervals with 1")
    show(f"{repeats} repeats, width {WIDTH}", head, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
