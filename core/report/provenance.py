"""Where the numbers of a study come from: data, network, schedules, hardware, versions, time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.i18n import t, tn
from core.labels import recipe_name
from core.spec.methods import DENSE, METHODS
from core.spec.spec import FOLDER_PREFIX, Recipe, RunSpec
from core.spec.validate import finite

FULL_WIDTH = 64  # of ResNet-18
_VERSIONS = {"torch": "PyTorch", "torchvision": "torchvision", "python": "Python"}
_MAX_TEXT = 120


@dataclass(frozen=True, slots=True)
class Finished:
    """One finished run: what was asked, what came out, and when (seconds since 1970; None where nobody noted it)."""

    spec: RunSpec
    result: Mapping[str, Any]
    time: float | None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a study's runs share and where they were executed. ``variants``: one spec of each, dense first. ``latency``:
    each way in which it was timed. ``train_minutes`` were spent in training epochs, ``wall_minutes`` in whole runs (None:
    not recorded)."""

    recipe: Recipe
    variants: Mapping[str, RunSpec]
    seeds: tuple[int, ...]
    runs: int
    hardware: tuple[str, ...]
    software: tuple[str, ...]
    precisions: tuple[str, ...]
    commits: tuple[str, ...]
    latency: tuple[str, ...]
    train_pictures: int | None
    train_minutes: float
    wall_minutes: float | None
    dates: tuple[str, ...]

    @property
    def synthetic(self) -> bool:
        return self.recipe.data == "synthetic"

    @property
    def folder(self) -> bool:
        return self.recipe.data.startswith(FOLDER_PREFIX)

    @property
    def data(self) -> str:
        """The name of the data set; of a folder only the last part, since where it lies says nothing to others."""
        return self.recipe.data.rstrip("/").rsplit("/", 1)[-1] if self.folder else self.recipe.data

    def caption(self) -> list[str]:
        """The lines under a figure's title."""
        count = len(self.seeds)
        seeds = tn("1 seed", "{n} seeds", count)
        line = " · ".join((recipe_name(self.recipe.label), seeds, ", ".join(self.hardware)))
        return [*([t("Synthetic data: pictures drawn by the program")] if self.synthetic else []), line]


def provenance(recipe: Recipe, runs: Iterable[Finished]) -> Provenance:
    """The provenance of ``runs``, of which there is at least one. Notes that are missing or garbled are left out."""
    order = {name: rank for rank, name in enumerate((DENSE, *METHODS))}
    runs = sorted(runs, key=lambda run: (order[run.spec.method], run.spec.variant))
    results = [run.result for run in runs]
    environments = [noted for result in results if isinstance(noted := result.get("environment"), dict)]
    times = [run.time for run in runs if run.time is not None]
    pictures = finite(results[0].get("train_pictures"))
    wall = [finite(result.get("wall_seconds")) for result in results]
    return Provenance(
        recipe=recipe,
        variants={run.spec.variant: run.spec for run in runs},
        seeds=tuple(sorted({run.spec.seed for run in runs})),
        runs=len(runs),
        hardware=_texts(environment.get("hardware") for environment in environments) or ("unknown hardware",),
        software=_texts(map(_versions, environments)),
        precisions=_texts(environment.get("precision") for environment in environments),
        commits=_texts(environment.get("commit") for environment in environments),
        latency=_texts(map(_timing, results)),
        train_pictures=None if pictures is None else int(pictures),
        train_minutes=sum(finite(result.get("train_seconds")) or 0.0 for result in results) / 60,
        wall_minutes=None if None in wall else sum(seconds or 0.0 for seconds in wall) / 60,
        dates=_texts(f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}" for time in sorted(times)),
    )


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    """Those of ``values`` that are text, each once, on one line and cut short."""
    return tuple(dict.fromkeys(" ".join(v.split())[:_MAX_TEXT] for v in values if isinstance(v, str) and v.strip()))


def _versions(environment: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {environment[key]}" for key, name in _VERSIONS.items() if key in environment)


def _timing(result: Mapping[str, Any]) -> str:
    """How latency was timed: mode, number format, batch sizes with the number of threads."""
    latency = result.get("latency")
    if not isinstance(latency, dict):
        return ""
    sizes = []
    for name in ("single", "batch"):
        noted = latency.get(name)
        if isinstance(noted, dict) and finite(noted.get("batch")) and finite(noted.get("threads")):
            count = noted["threads"]
            sizes.append(f"batch {noted['batch']} on {count} thread{'' if count == 1 else 's'}")
    return ", ".join(str(part) for part in (latency.get("how"), latency.get("dtype"), *sizes) if part)
