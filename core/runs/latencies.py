"""The latencies of a study: of every network shape in it, timed in one go after its last run had ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from core.runs.atomic_io import write_json
from core.runs.folder import Home
from core.runs.record import EXACT, Amount, AtLeastOne, Name, Positive, read_object
from core.runs.result import Environment, Speedup
from core.spec.errors import InputError


@dataclass(frozen=True, slots=True, config=EXACT)
class Latencies:
    """What was timed of the study of a ``recipe`` (its key) at the time ``measured`` (seconds since 1970).

    ``dense_ms``: milliseconds per image of the dense network, by the field of RunResult that has it. ``speedups``: by the
    digest of a shape (:attr:`RunResult.shape`) and the field. ``noise``: the dense network against a copy of itself.
    """

    recipe: Name
    measured: Amount
    environment: Environment
    batch: AtLeastOne
    dense_ms: Mapping[str, Positive]
    noise: Mapping[str, Speedup]
    speedups: Mapping[str, Mapping[str, Speedup]]


_LATENCIES = TypeAdapter(Latencies)


def latencies_path(home: Home, recipe: str) -> Path:
    return home.latencies / f"{recipe}.json"


def write_latencies(home: Home, latencies: Latencies) -> None:
    """Replace what is known of the study; OSError if the disk refuses."""
    path = latencies_path(home, latencies.recipe)
    path.parent.mkdir(exist_ok=True)
    write_json(path, _LATENCIES.dump_python(latencies, mode="json", exclude_unset=True))


def read_all_latencies(home: Home) -> dict[str, Latencies]:
    """What was timed of every study, by the key of its recipe."""
    found = (read_latencies(home, path.stem) for path in home.latencies.glob("*.json"))
    return {one.recipe: one for one in found if one}


def read_latencies(home: Home, recipe: str) -> Latencies | None:
    """What was timed of the study; None if nothing was, or the record is damaged or another study's."""
    try:
        latencies = _LATENCIES.validate_python(read_object(latencies_path(home, recipe)))
    except (FileNotFoundError, InputError, ValidationError):
        return None
    return latencies if latencies.recipe == recipe else None
