"""The finished runs of one recipe: where they come from, and all of their numbers as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from core.i18n import Message
from core.report.provenance import Finished, Provenance, provenance
from core.results.frame import Results, studies, study_frame
from core.results.metrics import METRICS
from core.results.statistics import summarise
from core.runs.atomic_io import MAX_TIME
from core.runs.folder import Home, RunFolder
from core.spec.errors import InputError, invalid_value
from core.spec.methods import DENSE
from core.spec.spec import Recipe, RunSpec
from core.spec.validate import finite

# What a reader of all_results.json finds first in every run.
FIRST_KEYS = (
    "method",
    "sparsity",
    "seed",
    "test_accuracy",
    "params_millions",
    "model_size_mb",
    "inference_latency_ms",
)
FORMAT = "prunescope-results-1"


@dataclass(frozen=True)
class Study:
    """The finished runs of one recipe; ``name`` is that of its folder of files, ``others`` the recipes beside it."""

    key: str
    label: str
    others: Mapping[str, str]
    frame: pd.DataFrame
    folders: Sequence[RunFolder]
    runs: Sequence[Finished]
    source: Provenance

    @property
    def name(self) -> str:
        return f"{self.source.recipe.preset}-{self.key}"


def find_study(home: Home, wanted: str | None = None) -> Study:
    """The study whose recipe has the key or label ``wanted``, or that with the newest result. InputError if there are no
    results, or none of that recipe."""
    frame = Results(home).frame()
    there = studies(frame)
    if not there:
        raise InputError(
            "{path} has no results: train something first, or name another folder with --home.", path=home.path
        )
    matching = [key for key, label in there.items() if wanted in (None, key, label)]
    if not matching:
        raise invalid_value(
            "--recipe",
            wanted,
            Message("one of {choices}", choices="; ".join(f"{key} ({label})" for key, label in there.items())),
        )
    key = matching[0]
    rows = study_frame(frame, key)
    folders = [home.run(run_id) for run_id in rows["run_id"]]
    runs = [Finished(folder.spec, result, _finished(folder)) for folder in folders if (result := folder.result())]
    others = {other: label for other, label in there.items() if other != key}
    return Study(key, there[key], others, rows, folders, runs, provenance(_recipe(runs), runs))


def all_results(study: Study) -> dict[str, Any]:
    """Everything about a study as plain JSON data: where it comes from, mean and interval of every configuration, and
    the whole record of every run. docs/results.schema.json describes it."""
    rows = {row["run_id"]: row for _, row in study.frame.iterrows()}
    return {
        "format": FORMAT,
        "study": _provenance(study),
        "configurations": list(_configurations(study.frame)),
        "runs": [_run(run, rows[run.spec.run_id]) for run in study.runs],
    }


def _provenance(study: Study) -> dict[str, Any]:
    source = study.source
    return {
        "recipe": study.key,
        "label": study.label,
        **asdict(source.recipe),
        "synthetic": source.synthetic,
        "seeds": list(source.seeds),
        "hardware": list(source.hardware),
        "software": list(source.software),
        "commits": list(source.commits),
        "finished": list(source.dates),
        "train_minutes": round(source.train_minutes, 2),
    }


def _configurations(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    for _, row in summarise(frame).iterrows():
        own = frame[(frame["variant"] == row["variant"]) & (frame["sparsity"] == row["sparsity"])]
        yield {
            "method": row["method"],
            "variant": row["variant"],
            "sparsity": row["sparsity"],
            "seeds": sorted(map(int, own["seed"])),
            "metrics": {name: {"mean": _or_none(row[name]), "ci95": _or_none(row[f"{name}_ci"])} for name in METRICS},
        }


def _run(run: Finished, row: pd.Series[Any]) -> dict[str, Any]:
    record = run.result.to_json()
    own = {
        "variant": run.spec.variant,
        "recipe": run.spec.recipe.key,
        "accuracy_change": _or_none(row["accuracy_change"]),
        "size_ratio": _or_none(row["size_ratio"]),
    }
    return {**{name: record[name] for name in FIRST_KEYS}, **own, **record}


def _recipe(runs: Sequence[Finished]) -> Recipe:
    """The recipe of the pruned runs, since a dense run's own says nothing about fine-tuning."""
    return next((run.spec.recipe for run in runs if run.spec.method != DENSE), runs[0].spec.recipe)


def _finished(folder: RunFolder) -> float | None:
    """When the run ended, as its journal says: a copy of the folder has other file times."""
    for event in reversed(folder.events()):
        noted = finite(event.get("t"))
        if event["type"] == "done" and noted is not None and 0 < noted < MAX_TIME:
            return noted
    return None


def layers(study: Study) -> pd.DataFrame:
    """One row a layer of each run: run_id, layer, and the density that is left."""
    rows = [(run.spec.run_id, layer.name, layer.density) for run in study.runs for layer in run.result.layers]
    return pd.DataFrame(rows, columns=["run_id", "layer", "density"])


def dead_layers(runs: Sequence[Finished]) -> dict[RunSpec, Sequence[str]]:
    """The layers that lost every weight, of each run that has such."""
    return {run.spec: run.result.dead_layers for run in runs if run.result.dead_layers}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
