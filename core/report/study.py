"""The finished runs of one recipe, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from core.i18n import Message
from core.report.provenance import Finished, Provenance, provenance
from core.results.frame import Results, studies, study_frame
from core.runs.atomic_io import MAX_TIME
from core.runs.folder import Home, RunFolder
from core.runs.latencies import read_latencies
from core.spec.errors import InputError, invalid_value
from core.spec.methods import DENSE
from core.spec.spec import Recipe, RunSpec
from core.spec.validate import finite


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
    recipes = studies(frame)
    if not recipes:
        raise InputError(
            "{path} has no results: train something first, or name another folder with --home.", path=home.path
        )
    matching = [key for key, label in recipes.items() if wanted in (None, key, label)]
    if not matching:
        raise invalid_value(
            "--recipe",
            wanted,
            Message("one of {choices}", choices="; ".join(f"{key} ({label})" for key, label in recipes.items())),
        )
    key = matching[0]
    rows = study_frame(frame, key)
    folders = [home.run(run_id) for run_id in rows["run_id"]]
    runs = [Finished(folder.spec, result, _finished(folder)) for folder in folders if (result := folder.result())]
    others = {other: label for other, label in recipes.items() if other != key}
    return Study(
        key, recipes[key], others, rows, folders, runs, provenance(_recipe(runs), runs, read_latencies(home, key))
    )


def _recipe(runs: Sequence[Finished]) -> Recipe:
    """The recipe of the pruned runs, since a dense run's own says nothing about fine-tuning."""
    return next((run.spec.recipe for run in runs if run.spec.method != DENSE), runs[0].spec.recipe)


def _finished(folder: RunFolder) -> float | None:
    """When the run ended, as its journal says: a copy of the folder has other file times."""
    for event in reversed(folder.events()):
        time = finite(event.get("t"))
        if event["type"] == "done" and time is not None and 0 < time < MAX_TIME:
            return time
    return None


def layers(study: Study) -> pd.DataFrame:
    """One row a layer of each run: run_id, layer, and the density that is left."""
    rows = [(run.spec.run_id, layer.name, layer.density) for run in study.runs for layer in run.result.layers]
    return pd.DataFrame(rows, columns=["run_id", "layer", "density"])


def dead_layers(runs: Sequence[Finished]) -> dict[RunSpec, Sequence[str]]:
    """The layers that lost every weight, of each run that has such."""
    return {run.spec: run.result.dead_layers for run in runs if run.result.dead_layers}
