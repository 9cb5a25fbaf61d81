"""Time all network shapes of a study in one go, while nothing else is trained on this machine."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import torch
from torch import nn

from core.engine.device import choose_device, cores, environment, place, recognise_unusable_device, threads
from core.engine.latency import BATCH_FIELDS, SINGLE_FIELDS, large_batch, speedups, time_deployed
from core.engine.measurement_lock import measurement_lock
from core.engine.networks.channels import channels_of
from core.engine.networks.cut import cut_to
from core.engine.networks.layers import example_of, layer_shapes
from core.engine.networks.of_recipe import fresh_network
from core.runs.folder import UNFINISHED, Home, RunFolder
from core.runs.latencies import Latencies, read_latencies, write_latencies
from core.runs.result import Environment, LayerDensity, RunResult, Speedup
from core.spec.errors import InputError

PRECISION, MIN_SECONDS = 0.03, 0.4
MAX_SECONDS = 60.0  # on one shape until its intervals are narrow
SHARE = 0.2  # of the time that a study took: what measuring it, unasked, may take


def measure_after_last(path: Path) -> None:
    """Measure the study of the pruned run in the folder ``path``, if that was its last one and not all was timed so far.

    DeviceUnusableError."""
    folder = RunFolder(path)
    if folder.spec.is_dense:
        return
    home, recipe = Home(path.parent.parent), folder.spec.recipe.key
    folders = _study(home, recipe)
    if any(one.state() in UNFINISHED for one in folders):
        return
    with (home.cache / "measure.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may have ended a last run just now
        known = read_latencies(home, recipe)
        results = _results(folders)
        shapes = _shapes(results)
        if not shapes.keys() <= (known.speedups if known else {}).keys():
            took = sum(result.wall_seconds or 0 for result in results)
            measure(home, recipe, min(MAX_SECONDS, SHARE * took / len(shapes)))


def measure_study_of(path: Path) -> None:
    """Measure the study of the run in the folder ``path``, whatever was timed before."""
    measure(Home(path.parent.parent), RunFolder(path).spec.recipe.key)


@recognise_unusable_device()
def measure(
    home: Home, recipe: str, max_seconds: float = MAX_SECONDS, report: Callable[[str], None] = lambda line: None
) -> Latencies:
    """Time every shape of the study whose recipe has the key ``recipe`` against its dense network, and write the record.

    A shape alone determines which operations are executed, so no run's weights are needed. At most about ``max_seconds``
    are spent on each, while nothing else trains on the device; in between others go on. ``report`` gets a line for each.
    InputError if the study has no finished run that says which layers it has; DeviceUnusableError.
    """
    folders = _study(home, recipe)
    results = _results(folders)
    shapes = _shapes(results)
    if not shapes:
        raise InputError("There is nothing to time: the study {recipe} has no finished pruned run.", recipe=recipe)
    device = choose_device()
    dense = place(fresh_network(folders[0].spec.recipe, _classes(results)), device)
    ratios: dict[str, dict[str, Speedup]] = {}
    lock = measurement_lock(home.cache, device)

    def time_beside_dense(network: nn.Module) -> tuple[dict[str, Speedup], dict[str, float]]:
        with lock.timing():
            return _time(dense, network, device, max_seconds)

    with threads(cores()):
        noise, dense_ms = time_beside_dense(deepcopy(dense))
        for number, (digest, layers) in enumerate(shapes.items(), 1):
            sizes = {layer.name: layer.shape for layer in layers}
            if sizes != layer_shapes(dense):
                smaller = cut_to(dense, channels_of(dense, example_of(dense)), sizes)
                ratios[digest], _ = time_beside_dense(place(smaller, device))
            else:
                ratios[digest] = noise
            report(f"{number} of {len(shapes)} network shapes timed")
        surroundings = Environment(**environment(device, "fp32"))
    latencies = Latencies(recipe, round(time.time(), 3), surroundings, large_batch(device), dense_ms, noise, ratios)
    write_latencies(home, latencies)
    return latencies


def _classes(results: Iterable[RunResult]) -> int:
    """How many there are in a study: earlier records show it only in their last layer."""
    return next(
        len(result.per_class_accuracy) or result.layers[-1].dense_shape[0] for result in results if result.layers
    )


def _time(
    dense: nn.Module, network: nn.Module, device: torch.device, max_seconds: float
) -> tuple[dict[str, Speedup], dict[str, float]]:
    """The speed-ups of ``network``, and the latencies of ``dense``, by the fields of RunResult."""
    ratios: dict[str, Speedup] = {}
    dense_ms: dict[str, float] = {}
    for batch, fields in ((1, SINGLE_FIELDS), (large_batch(device), BATCH_FIELDS)):
        networks = {"dense": dense, "this": network}
        times = time_deployed(networks, batch, seconds=MIN_SECONDS, precision=PRECISION, max_seconds=max_seconds / 2)
        for form, ratio in speedups(times["dense"], times["this"]).items():
            speedup, latency = fields[form]
            ratios[speedup], dense_ms[latency] = ratio, times["dense"].timings[form].median_ms
    return ratios, dense_ms


def _study(home: Home, recipe: str) -> list[RunFolder]:
    """The pruned runs of the study; a damaged one belongs to none."""
    folders = []
    for folder in home.runs():
        with suppress(InputError):
            if folder.spec.recipe.key == recipe:
                folders.append(folder)
    return folders


def _results(folders: Iterable[RunFolder]) -> list[RunResult]:
    """Those of the finished ones of ``folders``; a damaged one counts as none."""
    results = []
    for folder in folders:
        with suppress(InputError):
            results.append(folder.result())
    return [result for result in results if result is not None]


def _shapes(results: Iterable[RunResult]) -> dict[str, tuple[LayerDensity, ...]]:
    """The layers of each shape that the networks of ``results`` have, by its digest."""
    return {result.shape: result.layers for result in results if result.shape}
