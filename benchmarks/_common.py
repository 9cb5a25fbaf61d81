"""What the benchmarks share: interleaved timing, a line about the machine, tables, and the plain training loop that the
engine is compared with."""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from core.engine.data.augment import DeviceImages
from core.engine.data.images import Images
from core.engine.device import environment, place
from core.engine.masks import WeightMasks
from core.engine.pruning.base import Masks
from core.engine.recovery.distillation import Teacher
from core.engine.step import Capture, Step, make_optimizer
from core.report.markdown import render_block
from core.report.model import Table
from core.spec.spec import Schedule
from core.spec.training_plan import TrainingPlan

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
SCHEDULE = Schedule(epochs=1_000, lr=0.05)
PLAN = TrainingPlan(SCHEDULE, (SCHEDULE.epochs,))
NO_CURVES = "benchmarks._common:no_curves"


def options(description: str | None, *more: tuple[str, dict[str, Any]]) -> argparse.Namespace:
    """The command line: --quick, and the arguments ``more``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only see that it works: its numbers mean nothing")
    for name, settings in more:
        parser.add_argument(name, **settings)
    return parser.parse_args()


def machine(device: torch.device | None = None, precision: str = "auto") -> str:
    """Hardware and versions, for the line above a table."""
    found = environment(device or torch.device("cpu"), precision)
    return (
        f"{found['hardware']}, {found['precision']}; PyTorch {found['torch']}, torchvision {found['torchvision']}, "
        f"Python {found['python']}, {found['system']}, commit {found['commit']}, {time.strftime('%Y-%m-%d', time.gmtime())}"
    )


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> None:
    table = Table(tuple(head), tuple(map(tuple, rows)), texts)
    print(f"**{title}**\n\n{render_block(table)}", flush=True)


def interleaved(calls: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each of ``calls`` returned in ``rounds`` rounds after one to warm up: a machine whose speed drifts treats all
    alike."""
    for call in calls.values():
        call()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            found[name].append(call())
    return found


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    """Median, lowest and highest of ``values``."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def ratio(values: Sequence[float], base: Sequence[float]) -> str:
    """The median of ``values`` over that of ``base``, turn by turn, so that drift cancels."""
    return f"{statistics.median(v / b for v, b in zip(values, base, strict=True)):.2f}"


def pictures(count: int, seed: int = 0) -> Images:
    """Noise: what a picture shows does not change how long it takes."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return Images(torch.from_numpy(images), torch.arange(count) % 10)


def picture_folder(path: Path, train: int, test: int) -> str:
    """A data set of ``train`` and ``test`` such pictures as files, by its name."""
    for split, count in (("train", train), ("test", test)):
        drawn = pictures(count, seed=len(split))
        for index, (image, label) in enumerate(zip(drawn.images.numpy(), drawn.labels.tolist(), strict=True)):
            (path / split / str(label)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path / split / str(label) / f"{index:06}.png")
    return f"folder:{path}"


def no_curves(path: Path, seconds: float) -> bool:
    """For a queue, in the place of the sensitivity curves of dense runs, which would take the machine from the next run."""
    return True


class PlainPictures(Dataset[tuple[torch.Tensor, int]]):
    """Pictures as torchvision hands them out: PIL, transformed one by one."""

    def __init__(self, source: Images) -> None:
        self._images, self._labels = source.images.numpy(), source.labels.tolist()
        self._transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(Image.fromarray(self._images[index])), self._labels[index]


def plain_training(
    model: nn.Module, source: Images, batch: int, *, workers: int = 0, device: str = "cpu"
) -> Callable[[], float]:
    """An epoch of the textbook's loop on ``source`` at each call; returns images a second."""
    loader = DataLoader(
        PlainPictures(source),
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device != "cpu",
    )
    model = model.to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)

    def epoch() -> float:
        began, seen, total = time.perf_counter(), 0, 0.0
        for images, labels in loader:
            inputs, targets = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item()
            seen += len(labels)
        return seen / (time.perf_counter() - began)

    return epoch


def our_step(
    model: nn.Module,
    source: Images,
    batch: int,
    *,
    device: str = "cpu",
    masks: Masks | None = None,
    precision: str = "fp32",
    capture: Capture | None = None,
    compiled: bool = False,
    teacher: Teacher | None = None,
) -> Step:
    """The engine's training of a copy of ``model`` on ``source``."""
    placed = place(deepcopy(model), torch.device(device))
    images = DeviceImages(source, MEAN, STD, device)
    optimizer, weight_masks = make_optimizer(placed, SCHEDULE), WeightMasks(placed, masks or {})
    # A compiler that tries to be general about shapes only loses, and one that gives up must say so.
    network: nn.Module = torch.compile(placed, dynamic=False, fullgraph=True) if compiled else placed  # type: ignore[assignment]
    return Step(network, optimizer, weight_masks, images, batch, precision=precision, teacher=teacher, capture=capture)


def peaks(device: torch.device, size: int) -> tuple[float, float]:
    """FLOP/s of a large matrix product, and bytes/s of a large copy (read and written), with the threads of now."""
    a, b = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    large = torch.zeros(size * size * 16, device=device)
    other = torch.empty_like(large)
    flops = 2 * size**3 / _typical(partial(torch.mm, a, b), device)
    return flops, 2 * large.nbytes / _typical(partial(other.copy_, large), device)


def _typical(work: Callable[[], object], device: torch.device) -> float:
    taken = []
    for _ in range(6):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


@contextmanager
def peak_memory(process: psutil.Process, seconds: float = 0.2) -> Iterator[list[int]]:
    """Inside, poll the memory of ``process`` and its descendants; the one element of the list is the peak, in bytes."""
    peak, over = [0], threading.Event()

    def poll() -> None:
        while not over.wait(seconds):
            peak[0] = max(peak[0], memory(process))

    watcher = threading.Thread(target=poll, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def memory(process: psutil.Process) -> int:
    """Bytes of memory that ``process`` and all below it have to themselves."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().uss
        except psutil.Error:  # it ended, or is none of ours
            continue
    return total
