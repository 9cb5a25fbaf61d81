"""What was estimated when runs were launched, and what they then took."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from core.runs.atomic_io import append_line, modified, read_lines
from core.runs.folder import Home, State
from core.spec.errors import InputError
from core.spec.validate import finite

_NEWEST = 20  # launches that are looked at


@dataclass(frozen=True, slots=True)
class Forecast:
    """The estimate for the runs of one launch, in seconds; ``measured``: from runs of the same kind, not guessed."""

    t: float
    seconds: float
    measured: bool
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A forecast, and how many seconds went by from the launch to the end of its last run."""

    forecast: Forecast
    took: float


def record_forecast(home: Home, seconds: float, measured: bool, runs: Iterable[str]) -> None:
    """Keep what was estimated for ``runs``, which are being launched with nothing before them in the queue."""
    with suppress(OSError):  # a note for later: no reason to stop a launch
        append_line(_path(home), asdict(Forecast(time.time(), seconds, measured, tuple(runs))))


def last_outcome(home: Home) -> Outcome | None:
    """The newest launch of which every run is done, at the first attempt; None if there is none."""
    for forecast in reversed(_read(_path(home))[-_NEWEST:]):
        with suppress(InputError, OSError):
            folders = [home.run(run_id) for run_id in forecast.runs]
            if all(folder.state() == State.DONE and _at_once(folder.events()) for folder in folders):
                took = max(modified(folder.result_path) for folder in folders) - forecast.t
                if took > 0:
                    return Outcome(forecast, took)
    return None


def _at_once(events: list[dict[str, object]]) -> bool:
    """Whether nobody stopped the run or launched it again."""
    kinds = [event["type"] for event in events]
    return kinds.count("queued") <= 1 and kinds.count("started") <= 1 and "cancelled" not in kinds


def _path(home: Home) -> Path:
    return home.cache / "forecasts.jsonl"


def _read(path: Path) -> list[Forecast]:
    found = []
    for line in read_lines(path):
        t, seconds, runs = finite(line.get("t")), finite(line.get("seconds")), line.get("runs")
        if t and seconds and isinstance(runs, list) and runs and all(isinstance(run, str) for run in runs):
            found.append(Forecast(t, seconds, line.get("measured") is True, tuple(runs)))
    return found
