"""What the engine costs around the training loop: Dask, lease, journal, checkpoints, live metrics, cancelling.

    python -m benchmarks.overhead [--quick]

The same training twice, in turns: as a run on the cluster with everything, and as the bare loop (train an epoch, evaluate)
in a process of its own with the same threads. Seconds an epoch, median (lowest-highest), and the median over turns of the
ratio; then the memory that the run's process has to itself after its first and in its last epoch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import psutil

from benchmarks._common import NO_CURVES, PLAN, machine, memory, options, our_step, picture_folder, ratio, show, spread
from core.engine.data import load_dataset
from core.engine.data.augment import DeviceImages
from core.engine.device import keep_freed_memory, threads
from core.engine.evaluate import evaluate
from core.engine.networks.build import resnet18
from core.engine.train import train_epoch
from core.jobs.cluster import stop_cluster
from core.jobs.queue import Queue
from core.jobs.workers import WORKERS_VARIABLE
from core.runs.folder import Home, State
from core.runs.lease import holder
from core.spec.spec import Recipe, RunSpec, Schedule

WIDTH, TRAIN, TEST, EPOCHS, TURNS = 8, 4_000, 1_000, 15, 3
QUICK = (4, 64, 16, 4, 1)


def engine(home: Home, data: str, width: int, epochs: int, seed: int) -> tuple[list[float], list[int]]:
    """Seconds of each epoch but the first, and the memory of the process in each epoch, of a run on the cluster."""
    recipe = Recipe("overhead", data, width, Schedule(epochs, 0.05), None)
    folder = home.create(RunSpec(recipe, "dense", seed))
    Queue(home, sensitivity=NO_CURVES).submit([folder.spec])
    seen: list[int] = []
    while folder.state() not in (State.DONE, State.FAILED):
        time.sleep(0.05)
        done = sum(event["type"] == "epoch" for event in folder.events())
        owner = holder(folder.path)
        if done > len(seen) and owner and psutil.pid_exists(owner.pid):
            seen += [memory(psutil.Process(owner.pid))] * (done - len(seen))
    if folder.state() == State.FAILED:
        raise SystemExit(folder.describe()[1])
    ends = [event["t"] for event in folder.events() if event["type"] == "epoch"]
    return [later - earlier for earlier, later in pairwise(ends)], seen


def bare(home: Home, data: str, width: int, epochs: int) -> None:
    """The loop alone; prints the seconds of each epoch but the first."""
    keep_freed_memory()
    found = load_dataset(data, home, lambda message, fraction: None)
    test = DeviceImages(found.test, found.mean, found.std, "cpu")
    model = resnet18(width, len(found.classes), seed=0)
    with threads(1):
        step = our_step(model, found.train, 128)
        ends = []
        for epoch in range(epochs):
            train_epoch(step, plan=PLAN, seed=0, epoch=epoch)
            evaluate(model, test, len(found.classes))
            ends.append(time.time())
    print(*(later - earlier for earlier, later in pairwise(ends)))


def main() -> int:
    chosen = options(__doc__, ("--bare", {"nargs": 4, "help": "used by the script itself"}))
    if chosen.bare:
        bare(Home(Path(chosen.bare[0])), chosen.bare[1], int(chosen.bare[2]), int(chosen.bare[3]))
        return 0
    width, train, test, epochs, turns = QUICK if chosen.quick else (WIDTH, TRAIN, TEST, EPOCHS, TURNS)
    os.environ.update({WORKERS_VARIABLE: "1", "OMP_NUM_THREADS": "1"})
    with_all, alone, memories = [], [], []
    print(f"{machine()}, 1 thread\n", flush=True)
    with tempfile.TemporaryDirectory() as workdir:
        home = Home(Path(workdir) / "home").prepare()
        data = picture_folder(Path(workdir) / "pictures", train, test)
        command = [sys.executable, "-m", "benchmarks.overhead", "--bare", str(home.path), data, str(width), str(epochs)]
        try:
            for turn in range(turns):
                seconds, seen = engine(home, data, width, epochs, seed=turn)
                with_all.append(median(seconds))
                memories.append(seen)
                printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                alone.append(median(map(float, printed.split())))
        finally:
            stop_cluster(home)
    rows = [
        ["bare loop", spread(alone, ".3f"), "1.00"],
        ["whole engine", spread(with_all, ".3f"), ratio(with_all, alone)],
    ]
    title = f"Width {width}, {train:,} pictures, {epochs} epochs, {turns} turns"
    show(title, ["Training", "Seconds an epoch", "Ratio"], rows)
    sizes = [
        [f"{number + 1}", f"{seen[0] / 1e6:,.0f}", f"{seen[-1] / 1e6:,.0f}"] for number, seen in enumerate(memories)
    ]
    show("Memory, MB", ["Run", "After the first epoch", "In the last"], sizes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
