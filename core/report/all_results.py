"""all_results.json: all numbers of a study as plain data, and the schema of that file.

python -m core.report.all_results > docs/results.schema.json
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema

from core.report.provenance import Finished
from core.report.study import Study
from core.results.metrics import METRICS, derived_metrics
from core.results.paired import pairwise
from core.results.statistics import summarise
from core.runs.record import EXACT, Amount, AtLeastOne, Count, Note, Sparsity
from core.runs.result import RunResult, TrainingSchedule
from core.spec.datasets import SIZE
from core.spec.methods import DENSE
from core.spec.networks import RESNET18

FORMAT = "prunescope-results-1"
Texts = Annotated[tuple[str, ...], Field(json_schema_extra={"uniqueItems": True})]
Seeds = Annotated[tuple[Count, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})]


class _Exact(BaseModel):
    model_config = EXACT


class StudyRecord(_Exact):
    """What all runs share, and where they were executed. ``recipe`` is the key of the recipe: runs of one key can be
    compared. ``train``: null where the dense network was imported. ``synthetic``: the pictures were drawn by the program.
    ``finished``: dates in UTC."""

    recipe: str
    label: str
    preset: str
    data: str
    network: str = RESNET18
    network_sha256: Note | None = None
    weights_sha256: Note | None = None
    size: AtLeastOne = SIZE
    width: Count
    train: TrainingSchedule | None
    finetune: TrainingSchedule | None
    precision: Literal["auto", "fp32", "bf16"]
    budget: Literal["epochs", "compute"] = "epochs"
    synthetic: bool
    seeds: Seeds
    hardware: Texts
    software: Texts
    commits: Texts
    finished: Texts
    train_minutes: Amount


class Mean(_Exact):
    """A mean over seeds, and half of its 95 % Student-t interval (null for fewer than two seeds)."""

    mean: float | None
    ci95: Amount | None


class Configuration(_Exact):
    """The means of the runs that differ in nothing but the seed, ``at_chance`` of which do no better than guessing."""

    method: str
    variant: str
    sparsity: Sparsity
    seeds: Seeds
    at_chance: Count
    metrics: Annotated[Mapping[str, Mean], Field(json_schema_extra=lambda schema: schema.update(required=[*METRICS]))]


class Comparison(_Exact):
    """By how many points ``first`` is more accurate than ``second``, seed by seed, over the ``seeds`` that both have (dense
    counts at every sparsity). ``p_holm``: of the paired t test, corrected by Holm's method for all pairs of the sparsity;
    null for fewer than two such seeds."""

    sparsity: Sparsity
    first: str
    second: str
    seeds: Count
    difference: Mean
    p_holm: Annotated[float, Field(ge=0, le=1)] | None


def _add_derived(schema: dict[str, Any]) -> None:
    number = {"anyOf": [{"type": "number"}, {"type": "null"}]}
    schema["properties"] |= dict.fromkeys(derived_metrics(), number)
    schema["required"] += derived_metrics()


class RunRecord(RunResult):
    """The whole record of a run, and its metrics against dense. Sizes in MB are 10^6 bytes, latencies ms per picture,
    accuracies percent."""

    model_config = ConfigDict(json_schema_extra=_add_derived)

    variant: str
    recipe: str
    at_chance: bool


class AllResults(_Exact):
    """Written by python -m core evaluate."""

    format: Literal["prunescope-results-1"]
    study: StudyRecord
    configurations: Annotated[tuple[Configuration, ...], Field(min_length=1)]
    comparisons: tuple[Comparison, ...] = ()
    runs: Annotated[tuple[RunRecord, ...], Field(min_length=1)]


class _Untitled(GenerateJsonSchema):
    """Without a title for each field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The JSON schema of all_results.json."""
    schema = AllResults.model_json_schema(schema_generator=_Untitled)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "all_results.json of PruneScope",
    }


def all_results(study: Study) -> dict[str, Any]:
    """Everything about a study as plain JSON data: where it comes from, mean and interval of every configuration, and
    the whole record of every run. docs/results.schema.json describes it."""
    rows = {row["run_id"]: row for _, row in study.frame.iterrows()}
    return {
        "format": FORMAT,
        "study": _provenance(study),
        "configurations": list(_configurations(study.frame)),
        "comparisons": list(_comparisons(study.frame)),
        "runs": [_run(run, rows[run.spec.run_id]) for run in study.runs],
    }


def _provenance(study: Study) -> dict[str, Any]:
    source = study.source
    return {
        "recipe": study.key,
        "label": study.label,
        **source.recipe.to_json(),
        **({"train": None} if source.recipe.imported else {}),
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
            "at_chance": int(row["at_chance"]),
            "metrics": {name: {"mean": _or_none(row[name]), "ci95": _or_none(row[f"{name}_ci"])} for name in METRICS},
        }


def _comparisons(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    variants = summarise(frame)["variant"].unique()
    for sparsity in sorted(frame.loc[frame["method"] != DENSE, "sparsity"].unique()):
        for pair in pairwise(frame, variants, sparsity):
            yield {
                "sparsity": float(sparsity),
                "first": pair.first,
                "second": pair.second,
                "seeds": pair.gap.n,
                "difference": {"mean": _or_none(pair.gap.mean), "ci95": _or_none(pair.gap.half_width)},
                "p_holm": _or_none(pair.p),
            }


def _run(run: Finished, row: pd.Series[Any]) -> dict[str, Any]:
    spec = run.spec  # what the record says of the run itself is not relied on
    identity = {name: getattr(spec, name) for name in ("run_id", "method", "sparsity", "seed", "variant")}
    derived = {name: _or_none(row[name]) for name in derived_metrics()}
    return {
        **run.result.to_json(),
        **identity,
        "recipe": spec.recipe.key,
        "at_chance": bool(row["at_chance"]),
        **derived,
    }


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=1))
