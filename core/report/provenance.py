"""Where the numbers of a study come from: data, network, schedules, hardware, versions, time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from core.i18n import t, tn
from core.labels import recipe_name, variant_name
from core.runs.latencies import Latencies
from core.runs.result import Environment, RunResult
from core.spec.datasets import BY_NAME, SYNTHETIC, in_folder
from core.spec.methods import DENSE, METHODS
from core.spec.settings import TAUGHT, TEACHER
from core.spec.spec import COMPUTE, Recipe, RunSpec

T = TypeVar("T")
N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True)
class Finished:
    """One finished run: what was asked, what came out, and when (seconds since 1970; None where nobody noted it)."""

    spec: RunSpec
    result: RunResult
    time: float | None


class LatencyProtocol(NamedTuple):
    """How latency was timed: mode, number format, and batch sizes, each with its number of threads; the ``hardware`` where
    all networks of the study were timed in one go, empty if each was with its run."""

    mode: str
    dtype: str
    sizes: tuple[tuple[int, int], ...]
    hardware: str = ""

    def describe(self) -> str:
        """In the current language."""
        sizes = [
            tn("batch {batch} on 1 thread", "batch {batch} on {n} threads", threads, batch=batch)
            for batch, threads in self.sizes
        ]
        place = t("all networks in one go on {hardware}", hardware=self.hardware) if self.hardware else ""
        return ", ".join(part for part in (self.mode, self.dtype, *sizes, place) if part)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a study's runs share and where they were executed. ``variants``: one spec of each, dense first.
    ``epochs``: the fewest and most of the own training of a run of each. ``training_macs``: the same of those that recorded
    them. ``latency``: each way in which it was timed. ``train_minutes`` were spent in training epochs, ``wall_minutes`` in
    whole runs (None: not recorded)."""

    recipe: Recipe
    variants: Mapping[str, RunSpec]
    seeds: tuple[int, ...]
    runs: int
    hardware: tuple[str, ...]
    software: tuple[str, ...]
    precisions: tuple[str, ...]
    commits: tuple[str, ...]
    latency: tuple[LatencyProtocol, ...]
    train_pictures: int | None
    test_pictures: int | None
    split_by_name: bool
    epochs: Mapping[str, tuple[int, int]]
    training_macs: Mapping[str, tuple[float, float]]
    train_minutes: float
    wall_minutes: float | None
    dates: tuple[str, ...]

    @property
    def synthetic(self) -> bool:
        return self.recipe.data == SYNTHETIC

    @property
    def folder(self) -> bool:
        return in_folder(self.recipe.data)

    @property
    def data(self) -> str:
        """The name of the data set; of a folder only the last part, since where it lies says nothing to others."""
        return self.recipe.data.rstrip("/").rsplit("/", 1)[-1] if self.folder else self.recipe.data

    def epochs_of(self, spec: RunSpec) -> str:
        """The epochs that the runs of ``spec``'s variant had after pruning; of a dense run, in all."""
        low, high = self.epochs[spec.variant]
        return f"{low}" if low == high else t("{low} to {high}", low=low, high=high)

    def names(self) -> dict[str, str]:
        """What to call each variant, by its label."""
        return {label: variant_name(spec.method, spec.settings) for label, spec in self.variants.items()}

    def summary(self) -> str:
        """Recipe, number of seeds and hardware in one line."""
        seeds = tn("1 seed", "{n} seeds", len(self.seeds))
        return " · ".join(filter(None, (recipe_name(self.recipe), seeds, ", ".join(self.hardware))))

    def caption(self) -> list[str]:
        """The lines under a figure's title."""
        return [*([t("Synthetic data: pictures drawn by the program")] if self.synthetic else []), self.summary()]


def provenance(recipe: Recipe, runs: Iterable[Finished], latencies: Latencies | None) -> Provenance:
    """The provenance of ``runs``, of which there is at least one, and of the study's ``latencies``. Notes that are missing
    are left out."""
    order = {name: rank for rank, name in enumerate((DENSE, *METHODS))}
    runs = sorted(runs, key=lambda run: (order[run.spec.method], run.spec.variant))
    results = [run.result for run in runs]
    environments = [result.environment for result in results]
    times = [run.time for run in runs if run.time is not None]
    wall = [result.wall_seconds for result in results]
    return Provenance(
        recipe=recipe,
        variants={run.spec.variant: run.spec for run in runs},
        seeds=tuple(sorted({run.spec.seed for run in runs})),
        runs=len(runs),
        hardware=_distinct(environment.hardware for environment in environments),
        software=_distinct(map(_versions, environments)),
        precisions=_distinct(environment.precision for environment in environments),
        commits=_distinct(environment.commit for environment in environments),
        latency=(_timing_in_one_go(latencies),) if latencies else _distinct(map(_timing, results)),
        train_pictures=results[0].train_pictures,
        test_pictures=next((result.test_pictures for result in results if result.test_pictures), None),
        split_by_name=any(result.test_split == BY_NAME for result in results),
        epochs=_ranges((run.spec.variant, _epochs(run)) for run in runs),
        training_macs=_ranges((run.spec.variant, macs) for run in runs if (macs := training_macs(run)) is not None),
        train_minutes=sum(result.train_seconds for result in results) / 60,
        wall_minutes=None if None in wall else sum(seconds or 0.0 for seconds in wall) / 60,
        dates=_distinct(f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}" for time in sorted(times)),
    )


def training_macs(run: Finished) -> float | None:
    """The multiply-accumulates of the training behind ``run``; None if its record lacks what they follow from, as for a
    network that shrank little by little.

    Three times those of a forward pass: going back, gradients are computed of activations and of weights. A teacher's
    forward pass is a third of the dense network's training.
    """
    spec, result = run.spec, run.result
    shrank = result.macs != result.dense_macs and dict(spec.settings).get("schedule", "one-shot") != "one-shot"
    if result.train_pictures is None or (spec.dense_epochs and result.dense_macs is None) or shrank:
        return None
    epochs, dense = _epochs(run), result.dense_macs or 0
    taught = epochs / 3 if dict(spec.settings).get(TEACHER.name) == TAUGHT else 0
    return 3.0 * result.train_pictures * (epochs * result.macs + (spec.dense_epochs + taught) * dense)


def _epochs(run: Finished) -> int:
    """The epochs of the run's own training, as recorded: its spec does not know them where the budget is computation."""
    schedule = run.result.schedule
    return schedule.epochs if schedule and run.spec.recipe.budget == COMPUTE else run.spec.own_epochs


def _ranges(values: Iterable[tuple[str, N]]) -> dict[str, tuple[N, N]]:
    """The least and the greatest of the numbers that come with each name."""
    found: dict[str, list[N]] = {}
    for name, value in values:
        found.setdefault(name, []).append(value)
    return {name: (min(numbers), max(numbers)) for name, numbers in found.items()}


def _distinct(values: Iterable[T | None]) -> tuple[T, ...]:
    """Those of ``values`` that say something, each once."""
    return tuple(dict.fromkeys(value for value in values if value))


def _versions(environment: Environment) -> str:
    versions = {
        "PyTorch": environment.torch,
        "torchvision": environment.torchvision,
        "Python": environment.python,
        "cuDNN": environment.cudnn,
        "NVIDIA driver": environment.driver,
    }
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def _timing_in_one_go(latencies: Latencies) -> LatencyProtocol:
    place = latencies.environment
    on_cpu = place.device == "cpu"
    sizes = ((1, 1), (latencies.batch, place.threads or 1)) if on_cpu else ()
    return LatencyProtocol("eager" if on_cpu else "CUDA-graph replay", "float32", sizes, place.hardware or "")


def _timing(result: RunResult) -> LatencyProtocol | None:
    latency = result.latency
    sizes = tuple((timing.batch, timing.threads) for timing in (latency.single, latency.batch) if timing)
    return LatencyProtocol(latency.how or "", latency.dtype or "", sizes) if sizes or latency.how else None
