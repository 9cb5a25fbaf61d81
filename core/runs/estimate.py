"""How long runs will take: from what runs of this home took, else from a rough guess."""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.runs.folder import Home, State
from core.runs.status import RunStatus
from core.spec.errors import InputError
from core.spec.spec import FOLDER_PREFIX, RunSpec

# Images a second that one core of a server CPU trains, by width: what is assumed before anything was measured.
_GUESS = {4: 900.0, 8: 600.0, 16: 250.0, 32: 80.0, 64: 22.0, 128: 6.0}
_PICTURES = {"cifar10": 50_000, "synthetic": 5_000}
_OVERHEAD_SECONDS = 6.0  # loading and measuring, in the same guess
_NEWEST = 50  # runs that are looked at: speed may change, and reading all of thousands would take long


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one finished run took: ``rate`` is images a second over the whole run, loading and measuring included."""

    recipe: str
    data: str
    width: int
    dense: bool
    pictures: int
    rate: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that runs will take one after another; ``measured``: known from runs of the same width and data."""

    seconds: float
    measured: bool


def read_throughputs(home: Home) -> list[Throughput]:
    """The paces of the newest finished runs under ``home``, newest first."""
    finished = []
    for folder in home.runs():
        with suppress(OSError):
            finished.append((folder.result_path.stat().st_mtime, folder))
    finished.sort(key=lambda item: item[0], reverse=True)
    paces = []
    for _, folder in finished[:_NEWEST]:
        with suppress(InputError):
            result, spec = folder.result(), folder.spec
            if result and result.train_pictures and result.wall_seconds:
                pictures, recipe = result.train_pictures, spec.recipe
                rate = pictures * spec.retrain.epochs / result.wall_seconds
                paces.append(Throughput(recipe.key, recipe.data, recipe.width, spec.is_dense, pictures, rate))
    return paces


def estimate(specs: Iterable[RunSpec], paces: list[Throughput], workers: int = 1) -> Estimate:
    """How long ``specs``, dense runs first, take when ``workers`` of them are executed at a time."""
    free = [0.0] * workers
    dense_ends: dict[str, float] = {}
    measured = True
    for spec in specs:
        own, known = _seconds(spec, paces)
        ends = max(heapq.heappop(free), dense_ends.get(spec.dense.run_id, 0.0)) + own
        heapq.heappush(free, ends)
        measured &= known
        if spec.is_dense:
            dense_ends[spec.run_id] = ends
    return Estimate(max(free), measured)


def time_left(runs: Iterable[RunStatus], paces: list[Throughput], at_once: int) -> Estimate:
    """What remains of those of ``runs`` that go on, ``at_once`` of them at a time."""
    going = [run for run in runs if run.state in (State.QUEUED, State.RUNNING, State.INTERRUPTED) and run.spec]
    seconds, measured = 0.0, True
    for run in going:
        assert run.spec is not None
        if run.seconds_left is not None:
            seconds += run.seconds_left
            continue
        known = estimate([run.spec], paces)
        seconds += known.seconds * (1 - run.fraction)
        measured &= known.measured
    return Estimate(seconds / max(1, min(at_once, len(going))), measured)


def _seconds(spec: RunSpec, paces: list[Throughput]) -> tuple[float, bool]:
    recipe = spec.recipe
    same_data = [pace for pace in paces if pace.data == recipe.data]
    pictures = same_data[0].pictures if same_data else _count_pictures(recipe.data)
    images = pictures * spec.retrain.epochs
    # The nearest kind of run that was measured: same recipe, then same data and width, then any width, scaled.
    alike = [p for p in same_data if p.width == recipe.width]
    best = [p for p in alike if p.recipe == recipe.key and p.dense == spec.is_dense] or [
        p for p in alike if p.dense == spec.is_dense
    ]
    for candidates in (best, alike):
        if candidates:
            return images / candidates[0].rate, True
    scale = paces[0].rate / _guess(paces[0].width) if paces else 1.0
    return _OVERHEAD_SECONDS + images / (_guess(recipe.width) * scale), False


def _guess(width: int) -> float:
    widths = np.log(list(_GUESS))
    return float(np.exp(np.interp(math.log(width), widths, np.log(list(_GUESS.values())))))


def _count_pictures(data: str) -> int:
    if not data.startswith(FOLDER_PREFIX):
        return _PICTURES[data]
    count = 0
    with suppress(OSError):
        for entry in os.scandir(Path(data.removeprefix(FOLDER_PREFIX)) / "train"):
            if entry.is_dir():
                count += len(os.listdir(entry))
    return count
