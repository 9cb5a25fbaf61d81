"""How long runs will take, from the throughput of finished runs, else from a rough guess; and how right that was."""

from __future__ import annotations

import heapq
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.runs.atomic_io import append_line, modified, read_lines
from core.runs.folder import Home, RunFolder, State
from core.runs.status import RunStatus
from core.spec.datasets import DATASETS, SIZE, folder_of, in_folder
from core.spec.errors import InputError
from core.spec.networks import residual_width
from core.spec.spec import RunSpec
from core.spec.validate import finite

# Images a second that one core of a server CPU trains, by width of ResNet-18: assumed while nothing was measured.
_GUESS = {4: 900.0, 8: 600.0, 16: 250.0, 32: 80.0, 64: 22.0, 128: 6.0}
_OVERHEAD_SECONDS = 6.0  # loading and measuring, in the same guess
_MAX_RESULTS = 50  # the newest that are read: speed changes, and thousands would take long
_MAX_FORECASTS = 20


@dataclass(frozen=True, slots=True)
class Throughput:
    """That of one finished run: ``rate`` is images a second over the whole run, loading and measuring included."""

    recipe: str
    data: str
    network: str
    width: int
    size: int
    dense: bool
    images: int
    rate: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that runs will take; ``measured``: all of them from runs of the same network, width and data."""

    seconds: float
    measured: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """The estimate for the runs of one launch, at the time ``t`` in seconds since 1970."""

    t: float
    seconds: float
    measured: bool
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A forecast, and the seconds from the launch to the end of its last run."""

    forecast: Forecast
    seconds: float


def read_throughputs(home: Home) -> list[Throughput]:
    """Those of the newest finished runs under ``home``, newest first."""
    finished = []
    for folder in home.runs():
        with suppress(OSError):
            finished.append((folder.result_path.stat().st_mtime, folder))
    finished.sort(key=lambda item: item[0], reverse=True)
    throughputs = []
    for _, folder in finished[:_MAX_RESULTS]:
        with suppress(InputError):
            result, spec = folder.result(), folder.spec
            if result and result.train_pictures and result.wall_seconds and spec.own_epochs:
                images, recipe = result.train_pictures, spec.recipe
                rate = images * spec.own_epochs / result.wall_seconds
                throughputs.append(
                    Throughput(
                        recipe.key, recipe.data, recipe.network, recipe.width, recipe.size, spec.is_dense, images, rate
                    )
                )
    return throughputs


def estimate(specs: Iterable[RunSpec], throughputs: Sequence[Throughput], workers: int = 1) -> Estimate:
    """How long ``specs``, dense runs first, take on ``workers``: each worker takes the next run when it is free."""
    free = [0.0] * workers
    dense_ends: dict[str, float] = {}
    measured = True
    for spec in specs:
        own = _estimate_run(spec, throughputs)
        ends = max(heapq.heappop(free), dense_ends.get(spec.dense.run_id, 0.0)) + own.seconds
        heapq.heappush(free, ends)
        measured &= own.measured
        if spec.is_dense:
            dense_ends[spec.run_id] = ends
    return Estimate(max(free), measured)


def time_left(runs: Iterable[RunStatus], throughputs: Sequence[Throughput], workers: int) -> Estimate:
    """What remains of those of ``runs`` that wait or run, on ``workers``."""
    unfinished = [run for run in runs if run.state in (State.QUEUED, State.RUNNING, State.INTERRUPTED) and run.spec]
    seconds, measured = 0.0, True
    for run in unfinished:
        assert run.spec is not None
        if run.seconds_left is not None:
            seconds += run.seconds_left
            continue
        whole = _estimate_run(run.spec, throughputs)
        seconds += whole.seconds * (1 - run.fraction)
        measured &= whole.measured
    return Estimate(seconds / max(1, min(workers, len(unfinished))), measured)


def _estimate_run(spec: RunSpec, throughputs: Sequence[Throughput]) -> Estimate:
    """From the most similar kind of run that was measured: same recipe, then same data and network, then any, scaled."""
    recipe = spec.recipe
    if not spec.own_epochs:
        return Estimate(_OVERHEAD_SECONDS, False)
    same_data = [other for other in throughputs if other.data == recipe.data]
    images = (same_data[0].images if same_data else _count_images(recipe.data)) * spec.retrain.epochs
    network = (recipe.network, recipe.width, recipe.size)
    same_network = [other for other in same_data if (other.network, other.width, other.size) == network]
    same_kind = [other for other in same_network if other.dense == spec.is_dense]
    same_recipe = [other for other in same_kind if other.recipe == recipe.key]
    for candidates in (same_recipe, same_kind, same_network):
        if candidates:
            return Estimate(images / candidates[0].rate, True)
    last = next(iter(throughputs), None)
    scale = last.rate / _guess(last.network, last.width, last.size) if last else 1.0
    return Estimate(_OVERHEAD_SECONDS + images / (_guess(*network) * scale), False)


def _guess(network: str, width: int, size: int) -> float:
    """Images of ``size`` pixels that ``network`` trains a second."""
    width_there = residual_width(network, width)
    widths = np.log(list(_GUESS))
    rate = np.exp(np.interp(math.log(width_there), widths, np.log(list(_GUESS.values()))))
    return float(rate) * (SIZE / size) ** 2


def _count_images(data: str) -> int:
    if not in_folder(data):
        return DATASETS[data].train
    root, count = Path(folder_of(data)), 0
    with suppress(OSError):
        train = root / "train"
        for entry in os.scandir(train if train.is_dir() else root):
            if entry.is_dir():
                count += len(os.listdir(entry))
    return count


def record_forecast(home: Home, estimate: Estimate, runs: Iterable[str]) -> None:
    """Record the estimate for ``runs``, which are being launched with nothing before them in the queue."""
    with suppress(OSError):  # no reason to stop a launch
        append_line(_forecasts_path(home), asdict(Forecast(time.time(), **asdict(estimate), runs=tuple(runs))))


def last_outcome(home: Home) -> Outcome | None:
    """That of the newest launch of which every run is done, at the first attempt; None if there is none."""
    forecasts = [read for line in read_lines(_forecasts_path(home)) if (read := _read_forecast(line))]
    for forecast in reversed(forecasts[-_MAX_FORECASTS:]):
        with suppress(InputError, OSError):
            folders = [home.run(run_id) for run_id in forecast.runs]
            if all(map(_done_at_first_attempt, folders)):
                seconds = max(modified(folder.result_path) for folder in folders) - forecast.t
                if seconds > 0:
                    return Outcome(forecast, seconds)
    return None


def _done_at_first_attempt(folder: RunFolder) -> bool:
    if folder.state() != State.DONE:
        return False
    kinds = [event["type"] for event in folder.events()]
    return kinds.count("queued") <= 1 and kinds.count("started") <= 1 and "cancelled" not in kinds


def _forecasts_path(home: Home) -> Path:
    return home.cache / "forecasts.jsonl"


def _read_forecast(line: Mapping[str, Any]) -> Forecast | None:
    t, seconds, runs = finite(line.get("t")), finite(line.get("seconds")), line.get("runs")
    if t and seconds and isinstance(runs, list) and runs and all(isinstance(run, str) for run in runs):
        return Forecast(t, seconds, line.get("measured") is True, tuple(runs))
    return None
